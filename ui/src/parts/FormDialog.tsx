import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { sentenceOf } from "@/api/errors";
import { Button } from "@/parts/Button";
import { Actions, Dialog } from "@/parts/Dialog";

/** A form in a dialog: `save` takes the fields; a refusal stands in the form and nothing typed is lost. */
export function FormDialog({ title, save, act = "Save", close, children }: { title: string; save: (form: FormData) => Promise<unknown>; act?: string; close: () => void; children: ReactNode }): ReactNode {
  const run = useMutation({ mutationFn: save, gcTime: 0, onSuccess: close });
  const form = useRef<HTMLFormElement>(null);
  // the dialog is open by now: its own choice would be the button that closes it
  useEffect(() => firstField(form.current)?.focus(), []);
  return (
    <Dialog open onClose={close} title={title}>
      <form
        ref={form}
        autoComplete="off"
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          run.mutate(new FormData(event.currentTarget));
        }}
      >
        {children}
        {run.error && (
          <p role="alert" className="text-bad">
            {sentenceOf(run.error)}
          </p>
        )}
        <Actions>
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" kind="main" busy={run.isPending}>
            {act}
          </Button>
        </Actions>
      </form>
    </Dialog>
  );
}

/** The field to begin with: the one that asks for it, else the first. */
export function firstField(form: HTMLElement | null): HTMLElement | null {
  return form?.querySelector<HTMLElement>("input:not([type=checkbox]), textarea, select") ?? null;
}

export function textOf(form: FormData, name: string): string {
  return String(form.get(name) ?? "").trim();
}

export function numberOf(form: FormData, name: string): number | null {
  const text = textOf(form, name);
  return text === "" ? null : Number(text);
}
