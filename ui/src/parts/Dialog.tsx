import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "./Button";
import { classes } from "./classes";

/** The browser's own modal dialog: focus stays inside and comes back, Escape closes, no style is injected. */
export function Dialog({
  open,
  onClose,
  title,
  children,
  closable = true,
  wide = false,
  side = false,
}: {
  open: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  /** `false`: only what stands in it closes it. */
  closable?: boolean;
  wide?: boolean;
  /** A sheet at the left edge instead of a card in the middle. */
  side?: boolean;
}): ReactNode {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    if (open && !dialog.open) {
      // the browser would focus the first control, which is Close
      const wanted = dialog.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null;
      dialog.showModal();
      (wanted ?? dialog.querySelector<HTMLElement>("input, select, textarea"))?.focus();
    }
    if (!open && dialog.open) dialog.close();
  }, [open]);
  if (!open) return null;
  return (
    <dialog
      ref={element}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        if (closable) onClose();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !closable) event.preventDefault();
      }}
      onClick={(event) => {
        if (closable && event.target === element.current) onClose();
      }}
      className={classes(
        "border border-line bg-raised p-0 text-ink shadow-float animate-[appear_180ms]",
        side
          ? "m-0 h-dvh max-h-none w-72 max-w-[85vw] border-y-0 border-l-0"
          : classes("m-auto max-h-[min(44rem,90dvh)] w-[calc(100vw-2rem)] overflow-y-auto rounded-card", wide ? "max-w-2xl" : "max-w-md"),
      )}
    >
      <div className={classes("flex flex-col gap-4", side ? "h-full p-3" : "p-6")}>
        <header className="flex items-start justify-between gap-4">
          <h2 id={titleId} className={side ? "sr-only" : ""}>
            {title}
          </h2>
          {closable && !side && (
            <IconButton label="Close" onClick={onClose} className="-mt-1 -mr-2">
              <X size={16} strokeWidth={1.75} />
            </IconButton>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** The buttons at the end of a dialog: in sight, however much stands above them. */
export function Actions({ children }: { children: ReactNode }): ReactNode {
  return <div className="sticky bottom-0 -mx-6 -mb-6 flex flex-wrap items-center justify-end gap-2 bg-raised px-6 pt-2 pb-6">{children}</div>;
}
