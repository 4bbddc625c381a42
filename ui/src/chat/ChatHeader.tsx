import type { ReactNode } from "react";
import { money } from "@/parts/money";
import { useView } from "./context";
import { ModelPicker } from "./ModelPicker";
import { PromptPicker } from "./PromptPicker";
import { callIds } from "./said";

/** Model, prompt, and what this chat has cost so far. */
export function ChatHeader({ model, choose }: { model: string; choose: (model: string) => void }): ReactNode {
  return (
    <div className="flex h-12 shrink-0 items-center gap-2 border-b border-line px-3">
      <ModelPicker model={model} choose={choose} />
      <PromptPicker />
      <Sum />
    </div>
  );
}

function Sum(): ReactNode {
  const { said, calls, hasOlder } = useView();
  const costs = said.flatMap(callIds).flatMap((id) => (calls.has(id) ? [calls.get(id)!.cost_nanos] : []));
  if (costs.length === 0) return null;
  const known = costs.filter((one) => one !== null);
  const sum = known.reduce((total, one) => total + one, 0);
  return (
    <span className="figures ml-auto truncate text-console text-ink-2" data-testid="sum">
      {known.length < costs.length && (known.length ? "at least " : "")}
      {known.length === 0 ? "unknown cost" : sum === 0 ? "$0.00" : money(sum)} in {hasOlder ? "what is shown" : "this chat"}
    </span>
  );
}
