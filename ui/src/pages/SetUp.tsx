import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { api, data } from "@/api/client";
import { hasLogin, useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { useTitle } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { Alone } from "@/shell/Alone";
import { GoTo } from "@/shell/GoTo";
import { FirstWayIn } from "@/shell/FirstWayIn";
import { KeyForm, useKeyState } from "./KeyForm";

/** The first run: make the first admin, connect OpenAI or skip it, and on to a first answer. */
export function SetUp(): ReactNode {
  useTitle("Set-up");
  const session = useSession();
  // the token stands in the fragment: no log and no Referer ever has it
  const [token] = useState(() => location.hash.slice(1));
  const [isAdmin, setIsAdmin] = useState(false);
  if (isAdmin) return <Connect />;
  return (
    <Alone title="Make the first admin">
      <Panel query={session} rows={4} className="flex flex-col gap-4">
        {(known) => {
          if (!hasLogin(known)) return <GoTo to="/" search={{ first: true }} />;
          if (!known.set_up_open)
            return (
              <>
                <p>
                  This set-up link was used, or is older than 30 minutes. Restart Doorward for a new one, or run:{" "}
                  <code className="text-console break-words">doorward user add you@example.com --admin --password-stdin</code>
                </p>
                <a href="/signin">Sign in</a>
              </>
            );
          if (!token) return <p>Open the link that Doorward printed in its terminal.</p>;
          return (
            <FirstWayIn
              become={(email, password) => data(api.POST("/api/v1/setup", { body: { token, email, ...(password !== null && { password }) } }))}
              done={() => {
                history.replaceState(history.state, "", "/setup");
                setIsAdmin(true);
              }}
            />
          );
        }}
      </Panel>
    </Alone>
  );
}

function Connect(): ReactNode {
  const navigate = useNavigate();
  const state = useKeyState();
  const onward = (): void => void navigate({ to: "/", search: { first: true } });
  return (
    <Alone title="Connect OpenAI">
      <Panel query={state.query} rows={3} className="flex flex-col gap-4">
        {({ configured }) =>
          configured ? (
            <GoTo to="/" search={{ first: true }} />
          ) : (
            <>
              <KeyForm saved={onward} autoFocus wide />
              <Button kind="quiet" onClick={onward}>
                Skip: use the simulator
              </Button>
            </>
          )
        }
      </Panel>
    </Alone>
  );
}
