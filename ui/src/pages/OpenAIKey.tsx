import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleCheck, CircleDashed, CircleX } from "lucide-react";
import { type ReactNode, useState } from "react";
import { api, data } from "@/api/client";
import { sentenceOf } from "@/api/errors";
import { hasLogin, useSession } from "@/api/session";
import { Button, ButtonLink } from "@/parts/Button";
import { Card } from "@/parts/Card";
import { money, nanosOf } from "@/parts/money";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { KeyForm, useKeyState } from "./KeyForm";

/** The OpenAI key, in the three ways of keeping it. It goes in and never comes out. */
export function OpenAIKey(): ReactNode {
  const session = useSession().data;
  const state = useKeyState();
  const [justSaved, setJustSaved] = useState(false);
  const open = session !== undefined && !hasLogin(session);
  return (
    <Card title="OpenAI API key">
      <Panel query={state.query} rows={3} className="flex flex-col gap-4">
        {({ configured }) => (
          <>
            <StateLine configured={configured} />
            {open && <SharedNote />}
            {!state.maySet && !configured && <p>Ask your admin to set the OpenAI API key</p>}
            {state.maySet && <KeyForm saved={() => setJustSaved(true)} mustAsk={open && configured} />}
            {justSaved && (
              <div className="flex flex-wrap items-center gap-3 rounded-card bg-good-tint px-3 py-2">
                <span className="grow">Key saved.</span>
                <ButtonLink to="/" small>
                  Ask something
                </ButtonLink>
              </div>
            )}
            {state.maySet && configured && <Stored own={state.own} cleared={() => setJustSaved(false)} />}
          </>
        )}
      </Panel>
      <p className="border-t border-line pt-3 text-console text-ink-3">
        Stored sealed. Nobody can read it back, admins included. You can replace or remove it.
      </p>
    </Card>
  );
}

function StateLine({ configured }: { configured: boolean }): ReactNode {
  return (
    <p className="flex items-center gap-2 font-medium" data-testid="key-state">
      {configured ? (
        <CircleCheck size={16} strokeWidth={1.75} className="text-good" aria-hidden />
      ) : (
        <CircleDashed size={16} strokeWidth={1.75} className="text-ink-3" aria-hidden />
      )}
      {configured ? "Configured" : "Not configured"}
    </p>
  );
}

/** In custody anonymous everybody is told what they share. */
function SharedNote(): ReactNode {
  const budget = useQuery({ queryKey: ["my-budget"], queryFn: () => data(api.GET("/api/v1/me/budget")) });
  const cap = budget.data?.data.find((row) => row.subject === "all");
  return (
    <p className="text-ink-2">
      Everyone who can open this page shares this key.
      {cap && ` Spend cap ${money(nanosOf(cap.cap_usd), 2)}, used ${money(nanosOf(cap.spent_usd), 2)}.`}
    </p>
  );
}

/** What can be done with a key that is stored: try it, and where it is one's own, take it away. */
function Stored({ own, cleared }: { own: boolean; cleared: () => void }): ReactNode {
  const [asks, setAsks] = useState(false);
  const client = useQueryClient();
  const test = useMutation({
    mutationFn: () => (own ? data(api.POST("/api/v1/me/openai-key/test")) : data(api.POST("/api/v1/openai-key/test"))),
    onSuccess: (tried) => say(tried!.says),
  });
  const clear = useMutation({
    mutationFn: () => data(api.DELETE("/api/v1/me/openai-key")),
    onSuccess: () => {
      client.setQueryData(["openai-key"], { configured: false });
      void client.invalidateQueries({ queryKey: ["models"] });
      say("Key removed. Not configured.");
      setAsks(false);
      cleared();
    },
  });
  return (
    <div className="flex flex-col gap-3 border-t border-line pt-4">
      <div className="flex flex-wrap items-center gap-2">
        <Button busy={test.isPending} onClick={() => test.mutate()}>
          Test
        </Button>
        {own && !asks && <Button onClick={() => setAsks(true)}>Clear my key</Button>}
      </div>
      {test.data && (
        <p className="flex items-start gap-2" data-testid="tried">
          {test.data.works ? <CircleCheck size={16} strokeWidth={1.75} className="mt-0.5 shrink-0 text-good" aria-hidden /> : <CircleX size={16} strokeWidth={1.75} className="mt-0.5 shrink-0 text-bad" aria-hidden />}
          {test.data.says}
        </p>
      )}
      {test.error && <p className="text-bad">{sentenceOf(test.error)}</p>}
      {asks && (
        <div role="alertdialog" aria-label="Clear my key" className="flex flex-wrap items-center gap-2 rounded-card bg-warn-tint p-3">
          <span className="grow">Remove your key? Your next call will need a new one.</span>
          <Button kind="danger" small busy={clear.isPending} onClick={() => clear.mutate()}>
            Remove
          </Button>
          <Button small autoFocus onClick={() => setAsks(false)}>
            Keep
          </Button>
          {clear.error && <p className="w-full text-bad">{sentenceOf(clear.error)}</p>}
        </div>
      )}
    </div>
  );
}
