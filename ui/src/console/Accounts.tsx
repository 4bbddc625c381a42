import { type UseQueryResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { sentenceOf } from "@/api/errors";
import { Button } from "@/parts/Button";
import { Empty } from "@/parts/Empty";
import { Field, SecretField, SelectField } from "@/parts/Field";
import { Money } from "@/parts/Money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { type Column, Table } from "@/parts/Table";
import { Tag, type Tone } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { duration } from "@/parts/times";
import { ShareBar } from "./parts/Bars";
import { Confirm } from "./parts/Confirm";
import { Facts } from "./parts/Facts";
import { count, wait } from "./parts/figures";
import { FormDialog, numberOf, textOf } from "./parts/Form";
import { Go } from "./parts/Go";
import { Side } from "./parts/Side";
import { useUrl } from "./parts/url";

type Account = Schemas["AccountOut"];
type State = Schemas["AccountStateOut"];
type Row = Account & { now: State | undefined };

const LOOK_MS = 5000;

/** The operator's keys at providers: what each is doing now, and how much of its limits is left. */
export function Accounts(): ReactNode {
  const [search, set] = useUrl();
  const accounts = useQuery({ queryKey: ["accounts"], queryFn: async () => (await data(api.GET("/api/v1/accounts")))! });
  const states = useQuery({ queryKey: ["account-states"], queryFn: async () => (await data(api.GET("/api/v1/account-states")))!, refetchInterval: LOOK_MS });
  const rows: Row[] = (accounts.data?.data ?? []).map((account) => ({ ...account, now: states.data?.data.find((state) => state.id === account.id) }));
  const open = rows.find((row) => row.id === search.open);
  const close = (): void => set({ open: undefined });
  const columns: Column<Row>[] = [
    { name: "Label", cell: (row) => <span className="font-medium">{row.label}</span>, phone: "name" },
    { name: "Provider", cell: (row) => row.provider_id },
    { name: "State", cell: (row) => <StateTag row={row} at={states.dataUpdatedAt} />, phone: "state" },
    { name: "Requests left", cell: (row) => <Headroom left={row.now?.requests} at={states.dataUpdatedAt} known={row.now !== undefined} />, className: "w-40" },
    { name: "Tokens left", cell: (row) => <Headroom left={row.now?.tokens} at={states.dataUpdatedAt} known={row.now !== undefined} />, className: "w-40" },
    { name: "Weight", right: true, cell: (row) => row.weight },
    { name: "Spend, 24 h", right: true, cell: (row) => (row.now ? <Spend now={row.now} /> : ""), phone: "money" },
    { name: "Key", cell: (row) => (row.key_set_at === null ? <span className="text-ink-3">not set</span> : <span>set <Time at={row.key_set_at} relative /></span>), phone: "time" },
  ];
  return (
    <Page
      title="Accounts"
      actions={
        <Button kind="main" onClick={() => set({ open: "new" })}>
          <Plus size={16} strokeWidth={1.75} aria-hidden />
          Add an account
        </Button>
      }
    >
      <Panel query={accounts}>
        {() =>
          rows.length === 0 ? (
            <Empty title="No accounts yet." command="doorward account add --provider openai --label main --key-stdin" action={<Button kind="main" onClick={() => set({ open: "new" })}>Add an account</Button>}>
              An account is a key at a provider. Several accounts of one provider share the load by weight and by what is left of their limits.
            </Empty>
          ) : (
            <Table label="Accounts" columns={columns} rows={rows} keyOf={(row) => row.id} open={(row) => set({ open: row.id })} />
          )
        }
      </Panel>
      {search.open === "new" && <AddAccount close={close} />}
      {open && <OneAccount row={open} states={states} close={close} />}
    </Page>
  );
}

const TONES: Record<State["state"], Tone> = { ready: "good", resting: "warn", refused: "bad", off: "plain", no_key: "bad" };

/** `ready`, `resting 41 s`, `refused: key invalid`, `off`: counts down between looks. */
function StateTag({ row, at }: { row: Row; at: number }): ReactNode {
  const passed = useSeconds(at, row.now?.state === "resting");
  if (!row.now) return <span className="text-ink-3">not known yet</span>;
  const left = row.now.for_s === null ? null : row.now.for_s - passed;
  const words: Record<State["state"], string> = { ready: "ready", resting: left !== null && left > 0 ? `resting ${wait(left)}` : "resting", refused: "refused: key invalid", off: "off", no_key: "no key" };
  return (
    <span title={row.now.why || undefined}>
      <Tag tone={TONES[row.now.state]}>{words[row.now.state]}</Tag>
    </span>
  );
}

function useSeconds(since: number, on: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return on ? Math.max(0, (now - since) / 1000) : 0;
}

/** What is left of a limit and when it is whole again. Before the first answer nobody knows: never 100 %. */
function Headroom({ left, at, known }: { left: State["requests"] | undefined; at: number; known: boolean }): ReactNode {
  const passed = useSeconds(at, Boolean(left && left.left < 1));
  if (!known) return null;
  if (!left) return <span className="text-ink-3">not known yet</span>;
  const resets = left.resets_in_s - passed;
  return (
    <span className="flex min-w-28 flex-col gap-0.5">
      <ShareBar share={left.left} tone={left.left < 0.1 ? "bad" : left.left < 0.3 ? "warn" : "good"} />
      <span className="text-note whitespace-nowrap text-ink-2">
        {Math.round(left.left * 100)} %{left.left < 1 && resets > 0 && `, whole in ${wait(resets)}`}
      </span>
    </span>
  );
}

function Spend({ now }: { now: State }): ReactNode {
  return now.calls_24h > 0 && now.unknown_cost_calls_24h === now.calls_24h ? <Money nanos={null} /> : <Money nanos={now.cost_nanos_24h} />;
}

function useChange(): (row: Account, body: Schemas["AccountChange"], said: string) => Promise<void> {
  const client = useQueryClient();
  return async (row, body, said) => {
    const changed = (await data(api.PATCH("/api/v1/accounts/{account_id}", { params: { path: { account_id: row.id } }, body })))!;
    client.setQueryData(["accounts"], (before: { data: Account[] } | undefined) => before && { data: before.data.map((one) => (one.id === row.id ? changed : one)) });
    void client.invalidateQueries({ queryKey: ["account-states"] });
    say(said);
  };
}

function OneAccount({ row, states, close }: { row: Row; states: UseQueryResult<{ data: State[] }>; close: () => void }): ReactNode {
  const client = useQueryClient();
  const change = useChange();
  const [asks, setAsks] = useState<"key" | "traits" | "delete">();
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
        <Button onClick={() => rest.mutate()} busy={rest.isPending}>
          {row.is_active ? "Rest" : "Use again"}
        </Button>
        <Button onClick={() => setAsks("delete")}>Delete</Button>
        <Go to="/admin/calls" search={{ account_id: row.id }} button="plain" className="min-h-9">
          See calls
        </Go>
      </div>
      {test.data && <p role="status" className={test.data.ok ? "text-good" : "text-bad"}>{testWords(test.data)}</p>}
      {(test.error ?? rest.error) && <p role="alert" className="text-bad">{sentenceOf(test.error ?? rest.error)}</p>}
      {asks === "key" && (
        <FormDialog title={`Replace the key of ${row.label}`} act="Replace key" close={() => setAsks(undefined)} save={(form) => change(row, { auth_data: { api_key: textOf(form, "key") } }, "Key replaced. The next call uses it.")}>
          <SecretField label="New key" name="key" required autoFocus hint="The next call uses it. The key before is gone." />
        </FormDialog>
      )}
      {asks === "traits" && (
        <FormDialog
          title={`Change ${row.label}`}
          close={() => setAsks(undefined)}
          save={(form) =>
            change(row, { label: textOf(form, "label"), weight: numberOf(form, "weight") ?? 1, quota_owner: textOf(form, "quota_owner") || null, organization: textOf(form, "organization") || null, project: textOf(form, "project") || null }, "Saved.")
          }
        >
          <Field label="Label" name="label" defaultValue={row.label} required maxLength={200} autoFocus />
          <Traits row={row} />
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

function Traits({ row }: { row?: Account }): ReactNode {
  return (
    <>
      <Field label="Weight" name="weight" type="number" min={1} max={1000} defaultValue={row?.weight ?? 1} hint="Its share of the load among this provider's accounts." />
      <Field label="Quota owner" name="quota_owner" defaultValue={row?.quota_owner ?? ""} maxLength={200} placeholder="the account itself" hint="Keys of one organisation share one limit; name it once." />
      <details open={Boolean(row?.organization || row?.project)}>
        <summary className="font-medium">OpenAI organisation and project</summary>
        <div className="mt-3 grid grid-cols-2 gap-3 max-wide:grid-cols-1">
          <Field label="Organisation" name="organization" defaultValue={row?.organization ?? ""} placeholder="org-..." />
          <Field label="Project" name="project" defaultValue={row?.project ?? ""} placeholder="proj_..." />
        </div>
      </details>
    </>
  );
}

function AddAccount({ close }: { close: () => void }): ReactNode {
  const client = useQueryClient();
  const providers = useQuery({ queryKey: ["providers"], queryFn: async () => (await data(api.GET("/api/v1/providers")))! });
  const takeKeys = (providers.data?.data ?? []).filter((provider) => provider.auth_strategy !== "none");
  return (
    <FormDialog
      title="Add an account"
      act="Add account"
      close={close}
      save={async (form) => {
        const made = (await data(
          api.POST("/api/v1/accounts", {
            body: {
              provider_id: textOf(form, "provider_id"),
              label: textOf(form, "label"),
              auth_data: { api_key: textOf(form, "key") },
              is_active: true,
              weight: numberOf(form, "weight") ?? 1,
              quota_owner: textOf(form, "quota_owner") || null,
              organization: textOf(form, "organization") || null,
              project: textOf(form, "project") || null,
            },
          }),
        ))!;
        client.setQueryData(["accounts"], (before: { data: Account[] } | undefined) => ({ data: [...(before?.data ?? []), made] }));
        void client.invalidateQueries({ queryKey: ["account-states"] });
        say(`${made.label} added. It serves from the next call on.`);
      }}
    >
      <SelectField label="Provider" name="provider_id" key={takeKeys.length} defaultValue="openai">
        {takeKeys.map((provider) => (
          <option key={provider.id} value={provider.id}>
            {provider.name === provider.id ? provider.id : `${provider.name} (${provider.id})`}
          </option>
        ))}
      </SelectField>
      <Field label="Label" name="label" required maxLength={200} autoFocus placeholder="main" />
      <SecretField label="Key" name="key" required hint="Goes in and never comes out again." />
      <Traits />
    </FormDialog>
  );
}
