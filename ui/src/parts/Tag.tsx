import type { ReactNode } from "react";
import { classes } from "./classes";

export type Tone = "plain" | "good" | "warn" | "bad" | "accent";

const TONES: Record<Tone, string> = {
  plain: "bg-sunk text-ink-2 ring-1 ring-line ring-inset",
  good: "bg-good-tint text-good",
  warn: "bg-warn-tint text-warn",
  bad: "bg-bad-tint text-bad",
  accent: "bg-accent-tint text-accent",
};

/** A state in a word. The colour repeats the word, it does not replace it. */
export function Tag({ tone = "plain", children }: { tone?: Tone; children: ReactNode }): ReactNode {
  return <span className={classes("inline-flex items-center gap-1 rounded-control px-1.5 text-note font-medium whitespace-nowrap", TONES[tone])}>{children}</span>;
}
