import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { money } from "@/parts/money";
import { useChat, useView } from "./context";
import { ModelPicker } from "./ModelPicker";
import { prompts } from "./conversations";

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

/** A system prompt is chosen before the first question; later it is only shown. */
function PromptPicker(): ReactNode {
  const chat = useChat();
  const { id, prompt } = useView();
  const list = useQuery({ queryKey: ["prompts"], queryFn: prompts, staleTime: 300_000 });
  const usable = (list.data ?? []).filter((one) => one.variables.length === 0);
  if (id !== null) return prompt === null ? null : <span className="truncate text-console text-ink-2">prompt: {prompt}</span>;
  if (usable.length === 0) return null;
  return (
    <select
      aria-label="System prompt"
      value={prompt ?? ""}
      onChange={(event) => chat.choose({ prompt: event.target.value || null })}
      className="h-8 min-w-0 rounded-control bg-transparent px-2 text-console text-ink-2 hover:bg-sunk max-wide:h-11"
    >
      <option value="">prompt: none</option>
      {usable.map((one) => (
        <option key={one.name} value={one.name}>
          prompt: {one.name}
        </option>
      ))}
    </select>
  );
}

function Sum(): ReactNode {
  const { said, calls, hasOlder } = useView();
  const costs = said.flatMap((one) => (one.callId !== null && calls.has(one.callId) ? [calls.get(one.callId)!.cost_nanos] : []));
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
