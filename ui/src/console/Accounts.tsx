import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/parts/Button";
import { Empty } from "@/parts/Empty";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { type Column, Table } from "@/parts/Table";
import { Time } from "@/parts/Time";
import { accountsQuery, statesQuery } from "./asks";
import { AddAccount } from "./AddAccount";
import { OneAccount } from "./OneAccount";
import { Headroom, type Row, Spend, StateTag } from "./parts/AccountState";
import { useUrl } from "./parts/url";

const LOOK_MS = 5000;

/** The operator's keys at providers: what each is doing now, and how much of its limits is left. */
export function Accounts(): ReactNode {
  const [search, set] = useUrl();
  const accounts = useQuery(accountsQuery);
  const states = useQuery({ ...statesQuery, refetchInterval: LOOK_MS });
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
    { name: "Key", cell: (row) => (row.key_set_at === null ? <span className="text-ink-3">not set</span> : <span><span className="wide:hidden">key </span>set <Time at={row.key_set_at} relative /></span>), phone: "time" },
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
