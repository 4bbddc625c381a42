import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { type Schemas, api, data } from "@/api/client";
import { Button } from "@/parts/Button";
import { Empty } from "@/parts/Empty";
import { Check, Field } from "@/parts/Field";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { type Column, Table } from "@/parts/Table";
import { Tag } from "@/parts/Tag";
import { aliasesQuery, routesQuery } from "./asks";
import { Confirm } from "./parts/Confirm";
import { wait } from "./parts/figures";
import { FormDialog, numberOf, textOf } from "@/parts/FormDialog";
import { WhatIf } from "./WhatIf";

type Route = Schemas["RouteOut"];
type Alias = Schemas["AliasOut"];

/** Where calls go when a model fails, other names for models, and which account a call would take. */
export function Routes(): ReactNode {
  const client = useQueryClient();
  const routes = useQuery(routesQuery);
  const aliases = useQuery(aliasesQuery);
  const [editing, setEditing] = useState<Route | "new">();
  const [naming, setNaming] = useState<Alias | "new">();
  const [removing, setRemoving] = useState<{ kind: "route" | "alias"; name: string }>();
  const again = (what: string): void => {
    void client.invalidateQueries({ queryKey: [what] });
    void client.invalidateQueries({ queryKey: ["what-if"] });
  };
  return (
    <Page
      title="Routes"
      actions={
        <>
          <Button onClick={() => setNaming("new")}>Name a model</Button>
          <Button kind="main" onClick={() => setEditing("new")}>
            <Plus size={16} strokeWidth={1.75} aria-hidden />
            Set a route
          </Button>
        </>
      }
    >
      <WhatIf />
      <Panel query={routes}>
        {(found) =>
          found.data.length === 0 ? (
            <Empty title="No routes yet." command="doorward route set gpt-4o --fallback gpt-4o-mini" action={<Button kind="main" onClick={() => setEditing("new")}>Set a route</Button>}>
              A route names the models to try when one does not answer. Without one, calls still go to the other accounts of the same provider.
            </Empty>
          ) : (
            <Table label="Routes" columns={routeColumns((name) => setRemoving({ kind: "route", name }))} rows={found.data} keyOf={(row) => row.match} open={setEditing} />
          )
        }
      </Panel>
      <Panel query={aliases} rows={1}>
        {(found) =>
          found.data.length > 0 && (
            <section className="flex flex-col gap-3" aria-label="Other names">
              <h2>Other names</h2>
              <Table label="Other names" columns={aliasColumns((name) => setRemoving({ kind: "alias", name }))} rows={found.data} keyOf={(row) => row.name} open={setNaming} />
            </section>
          )
        }
      </Panel>
      {editing && <RouteForm route={editing === "new" ? undefined : editing} close={() => setEditing(undefined)} saved={() => again("routes")} />}
      {naming && <AliasForm alias={naming === "new" ? undefined : naming} close={() => setNaming(undefined)} saved={() => again("aliases")} />}
      {removing && (
        <Confirm
          title={removing.kind === "route" ? `Remove the route of ${removing.name}?` : `Take the name ${removing.name} away?`}
          act="Remove"
          close={() => setRemoving(undefined)}
          does={async () => {
            if (removing.kind === "route") await data(api.DELETE("/api/v1/routes/{match}", { params: { path: { match: removing.name } } }));
            else await data(api.DELETE("/api/v1/aliases/{name}", { params: { path: { name: removing.name } } }));
            again(removing.kind === "route" ? "routes" : "aliases");
          }}
        >
          <p>{removing.kind === "route" ? "Its models have no fallback any more, from the next call on." : "Calls that use it are told that there is no such model."}</p>
        </Confirm>
      )}
    </Page>
  );
}

function routeColumns(remove: (name: string) => void): Column<Route>[] {
  return [
    { name: "Model", cell: (row) => <code className="font-medium">{row.match}</code>, phone: "name" },
    { name: "Then", cell: (row) => <span className="block max-w-96 truncate">{row.fallbacks.join(", then ")}</span>, phone: "state" },
    { name: "First event", cell: (row) => (row.first_event_timeout_s === null ? <span className="text-ink-3">as set for all</span> : `within ${wait(row.first_event_timeout_s)}`) },
    { name: "Silence", cell: (row) => (row.idle_timeout_s === null ? <span className="text-ink-3">as set for all</span> : `at most ${wait(row.idle_timeout_s)}`) },
    { name: "Rescue", cell: (row) => (row.rescue ? <Tag tone="warn">may pay twice</Tag> : <span className="text-ink-3">off</span>), phone: "time" },
    { name: "Actions", right: true, phone: "money", cell: (row) => <RemoveButton name={row.match} remove={remove} /> },
  ];
}

function aliasColumns(remove: (name: string) => void): Column<Alias>[] {
  return [
    { name: "Name", cell: (row) => <code className="font-medium">{row.name}</code>, phone: "name" },
    { name: "Means", cell: (row) => <code>{row.model}</code>, phone: "state" },
    { name: "Actions", right: true, phone: "money", cell: (row) => <RemoveButton name={row.name} remove={remove} /> },
  ];
}

function RemoveButton({ name, remove }: { name: string; remove: (name: string) => void }): ReactNode {
  return (
    <Button
      small
      kind="quiet"
      aria-label={`Remove ${name}`}
      onClick={(event) => {
        event.stopPropagation();
        remove(name);
      }}
    >
      Remove
    </Button>
  );
}

function RouteForm({ route, close, saved }: { route: Route | undefined; close: () => void; saved: () => void }): ReactNode {
  return (
    <FormDialog
      title={route ? `Route of ${route.match}` : "Set a route"}
      close={close}
      save={async (form) => {
        await data(
          api.PUT("/api/v1/routes/{match}", {
            params: { path: { match: route?.match ?? textOf(form, "match") } },
            body: {
              fallbacks: textOf(form, "fallbacks").split(",").map((name) => name.trim()).filter(Boolean),
              first_event_timeout_s: numberOf(form, "first_event"),
              idle_timeout_s: numberOf(form, "idle"),
              rescue: form.get("rescue") !== null,
              force: form.get("force") !== null,
            },
          }),
        );
        saved();
        say("Route set. The next call goes by it.");
      }}
    >
      {!route && <Field label="Model" name="match" required autoFocus placeholder="gpt-4o, or gpt-4*" hint="The longest route that matches applies, alone." />}
      <Field label="Fallbacks, in order" name="fallbacks" required defaultValue={route?.fallbacks.join(", ")} placeholder="gpt-4o-mini, claude-haiku" autoFocus={Boolean(route)} />
      <div className="grid grid-cols-2 gap-3 max-wide:grid-cols-1">
        <Field label="First event within, s" name="first_event" type="number" min={0.1} step="any" defaultValue={route?.first_event_timeout_s ?? ""} hint="Empty: as set for all." />
        <Field label="Silence at most, s" name="idle" type="number" min={0.1} step="any" defaultValue={route?.idle_timeout_s ?? ""} hint="Empty: as set for all." />
      </div>
      <Check label="Rescue" name="rescue" defaultChecked={route?.rescue ?? false} hint="Rather pay twice than fail: a call that was sent and lost may be sent again." />
      <Check label="Also models that no provider has" name="force" />
    </FormDialog>
  );
}

function AliasForm({ alias, close, saved }: { alias: Alias | undefined; close: () => void; saved: () => void }): ReactNode {
  return (
    <FormDialog
      title={alias ? `Name ${alias.name}` : "Name a model"}
      close={close}
      save={async (form) => {
        await data(api.PUT("/api/v1/aliases/{name}", { params: { path: { name: alias?.name ?? textOf(form, "name") } }, body: { model: textOf(form, "model"), force: form.get("force") !== null } }));
        saved();
        say("Name set.");
      }}
    >
      {!alias && <Field label="Name" name="name" required autoFocus placeholder="fast" />}
      <Field label="Means" name="model" required defaultValue={alias?.model} placeholder="gpt-4o-mini" autoFocus={Boolean(alias)} />
      <Check label="Also a model that no provider has" name="force" />
    </FormDialog>
  );
}
