import { Check, Copy, X } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { copyText } from "./copy";
import { say } from "./StatusRegion";

/** Copies, and says whether that worked. `shown`: the label is visible text. */
export function CopyButton({ text, label = "Copy", shown = false }: { text: string | (() => string); label?: string; shown?: boolean }): ReactNode {
  const [state, setState] = useState<"rest" | "done" | "barred">("rest");
  useEffect(() => {
    if (state === "rest") return;
    const timer = setTimeout(() => setState("rest"), 1600);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async (): Promise<void> => {
    const worked = await copyText(typeof text === "string" ? text : text());
    setState(worked ? "done" : "barred");
    say(worked ? "Copied" : "Not copied: this browser does not allow it here. Select the text and press Ctrl+C.");
  };
  const Icon = state === "done" ? Check : state === "barred" ? X : Copy;
  const word = state === "done" ? "Copied" : state === "barred" ? "Not copied" : label;
  return (
    <button
      type="button"
      onClick={() => void copy()}
      aria-label={shown && state !== "rest" ? undefined : label}
      title={state === "barred" ? "This browser does not allow it here. Select the text and press Ctrl+C." : label}
      className="inline-flex min-h-7 min-w-7 items-center justify-center gap-1.5 rounded-control px-1.5 text-note text-ink-2 hover:bg-sunk hover:text-ink max-wide:min-h-11 max-wide:min-w-11"
    >
      <Icon size={14} strokeWidth={1.75} aria-hidden />
      {shown && <span>{word}</span>}
    </button>
  );
}
