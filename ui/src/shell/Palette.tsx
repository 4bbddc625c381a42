import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, type ReactNode, useId, useMemo, useState } from "react";
import { hasLogin, isAdmin, useSession } from "@/api/session";
import { conversationsQuery } from "@/chat/conversations";
import { classes } from "@/parts/classes";
import { Dialog } from "@/parts/Dialog";
import { CONTROL } from "@/parts/Field";
import { placesFor } from "./places";

interface Choice {
  id: string;
  name: string;
  kind: string;
  go: () => void;
}

const REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/;

/** Ctrl/Cmd K: pages, conversations, actions; a pasted request id opens that call. */
export function Palette({ open, close }: { open: boolean; close: () => void }): ReactNode {
  return (
    <Dialog open={open} onClose={close} title="Go to">
      {open && <Choices close={close} />}
    </Dialog>
  );
}

function Choices({ close }: { close: () => void }): ReactNode {
  const navigate = useNavigate();
  const session = useSession().data;
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const listId = useId();
  const found = useInfiniteQuery(conversationsQuery(typed.trim()));
  const choices = useMemo(() => {
    const go = (to: string) => () => {
      close();
      void navigate({ to });
    };
    const word = typed.trim().toLowerCase();
    const places = placesFor({ admin: isAdmin(session), people: session !== undefined && hasLogin(session) })
      .map((place): Choice => ({ id: place.to, name: place.name, kind: place.group === "admin" ? "Admin" : "Page", go: go(place.to) }))
      .concat({ id: "new", name: "New chat", kind: "Action", go: go("/") }, { id: "look", name: "Theme and look", kind: "Action", go: go("/settings/look") })
      .filter((choice) => choice.name.toLowerCase().includes(word));
    const call: Choice[] =
      word.startsWith("req_") && REQUEST_ID.test(typed.trim())
        ? [{ id: "call", name: `Open call ${typed.trim()}`, kind: "Call", go: go(`/calls/${typed.trim()}`) }]
        : [];
    const chats = (found.data?.pages[0]?.data ?? [])
      .slice(0, 8)
      .map((row): Choice => ({ id: row.id, name: row.title || "Untitled", kind: "Chat", go: go(`/c/${row.id}`) }));
    return [...call, ...places, ...chats];
  }, [typed, session, found.data, navigate, close]);
  const active = Math.min(at, choices.length - 1);

  const pressed = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((active + (event.key === "ArrowDown" ? 1 : -1) + choices.length) % Math.max(1, choices.length));
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) choices[active]?.go();
  };

  return (
    <>
      <input
        autoFocus
        role="combobox"
        aria-label="Search pages, chats and calls"
        aria-expanded="true"
        aria-controls={listId}
        aria-activedescendant={choices[active] && `${listId}-${active}`}
        placeholder="Page, chat, or a request id"
        className={classes(CONTROL, "h-10")}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          setAt(0);
        }}
        onKeyDown={pressed}
      />
      <ul id={listId} role="listbox" aria-label="Found" className="flex max-h-80 flex-col overflow-y-auto">
        {choices.map((choice, index) => (
          <li
            key={choice.id}
            id={`${listId}-${index}`}
            role="option"
            aria-selected={index === active}
            onClick={choice.go}
            onPointerMove={() => setAt(index)}
            className={classes("flex min-h-9 cursor-pointer items-center justify-between gap-4 rounded-control px-3 max-wide:min-h-11", index === active && "bg-accent-tint")}
          >
            <span className="truncate">{choice.name}</span>
            <span className="shrink-0 text-note text-ink-2">{choice.kind}</span>
          </li>
        ))}
      </ul>
      {choices.length === 0 && <p className="text-ink-2">Nothing by that name.</p>}
    </>
  );
}
