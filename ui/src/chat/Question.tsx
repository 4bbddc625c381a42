import { Pencil } from "lucide-react";
import { type FormEvent, type KeyboardEvent, type ReactNode, useRef, useState } from "react";
import { Button, IconButton } from "@/parts/Button";
import { CopyButton } from "@/parts/CopyButton";
import { CONTROL } from "@/parts/Field";
import { MessageMenu } from "./MessageMenu";
import type { Said } from "./said";
import { useChat, useView } from "./context";
import { editing, useEditing } from "./editing";
import { sends } from "./keys";
import { looksLikeKey } from "./keylike";
import { LooksLikeKey } from "./LooksLikeKey";

/** What somebody asked. Editing makes a sibling: the question and its answer stay, and can be gone back to. */
export function Question({ said }: { said: Said }): ReactNode {
  const isEdited = useEditing() === said.key;
  const { isRunning } = useView();
  return (
    <article aria-labelledby={`${said.key}-who`} className="flex flex-col items-end gap-1">
      <h2 id={`${said.key}-who`} className="sr-only">
        You
      </h2>
      {isEdited ? (
        <Editor said={said} />
      ) : (
        <>
          {said.images.length > 0 && (
            <div className="flex flex-wrap justify-end gap-2">
              {said.images.map((url, at) =>
                url.startsWith("data:image/") ? (
                  <img key={at} src={url} alt={`Attached image ${at + 1}`} className="max-h-48 max-w-full rounded-card border border-line" />
                ) : (
                  <a key={at} href={url} target="_blank" rel="noopener noreferrer nofollow">
                    image {at + 1}
                  </a>
                ),
              )}
            </div>
          )}
          <Bubble text={said.text} />
          <MessageMenu label="Actions for this question" copies={said.text} acts={[["Edit", () => editing.set(said.key)]]} disabled={isRunning} />
          <div className="flex items-center gap-1 text-ink-2 max-wide:hidden">
            <CopyButton text={said.text} label="Copy question" />
            <IconButton label="Edit" disabled={isRunning} onClick={() => editing.set(said.key)} className="size-7!">
              <Pencil size={14} strokeWidth={1.75} />
            </IconButton>
          </div>
        </>
      )}
    </article>
  );
}

const LONG_CHARS = 4000;

function Bubble({ text }: { text: string }): ReactNode {
  const [isWhole, setIsWhole] = useState(false);
  const folds = text.length > LONG_CHARS && !isWhole;
  return (
    <div className="max-w-[85%] rounded-composer bg-sunk px-4 py-2.5 text-chat break-words whitespace-pre-wrap max-wide:text-chat-phone">
      {folds ? `${text.slice(0, LONG_CHARS)}…` : text}
      {folds && (
        <button type="button" onClick={() => setIsWhole(true)} className="mt-2 block text-console text-accent max-wide:min-h-11">
          Show all {text.length.toLocaleString("en")} characters
        </button>
      )}
    </div>
  );
}

function Editor({ said }: { said: Said }): ReactNode {
  const chat = useChat();
  const field = useRef<HTMLTextAreaElement>(null);
  const [held, setHeld] = useState(false);
  const submit = (event?: FormEvent, anyway = false): void => {
    event?.preventDefault();
    const text = field.current?.value.trim() ?? "";
    if (!text) return;
    if (!anyway && looksLikeKey(text)) return setHeld(true);
    editing.set(null);
    void chat.askInstead(said, { text, images: said.images });
  };
  const pressed = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.key === "Escape") editing.set(null);
    else if (sends(event.nativeEvent)) submit(event);
  };
  return (
    <form onSubmit={submit} className="flex w-full flex-col gap-2">
      {held && <LooksLikeKey send={() => submit(undefined, true)} />}
      <textarea ref={field} aria-label="Edit your message" defaultValue={said.text} autoFocus rows={Math.min(12, said.text.split("\n").length + 1)} onInput={() => setHeld(false)} onKeyDown={pressed} className={`${CONTROL} py-2 text-chat`} />
      <div className="flex justify-end gap-2">
        <Button small onClick={() => editing.set(null)}>
          Cancel
        </Button>
        <Button small kind="main" type="submit">
          Send
        </Button>
      </div>
    </form>
  );
}
