import type { ReactNode } from "react";
import { type Digits, money } from "./money";

/** An amount, with the reason where it is not known or not the provider's own. */
export function Money({ nanos, digits = 4, source, reason }: { nanos: number | bigint | null | undefined; digits?: Digits; source?: string; reason?: string }): ReactNode {
  const unknown = nanos === null || nanos === undefined;
  const estimated = source !== undefined && source !== "upstream" && !unknown && Number(nanos) !== 0;
  const why = unknown ? reason || "The price of this model is not known." : estimated ? reason || `The amount is ${source}.` : undefined;
  return (
    <span className={unknown ? "text-ink-3" : "tabular-nums"} title={why ?? money(nanos, "exact")}>
      {money(nanos, digits, estimated)}
    </span>
  );
}
