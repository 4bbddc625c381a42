import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { boundsOf } from "@/keys/bounds";
import { ShownOnce } from "@/keys/ShownOnce";
import { Button } from "@/parts/Button";
import { Empty, NoMatch } from "@/parts/Empty";
import { Check, Field, SelectField } from "@/parts/Field";
import { money, nanosOf } from "@/parts/money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { type Column, Table } from "@/parts/Table";
import { Tag, type Tone } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { Bullet } from "./parts/Bars";
import { Confirm } from "./parts/Confirm";
import { Facts } from "./parts/Facts";
import { Choice, FilterBar, SearchField } from "./parts/Filters";
import { FormDialog, numberOf, textOf } from "./parts/Form";
import { Go } from "./parts/Go";
import { Side } from "./parts/Side";
import { useUrl } from "./parts/url";

type Key = Schemas["KeyOut"];
type Budget = Schemas["BudgetOut"];

const DAY_S = 86_400;
const TONES: Record<Key["state"], Tone> = { active: "good", expired: "warn", revoked: "plain" };

/** Everybody's client keys. */
export function AllKeys(): ReactNode {
  const [search, set] = useUrl();
  const client = useQueryClient();
  const keys = useQuery({ queryKey: ["keys"], queryFn: async () => (await data(api.GET("/api/v1/keys")))! });
  const budgets = useQuery({ queryKey: ["budgets"], queryFn: async () => (await data(api.GET("/api/v1/budgets")))! });
  // held here until the dialog is closed, and nowhere else
  const [secret, setSecret] = useState<string>();
  const budgetOf = (key: Key): Budget | undefined => budgets.data?.data.find((budget) => budget.subject === `key:${key.id}`);
  const above = (key: Key): Budget[] => (budgets.data?.data ?? []).filter((budget) => budget.subject === "all" || budget.subject === `user:${key.owner_user_id}`);
  const word = (search.q ?? "").toLowerCase();
  const every = keys.data?.data ?? [];
  const rows = every.filter((key) => (!search.state || key.state === search.state) && [key.label, key.id, key.owner ?? "operator"].some((text) => text.toLowerCase().includes(word)));
  const open = every.find((key) => key.id === search.open);
  const close = (): void => set({ open: undefined });
  const made = ({ key, ...row }: Schemas["NewKeyOut"], before?: string): void => {
    setSecret(key);
    close();
    client.setQueryData(["keys"], (was: { data: Key[] } | undefined) => ({ data: [row, ...(was?.data ?? [])] }));
    if (before) void client.invalidateQueries({ queryKey: ["keys"] });
  };
  const columns: Column<Key>[] = [
    {
      name: "Label",
      phone: "name",
      cell: (row) => (
        <span className="block min-w-32 py-1">
          <span className="block max-w-56 truncate font-medium">{row.label}</span>
          <code className="block text-note text-ink-2 max-wide:hidden">dw-{row.id}</code>
        </span>
      ),
    },
    { name: "Owner", cell: (row) => <span className="block max-w-44 truncate">{row.owner ?? <span className="text-ink-2">operator</span>}</span> },
    { name: "Limits", cell: (row) => <span className="block max-w-64 truncate" title={boundsOf(row.limits, above(row))}>{boundsOf(row.limits, above(row))}</span> },
    { name: "Budget", cell: (row) => <BudgetCell budget={budgetOf(row)} />, className: "w-40", phone: "money" },
    { name: "Last used", cell: (row) => <Time at={row.last_used_at} relative />, phone: "time" },
    { name: "Expires", cell: (row) => <Time at={row.expires_at} relative />, className: "whitespace-nowrap" },
    { name: "State", cell: (row) => <Tag tone={TONES[row.state]}>{row.state}</Tag>, phone: "state" },
  ];
  return (
    <Page
      title="Keys"
      actions={
        <Button kind="main" onClick={() => set({ open: "new" })}>
          <Plus size={16} strokeWidth={1.75} aria-hidden />
          Make a client key
        </Button>
      }
    >
      <FilterBar>
        <SearchField label="Label, owner or key" placeholder="Label, owner or key" value={search.q ?? ""} search={(q) => set({ q })} />
        <Choice name="State" value={search.state ?? ""} options={[["", "All states"], ["active", "Active"], ["expired", "Expired"], ["revoked", "Revoked"]]} choose={(state) => set({ state })} />
      </FilterBar>
      <Panel query={keys}>
        {() =>
          every.length === 0 ? (
            <Empty title="No client keys yet." command={`doorward key create --label "first"`} action={<Button kind="main" onClick={() => set({ open: "new" })}>Make a client key</Button>}>
              A client key lets a program call models through <code>{location.origin}/v1</code>, within the limits that you give it.
            </Empty>
          ) : rows.length === 0 ? (
            <NoMatch clear={<Button small onClick={() => set({ q: undefined, state: undefined })}>Clear filters</Button>} />
          ) : (
            <Table label="Client keys" columns={columns} rows={rows} keyOf={(row) => row.id} open={(row) => set({ open: row.id })} />
          )
        }
      </Panel>
      {search.open === "new" && <MakeKey made={made} close={close} />}
      {open && !secret && <OneKey row={open} budget={budgetOf(open)} above={above(open)} made={made} close={close} />}
      {secret && <ShownOnce secret={secret} stored={() => setSecret(undefined)} />}
    </Page>
  );
}

function BudgetCell({ budget }: { budget: Budget | undefined }): ReactNode {
  if (!budget) return <span className="text-ink-3">none</span>;
  const [spent, held, cap] = [budget.spent_usd, budget.held_usd, budget.cap_usd].map((usd) => Number(nanosOf(usd) ?? 0)) as [number, number, number];
  return (
    <span className="flex min-w-28 flex-col">
      <Bullet spent={spent} held={held} cap={cap} forecast={null} />
      <span className="text-note whitespace-nowrap text-ink-2">
        {money(spent, 2)} of {money(cap, 2)}
      </span>
    </span>
  );
}

function OneKey({ row, budget, above, made, close }: { row: Key; budget: Budget | undefined; above: Budget[]; made: (key: Schemas["NewKeyOut"], before?: string) => void; close: () => void }): ReactNode {
  const client = useQueryClient();
  const [asks, setAsks] = useState<"revoke" | "rotate" | "change" | "delete">();
  const path = { params: { path: { key_id: row.id } } };
  const replace = (changed: Key): void => {
    client.setQueryData(["keys"], (before: { data: Key[] } | undefined) => before && { data: before.data.map((one) => (one.id === row.id ? changed : one)) });
  };
  const isActive = row.state === "active";
  return (
    <Side title={row.label} close={close}>
      <Facts
        rows={[
          ["Key", <code key="k">dw-{row.id}</code>],
          ["State", <Tag key="s" tone={TONES[row.state]}>{row.state}</Tag>],
          ["Owner", row.owner ?? "operator"],
          ["Scopes", row.scopes.join(", ")],
          ["Models", row.models?.join(", ") ?? "all"],
          ["Adapters", row.adapters?.join(", ") ?? "all"],
          ["Limits", boundsOf(row.limits, above)],
          ["Budget", budget ? <BudgetCell key="b" budget={budget} /> : "none of its own"],
          ["Last used", <Time key="l" at={row.last_used_at} />],
          ["Made", <Time key="m" at={row.created_at} />],
          ["Expires", <Time key="e" at={row.expires_at} />],
          ...(row.rotated_from ? ([["Replaces", <code key="r">dw-{row.rotated_from}</code>]] as [string, ReactNode][]) : []),
          ...(row.share_as ? ([["Shares objects as", row.share_as]] as [string, ReactNode][]) : []),
        ]}
      />
      <div className="flex flex-wrap gap-2">
        {isActive && (
          <>
            <Button onClick={() => setAsks("change")}>Change</Button>
            <Button onClick={() => setAsks("rotate")}>Rotate</Button>
            <Button onClick={() => setAsks("revoke")}>Revoke</Button>
          </>
        )}
        {!isActive && <Button onClick={() => setAsks("delete")}>Delete</Button>}
        <Go to="/admin/calls" search={{ key_id: row.id }} button="plain" className="min-h-9">
          See calls
        </Go>
        <Go to="/admin/budgets" search={{ open: `key:${row.id}` }} button="plain" className="min-h-9">
          {budget ? "Change budget" : "Set a budget"}
        </Go>
      </div>
      {asks === "change" && (
        <FormDialog
          title={`Change ${row.label}`}
          close={() => setAsks(undefined)}
          save={async (form) => {
            const days = textOf(form, "days");
            const expires = days === "keep" ? {} : { expires_at: days === "" ? null : Math.floor(Date.now() / 1000 + Number(days) * DAY_S) };
            replace((await data(api.PATCH("/api/v1/keys/{key_id}", { ...path, body: { label: textOf(form, "label"), ...expires } })))!);
            say("Saved.");
          }}
        >
          <Field label="Label" name="label" defaultValue={row.label} required maxLength={200} autoFocus />
          <SelectField label="Expires" name="days" defaultValue="keep">
            <option value="keep">as it is</option>
            <Expiries />
          </SelectField>
          <p className="text-console text-ink-3">What a key may do is fixed when it is made; its budget can be changed under Budgets.</p>
        </FormDialog>
      )}
      {asks === "rotate" && (
        <FormDialog title={`Rotate ${row.label}`} act="Make the new key" close={() => setAsks(undefined)} save={async (form) => made((await data(api.POST("/api/v1/keys/{key_id}/rotate", { ...path, body: { overlap_s: Number(textOf(form, "overlap_s")) } })))!, row.id)}>
          <p>A new key with the same powers. The old one stays good for a while, so that programs can change over.</p>
          <SelectField label="The old key ends" name="overlap_s" defaultValue={String(DAY_S)}>
            <option value="0">at once</option>
            <option value="3600">in an hour</option>
            <option value={DAY_S}>in a day</option>
            <option value={7 * DAY_S}>in a week</option>
          </SelectField>
        </FormDialog>
      )}
      {asks === "revoke" && (
        <Confirm title={`Revoke ${row.label}?`} act="Revoke" close={() => setAsks(undefined)} does={async () => void replace((await data(api.POST("/api/v1/keys/{key_id}/revoke", path)))!)}>
          <p>Programs with this key are refused within 5 seconds. This cannot be undone.</p>
        </Confirm>
      )}
      {asks === "delete" && (
        <Confirm
          title={`Delete ${row.label}?`}
          act="Delete"
          type={row.label}
          close={() => setAsks(undefined)}
          does={async () => {
            await data(api.DELETE("/api/v1/keys/{key_id}", path));
            client.setQueryData(["keys"], (before: { data: Key[] } | undefined) => before && { data: before.data.filter((one) => one.id !== row.id) });
            close();
          }}
        >
          <p>The key's row goes; its calls stay in the book under its label.</p>
        </Confirm>
      )}
    </Side>
  );
}

function Expiries(): ReactNode {
  return (
    <>
      <option value="30">in 30 days</option>
      <option value="90">in 90 days</option>
      <option value="365">in a year</option>
      <option value="">never</option>
    </>
  );
}

function MakeKey({ made, close }: { made: (key: Schemas["NewKeyOut"]) => void; close: () => void }): ReactNode {
  const save = async (form: FormData): Promise<void> => {
    const list = (name: string): string[] | null => {
      const words = textOf(form, name).split(",").map((word) => word.trim()).filter(Boolean);
      return words.length ? words : null;
    };
    const days = numberOf(form, "days");
    const scopes: Key["scopes"] = ["call", ...(form.get("me") ? (["me"] as const) : []), ...(form.get("admin") ? (["admin"] as const) : [])];
    const key = await data(
      api.POST("/api/v1/keys", {
        body: {
          label: textOf(form, "label"),
          owner: textOf(form, "owner") || null,
          scopes,
          models: list("models"),
          adapters: list("adapters"),
          expires_at: days === null ? null : Math.floor(Date.now() / 1000 + days * DAY_S),
          limits: {
            rpm: numberOf(form, "rpm"),
            rpd: numberOf(form, "rpd"),
            tpm: numberOf(form, "tpm"),
            tpd: numberOf(form, "tpd"),
            concurrency: numberOf(form, "concurrency"),
            budget_usd: textOf(form, "budget") || null,
            budget_period: textOf(form, "period") as "day" | "month" | "ever",
          },
        },
      }),
    );
    made(key!);
  };
  return (
    <FormDialog title="Make a client key" act="Make key" close={close} save={save}>
      <Field label="Label" name="label" required maxLength={200} autoFocus placeholder="mobile app" hint="What uses it. You see it in usage and calls." />
      <Field label="Owner" name="owner" type="email" placeholder="the operator" hint="A user's e-mail. The operator's keys draw on the operator's accounts." />
      <SelectField label="Expires" name="days" defaultValue="90">
        <Expiries />
      </SelectField>
      <details>
        <summary className="font-medium">Limits</summary>
        <div className="mt-3 grid grid-cols-2 gap-3">
          <Field label="Requests a minute" name="rpm" type="number" min={1} inputMode="numeric" />
          <Field label="Requests a day" name="rpd" type="number" min={1} inputMode="numeric" />
          <Field label="Tokens a minute" name="tpm" type="number" min={1} inputMode="numeric" />
          <Field label="Tokens a day" name="tpd" type="number" min={1} inputMode="numeric" />
          <Field label="Calls at once" name="concurrency" type="number" min={1} inputMode="numeric" />
          <Field label="Models" name="models" placeholder="gpt-4o*, o3" hint="Empty: all." />
          <Field label="Adapters" name="adapters" placeholder="github" hint="Empty: all." />
          <span />
          <Field label="Budget in dollars" name="budget" inputMode="decimal" pattern="\d+([.]\d{1,9})?" title="Like 10 or 2.50" />
          <SelectField label="Budget's period" name="period" defaultValue="month">
            <option value="day">day</option>
            <option value="month">month</option>
            <option value="ever">ever</option>
          </SelectField>
        </div>
      </details>
      <details>
        <summary className="font-medium">Scopes</summary>
        <div className="mt-3 flex flex-col gap-2">
          <Check label="me" name="me" hint="May manage its owner's own keys and settings." />
          <Check label="admin" name="admin" hint="May do on the control plane whatever an admin may." />
        </div>
      </details>
    </FormDialog>
  );
}
