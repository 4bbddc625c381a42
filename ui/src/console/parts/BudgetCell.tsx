import type { ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { money, nanosOf } from "@/parts/money";
import { Bullet } from "./Bars";

/** A budget in a cell: its bullet, and how much of it is spent. */
export function BudgetCell({ budget }: { budget: Schemas["BudgetOut"] | undefined }): ReactNode {
  if (!budget) return <span className="text-ink-3">no budget</span>;
  const [spent, held, cap] = [budget.spent_usd, budget.held_usd, budget.cap_usd].map((usd) => Number(nanosOf(usd) ?? 0)) as [number, number, number];
  return (
    <span className="flex min-w-28 flex-col">
      <Bullet spent={spent} held={held} cap={cap} forecast={null} />
      <span className="text-note whitespace-nowrap text-ink-2">
        {money(spent, 2)} of {money(cap, 2)}
      </span>
    </span>
  );
}
