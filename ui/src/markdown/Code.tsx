import { WrapText } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { classes } from "@/parts/classes";
import { CopyButton } from "@/parts/CopyButton";
import { type Piece, colour } from "./colour";

const FOLD_LINES = 400;

/** A block of code: its language, copy, wrap; it scrolls sideways by itself. Colours come once the block is closed. */
export function Code({ text, language, isClosed }: { text: string; language: string; isClosed: boolean }): ReactNode {
  const name = /^[\w+#.-]{1,30}/.exec(language)?.[0] ?? "";
  const [wraps, setWraps] = useState(false);
  const [isWhole, setIsWhole] = useState(false);
  const [coloured, setColoured] = useState<{ text: string; pieces: Piece[] }>();
  const lines = text.split("\n");
  const folds = lines.length > FOLD_LINES && !isWhole;
  const shown = folds ? lines.slice(0, FOLD_LINES).join("\n") : text;

  useEffect(() => {
    if (!isClosed || !name) return;
    let isCurrent = true;
    void colour(shown, name).then((pieces) => {
      if (isCurrent && pieces) setColoured({ text: shown, pieces });
    });
    return () => {
      isCurrent = false;
    };
  }, [shown, name, isClosed]);

  return (
    <figure className="code-block">
      <figcaption>
        <span>{name || "text"}</span>
        <span className="ml-auto flex">
          <button type="button" aria-pressed={wraps} onClick={() => setWraps(!wraps)} className="inline-flex min-h-7 items-center gap-1.5 rounded-control px-1.5 text-note text-ink-2 hover:bg-line hover:text-ink max-wide:min-h-11">
            <WrapText size={14} strokeWidth={1.75} aria-hidden /> Wrap
          </button>
          <CopyButton text={text} label="Copy" shown />
        </span>
      </figcaption>
      <pre tabIndex={0} className={classes(wraps && "whitespace-pre-wrap! break-words")}>
        <code>{coloured?.text === shown ? coloured.pieces.map(([piece, scope], at) => (scope ? <span key={at} className={scope}>{piece}</span> : piece)) : shown}</code>
      </pre>
      {folds && (
        <button type="button" onClick={() => setIsWhole(true)} className="w-full border-t border-line p-2 text-console text-accent max-wide:min-h-11">
          Show all {lines.length.toLocaleString("en")} lines
        </button>
      )}
    </figure>
  );
}
