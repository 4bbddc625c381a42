import { useQuery } from "@tanstack/react-query";
import { type ReactNode, Suspense, lazy, useState } from "react";
import { Button } from "@/parts/Button";
import { type Prompt, prompts } from "./conversations";
import { useChat, useView } from "./context";

const Values = lazy(async () => ({ default: (await import("./PromptValues")).Values }));

/** A system prompt is chosen before the first question; later it is only shown. One with variables asks for their values. */
export function PromptPicker(): ReactNode {
  const chat = useChat();
  const { id, prompt, variables } = useView();
  const [asked, setAsked] = useState<Prompt | null>(null);
  const list = useQuery({ queryKey: ["prompts"], queryFn: prompts, staleTime: 300_000 });
  const usable = list.data ?? [];
  if (id !== null) return prompt === null ? null : <span className="truncate text-console text-ink-2">prompt: {prompt}</span>;
  if (usable.length === 0) return null;
  const chosen = usable.find((one) => one.name === prompt);
  const choose = (name: string): void => {
    const one = usable.find((row) => row.name === name);
    if (one && one.variables.length > 0) setAsked(one);
    else chat.choose({ prompt: name || null, variables: {} });
  };
  return (
    <>
      <select
        aria-label="System prompt"
        value={prompt ?? ""}
        onChange={(event) => choose(event.target.value)}
        className="field-sizing-content h-8 min-w-0 rounded-control bg-transparent px-2 text-console text-ink-2 hover:bg-sunk max-wide:h-11"
      >
        <option value="">prompt: none</option>
        {usable.map((one) => (
          <option key={one.name} value={one.name}>
            prompt: {one.name}
          </option>
        ))}
      </select>
      {chosen && chosen.variables.length > 0 && (
        <Button kind="quiet" small onClick={() => setAsked(chosen)} className="min-w-0 shrink" aria-label="Values of the prompt">
          <span className="truncate">{chosen.variables.map((name) => variables[name]).join(", ")}</span>
        </Button>
      )}
      {asked && (
        <Suspense>
          <Values
            prompt={asked}
            known={asked.name === prompt ? variables : {}}
            close={() => setAsked(null)}
            use={(given) => {
              chat.choose({ prompt: asked.name, variables: given });
              setAsked(null);
            }}
          />
        </Suspense>
      )}
    </>
  );
}
