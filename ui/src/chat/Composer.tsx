import { useQuery } from "@tanstack/react-query";
import { ArrowUp, FileText, Paperclip, Square, X } from "lucide-react";
import { type ClipboardEvent, type KeyboardEvent, type ReactNode, type Ref, Suspense, lazy, useCallback, useEffect, useImperativeHandle, useRef, useState } from "react";
import { api, data } from "@/api/client";
import { sentenceOf } from "@/api/errors";
import { useSession } from "@/api/session";
import { IconButton } from "@/parts/Button";
import { classes } from "@/parts/classes";
import { money, nanosOf } from "@/parts/money";
import { type Attachment, LONG_PASTE_CHARS, imagesOf, pasted } from "./attachments";
import { useChat, useView } from "./context";
import { storeDraft, storedDraft } from "./drafts";
import { editing } from "./editing";
import { isTouch, sends } from "./keys";
import { looksLikeKey } from "./keylike";
import { LooksLikeKey } from "./LooksLikeKey";
import { used } from "./models";

const Tools = lazy(async () => ({ default: (await import("./Tools")).Tools }));

export interface ComposerHandle {
  fill: (text: string, focusSend?: boolean) => void;
}

const SHOWN_FROM_NANOS = 10_000_000n;

/** The field is the browser's own: a key press costs the same however long the conversation is. */
export function Composer({ model, ref }: { model: string; ref?: Ref<ComposerHandle> }): ReactNode {
  const chat = useChat();
  const { isRunning } = useView();
  const user = useSession().data?.user?.id ?? "anonymous";
  const field = useRef<HTMLTextAreaElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const [isEmpty, setIsEmpty] = useState(true);
  const [wantsSend, setWantsSend] = useState(false);
  const [held, setHeld] = useState(false);
  const [attached, setAttached] = useState<Attachment[]>([]);
  const [note, setNote] = useState("");
  const [settled, setSettled] = useState("");
  const storing = useRef<ReturnType<typeof setTimeout>>(undefined);
  // what the operator offers beside models is asked for when everything else is there
  const [isSettled, setIsSettled] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsSettled(true), 600);
    return () => clearTimeout(timer);
  }, []);

  const fit = useCallback((): void => {
    const area = field.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 240)}px`;
    setIsEmpty(area.value.trim() === "");
  }, []);

  const fill = useCallback(
    (text: string, focusSend = false): void => {
      if (!field.current) return;
      field.current.value = text;
      fit();
      setWantsSend(focusSend);
      if (!focusSend) field.current.focus();
    },
    [fit],
  );
  // the button is off until the page has drawn the text
  useEffect(() => {
    if (!wantsSend || isEmpty) return;
    button.current?.focus();
    setWantsSend(false);
  }, [wantsSend, isEmpty]);
  useImperativeHandle(ref, () => ({ fill }), [fill]);

  useEffect(() => {
    // a draft comes back after a reload or a round trip to sign in; it never replaces what is being typed
    if (field.current && field.current.value === "") fill(storedDraft(user, chat.view.get().id));
    if (isTouch()) field.current?.blur();
    else if (document.activeElement?.closest("[data-first-run]") == null) field.current?.focus();
    chat.onTaken = () => {
      storeDraft(user, null, "");
      storeDraft(user, chat.view.get().id, "");
    };
  }, [chat, user, fill]);

  const typed = (): void => {
    fit();
    if (held) setHeld(false);
    clearTimeout(storing.current);
    storing.current = setTimeout(() => {
      const text = field.current?.value ?? "";
      storeDraft(user, chat.view.get().id, text);
      setSettled(text);
    }, 400);
  };

  const submit = (anyway = false): void => {
    const text = field.current?.value.trim() ?? "";
    const texts = attached.filter((one) => one.kind === "text").map((one) => one.content);
    const whole = [text, ...texts].filter(Boolean).join("\n\n");
    if (isRunning || whole === "") return;
    if (!anyway && looksLikeKey(whole)) {
      setHeld(true);
      return;
    }
    clearTimeout(storing.current);
    setHeld(false);
    setNote("");
    setSettled("");
    used(model);
    const images = attached.filter((one) => one.kind === "image").map((one) => one.content);
    setAttached([]);
    if (field.current) field.current.value = "";
    fit();
    if (!isTouch()) field.current?.focus();
    void chat.ask({ text: whole, images });
  };

  const pressed = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.key === "Escape" && isRunning) {
      event.preventDefault();
      chat.stop();
    } else if (event.key === "ArrowUp" && event.currentTarget.value === "" && !isRunning) {
      const last = chat.view.get().said.findLast((one) => one.role === "user");
      if (last) {
        event.preventDefault();
        editing.set(last.key);
      }
    } else if (sends(event.nativeEvent)) {
      event.preventDefault();
      submit();
    }
  };

  const take = async (files: Iterable<File>): Promise<void> => {
    try {
      const { taken, refused } = await imagesOf(files, attached);
      setAttached((before) => [...before, ...taken]);
      setNote(refused);
    } catch (cause) {
      setNote(sentenceOf(cause));
    }
  };

  const paste = (event: ClipboardEvent): void => {
    const files = [...event.clipboardData.files];
    const text = event.clipboardData.getData("text/plain");
    if (files.length > 0) {
      event.preventDefault();
      void take(files);
    } else if (text.length > LONG_PASTE_CHARS) {
      event.preventDefault();
      setAttached((before) => [...before, pasted(text)]);
    }
  };

  return (
    <form
      className="mx-auto w-full max-w-[720px] px-4 pb-4 max-wide:px-2 max-wide:pb-2"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void take(event.dataTransfer.files);
      }}
    >
      {held && <LooksLikeKey send={() => submit(true)} />}
      {note && (
        <p role="alert" className="mb-2 text-console text-bad">
          {note}
        </p>
      )}
      <div className="rounded-composer border border-control bg-raised p-2 focus-within:border-transparent focus-within:outline-2 focus-within:outline-offset-0 focus-within:outline-accent">
        {attached.length > 0 && (
          <ul className="flex flex-wrap gap-2 p-1" aria-label="Attached">
            {attached.map((one) => (
              <li key={one.key} className="flex items-center gap-2 rounded-card border border-line bg-sunk py-1 pr-1 pl-2 text-console">
                {one.kind === "image" ? <img src={one.content} alt="" className="size-8 rounded-control object-cover" /> : <FileText size={16} strokeWidth={1.75} aria-hidden />}
                <span className="max-w-48 truncate">{one.name}</span>
                <IconButton label={`Remove ${one.name}`} className="size-6!" onClick={() => setAttached(attached.filter((other) => other.key !== one.key))}>
                  <X size={14} strokeWidth={1.75} />
                </IconButton>
              </li>
            ))}
          </ul>
        )}
        <textarea
          ref={field}
          rows={1}
          aria-label="Message"
          placeholder="Message..."
          enterKeyHint={isTouch() ? "enter" : "send"}
          onInput={typed}
          onKeyDown={pressed}
          onPaste={paste}
          className="block w-full resize-none bg-transparent px-2 py-1.5 text-chat outline-none placeholder:text-ink-3 max-wide:text-chat-phone"
        />
        <div className="flex items-center gap-1">
          <label className="inline-flex size-8 cursor-pointer items-center justify-center rounded-control text-ink-2 focus-within:outline-2 focus-within:outline-accent hover:bg-sunk hover:text-ink max-wide:size-11" title="Attach images">
            <Paperclip size={16} strokeWidth={1.75} aria-hidden />
            <span className="sr-only">Attach images</span>
            <input
              type="file"
              accept="image/png,image/jpeg,image/webp,image/gif"
              multiple
              className="sr-only"
              onChange={(event) => {
                void take(event.target.files ?? []);
                event.target.value = "";
              }}
            />
          </label>
          <Suspense>{isSettled && <Tools />}</Suspense>
          <span className="ml-auto" />
          {!isEmpty && !isRunning && <Estimate text={settled} model={model} />}
          {isRunning ? (
            <button key="stop" ref={button} type="button" onClick={() => chat.stop()} className={classes(ROUND, "bg-ink text-page")} aria-label="Stop" title="Stop (Esc)">
              <Square size={12} fill="currentColor" strokeWidth={0} aria-hidden /> Stop
            </button>
          ) : (
            <button key="send" ref={button} type="submit" disabled={isEmpty && attached.every((one) => one.kind === "image")} className={classes(ROUND, "bg-accent text-on-accent disabled:bg-sunk disabled:text-ink-3")}>
              <ArrowUp size={16} strokeWidth={2} aria-hidden /> Send
            </button>
          )}
        </div>
      </div>
    </form>
  );
}

const ROUND = "inline-flex h-8 min-w-20 items-center justify-center gap-1.5 rounded-full px-3 font-medium max-wide:h-11";

/** What the next message would cost, where that is over a cent: a long chat makes each next message dearer. */
function Estimate({ text, model }: { text: string; model: string }): ReactNode {
  const { said } = useView();
  const length = said.length;
  const estimate = useQuery({
    queryKey: ["estimate", model, length, text.length],
    queryFn: async () => {
      const messages = [...said.slice(-80).map(({ role, text: content }) => ({ role, content })), { role: "user", content: text }];
      const body = { model, messages, max_tokens: 500 } as unknown as { [name: string]: never };
      return (await data(api.POST("/api/v1/estimate", { body })))!;
    },
    enabled: text.length > 0 && !model.startsWith("sim-") && (length > 4 || text.length > 2000) && !looksLikeKey(text),
    staleTime: Infinity,
  });
  const nanos = nanosOf(estimate.data?.cost_usd);
  if (nanos === null || nanos < SHOWN_FROM_NANOS) return null;
  return (
    <span className="figures text-note text-ink-2" title="Estimated, with an answer of 500 tokens">
      {money(nanos, 4, true)}
    </span>
  );
}
