import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Columns3, Download, X } from "lucide-react";
import { type ReactNode, useEffect, useId, useState } from "react";
import type { Schemas } from "@/api/client";
import { isAdmin, useSession } from "@/api/session";
import { Button, buttonClasses } from "@/parts/Button";
import { Empty, NoMatch } from "@/parts/Empty";
import { Money } from "@/parts/Money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { type Column, Table } from "@/parts/Table";
import { clockOf, dateOf, dayOf, duration, utc } from "@/parts/times";
import { CALLS_USUAL, CALL_FILTERS, callsAsked, callsQuery } from "./asks";
import { Choice, FilterBar, RangeChoice, SearchField } from "./parts/Filters";
import { count, plural } from "./parts/figures";
import { CallState } from "./parts/CallState";
import { Pager } from "./parts/Pager";
import { rangeOf } from "./parts/range";
import { Side } from "./parts/Side";
import { type Search, query, useUrl } from "./parts/url";
import { CallWhy } from "./Why";

type Call = Schemas["CallOut"];

const FILTERS = CALL_FILTERS;
const USUAL = CALLS_USUAL;
const NAMES: Record<(typeof FILTERS)[number], string> = {
  key_id: "key",
  user_id: "user",
  model: "model",
  provider_id: "provider",
  account_id: "account",
  endpoint: "endpoint",
  tag: "tag",
  outcome: "outcome",
  source: "amount",
  status: "status",
  error_code: "error",
};
const POLL_MS = 5000;

export function AllCalls(): ReactNode {
  return <Calls mine={false} />;
}

export function MyCalls(): ReactNode {
  return <Calls mine />;
}

function Calls({ mine }: { mine: boolean }): ReactNode {
  const [search, set] = useUrl();
  const refilter = (change: Search): void => set({ ...change, after: undefined, before: undefined });
  const admin = isAdmin(useSession().data);
  const asked = callsAsked(search, mine);
  const list = useQuery({ ...callsQuery(asked), placeholderData: keepPreviousData });
  const isFirst = !search.after && !search.before;
  const fresh = useQuery({
    ...callsQuery(asked),
    queryKey: ["calls-new", asked],
    enabled: useLater(POLL_MS) && isFirst && asked.to_s === undefined && list.data !== undefined,
    refetchInterval: POLL_MS,
  });
  const known = new Set(list.data?.data.map((row) => row.id));
  const waiting = isFirst && fresh.data && fresh.dataUpdatedAt > list.dataUpdatedAt ? fresh.data.data.filter((row) => !known.has(row.id)).length : 0;
  const set_ = FILTERS.filter((name) => search[name]);
  const hide = (search.hide ?? "Endpoint").split(",").filter((name) => name !== "" && name !== "none");
  const every = columnsOf(mine);
  return (
    <Page title={mine ? "My calls" : "Calls"} actions={<Exports asked={asked} />}>
      <FilterBar>
        <SearchField
          label="Model, or a request id"
          placeholder="Model, or a request id"
          value={search.model ?? ""}
          search={(text) => (text.startsWith("req_") ? set({ open: text }) : refilter({ model: text }))}
        />
        <RangeChoice search={search} set={set} usual={USUAL} />
        <Choice
          name="Outcome"
          value={search.outcome ?? ""}
          options={[["", "All outcomes"], ["done", "Done"], ["failed", "Failed"], ["refused", "Refused"], ["cut", "Cut off"], ["gone", "Client left"], ["crashed", "Crashed"]]}
          choose={(outcome) => refilter({ outcome })}
        />
        <Choice name="Amounts" value={search.source ?? ""} options={[["", "All amounts"], ["upstream", "From the provider"], ["counted", "Counted by us"], ["estimated", "Estimated"]]} choose={(source) => refilter({ source })} />
        <ColumnChoice columns={every} hide={hide} set={(names) => set({ hide: names.join(",") || "none" }, { replace: true })} />
        {set_
          .filter((name) => !["outcome", "source"].includes(name))
          .map((name) => (
            <Button key={name} small onClick={() => refilter({ [name]: undefined })} aria-label={`Clear the filter ${NAMES[name]} ${search[name]}`}>
              <span className="text-ink-2">{NAMES[name]}</span> <span className="max-w-40 truncate">{search[name]}</span>
              <X size={14} strokeWidth={1.75} aria-hidden />
            </Button>
          ))}
      </FilterBar>
      <Panel query={list} rows={12}>
        {(found) => (
          <div className="flex flex-col gap-3">
            {waiting > 0 && (
              <div>
                <Button small onClick={() => void list.refetch()}>
                  {waiting === found.data.length ? `${waiting} or more` : waiting} new {waiting === 1 ? "call" : "calls"}
                </Button>
              </div>
            )}
            {found.data.length > 0 ? (
              <Table label={mine ? "My calls" : "Calls"} columns={every.filter((column) => !hide.includes(column.name))} rows={found.data} keyOf={(row) => `${row.id}-${row.started_at}`} open={(row) => set({ open: row.id })} />
            ) : set_.length > 0 || rangeOf(search, USUAL) !== USUAL || !isFirst ? (
              <NoMatch clear={<Button small onClick={() => refilter({ ...Object.fromEntries(FILTERS.map((name) => [name, undefined])), range: undefined, from: undefined, to: undefined })}>Clear filters</Button>} />
            ) : (
              <Empty title="No calls in the last 7 days." command={`doorward tail`}>
                Every call that goes through Doorward stands here a second later, with its cost and the way it took.
              </Empty>
            )}
            <Pager
              newer={found.before ? () => set({ before: found.before!, after: undefined }) : undefined}
              older={found.after ? () => set({ after: found.after!, before: undefined }) : undefined}
            />
          </div>
        )}
      </Panel>
      {search.open && (
        <Side title="Why?" close={() => set({ open: undefined })}>
          <CallWhy id={search.open} admin={admin} page={false} />
        </Side>
      )}
    </Page>
  );
}

/** `false` for so long; then `true`. */
function useLater(ms: number): boolean {
  const [isLater, setIsLater] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsLater(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return isLater;
}

function columnsOf(mine: boolean): Column<Call>[] {
  return [
    { name: "Time", cell: (row) => <CallTime at={row.started_at} />, phone: "time", className: "whitespace-nowrap" },
    { name: "Status", cell: (row) => <CallState call={row} />, phone: "state" },
    { name: "Model", cell: (row) => <ModelNames call={row} />, phone: "name", className: "max-w-72" },
    { name: "Key", cell: (row) => (row.key_id ? row.key_label : <span className="text-ink-2">{row.user_id ? "signed in" : "anonymous"}</span>), className: "max-w-48 truncate" },
    ...(mine ? [] : [{ name: "Endpoint", cell: (row: Call) => <span className="text-ink-2">{row.endpoint.replace(/^\/v1\//, "")}</span>, className: "max-w-44 truncate" }]),
    { name: "Tokens", right: true, cell: (row) => count(row.input_tokens + row.output_tokens) },
    { name: "Cost", right: true, cell: (row) => <Money nanos={row.cost_nanos} source={row.source} reason={row.reason} />, phone: "money", className: "whitespace-nowrap" },
    { name: "First byte", right: true, cell: (row) => (row.first_byte_ms === null ? <span className="text-ink-3">none</span> : duration(row.first_byte_ms)), className: "whitespace-nowrap" },
    { name: "Total", right: true, cell: (row) => (row.duration_ms === null ? <span className="text-ink-3">unknown</span> : duration(row.duration_ms)), className: "whitespace-nowrap" },
    { name: "Attempts", right: true, cell: (row) => row.attempts },
  ];
}

/** To the second, without the year while it is this one. */
function CallTime({ at }: { at: number }): ReactNode {
  const year = new Date(at * 1000).getFullYear();
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={utc(at)}>
      {year === new Date().getFullYear() ? dayOf(at) : dateOf(at)}, {clockOf(at, true)}
    </time>
  );
}

/** Asked, and what answered where that is another one. */
export function ModelNames({ call }: { call: Pick<Call, "model_asked" | "model_served" | "endpoint"> }): ReactNode {
  const { model_asked: asked, model_served: served } = call;
  if (!asked && !served) return <span className="text-ink-2">{call.endpoint}</span>;
  if (!asked || !served || asked === served) return <span className="block truncate">{asked ?? served}</span>;
  return (
    <span className="block truncate" title={`${asked} was asked for, ${served} answered`}>
      {asked} <span className="text-ink-3">&gt;</span> {served}
    </span>
  );
}

function Exports({ asked: { after: _, before: __, ...filter } }: { asked: ReturnType<typeof callsAsked> }): ReactNode {
  const href = (format: string): string => `/api/v1/calls/export?${query({ ...filter, format })}`;
  return (
    <>
      {["CSV", "JSON"].map((name) => (
        <a key={name} href={href(name.toLowerCase())} download className={buttonClasses({ small: true })} title="The newest 100,000 calls of this filter">
          <Download size={16} strokeWidth={1.75} aria-hidden />
          {name}
        </a>
      ))}
    </>
  );
}

function ColumnChoice({ columns, hide, set }: { columns: Column<Call>[]; hide: string[]; set: (names: string[]) => void }): ReactNode {
  const id = useId();
  return (
    <span className="max-wide:hidden">
      <button type="button" popoverTarget={id} className={buttonClasses({ kind: "quiet", small: true })} style={{ anchorName: "--columns" } as React.CSSProperties}>
        <Columns3 size={16} strokeWidth={1.75} aria-hidden />
        Columns{hide.length > 0 && ` (${plural(hide.length, "hidden", "hidden")})`}
      </button>
      <div id={id} popover="auto" className="anchored m-0 rounded-card border border-line bg-raised p-3 text-ink shadow-float" style={{ positionAnchor: "--columns" } as React.CSSProperties}>
        <fieldset className="flex flex-col gap-1">
          <legend className="sr-only">Columns to show</legend>
          {columns.map((column) => (
            <label key={column.name} className="flex min-h-7 items-center gap-2">
              <input
                type="checkbox"
                className="size-4 accent-(--accent)"
                checked={!hide.includes(column.name)}
                onChange={(event) => set(event.target.checked ? hide.filter((name) => name !== column.name) : [...hide, column.name])}
              />
              {column.name}
            </label>
          ))}
        </fieldset>
      </div>
    </span>
  );
}
