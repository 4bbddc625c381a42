import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ChevronRight, CircleAlert, CircleCheck, TriangleAlert } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import type { Schemas } from "@/api/client";
import { Button } from "@/parts/Button";
import { Card } from "@/parts/Card";
import { classes } from "@/parts/classes";
import { money } from "@/parts/money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { ago, duration } from "@/parts/times";
import { keysQuery, overviewAsked, overviewQuery, thisMinute } from "./asks";
import { FirstCall } from "./FirstCall";
import { axisMoney } from "./parts/axis";
import { ShareBar } from "./parts/Bars";
import { Chart } from "./parts/Chart";
import { Choice, FilterBar, RangeChoice } from "./parts/Filters";
import { change, count, percent, plural, short } from "./parts/figures";
import { Go } from "./parts/Go";
import { useLive } from "./parts/live";
import { type Search, useUrl } from "./parts/url";

type Found = Schemas["OverviewOut"];
type Figures = Schemas["FiguresOut"];
type Attention = Schemas["AttentionOut"];

/** Is anything wrong, and where does the money go? */
export function Overview(): ReactNode {
  const [search, set] = useUrl();
  const asked = overviewAsked(search, useMinute());
  const found = useQuery({ ...overviewQuery(asked), placeholderData: keepPreviousData });
  const keys = useQuery(keysQuery);
  const isLive = search.live !== "off" && asked.to === undefined;
  const shown = useLive(found.data, isLive, asked, () => void found.refetch());
  return (
    <Page
      title="Overview"
      actions={
        <Button small aria-pressed={isLive} disabled={asked.to !== undefined} onClick={() => set({ live: isLive ? "off" : undefined })}>
          <span aria-hidden className={classes("size-2 rounded-full", isLive ? "bg-good" : "bg-control")} />
          {isLive ? "Live: on" : "Live: off"}
        </Button>
      }
    >
      <FilterBar>
        <RangeChoice search={search} set={set} />
        <Choice
          name="Key"
          value={search.key_id ?? ""}
          options={[["", "All keys"], ...(keys.data?.data ?? []).map((key): [string, string] => [key.id, key.label]), ...unknownOf(search.key_id, keys.data?.data.map((key) => key.id))]}
          choose={(key_id) => set({ key_id })}
        />
        <Choice
          name="Model"
          value={search.model ?? ""}
          options={[["", "All models"], ...(found.data?.models ?? []).filter(Boolean).map((model): [string, string] => [model, model]), ...unknownOf(search.model, found.data?.models)]}
          choose={(model) => set({ model })}
        />
      </FilterBar>
      <Panel query={{ ...found, data: shown } as typeof found} rows={12}>
        {(one) => (one.has_calls ? <Whole found={one} search={search} /> : (
    <div className="flex flex-col gap-6">
      {one.attention.length > 0 && <NeedsAttention items={one.attention} lastAt={one.last_problem_at} />}
      <FirstCall />
    </div>
  ))}
      </Panel>
    </Page>
  );
}

function Whole({ found, search }: { found: Found; search: Search }): ReactNode {
  const navigate = useNavigate();
  const filter: Search = { key_id: search.key_id, model: search.model, range: search.range, from: search.from, to: search.to };
  const openStep = (from: number, to: number, more: Search = {}): void =>
    void navigate({ to: "/admin/calls" as "/", search: { key_id: search.key_id, model: search.model, from: String(from), to: String(to), ...more } as never });
  return (
    <div className="flex flex-col gap-6">
      <FigureRow now={found.now} before={found.before} filter={filter} />
      <NeedsAttention items={found.attention} lastAt={found.last_problem_at} />
      <div className="grid grid-cols-2 gap-4 max-wide:grid-cols-1">
        <Chart title="Spend by model" summary={spendSummary(found)} starts={found.starts} series={found.spend} kind="bars" says={(nanos) => money(nanos, 4)} axis={axisMoney} open={openStep} />
        <Chart
          title="First byte"
          summary={`Half of all calls within ${known(found.now.first_byte_p50_ms)}, 95 of 100 within ${known(found.now.first_byte_p95_ms)}.`}
          starts={found.starts}
          series={[
            { name: "p50", values: found.first_byte_p50_ms },
            { name: "p95", values: found.first_byte_p95_ms },
          ]}
          kind="lines"
          says={(ms) => duration(ms)}
          open={openStep}
        />
        <Chart title="Calls" summary={`${plural(found.now.calls, "call")} in this range.`} starts={found.starts} series={[{ name: "Calls", values: found.calls }]} kind="bars" says={count} axis={short} open={openStep} />
        <Chart
          title="Errors by kind"
          summary={`${plural(found.now.failed_calls, "call")} failed and ${count(found.now.refused_calls)} were refused.`}
          starts={found.starts}
          series={found.errors}
          kind="bars"
          says={count}
          axis={short}
          open={(from, to) => openStep(from, to, { outcome: "failed" })}
        />
      </div>
      <div className="grid grid-cols-2 gap-4 max-wide:grid-cols-1">
        <Ranking title="Top keys" rows={found.top_keys} filter={filter} field="key_id" />
        <Ranking title="Top users" rows={found.top_users} filter={filter} field="user_id" />
      </div>
    </div>
  );
}

function FigureRow({ now, before, filter }: { now: Figures; before: Figures; filter: Search }): ReactNode {
  const to = (more: Search = {}): { to: string; search: Search } => ({ to: "/admin/calls", search: { ...filter, ...more } });
  return (
    <dl className="grid grid-cols-5 gap-px overflow-hidden rounded-card border border-line bg-line max-wide:grid-cols-2">
      <Figure name="Spend" value={money(now.cost_nanos, 2)} change={change(now.cost_nanos, before.cost_nanos)} note={now.unknown_cost_calls ? `without ${plural(now.unknown_cost_calls, "call")} of unknown price` : undefined} link={to()} />
      <Figure name="Calls" value={count(now.calls)} change={change(now.calls, before.calls)} note={`${short(now.input_tokens)} tokens in, ${short(now.output_tokens)} out`} link={to()} />
      <Figure name="Errors" value={percent(now.failed_calls, now.calls)} note={now.refused_calls ? `and ${count(now.refused_calls)} refused by limits` : `${count(now.failed_calls)} of ${count(now.calls)}`} link={to({ outcome: "failed" })} />
      <Figure name="First byte p95" value={known(now.first_byte_p95_ms)} change={change(now.first_byte_p95_ms, before.first_byte_p95_ms)} note={`p50 ${known(now.first_byte_p50_ms)}`} link={to()} />
      <Figure name="Cache" value={percent(now.cached_calls, now.calls)} note={now.cached_calls === 0 ? "no answers from the cache" : now.saved_nanos === null ? "saved: unknown" : `saved ~${money(now.saved_nanos, 2)}`} link={to()} className="max-wide:col-span-2" />
    </dl>
  );
}

function Figure({ name, value, change, note, link, className }: { name: string; value: string; change?: string | undefined; note?: string | undefined; link: { to: string; search: Search }; className?: string }): ReactNode {
  return (
    <div className={classes("relative flex flex-col gap-0.5 bg-raised p-4 hover:bg-panel", className)}>
      <dt className="text-console text-ink-2">{name}</dt>
      <dd className="flex flex-wrap items-baseline gap-x-2">
        <Go {...link} label={`${name}: ${value}. Open its calls`} className="text-figure font-semibold text-ink no-underline tabular-nums after:absolute after:inset-0">
          {value}
        </Go>
        {change && (
          <span className="text-console text-ink-2" title="Compared with the same length of time before">
            {change}
          </span>
        )}
      </dd>
      {note && <dd className="text-note text-ink-3">{note}</dd>}
    </div>
  );
}

const PLACES: Record<Attention["kind"], (item: Attention) => { to: string; search: Search; name: string }> = {
  account: (item) => ({ to: "/admin/accounts", search: { open: item.subject }, name: "See account" }),
  budget: (item) => ({ to: "/admin/budgets", search: { open: item.subject }, name: "See budget" }),
  adapters: () => ({ to: "/admin/adapters", search: {}, name: "See the file" }),
  errors: () => ({ to: "/admin/calls", search: { outcome: "failed" }, name: "See calls" }),
  prices: () => ({ to: "/admin/prices", search: {}, name: "Set prices" }),
  key: (item) => ({ to: "/admin/keys", search: { open: item.subject }, name: "See key" }),
};

function NeedsAttention({ items, lastAt }: { items: Attention[]; lastAt: number | null }): ReactNode {
  if (items.length === 0)
    return (
      <p className="flex items-center gap-2">
        <CircleCheck size={16} strokeWidth={1.75} className="text-good" aria-hidden />
        All good. {lastAt === null ? "No failed call in 30 days." : `Last problem ${ago(lastAt)}.`}
      </p>
    );
  return (
    <section aria-label="Needs attention" className="flex flex-col gap-2">
      <h2>Needs attention ({items.length})</h2>
      <ul className="divide-y divide-line rounded-card border border-line">
        {items.map((item) => {
          const place = PLACES[item.kind](item);
          const Icon = item.level === "bad" ? CircleAlert : TriangleAlert;
          return (
            <li key={item.kind + item.subject + item.says} className="grid grid-cols-[auto_1fr_auto] items-center gap-x-3 px-4 py-2 max-wide:grid-cols-[auto_1fr]">
              <Icon size={16} strokeWidth={1.75} className={classes("shrink-0", item.level === "bad" ? "text-bad" : "text-warn")} aria-label={item.level === "bad" ? "Problem" : "Warning"} />
              <span className="min-w-0 break-words">{item.says}</span>
              <Go to={place.to} search={place.search} button="quiet" className="max-wide:col-start-2 max-wide:-ml-2.5 max-wide:justify-self-start">
                {place.name}
                <ChevronRight size={16} strokeWidth={1.75} aria-hidden />
              </Go>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Ranking({ title, rows, filter, field }: { title: string; rows: Schemas["RankedOut"][]; filter: Search; field: "key_id" | "user_id" }): ReactNode {
  const most = Math.max(1, ...rows.map((row) => row.cost_nanos || row.calls));
  return (
    <Card title={title}>
      {rows.length === 0 ? (
        <p className="text-ink-3">{field === "user_id" && filter.key_id ? "A key belongs to one owner." : "Nothing in this range."}</p>
      ) : (
        <table className="w-full text-console" aria-label={title}>
          <thead className="sr-only">
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Share</th>
              <th scope="col">Calls</th>
              <th scope="col">Spend</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id} className="border-t border-line first:border-t-0">
                <td className="row-cell max-w-0 w-2/5 truncate pr-3">
                  {row.id ? (
                    <Go to="/admin/calls" search={{ ...filter, [field]: row.id }} className="text-ink">
                      {row.name}
                    </Go>
                  ) : (
                    <span className="text-ink-2">{row.name}</span>
                  )}
                </td>
                <td className="w-1/4 pr-3">
                  <ShareBar share={(row.cost_nanos || row.calls) / most} />
                </td>
                <td className="pr-3 text-right whitespace-nowrap text-ink-2 tabular-nums">{plural(row.calls, "call")}</td>
                <td className="text-right tabular-nums">{row.unknown_cost_calls === row.calls && row.calls > 0 ? "unknown" : money(row.cost_nanos, 4)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function spendSummary(found: Found): string {
  const [first] = found.spend;
  const total = `${money(found.now.cost_nanos, 2)} in this range`;
  if (!first || found.now.cost_nanos === 0) return `${total}.`;
  return `${total}, ${percent(first.values.reduce((sum, value) => sum + value, 0), found.now.cost_nanos)} of it by ${first.name}.`;
}

function known(ms: number | null): string {
  return ms === null ? "unknown" : duration(ms);
}

function unknownOf(value: string | undefined, listed: string[] | undefined): [string, string][] {
  return value && !(listed ?? []).includes(value) ? [[value, value]] : [];
}

/** The minute it is now: a range that ends now moves on with it. */
export function useMinute(): number {
  const [minute, setMinute] = useState(thisMinute);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setMinute(thisMinute());
    }, 5000);
    return () => clearInterval(timer);
  }, []);
  return minute;
}

