import { KeyRound } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { api, data } from "@/api/client";
import { ApiError, sentenceOf } from "@/api/errors";
import { queries } from "@/api/queries";
import { useSession } from "@/api/session";
import { Button, buttonClasses } from "@/parts/Button";
import { Field } from "@/parts/Field";
import { offersInFields, passkeysWorkHere, signInByPasskey } from "./passkey";

/** Passkey, password, OIDC: the one form of the sign-in page and of the dialog over a page whose session ended. */
export function SignInForm({ returnTo, done }: { returnTo: string; done: () => void }): ReactNode {
  const session = useSession().data;
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const offering = useRef<AbortController>(null);
  const passkeys = (session?.passkeys ?? false) && passkeysWorkHere();

  const finish = async (): Promise<void> => {
    offering.current?.abort();
    await queries.invalidateQueries({ queryKey: ["session"] });
    done();
  };

  useEffect(() => {
    if (!passkeys) return;
    const offer = new AbortController();
    offering.current = offer;
    void (async () => {
      if (!(await offersInFields()) || offer.signal.aborted) return;
      try {
        await signInByPasskey({ quietly: true, signal: offer.signal });
        await finish();
      } catch (cause) {
        if (cause instanceof ApiError) setError(sentenceOf(cause));
      }
    })();
    return () => offer.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- one offer a form
  }, [passkeys]);

  const attempt = async (how: () => Promise<unknown>): Promise<void> => {
    setBusy(true);
    setError("");
    try {
      await how();
      await finish();
    } catch (cause) {
      setError(failure(cause));
    } finally {
      setBusy(false);
    }
  };

  const byPassword = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const body = { email: String(form.get("email")).trim(), password: String(form.get("password")) };
    void attempt(() => data(api.POST("/api/v1/session", { body })));
  };

  const byPasskey = (): void => {
    offering.current?.abort();
    void attempt(() => signInByPasskey());
  };

  return (
    <div className="flex flex-col gap-4">
      {passkeys ? (
        <Button kind="main" onClick={byPasskey} busy={busy}>
          <KeyRound size={16} strokeWidth={1.75} aria-hidden />
          Sign in with a passkey
        </Button>
      ) : (
        <p className="text-console text-ink-2">Passkeys need https. Use a password; add a passkey later.</p>
      )}
      {passkeys && <Or />}
      <form onSubmit={byPassword} className="flex flex-col gap-3">
        <Field label="E-mail" name="email" type="email" required autoFocus autoComplete="username webauthn" />
        <Field label="Password" name="password" type="password" required autoComplete="current-password" />
        {error && (
          <p role="alert" className="text-bad">
            {error}
          </p>
        )}
        <Button type="submit" kind={passkeys ? "plain" : "main"} busy={busy}>
          Sign in
        </Button>
      </form>
      {session?.oidc && (
        <a className={buttonClasses({})} href={`/api/v1/session/oidc/start?return_to=${encodeURIComponent(returnTo)}`}>
          Continue with {session.oidc}
        </a>
      )}
    </div>
  );
}

function Or(): ReactNode {
  return (
    <p className="flex items-center gap-3 text-note text-ink-3 before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">or</p>
  );
}

function failure(cause: unknown): string {
  if (cause instanceof DOMException) return "No passkey was used. Try again, or use your password.";
  return sentenceOf(cause);
}
