import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "@/parts/Button";

/** A panel over the right edge: the row that is open. Escape and the backdrop close it; on a phone it is the whole page. */
export function Side({ title, close, children, actions }: { title: string; close: () => void; children: ReactNode; actions?: ReactNode }): ReactNode {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const titleId = useId();
  useEffect(() => {
    if (!element.current || element.current.open) return;
    element.current.showModal();
    heading.current?.focus(); // the browser would choose the button that closes it
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => event.target === element.current && close()}
      className="m-0 ml-auto h-dvh max-h-none w-full max-w-[640px] animate-[appear_180ms] overflow-y-auto border-0 border-l border-line max-wide:border-l-0 bg-page p-0 text-ink shadow-float"
    >
      <div className="flex min-h-full flex-col gap-5 p-6 max-wide:p-4">
        <header className="flex items-start justify-between gap-3">
          <h2 ref={heading} id={titleId} tabIndex={-1} className="min-w-0 break-words outline-none">
            {title}
          </h2>
          <span className="flex shrink-0 items-center gap-1">
            {actions}
            <IconButton label="Close" onClick={close} className="-mt-1 -mr-2">
              <X size={16} strokeWidth={1.75} />
            </IconButton>
          </span>
        </header>
        {children}
      </div>
    </dialog>
  );
}
