import type { ReactNode } from "react";
import { Tag, type Tone } from "@/parts/Tag";

const WORDS: Record<string, [string, Tone]> = {
  done: ["done", "good"],
  gone: ["client left", "plain"],
  cut: ["cut off", "bad"],
  failed: ["failed", "bad"],
  refused: ["refused", "warn"],
  crashed: ["crashed", "bad"],
};

/** How a call ended: a word in its colour, and the status behind it. */
export function CallState({ call }: { call: { outcome: string; status: number | null; error_code: string | null; cache: string } }): ReactNode {
  const [word, tone] = WORDS[call.outcome] ?? [call.outcome, "plain"];
  const cached = call.outcome === "done" && (call.cache === "hit" || call.cache === "joined");
  return (
    <span className="inline-flex items-center gap-2 whitespace-nowrap">
      <Tag tone={tone}>{cached ? (call.cache === "hit" ? "from cache" : "joined") : word}</Tag>
      {call.outcome !== "done" && (call.error_code ?? call.status) !== null && (
        <span className="max-w-40 truncate text-ink-2 tabular-nums" title={call.error_code ?? undefined}>
          {call.status ?? call.error_code}
        </span>
      )}
    </span>
  );
}
