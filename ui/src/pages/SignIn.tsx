import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { hasLogin, useSession } from "@/api/session";
import { Panel } from "@/parts/Panel";
import { useTitle } from "@/parts/Page";
import { SignInForm } from "@/shell/SignInForm";
import { Alone } from "@/shell/Alone";
import { GoTo } from "@/shell/GoTo";

/** The wall: passkey, password or OIDC; before the first admin, the way to the set-up. */
export function SignIn(): ReactNode {
  useTitle("Sign in");
  const session = useSession();
  const navigate = useNavigate();
  const { to } = useSearch({ from: "/signin" });
  // only a path of ours: `//host` and `/\host` lead elsewhere
  const next = to && /^\/(?![/\\])/.test(to) ? to : "/";
  return (
    <Alone title="Sign in to Doorward">
      <Panel query={session} rows={5} className="flex flex-col gap-4">
        {(known) =>
          !hasLogin(known) || known.user ? (
            <GoTo to={next} />
          ) : (
            <>
              {known.set_up_open && (
                <p className="rounded-card bg-accent-tint p-3">
                  Nobody can sign in yet. Open the link that Doorward printed in its terminal to make the first admin. <a href="/setup">What is that?</a>
                </p>
              )}
              <SignInForm returnTo={next} done={() => void navigate({ to: next, replace: true })} />
            </>
          )
        }
      </Panel>
    </Alone>
  );
}
