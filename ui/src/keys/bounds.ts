import type { Schemas } from "@/api/client";
import { money, nanosOf } from "@/parts/money";
import type { CallBounds } from "./LimitFields";

type Bounds = CallBounds & { budget_usd?: string | null; budget_period?: "day" | "month" | "ever" | null };
type Budget = Schemas["BudgetOut"];

/** Limits in words; without any, what bounds it from above: never "unlimited" where something does. `whose`: as its reader says it. */
export function boundsOf(limits: Bounds, above: Budget[] = [], whose = "your budget"): string {
  const own = [
    limits.rpm && `${limits.rpm.toLocaleString("en")} requests/min`,
    limits.rpd && `${limits.rpd.toLocaleString("en")} requests/day`,
    limits.tpm && `${limits.tpm.toLocaleString("en")} tokens/min`,
    limits.tpd && `${limits.tpd.toLocaleString("en")} tokens/day`,
    limits.concurrency && `${limits.concurrency.toLocaleString("en")} at once`,
    limits.budget_usd && `${money(nanosOf(limits.budget_usd), 2)} a ${limits.budget_period === "ever" ? "lifetime" : limits.budget_period}`,
  ].filter(Boolean);
  if (own.length) return own.join(" · ");
  const bound = above.find((budget) => !budget.subject.startsWith("key:"));
  return bound ? `no limit of its own · bound by ${whose}: ${money(nanosOf(bound.left_usd), 2)} left` : "no limit";
}
