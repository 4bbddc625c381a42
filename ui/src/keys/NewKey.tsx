import { type FormEvent, type ReactNode, useState } from "react";
import type { Schemas } from "@/api/client";
import { sentenceOf } from "@/api/errors";
import { Button } from "@/parts/Button";
import { Actions, Dialog } from "@/parts/Dialog";
import { Field, SelectField } from "@/parts/Field";

export type Wish = Schemas["MyKeyIn"];

const DAY_S = 86_400;

/** Label and expiry; the rest under Limits. `make` sends it. */
export function NewKey({ make, close }: { make: (wish: Wish) => Promise<unknown>; close: () => void }): ReactNode {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      await make(wishOf(new FormData(event.currentTarget)));
    } catch (cause) {
      setError(sentenceOf(cause));
      setBusy(false);
    }
  };
  return (
    <Dialog open onClose={close} title="Make a client key">
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Field label="Label" name="label" required maxLength={200} autoFocus placeholder="mobile app" hint="What uses it. You see it in usage and calls." />
        <SelectField label="Expires" name="days" defaultValue="90">
          <option value="30">in 30 days</option>
          <option value="90">in 90 days</option>
          <option value="365">in a year</option>
          <option value="">never</option>
        </SelectField>
        <details>
          <summary className="font-medium">Limits</summary>
          <div className="mt-3 grid grid-cols-2 gap-3">
            <Field label="Requests a minute" name="rpm" type="number" min={1} inputMode="numeric" />
            <Field label="Tokens a minute" name="tpm" type="number" min={1} inputMode="numeric" />
            <Field label="Calls at once" name="concurrency" type="number" min={1} inputMode="numeric" />
            <Field label="Models" name="models" placeholder="gpt-4o*, o3" hint="Empty: all." />
            <Field label="Budget in dollars" name="budget" inputMode="decimal" pattern="\d+([.]\d{1,9})?" title="Like 10 or 2.50" />
            <SelectField label="Budget's period" name="period" defaultValue="month">
              <option value="day">day</option>
              <option value="month">month</option>
              <option value="ever">ever</option>
            </SelectField>
          </div>
        </details>
        {error && (
          <p role="alert" className="text-bad">
            {error}
          </p>
        )}
        <Actions>
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" kind="main" busy={busy}>
            Make key
          </Button>
        </Actions>
      </form>
    </Dialog>
  );
}

function wishOf(form: FormData): Wish {
  const text = (name: string): string => String(form.get(name) ?? "").trim();
  const count = (name: string): number | null => (text(name) ? Number(text(name)) : null);
  const models = text("models").split(",").map((model) => model.trim()).filter(Boolean);
  const days = count("days");
  return {
    label: text("label"),
    scopes: ["call"],
    models: models.length ? models : null,
    expires_at: days === null ? null : Math.floor(Date.now() / 1000 + days * DAY_S),
    limits: {
      rpm: count("rpm"),
      tpm: count("tpm"),
      concurrency: count("concurrency"),
      budget_usd: text("budget") || null,
      budget_period: text("period") as "day" | "month" | "ever",
    },
  };
}
