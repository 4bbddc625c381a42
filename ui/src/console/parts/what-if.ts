/** The way of a call that is not made, as sentences. Pure. */

import type { Schemas } from "@/api/client";
import { wait } from "./figures";

type WhatIf = Schemas["WhatIfOut"];
type Plan = Schemas["PlanOut"];

export interface WayLine {
  title: string;
  says: string;
  tone: "plain" | "warn";
  /** Chance to be asked first, 0 to 1. */
  share?: number;
}

export function whatIfLines(found: WhatIf): WayLine[] {
  const lines: WayLine[] = [{ title: "Route", says: found.why || "no route of its own", tone: "plain" }];
  const groups: Plan[][] = [];
  for (const plan of found.plans) {
    const group = groups[groups.length - 1];
    if (group && group[0]!.provider === plan.provider && group[0]!.model === plan.model) group.push(plan);
    else groups.push([plan]);
  }
  groups.forEach((plans, index) => {
    const first = plans[0]!;
    const name = `${first.model ?? "any model"} at ${first.provider}`;
    if (index > 0) lines.push({ title: "Then", says: `${name}, if nothing before it answers`, tone: "plain" });
    else lines.push({ title: "First", says: `${name}${plans.length > 1 ? `: one of ${plans.length} accounts, by chance in these shares` : ""}`, tone: "plain" });
    lines.push(...plans.map((plan) => accountLine(plan, index === 0)));
  });
  if (found.plans.every((plan) => !plan.is_usable)) lines.push({ title: "Now", says: `nothing can take this call; it would wait, at least ${wait(Math.min(...found.plans.map((plan) => plan.wait_s)))}`, tone: "warn" });
  lines.push({ title: "Limits", says: `first event within ${wait(found.first_event_s)} · silence at most ${wait(found.idle_s)} · ${wait(found.total_s)} in all`, tone: "plain" });
  if (found.rescue) lines.push({ title: "Rescue", says: "is on: a call that was sent and lost may be sent, and paid, again", tone: "warn" });
  if (found.is_pinned) lines.push({ title: "Bound", says: "to this account, because it holds the object that the call names", tone: "plain" });
  return lines;
}

function accountLine(plan: Plan, isFirst: boolean): WayLine {
  const title = plan.label ? `Account ${plan.label}` : plan.account ? `Account ${plan.account}` : "No account needed";
  if (plan.is_refused) return { title, says: "is not asked: the provider refuses its key", tone: "warn", ...(isFirst ? { share: 0 } : {}) };
  if (!plan.is_usable) return { title, says: `rests, ${wait(plan.wait_s)} still`, tone: "warn", ...(isFirst ? { share: 0 } : {}) };
  const parts = [`weight ${plan.weight}`, plan.headroom === null ? "its limits not known yet" : `${Math.round(plan.headroom * 100)} % of its limits left`, `${Math.round(plan.health * 100)} % healthy`, `${plan.in_flight} in flight`];
  return { title, says: parts.join(" · "), tone: "plain", ...(isFirst || plan.share > 0 ? { share: plan.share } : {}) };
}
