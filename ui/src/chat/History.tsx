import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Ellipsis, SquarePen } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { sentenceOf } from "@/api/errors";
import { Button, ButtonLink, IconButton } from "@/parts/Button";
import { classes } from "@/parts/classes";
import { Actions, Dialog } from "@/parts/Dialog";
import { CONTROL, Field } from "@/parts/Field";
import { Panel } from "@/parts/Panel";
import { type Listed, change, conversationsQuery, exportPath, remove } from "./conversations";

/** Conversations, by when they were used last; the search runs on the server, over every message. */
export function History(): ReactNode {
  const [typed, setTyped] = useState("");
  const words = useSettled(typed.trim(), 250);
  const list = useInfiniteQuery({ ...conversationsQuery(words), placeholderData: (before) => before });
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-2">
      <ButtonLink to="/" className="w-full">
        <SquarePen size={16} strokeWidth={1.75} aria-hidden />
        New chat
      </ButtonLink>
      <input
        type="search"
        data-search=""
        aria-label="Search conversations"
        placeholder="Search"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        className={classes(CONTROL, "h-8 text-console max-wide:h-11")}
      />
      <nav aria-label="Conversations" className="min-h-0 flex-1 overflow-y-auto">
        <Panel query={list} rows={6}>
          {({ pages }) => {
            const rows = pages.flatMap((page) => page.data);
            if (rows.length === 0) return <p className="px-2 text-console text-ink-3">{words ? "Nothing found." : "Your conversations appear here."}</p>;
            return (
              <>
                {byDay(rows).map(([day, some]) => (
                  <section key={day} aria-label={day}>
                    <h2 className="px-2 pt-2 pb-1 text-note font-normal text-ink-3">{day}</h2>
                    <ul>
                      {some.map((row) => (
                        <Row key={row.id} row={row} />
                      ))}
                    </ul>
                  </section>
                ))}
                {list.hasNextPage && (
                  <Button small kind="quiet" className="w-full" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                    Older
                  </Button>
                )}
              </>
            );
          }}
        </Panel>
      </nav>
    </div>
  );
}

function Row({ row }: { row: Listed }): ReactNode {
  const menu = useRef<HTMLDivElement>(null);
  const id = useId();
  const [dialog, setDialog] = useState<"rename" | "delete">();
  const choose = (what: "rename" | "delete"): void => {
    menu.current?.hidePopover();
    setDialog(what);
  };
  return (
    <li className="group relative">
      <Link
        to="/c/$id"
        params={{ id: row.id }}
        search={row.messageId ? { m: row.messageId } : {}}
        activeOptions={{ includeSearch: false }}
        className="flex min-h-8 flex-col justify-center rounded-control py-1 pr-8 pl-2 text-console text-ink-2 no-underline hover:bg-sunk hover:text-ink max-wide:min-h-11 max-wide:pr-12"
        activeProps={{ className: "bg-accent-tint text-ink! font-medium" }}
      >
        <span className="truncate">{row.title || "Untitled"}</span>
        {row.excerpt && <span className="truncate text-note font-normal text-ink-3">{row.excerpt}</span>}
      </Link>
      <IconButton
        label={`Actions for ${row.title || "Untitled"}`}
        popoverTarget={id}
        className="anchor-button absolute! top-0.5 right-0.5 size-7! opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 max-wide:size-10! max-wide:opacity-100"
        onClick={(event) => {
          const { bottom, right } = event.currentTarget.getBoundingClientRect();
          if (menu.current) {
            menu.current.style.top = `${Math.min(bottom, innerHeight - 180)}px`;
            menu.current.style.left = `${Math.max(8, right - 160)}px`;
          }
        }}
      >
        <Ellipsis size={16} strokeWidth={1.75} />
      </IconButton>
      <div ref={menu} id={id} popover="auto" className="m-0 w-40 rounded-card border border-line bg-raised p-1 text-ink shadow-float">
        <MenuItem act={() => choose("rename")}>Rename</MenuItem>
        <a className={ITEM} href={exportPath(row.id, "markdown")} download onClick={() => menu.current?.hidePopover()}>
          Export as Markdown
        </a>
        <a className={ITEM} href={exportPath(row.id, "json")} download={`${row.id}.json`} onClick={() => menu.current?.hidePopover()}>
          Export as JSON
        </a>
        <MenuItem act={() => choose("delete")}>Delete</MenuItem>
      </div>
      {dialog === "rename" && <Rename row={row} close={() => setDialog(undefined)} />}
      {dialog === "delete" && <Delete row={row} close={() => setDialog(undefined)} />}
    </li>
  );
}

const ITEM = "flex min-h-8 w-full items-center rounded-control px-2 text-left text-console text-ink no-underline hover:bg-sunk max-wide:min-h-11";

function MenuItem({ act, children }: { act: () => void; children: ReactNode }): ReactNode {
  return (
    <button type="button" className={ITEM} onClick={act}>
      {children}
    </button>
  );
}

function Rename({ row, close }: { row: Listed; close: () => void }): ReactNode {
  const [error, setError] = useState("");
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    try {
      await change(row.id, { title: String(new FormData(event.currentTarget).get("title")).trim() });
      close();
    } catch (cause) {
      setError(sentenceOf(cause));
    }
  };
  return (
    <Dialog open onClose={close} title="Rename the conversation">
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Field label="Title" name="title" defaultValue={row.title} required maxLength={200} autoFocus error={error || undefined} />
        <Actions>
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" kind="main">
            Rename
          </Button>
        </Actions>
      </form>
    </Dialog>
  );
}

function Delete({ row, close }: { row: Listed; close: () => void }): ReactNode {
  const [error, setError] = useState("");
  const navigate = useNavigate();
  const { id } = useParams({ strict: false });
  const act = async (): Promise<void> => {
    try {
      await remove(row.id);
      close();
      if (id === row.id) await navigate({ to: "/" });
    } catch (cause) {
      setError(sentenceOf(cause));
    }
  };
  return (
    <Dialog open onClose={close} title="Delete the conversation?">
      <p>
        {row.title || "Untitled"} and all its messages go for good. What was spent stays in usage.
      </p>
      {error && (
        <p role="alert" className="text-bad">
          {error}
        </p>
      )}
      <Actions>
        <Button onClick={close} autoFocus>
          Keep
        </Button>
        <Button kind="danger" onClick={() => void act()}>
          Delete
        </Button>
      </Actions>
    </Dialog>
  );
}

/** Today · Yesterday · Last 7 days · months, in the viewer's zone. */
export function byDay(rows: Listed[], now: Date = new Date()): [string, Listed[]][] {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime() / 1000;
  const groups = new Map<string, Listed[]>();
  for (const row of rows) {
    const name =
      row.at >= today
        ? "Today"
        : row.at >= today - 86_400
          ? "Yesterday"
          : row.at >= today - 7 * 86_400
            ? "Last 7 days"
            : new Date(row.at * 1000).toLocaleDateString("en", { month: "long", year: "numeric" });
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups];
}

function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
