import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Download } from "lucide-react";
import { type ReactNode, useMemo } from "react";
import type { Schemas } from "@/api/client";
import { hasLogin, useSession } from "@/api/session";
import { Button, ButtonLink, buttonClasses } from "@/parts/Button";
import { Card } from "@/parts/Card";
import { Empty, NoMatch } from "@/parts/Empty";
import { money } from "@/parts/money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { type Column, Table } from "@/parts/Table";
import { Tag } from "@/parts/Tag";
import { type By, USAGE_USUAL, myBudgetQuery, usageAsked, usageBy, usageQuery } from "./asks";
import { axisMoney } from "./parts/axis";
import { Bullet } from "./parts/Bars";
import { forecastWords, resetWords, stateOf, sumsOf } from "./parts/budget";
import { Chart } from "./parts/Chart";
import { FilterBar, RangeChoice } from "./parts/Filters";
import { count, percent, plural, short } from "./parts/figures";
import { Go } from "./parts/Go";
import { rangeOf } from "./parts/range";
import { type Search, query, useUrl } from "./parts/url";

type Row = Schemas["UsageRowOut"];

const USUAL = USAGE_USUAL;
const BYS: [By, string][] = [
  ["model", "By model"],
  ["key", "By key"],
  ["tag", "By tag"],
  ["endpoint", "By endpoint"],
];

/** What I spend, on what, and what bounds it; also when a budget is used up. */
export function Usage(): ReactNode {
  const [search, set] = useUrl();
  const session = useSession().data;
  const by = usageBy(search);
  const asked = usageAsked(search);
  const days = useQuery({ ...usageQuery("day", asked), placeholderData: keepPreviousData });
  const rows = useQuery({ ...usageQuery(by, asked), placeholderData: keepPreviousData });
  return (
    <Page
      title="Usage"
      actions={
        <a href={`/api/v1/usage?${query({ ...asked, by, format: "csv" })}`} download="usage.csv" className={buttonClasses({ small: true })}>
          <Download size={16} strokeWidth={1.75} aria-hidden />
          CSV
        </a>
      }
    >
      <FilterBar>
        <RangeChoice search={search} set={set} usual={USUAL} />
      </FilterBar>
      {session && <MyBudgets login={hasLogin(session)} />}
      <Panel query={days} rows={10}>
        {(found) =>
          found.rows.length > 0 ? (
            <div className="flex flex-col gap-6">
              <Sums rows={found.rows} />
              <Days found={found} search={search} />
            </div>
          ) : rangeOf(search, USUAL) !== USUAL ? (
            <NoMatch clear={<Button small onClick={() => set({ range: undefined, from: undefined, to: undefined })}>Last 30 days</Button>} />
          ) : (
            <Empty title="Nothing used yet." command="doorward usage --by model" action={<ButtonLink to="/" kind="main">Ask something</ButtonLink>}>
              What your chats and your client keys spend stands here a second after each call.
            </Empty>
          )
        }
      </Panel>
      {(days.data?.rows.length ?? 0) > 0 && (
        <section className="flex flex-col gap-3" aria-label="Where it went">
          <div role="tablist" aria-label="Grouped" className="flex gap-1 overflow-x-auto border-b border-line">
            {BYS.map(([name, label]) => (
              <button
                key={name}
                type="button"
                role="tab"
                aria-selected={by === name}
                onClick={() => set({ by: name === "model" ? undefined : name }, { replace: true })}
                className={`-mb-px h-10 border-b-2 px-3 whitespace-nowrap max-wide:h-11 ${by === name ? "border-accent font-medium text-ink" : "border-transparent text-ink-2"}`}
              >
                {label}
              </button>
            ))}
          </div>
          <Panel query={rows} rows={4}>
            {(found) => (found.rows.length === 0 ? <p className="text-ink-2">None of these calls has a {by}.</p> : <Table label={`Usage by ${by}`} columns={columnsOf(by, search)} rows={found.rows} keyOf={(row) => nameOf(row, by)} />)}
          </Panel>
        </section>
      )}
    </Page>
  );
}

function nameOf(row: Row, by: By): string {
  const value = { model: row.model, key: row.label, tag: row.tag, endpoint: row.endpoint }[by];
  return value || "none named";
}

function columnsOf(by: By, search: Search): Column<Row>[] {
  const filter = (row: Row): Search => ({ range: search.range ?? USUAL, from: search.from, to: search.to, ...(by === "key" ? { key_id: row.key_id ?? undefined } : { [by]: nameOf(row, by) }) });
  return [
    {
      name: { model: "Model", key: "Key", tag: "Tag", endpoint: "Endpoint" }[by],
      phone: "name",
      cell: (row) =>
        by === "key" && !row.key_id ? (
          <span className="text-ink-2">chats and pages</span>
        ) : (
          <Go to="/calls" search={filter(row)} className="text-ink">
            {nameOf(row, by)}
          </Go>
        ),
    },
    { name: "Calls", right: true, cell: (row) => count(row.calls), phone: "state" },
    { name: "Failed", right: true, cell: (row) => count(row.failed_calls) },
    { name: "Tokens in", right: true, cell: (row) => count(row.input_tokens) },
    { name: "Tokens out", right: true, cell: (row) => count(row.output_tokens) },
    { name: "Spend", right: true, phone: "money", cell: (row) => <Spent row={row} /> },
  ];
}

/** The sum of what is known; beside it how many calls are not in it. */
function Spent({ row }: { row: Row }): ReactNode {
  if (row.calls > 0 && row.unknown_cost_calls === row.calls) return <span className="text-ink-3" title="The price of this model is not known.">unknown</span>;
  return (
    <span className="tabular-nums" title={row.unknown_cost_calls ? `Without ${plural(row.unknown_cost_calls, "call")} of unknown price` : undefined}>
      {money(row.cost_nanos, 4, row.estimated_calls > 0)}
      {row.unknown_cost_calls > 0 && <span className="text-ink-3"> + {row.unknown_cost_calls} unknown</span>}
    </span>
  );
}

function Sums({ rows }: { rows: Row[] }): ReactNode {
  const sum = (name: "calls" | "failed_calls" | "input_tokens" | "output_tokens" | "cost_nanos" | "unknown_cost_calls" | "cached_tokens"): number => rows.reduce((total, row) => total + row[name], 0);
  const figures: [string, string, string][] = [
    ["Spend", money(sum("cost_nanos"), 2), sum("unknown_cost_calls") ? `without ${plural(sum("unknown_cost_calls"), "call")} of unknown price` : "all prices known"],
    ["Calls", count(sum("calls")), `${percent(sum("failed_calls"), sum("calls"))} failed`],
    ["Tokens in", short(sum("input_tokens")), `${percent(sum("cached_tokens"), sum("input_tokens"))} cached by the provider`],
    ["Tokens out", short(sum("output_tokens")), "what models wrote"],
  ];
  return (
    <dl className="grid grid-cols-4 gap-px overflow-hidden rounded-card border border-line bg-line max-wide:grid-cols-2">
      {figures.map(([name, value, note]) => (
        <div key={name} className="flex flex-col gap-0.5 bg-raised p-4">
          <dt className="text-console text-ink-2">{name}</dt>
          <dd className="text-figure font-semibold tabular-nums">{value}</dd>
          <dd className="text-note text-ink-3">{note}</dd>
        </div>
      ))}
    </dl>
  );
}

function Days({ found, search }: { found: Schemas["UsageOut"]; search: Search }): ReactNode {
  const navigate = useNavigate();
  const { starts, spend, calls } = useMemo(() => everyDay(found), [found]);
  const open = (from: number, to: number): void => void navigate({ to: "/calls" as "/", search: { ...search, range: undefined, by: undefined, from: String(from), to: String(to) } as never });
  const dearest = Math.max(...spend);
  return (
    <div className="grid grid-cols-2 gap-4 max-wide:grid-cols-1">
      <Chart title="Spend by day" summary={`The dearest day cost ${money(dearest, 2)}.`} starts={starts} series={[{ name: "Spend", values: spend }]} kind="bars" says={(nanos) => money(nanos, 4)} axis={axisMoney} open={open} />
      <Chart title="Calls by day" summary={`${plural(calls.reduce((a, b) => a + b, 0), "call")} in this range.`} starts={starts} series={[{ name: "Calls", values: calls }]} kind="bars" says={count} axis={short} open={open} />
    </div>
  );
}

/** Days without calls are days too. */
function everyDay(found: Schemas["UsageOut"]): { starts: number[]; spend: number[]; calls: number[] } {
  const rows = new Map(found.rows.map((row) => [row.day, row]));
  const starts: number[] = [];
  const spend: number[] = [];
  const calls: number[] = [];
  const day = new Date(found.from_s * 1000);
  day.setHours(0, 0, 0, 0);
  while (day.getTime() / 1000 < found.to_s && starts.length < 400) {
    const name = `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, "0")}-${String(day.getDate()).padStart(2, "0")}`;
    starts.push(day.getTime() / 1000);
    spend.push(rows.get(name)?.cost_nanos ?? 0);
    calls.push(rows.get(name)?.calls ?? 0);
    day.setDate(day.getDate() + 1);
  }
  return { starts, spend, calls };
}

function MyBudgets({ login }: { login: boolean }): ReactNode {
  const budgets = useQuery(myBudgetQuery);
  if (budgets.data && budgets.data.data.length === 0) return null;
  return (
    <Panel query={budgets} rows={2}>
      {(found) => (
        <Card title={login ? "What bounds my calls" : "What bounds everybody's calls"}>
          <ul className="flex flex-col gap-4" aria-label="Budgets">
            {found.data.map((budget) => {
              const sums = sumsOf(budget);
              const state = stateOf(budget);
              return (
                <li key={budget.subject} className="flex flex-col gap-1">
                  <p className="flex flex-wrap items-center gap-2">
                    <span className="font-medium">{budget.subject === "all" ? "Everything together" : budget.subject.startsWith("user:") ? "Mine" : `Key ${budget.label}`}</span>
                    <Tag tone={state.tone}>{state.word}</Tag>
                    <span className="text-console text-ink-2">{resetWords(budget)}</span>
                  </p>
                  <Bullet {...sums} />
                  <p className="text-console">
                    {money(sums.spent, 2)} of {money(sums.cap, 2)} spent · {money(Math.max(0, sums.cap - sums.spent - sums.held), 2)} left
                    <span className="text-ink-2"> · {forecastWords(budget)}</span>
                  </p>
                </li>
              );
            })}
          </ul>
        </Card>
      )}
    </Panel>
  );
}
