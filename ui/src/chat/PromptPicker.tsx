import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { Button } from "@/parts/Button";
import { Actions, Dialog } from "@/parts/Dialog";
import { Field } from "@/parts/Field";
import { type Prompt, prompts } from "./conversations";
import { useChat, useView } from "./context";

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
        className="h-8 min-w-0 rounded-control bg-transparent px-2 text-console text-ink-2 hover:bg-sunk max-wide:h-11"
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
        <Values
          prompt={asked}
          known={asked.name === prompt ? variables : {}}
          close={() => setAsked(null)}
          use={(given) => {
            chat.choose({ prompt: asked.name, variables: given });
            setAsked(null);
          }}
        />
      )}
    </>
  );
}

const MOST_CHARS = 8000;

/** The values of a prompt's {{variables}}; until they are given the prompt is not chosen. */
function Values({ prompt, known, close, use }: { prompt: Prompt; known: Record<string, string>; close: () => void; use: (given: Record<string, string>) => void }): ReactNode {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    use(Object.fromEntries(prompt.variables.map((name) => [name, String(form.get(name) ?? "").trim()])));
  };
  return (
    <Dialog open onClose={close} title={`Prompt: ${prompt.name}`}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <p className="max-h-40 overflow-y-auto rounded-control bg-sunk p-3 text-console whitespace-pre-wrap text-ink-2" tabIndex={0}>
          {prompt.text}
        </p>
        {prompt.variables.map((name, at) => (
          <Field key={name} label={name} name={name} defaultValue={known[name] ?? ""} required maxLength={MOST_CHARS} autoFocus={at === 0} autoComplete="off" />
        ))}
        <Actions>
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" kind="main">
            Use prompt
          </Button>
        </Actions>
      </form>
    </Dialog>
  );
}
