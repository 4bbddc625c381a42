import { type UseQueryResult, useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { sentenceOf } from "@/api/errors";
import { Button } from "@/parts/Button";
import { Field, SecretField } from "@/parts/Field";
import { FormDialog, numberOf, textOf } from "@/parts/FormDialog";
import { say } from "@/parts/StatusRegion";
import { Time } from "@/parts/Time";
import { duration } from "@/parts/times";
import { AccountTraits } from "./AddAccount";
import { type Account, Headroom, type Row, Spend, type State, StateTag } from "./parts/AccountState";
import { Confirm } from "./parts/Confirm";
import { Facts } from "./parts/Facts";
import { count } from "./parts/figures";
import { Go } from "./parts/Go";
import { LimitForm, LimitWords } from "./parts/Limits";
import { Side } from "./parts/Side";

function useChange(): (row: Account, body: Schemas["AccountChange"], said: string) => Promise<void> {
  const client = useQueryClient();
  return async (row, body, said) => {
    const changed = (await data(api.PATCH("/api/v1/accounts/{account_id}", { params: { path: { account_id: row.id } }, body })))!;
    client.setQueryData(["accounts"], (before: { data: Account[] } | undefined) => before && { data: before.data.map((one) => (one.id === row.id ? changed : one)) });
    void client.invalidateQueries({ queryKey: ["account-states"] });
    say(said);
  };
}

/** One account: what it is doing, and what can be done with it. */
export function OneAccount({ row, states, close }: { row: Row; states: UseQueryResult<{ data: State[] }>; close: () => void }): ReactNode {
  const client = useQueryClient();
  const change = useChange();
  const [asks, setAsks] = useState<"key" | "traits" | "limits" | "delete">();
  const test = useMutation({ mutationFn: async () => (await data(api.POST("/api/v1/accounts/{account_id}/test", { params: { path: { account_id: row.id } } })))! });
  const rest = useMutation({ mutationFn: () => change(row, { is_active: !row.is_active }, row.is_active ? `${row.label} rests.` : `${row.label} is used again.`) });
  return (
    <Side title={row.label} close={close}>
      <Facts
        rows={[
          ["Provider", row.provider_id],
          ["State", <span key="s" className="flex flex-wrap items-center gap-2"><StateTag row={row} at={states.dataUpdatedAt} /> <span className="text-ink-2">{row.now?.why}</span></span>],
          ["Key", row.configured ? <span key="k">Configured, set <Time at={row.key_set_at} relative /></span> : "Not configured"],
          ["Requests left", <Headroom key="r" left={row.now?.requests} at={states.dataUpdatedAt} known />],
          ["Tokens left", <Headroom key="t" left={row.now?.tokens} at={states.dataUpdatedAt} known />],
          ["In flight", count(row.now?.in_flight ?? 0)],
          ["Last 24 h", row.now ? <span key="c">{count(row.now.calls_24h)} calls, <Spend now={row.now} /></span> : "unknown"],
          ["Limits", <LimitWords key="i" subject={`account:${row.id}`} />],
          ["Weight", String(row.weight)],
          ["Quota owner", row.quota_owner ?? "itself"],
          ["Organisation", row.organization ?? "none sent"],
          ["Project", row.project ?? "none sent"],
        ]}
      />
      <p className="text-console text-ink-3">Stored sealed. Nobody can read the key back, admins included. You can replace or delete it.</p>
      <div className="flex flex-wrap gap-2">
        <Button onClick={() => test.mutate()} busy={test.isPending}>
          Test
        </Button>
        <Button onClick={() => setAsks("key")}>Replace key</Button>
        <Button onClick={() => setAsks("traits")}>Change</Button>
        <Button onClick={() => setAsks("limits")}>Limits</Button>
        <Button onClick={() => rest.mutate()} busy={rest.isPending}>
          {row.is_active ? "Rest" : "Use again"}
        </Button>
        <Go to="/admin/calls" search={{ account_id: row.id }} button="plain" small={false}>
          See calls
        </Go>
        <Button className="text-bad! wide:ml-auto" onClick={() => setAsks("delete")}>Delete</Button>
      </div>
      {test.data && <p role="status" className={test.data.ok ? "text-good" : "text-bad"}>{testWords(test.data)}</p>}
      {(test.error ?? rest.error) && <p role="alert" className="text-bad">{sentenceOf(test.error ?? rest.error)}</p>}
      {asks === "key" && (
        <FormDialog title={`Replace the key of ${row.label}`} act="Replace key" close={() => setAsks(undefined)} save={(form) => change(row, { auth_data: { api_key: textOf(form, "key") } }, "Key replaced. The next call uses it.")}>
          <SecretField label="New key" name="key" required autoFocus hint="The next call uses it. The key before is gone." />
        </FormDialog>
      )}
      {asks === "limits" && <LimitForm subject={`account:${row.id}`} name={row.label} says="Once they are reached, calls go to the provider's other accounts, as when it rests." close={() => setAsks(undefined)} />}
      {asks === "traits" && (
        <FormDialog
          title={`Change ${row.label}`}
          close={() => setAsks(undefined)}
          save={(form) =>
            change(row, { label: textOf(form, "label"), weight: numberOf(form, "weight") ?? 1, quota_owner: textOf(form, "quota_owner") || null, organization: textOf(form, "organization") || null, project: textOf(form, "project") || null }, "Saved.")
          }
        >
          <Field label="Label" name="label" defaultValue={row.label} required maxLength={200} autoFocus />
          <AccountTraits row={row} />
        </FormDialog>
      )}
      {asks === "delete" && (
        <Confirm
          title={`Delete ${row.label}?`}
          act="Delete account"
          type={row.label}
          close={() => setAsks(undefined)}
          does={async () => {
            await data(api.DELETE("/api/v1/accounts/{account_id}", { params: { path: { account_id: row.id } } }));
            client.setQueryData(["accounts"], (before: { data: Account[] } | undefined) => before && { data: before.data.filter((one) => one.id !== row.id) });
            say(`${row.label} deleted.`);
            close();
          }}
        >
          <p>Its key is forgotten, and files and batches that it made can no longer be reached. This cannot be undone.</p>
        </Confirm>
      )}
    </Side>
  );
}

export function testWords(tried: Schemas["TriedOut"]): string {
  if (tried.ok) return `Works: ${tried.models.length} models, in ${duration(tried.took_s * 1000)}.`;
  return tried.status === null ? tried.says : `${tried.says.replace(/\.$/, "")} (${tried.status}).`;
}
