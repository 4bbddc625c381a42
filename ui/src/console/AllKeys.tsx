import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { boundsOf } from "@/keys/bounds";
import { NewKey } from "@/keys/NewKey";
import { ShownOnce } from "@/keys/ShownOnce";
import { Button } from "@/parts/Button";
import { Empty, NoMatch } from "@/parts/Empty";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { type Column, Table } from "@/parts/Table";
import { Tag } from "@/parts/Tag";
import { Time } from "@/parts/Time";
import { budgetsQuery, keysQuery } from "./asks";
import { type Budget, type Key, OneKey, TONES, whoseBudget } from "./OneKey";
import { BudgetCell } from "./parts/BudgetCell";
import { Choice, FilterBar, SearchField } from "./parts/Filters";
import { useUrl } from "./parts/url";

/** Everybody's client keys. */
export function AllKeys(): ReactNode {
  const [search, set] = useUrl();
  const client = useQueryClient();
  const keys = useQuery(keysQuery);
  const budgets = useQuery(budgetsQuery);
  // held here until the dialog is closed, and nowhere else
  const [secret, setSecret] = useState<string>();
  const budgetOf = (key: Key): Budget | undefined => budgets.data?.data.find((budget) => budget.subject === `key:${key.id}`);
  const above = (key: Key): Budget[] => (budgets.data?.data ?? [])
      .filter((budget) => budget.subject === "all" || budget.subject === `user:${key.owner_user_id}`)
      .sort((one, other) => Number(one.left_usd) - Number(other.left_usd));
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
          <code className="block text-note whitespace-nowrap text-ink-2 max-wide:hidden">dw-{row.id}</code>
        </span>
      ),
    },
    { name: "Owner", cell: (row) => <span className="block max-w-44 truncate">{row.owner ?? <span className="text-ink-2">operator</span>}</span> },
    { name: "Limits", cell: (row) => <span className="line-clamp-2 min-w-48 text-pretty">{limitsIn(row, above(row))}</span> },
    { name: "Budget", cell: (row) => <BudgetCell budget={budgetOf(row)} />, className: "w-40", phone: "money" },
    { name: "Last used", cell: (row) => <Time at={row.last_used_at} relative none="never used" />, phone: "time" },
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
      {search.open === "new" && <NewKey any make={async (wish) => made((await data(api.POST("/api/v1/keys", { body: wish })))!)} close={close} />}
      {open && !secret && <OneKey row={open} budget={budgetOf(open)} above={above(open)} made={made} close={close} />}
      {secret && <ShownOnce secret={secret} stored={() => setSecret(undefined)} />}
    </Page>
  );
}

/** Its limits without the budget, which stands beside them. */
function limitsIn(row: Key, above: Budget[]): string {
  const { budget_usd, budget_period: _, ...calls } = row.limits;
  if (budget_usd && Object.values(calls).every((bound) => bound === null)) return "its budget alone";
  return boundsOf(calls, above, whoseBudget(above));
}
