import type { ReactNode } from "react";
import { Field } from "@/parts/Field";
import { numberOf } from "@/parts/FormDialog";

/** The five bounds of calls that a key, a user and an account can have. */
export interface CallBounds {
  rpm?: number | null;
  rpd?: number | null;
  tpm?: number | null;
  tpd?: number | null;
  concurrency?: number | null;
}

const NAMES: [keyof CallBounds, string][] = [
  ["rpm", "Requests a minute"],
  ["rpd", "Requests a day"],
  ["tpm", "Tokens a minute"],
  ["tpd", "Tokens a day"],
  ["concurrency", "Calls at once"],
];

export function LimitFields({ now = {} }: { now?: CallBounds }): ReactNode {
  return NAMES.map(([name, label]) => <Field key={name} label={label} name={name} type="number" min={1} inputMode="numeric" defaultValue={now[name] ?? ""} />);
}

/** What a form says of them; an empty field is no bound. */
export function limitsOf(form: FormData): Required<CallBounds> {
  return Object.fromEntries(NAMES.map(([name]) => [name, numberOf(form, name)])) as unknown as Required<CallBounds>;
}
