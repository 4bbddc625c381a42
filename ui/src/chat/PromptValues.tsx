import type { FormEvent, ReactNode } from "react";
import { Button } from "@/parts/Button";
import { Actions, Dialog } from "@/parts/Dialog";
import { Field } from "@/parts/Field";
import type { Prompt } from "./conversations";

const MOST_CHARS = 8000;

/** The values of a prompt's {{variables}}; until they are given the prompt is not chosen. */
export function Values({ prompt, known, close, use }: { prompt: Prompt; known: Record<string, string>; close: () => void; use: (given: Record<string, string>) => void }): ReactNode {
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
