import { type InputHTMLAttributes, type ReactNode, type Ref, type SelectHTMLAttributes, type TextareaHTMLAttributes, useId } from "react";
import { classes } from "./classes";

export const CONTROL =
  "w-full rounded-control border border-control bg-page px-3 text-ink placeholder:text-ink-3 disabled:opacity-60 max-wide:text-chat-phone";

interface Around {
  label: string;
  /** What to know before filling it in. */
  hint?: ReactNode;
  /** What is wrong with what was filled in. */
  error?: string | undefined;
  /** The label is for readers only: what surrounds the field says it to the eyes. */
  bare?: boolean;
}

function Around({ id, label, hint, error, bare, children }: Around & { id: string; children: ReactNode }): ReactNode {
  return (
    <div className="flex min-w-0 flex-col gap-1.5">
      <label htmlFor={id} className={bare ? "sr-only" : "font-medium"}>
        {label}
      </label>
      {children}
      {hint && (
        <p id={`${id}-hint`} className="text-console text-ink-3">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="text-console text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

function described(id: string, { hint, error }: Around): { "aria-describedby"?: string; "aria-invalid"?: true } {
  const by = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return { ...(by && { "aria-describedby": by }), ...(error && { "aria-invalid": true as const }) };
}

export function Field({ label, hint, error, bare, className, ref, ...rest }: Around & InputHTMLAttributes<HTMLInputElement> & { ref?: Ref<HTMLInputElement> }): ReactNode {
  const id = useId();
  return (
    <Around id={id} label={label} hint={hint} error={error} bare={bare}>
      <input id={id} ref={ref} className={classes(CONTROL, "h-9 max-wide:h-11", className)} {...described(id, { label, hint, error })} {...rest} />
    </Around>
  );
}

/** A field for a provider's key: shown as dots, never filled in by password managers, never shown again. */
export function SecretField(props: Omit<Parameters<typeof Field>[0], "type">): ReactNode {
  return (
    <Field
      type="password"
      autoComplete="off"
      spellCheck={false}
      autoCapitalize="off"
      data-1p-ignore=""
      data-lpignore="true"
      data-bwignore=""
      data-form-type="other"
      {...props}
    />
  );
}

export function SelectField({ label, hint, error, bare, className, children, ...rest }: Around & SelectHTMLAttributes<HTMLSelectElement>): ReactNode {
  const id = useId();
  return (
    <Around id={id} label={label} hint={hint} error={error} bare={bare}>
      <select id={id} className={classes(CONTROL, "h-9 max-wide:h-11", className)} {...described(id, { label, hint, error })} {...rest}>
        {children}
      </select>
    </Around>
  );
}

export function TextField({ label, hint, error, bare, className, ref, ...rest }: Around & TextareaHTMLAttributes<HTMLTextAreaElement> & { ref?: Ref<HTMLTextAreaElement> }): ReactNode {
  const id = useId();
  return (
    <Around id={id} label={label} hint={hint} error={error} bare={bare}>
      <textarea id={id} ref={ref} className={classes(CONTROL, "min-h-24 py-2", className)} {...described(id, { label, hint, error })} {...rest} />
    </Around>
  );
}

export function Check({ label, hint, ...rest }: { label: string; hint?: string } & InputHTMLAttributes<HTMLInputElement>): ReactNode {
  return (
    <label className="flex items-start gap-2.5 max-wide:min-h-11 max-wide:items-center">
      <input type="checkbox" className="mt-0.5 size-4 shrink-0 accent-(--accent) max-wide:size-6" {...rest} />
      <span>
        {label}
        {hint && <span className="block text-console text-ink-3">{hint}</span>}
      </span>
    </label>
  );
}
