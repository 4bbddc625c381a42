import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck } from "lucide-react";
import type { ReactNode } from "react";
import type { Schemas } from "@/api/client";
import { Button } from "@/parts/Button";
import { CopyButton } from "@/parts/CopyButton";
import { Empty, NoMatch } from "@/parts/Empty";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { type Column, Table } from "@/parts/Table";
import { clockOf, utc } from "@/parts/times";
import { auditQuery, chainQuery } from "./asks";
import { count } from "./parts/figures";
import { FilterBar, SearchField } from "./parts/Filters";
import { Pager } from "./parts/Pager";
import { useUrl } from "./parts/url";

type Row = Schemas["AuditRowOut"];

/** Who did what, to what, when and from where; and whether the chain is whole. Read only. */
export function AuditPage(): ReactNode {
  const [search, set] = useUrl();
  const rows = useQuery({ ...auditQuery(search), placeholderData: keepPreviousData });
  return (
    <Page title="Audit">
      <Chain />
      <FilterBar>
        <SearchField label="Action" placeholder="Action" value={search.action ?? ""} search={(action) => set({ action, before: undefined })} />
      </FilterBar>
      <Panel query={rows} rows={12}>
        {(found) => (
          <div className="flex flex-col gap-5">
            {found.data.length === 0 &&
              (search.action ? (
                <NoMatch clear={<Button small onClick={() => set({ action: undefined })}>Clear filters</Button>} />
              ) : (
                <Empty title="Nothing was changed yet." command="doorward audit verify">
                  Every change of keys, users, budgets, routes and settings is written here, each row sealed by the hash of the one before.
                </Empty>
              ))}
            {byDay(found.data).map(([day, of]) => (
              <section key={day} className="flex flex-col gap-2" aria-label={day}>
                <h2 className="text-base font-semibold">{day}</h2>
                <Table label={`Audit of ${day}`} columns={columns(set)} rows={of} keyOf={(row) => String(row.number)} />
              </section>
            ))}
            <Pager newer={search.before ? () => history.back() : undefined} older={found.next === null ? undefined : () => set({ before: String(found.next) })} />
          </div>
        )}
      </Panel>
    </Page>
  );
}

function columns(set: (change: Record<string, string>) => void): Column<Row>[] {
  return [
    {
      name: "When",
      phone: "time",
      cell: (row) => (
        <time dateTime={new Date(row.at * 1000).toISOString()} title={utc(row.at)} className="whitespace-nowrap">
          {clockOf(row.at, true)}
        </time>
      ),
    },
    { name: "Who", cell: (row) => <span className="block max-w-44 truncate" title={row.actor}>{row.actor}</span>, phone: "state" },
    {
      name: "What",
      phone: "name",
      cell: (row) => (
        <button type="button" className="block max-w-56 truncate text-left max-wide:max-w-full text-ink hover:underline" title="Only rows with this action" onClick={() => set({ action: row.action })}>
          <code>{row.action}</code>
        </button>
      ),
    },
    { name: "Which", phone: "state", cell: (row) => <span className="block max-w-48 truncate max-wide:max-w-36" title={row.target}>{row.target || <span className="text-ink-3 max-wide:hidden">none</span>}</span> },
    { name: "Details", cell: (row) => <span className="block max-w-48 truncate text-ink-2" title={detailWords(row.details)}>{detailWords(row.details)}</span> },
    { name: "From", cell: (row) => row.from_addr ?? <span className="text-ink-3">command line</span>, className: "whitespace-nowrap" },
    { name: "Entry", right: true, cell: (row) => row.number, phone: "money" },
  ];
}

function detailWords(details: Row["details"]): string {
  return Object.entries(details)
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" · ");
}

function byDay(rows: Row[]): [string, Row[]][] {
  const days = new Map<string, Row[]>();
  for (const row of rows) {
    const day = new Date(row.at * 1000).toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
    days.set(day, [...(days.get(day) ?? []), row]);
  }
  return [...days];
}

function Chain(): ReactNode {
  const verdict = useQuery(chainQuery);
  return (
    <Panel query={verdict} rows={1}>
      {(found) =>
        found.ok ? (
          <p className="flex flex-wrap items-center gap-2">
            <CircleCheck size={16} strokeWidth={1.75} className="text-good" aria-hidden />
            Chain intact, {count(found.rows)} {found.rows === 1 ? "entry" : "entries"}
            <span className="flex items-center text-note text-ink-2">
              <code title={found.head}>{found.head.slice(0, 12)}…</code>
              <CopyButton text={found.head} label="Copy the newest hash" />
            </span>
          </p>
        ) : (
          <p role="alert" className="flex items-center gap-2 rounded-card bg-bad-tint p-4">
            <CircleAlert size={16} strokeWidth={1.75} className="text-bad" aria-hidden />
            Broken at entry {found.broken_at}: {found.why}
          </p>
        )
      }
    </Panel>
  );
}
