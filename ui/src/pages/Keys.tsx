import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { sentenceOf } from "@/api/errors";
import { BudgetCell } from "@/console/parts/BudgetCell";
import { boundsOf } from "@/keys/bounds";
import { NewKey, type Wish } from "@/keys/NewKey";
import { ShownOnce } from "@/keys/ShownOnce";
import { Button } from "@/parts/Button";
import { Actions, Dialog } from "@/parts/Dialog";
import { Empty } from "@/parts/Empty";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { type Column, Table } from "@/parts/Table";
import { Tag } from "@/parts/Tag";
import { Time } from "@/parts/Time";

type Key = Schemas["MyKeyOut"];

/** One's own client keys: for programs that speak OpenAI's API. */
export function Keys(): ReactNode {
  const client = useQueryClient();
  const list = useQuery({ queryKey: ["my-keys"], queryFn: async () => (await data(api.GET("/api/v1/me/keys")))! });
  const budget = useQuery({ queryKey: ["my-budget"], queryFn: async () => (await data(api.GET("/api/v1/me/budget")))! });
  const [making, setMaking] = useState(false);
  // the one place where a key is held, until the dialog is closed: not in the cache of answers
  const [secret, setSecret] = useState<string>();
  const [ending, setEnding] = useState<Key>();

  const make = async (wish: Wish): Promise<void> => {
    const made = (await data(api.POST("/api/v1/me/keys", { body: wish })))!;
    const { key, ...row } = made;
    setSecret(key);
    setMaking(false);
    client.setQueryData(["my-keys"], (before: { data: Key[] } | undefined) => ({ data: [row as Key, ...(before?.data ?? [])] }));
  };

  const columns: Column<Key>[] = [
    { name: "Label", cell: (row) => <span className="font-medium">{row.label}</span>, phone: "name" },
    { name: "Key", cell: (row) => <code className="text-console text-ink-2">dw-{row.id}</code> },
    { name: "Limits", cell: (row) => boundsOf(row.limits, budget.data?.data) },
    { name: "Budget", cell: (row) => <BudgetCell budget={budget.data?.data.find((one) => one.subject === `key:${row.id}`)} />, className: "w-40" },
    { name: "Last used", cell: (row) => <Time at={row.last_used_at} relative none="never used" />, phone: "time" },
    { name: "Expires", cell: (row) => <Time at={row.expires_at} relative /> },
    { name: "State", cell: (row) => <Tag tone={row.state === "active" ? "good" : "plain"}>{row.state}</Tag>, phone: "state" },
    {
      name: "Actions",
      right: true,
      phone: "money",
      cell: (row) =>
        row.state === "active" && (
          <Button small kind="quiet" className="-mr-2.5" onClick={() => setEnding(row)} aria-label={`Revoke ${row.label}`}>
            Revoke
          </Button>
        ),
    },
  ];

  return (
    <Page
      title="Keys"
      actions={
        <Button kind="main" onClick={() => setMaking(true)}>
          <Plus size={16} strokeWidth={1.75} aria-hidden />
          Make a client key
        </Button>
      }
    >
      <Panel query={list}>
        {({ data: rows }) =>
          rows.length === 0 ? (
            <Empty title="No client keys yet." command={`doorward key create --label "first" --owner you@example.com`} action={<Button onClick={() => setMaking(true)}>Make the first</Button>}>
              A client key lets a program call the models that you may use, through <code>{location.origin}/v1</code>. You see what each one spends.
            </Empty>
          ) : (
            <Table label="My keys" columns={columns} rows={rows} keyOf={(row) => row.id} />
          )
        }
      </Panel>
      {making && <NewKey make={make} close={() => setMaking(false)} />}
      {secret && <ShownOnce secret={secret} stored={() => setSecret(undefined)} />}
      {ending && <Revoke row={ending} close={() => setEnding(undefined)} />}
    </Page>
  );
}

function Revoke({ row, close }: { row: Key; close: () => void }): ReactNode {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => data(api.POST("/api/v1/me/keys/{key_id}/revoke", { params: { path: { key_id: row.id } } })),
    onSuccess: (changed) => {
      client.setQueryData(["my-keys"], (before: { data: Key[] } | undefined) => ({
        data: (before?.data ?? []).map((one) => (one.id === row.id ? changed! : one)),
      }));
      say(`Key ${row.label} revoked.`);
      close();
    },
  });
  return (
    <Dialog open onClose={close} title={`Revoke ${row.label}?`}>
      <p>Programs with this key are refused within 5 seconds. This cannot be undone.</p>
      {revoke.error && (
        <p role="alert" className="text-bad">
          {sentenceOf(revoke.error)}
        </p>
      )}
      <Actions>
        <Button onClick={close} autoFocus>
          Keep
        </Button>
        <Button kind="danger" busy={revoke.isPending} onClick={() => revoke.mutate()}>
          Revoke
        </Button>
      </Actions>
    </Dialog>
  );
}
