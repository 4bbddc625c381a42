import type { ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { Check, Field, SelectField } from "@/parts/Field";
import { FormDialog, textOf } from "@/parts/FormDialog";
import { LimitFields, limitsOf } from "./LimitFields";

/** `owner`: only where an admin makes it. */
export type Wish = Schemas["MyKeyIn"] & { owner?: string | null };

export const DAY_S = 86_400;

/** Label and expiry; the rest under Limits. `any`: an admin makes it, for anybody and with any scope. `make` sends it. */
export function NewKey({ make, any = false, close }: { make: (wish: Wish) => Promise<unknown>; any?: boolean; close: () => void }): ReactNode {
  return (
    <FormDialog title="Make a client key" act="Make key" close={close} save={(form) => make(wishOf(form, any))}>
      <Field label="Label" name="label" required maxLength={200} autoFocus placeholder="mobile app" hint="What uses it. You see it in usage and calls." />
      {any && <Field label="Owner" name="owner" type="email" placeholder="the operator" hint="A user's e-mail. The operator's keys draw on the operator's accounts." />}
      <SelectField label="Expires" name="days" defaultValue="90">
        <Expiries />
      </SelectField>
      <details>
        <summary className="font-medium">Limits</summary>
        <div className="mt-3 grid grid-cols-2 gap-3">
          <LimitFields />
          <span className="max-wide:hidden" />
          <Field label="Models" name="models" placeholder="gpt-4o*, o3" hint="Empty: all." />
          <Field label="Adapters" name="adapters" placeholder="github" hint="Empty: all." />
          <Field label="Budget in dollars" name="budget" inputMode="decimal" pattern="\d+([.]\d{1,9})?" title="Like 10 or 2.50" />
          <SelectField label="Budget's period" name="period" defaultValue="month">
            <option value="day">day</option>
            <option value="month">month</option>
            <option value="ever">ever</option>
          </SelectField>
        </div>
      </details>
      {any && (
        <details>
          <summary className="font-medium">Scopes</summary>
          <div className="mt-3 flex flex-col gap-2">
            <Check label="me" name="me" hint="May manage its owner's own keys and settings." />
            <Check label="admin" name="admin" hint="May do on the control plane whatever an admin may." />
          </div>
        </details>
      )}
    </FormDialog>
  );
}

export function Expiries(): ReactNode {
  return (
    <>
      <option value="30">in 30 days</option>
      <option value="90">in 90 days</option>
      <option value="365">in a year</option>
      <option value="">never</option>
    </>
  );
}

/** Days from now, as a form says them, in unix seconds; empty: never. */
export function expiryOf(days: string): number | null {
  return days === "" ? null : Math.floor(Date.now() / 1000 + Number(days) * DAY_S);
}

function wishOf(form: FormData, any: boolean): Wish {
  const list = (name: string): string[] | null => {
    const words = textOf(form, name).split(",").map((word) => word.trim()).filter(Boolean);
    return words.length ? words : null;
  };
  const budget = textOf(form, "budget");
  return {
    label: textOf(form, "label"),
    scopes: ["call", ...(form.get("me") ? (["me"] as const) : []), ...(form.get("admin") ? (["admin"] as const) : [])],
    models: list("models"),
    adapters: list("adapters"),
    expires_at: expiryOf(textOf(form, "days")),
    limits: { ...limitsOf(form), budget_usd: budget || null, budget_period: textOf(form, "period") as "day" | "month" | "ever" },
    ...(any && { owner: textOf(form, "owner") || null }),
  };
}
