import { KeyRound } from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { api, data } from "@/api/client";
import { ApiError, sentenceOf } from "@/api/errors";
import { queries } from "@/api/queries";
import { Button } from "@/parts/Button";
import { Field } from "@/parts/Field";
import { addPasskey, deviceName, passkeysWorkHere } from "./passkey";

/**
 * Becoming somebody: by passkey or by password. `become` makes the user and opens a session; without a password a passkey
 * follows at once, and if the browser makes none, a password is asked for before anything else.
 */
export function FirstWayIn({
  email,
  become,
  done,
}: {
  /** Known from an invitation; else it is asked for. */
  email?: string;
  become: (email: string, password: string | null) => Promise<unknown>;
  done: () => void;
}): ReactNode {
  const passkeys = passkeysWorkHere();
  const [byPassword, setByPassword] = useState(!passkeys);
  const [isMade, setIsMade] = useState(false);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const password = byPassword ? String(form.get("password")) : null;
    setBusy(true);
    setError("");
    try {
      if (!isMade) await become(email ?? String(form.get("email")).trim(), password);
      setIsMade(true);
      if (password === null) await addPasskey(deviceName());
      else if (isMade) await data(api.PUT("/api/v1/me/password", { body: { password } }));
      await queries.invalidateQueries({ queryKey: ["session"] });
      done();
    } catch (cause) {
      if (cause instanceof ApiError) setError(sentenceOf(cause));
      else if (cause instanceof DOMException) {
        setByPassword(true);
        setError("No passkey was made. Choose a password, or try the passkey again.");
      } else setError(sentenceOf(cause));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
      {email ? <p className="text-ink-2">{email}</p> : <Field label="E-mail" name="email" type="email" required autoFocus autoComplete="username" readOnly={isMade} />}
      {byPassword && <Field label="Password" name="password" type="password" required minLength={8} autoComplete="new-password" hint="At least 8 characters." />}
      {!passkeys && <p className="text-console text-ink-2">Passkeys need https. Use a password; add a passkey later.</p>}
      {error && (
        <p role="alert" className="text-bad">
          {error}
        </p>
      )}
      <Button type="submit" kind="main" busy={busy}>
        {!byPassword && <KeyRound size={16} strokeWidth={1.75} aria-hidden />}
        {byPassword ? "Continue" : "Create a passkey"}
      </Button>
      {passkeys && (
        <Button kind="quiet" onClick={() => setByPassword(!byPassword)}>
          {byPassword ? "Use a passkey instead" : "Use a password instead"}
        </Button>
      )}
    </form>
  );
}
