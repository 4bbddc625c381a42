import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { sentenceOf } from "@/api/errors";
import { Button } from "@/parts/Button";
import { Actions, Dialog } from "@/parts/Dialog";
import { Field } from "@/parts/Field";
import { firstField } from "@/parts/FormDialog";

/** Asks before what cannot be undone. With `type` the button wakes only when that text was typed. */
export function Confirm({ title, children, act, does, close, type }: { title: string; children: ReactNode; act: string; does: () => Promise<unknown>; close: () => void; type?: string }): ReactNode {
  const [typed, setTyped] = useState("");
  const run = useMutation({ mutationFn: does, onSuccess: close });
  const keep = useRef<HTMLButtonElement>(null);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => (firstField(form.current) ?? keep.current)?.focus(), []);
  const ready = type === undefined || typed === type;
  return (
    <Dialog open onClose={close} title={title}>
      <form
        ref={form}
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) run.mutate();
        }}
      >
        <div className="flex flex-col gap-2">{children}</div>
        {type !== undefined && <Field label={`Type ${type} to go on`} value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" spellCheck={false} />}
        {run.error && (
          <p role="alert" className="text-bad">
            {sentenceOf(run.error)}
          </p>
        )}
        <Actions>
          <Button ref={keep} onClick={close}>
            Keep
          </Button>
          <Button type="submit" kind="danger" busy={run.isPending} disabled={!ready}>
            {act}
          </Button>
        </Actions>
      </form>
    </Dialog>
  );
}
