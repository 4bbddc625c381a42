import type { ReactNode } from "react";
import { ago, moment, utc } from "./times";

/** A moment in the viewer's zone; UTC on hover. `null`: `never`, or the word given. */
export function Time({ at, relative = false, none = "never" }: { at: number | null | undefined; relative?: boolean; none?: string }): ReactNode {
  if (at === null || at === undefined) return <span className="whitespace-nowrap text-ink-3">{none}</span>;
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={utc(at)} className="whitespace-nowrap">
      {relative ? ago(at) : moment(at)}
    </time>
  );
}
