import type { ReactNode } from "react";
import { hasLogin, isAdmin, useSession } from "@/api/session";
import { KeyForm, useKeyState } from "@/pages/KeyForm";
import { Button, ButtonLink } from "@/parts/Button";
import { SIMULATED } from "./models";

const PROMPTS = ["Say hello in three languages", "Explain DNS to a new colleague in five sentences", "Write a regular expression that matches ISO dates, and test it"];

/** A new chat: three questions to click; or, without a key, the one thing to do first. */
export function EmptyChat({ needsKey, model, ask, choose }: { needsKey: boolean; model: string; ask: (text: string) => void; choose: (model: string) => void }): ReactNode {
  return (
    <div className="mx-auto flex w-full max-w-[720px] flex-col items-center gap-6 px-4 pb-6 text-center">
      {needsKey ? (
        <NoKey choose={choose} />
      ) : (
        <>
          <div>
            <h1>What would you like to know?</h1>
            <p className="mt-1 text-ink-2">{model} answers.</p>
          </div>
          <ul className="grid w-full grid-cols-3 gap-2 max-wide:grid-cols-1">
            {PROMPTS.map((prompt) => (
              <li key={prompt}>
                <button type="button" onClick={() => ask(prompt)} className="h-full min-h-11 w-full rounded-card border border-line bg-raised p-3 text-left text-ink-2 hover:border-control hover:text-ink">
                  {prompt}
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

/** The three empty states, to the letter. */
function NoKey({ choose }: { choose: (model: string) => void }): ReactNode {
  const session = useSession().data;
  const { own, query } = useKeyState();
  if (!session || query.isPending) return <div className="h-40" />;
  const simulator = (
    <Button kind="quiet" className="text-console underline" onClick={() => choose(SIMULATED)}>
      Try the simulator (no key, made-up answers)
    </Button>
  );
  if (!hasLogin(session))
    return (
      <div className="flex w-full flex-col items-center gap-4">
        <h1>Paste an OpenAI API key to get started</h1>
        <div className="w-full max-w-md text-left">
          <KeyForm />
        </div>
        <p className="text-console text-ink-2">Everyone who can open this page shares this key. Stored sealed. Nobody can read it back.</p>
        {simulator}
      </div>
    );
  return (
    <div className="flex flex-col items-center gap-4">
      <h1>{own ? "Set your OpenAI API key first" : "Ask your admin to set the OpenAI API key"}</h1>
      {own && (
        <ButtonLink kind="main" to="/settings/openai">
          Open settings
        </ButtonLink>
      )}
      {!own && isAdmin(session) && (
        <ButtonLink kind="main" to="/settings/openai">
          Add a key
        </ButtonLink>
      )}
      {simulator}
    </div>
  );
}
