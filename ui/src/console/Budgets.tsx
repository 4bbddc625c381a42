import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { api, data } from "@/api/client";
import { Button } from "@/parts/Button";
import { Empty } from "@/parts/Empty";
import { Field, SelectField } from "@/parts/Field";
import { money, nanosOf } from "@/parts/money";
import { Page } from "@/parts/Page";
import { Panel } from "@/parts/Panel";
import { say } from "@/parts/StatusRegion";
import { Tag } from "@/parts/Tag";
import { budgetsQuery, keysQuery } from "./asks";
import { Bullet } from "./parts/Bars";
import { type Budget, forecastWords, resetWords, stateOf, sumsOf } from "./parts/budget";
import { Confirm } from "./parts/Confirm";
import { FormDialog, textOf } from "@/parts/FormDialog";
import { Go } from "./parts/Go";
import { useUrl } from "./parts/url";

type Period = Budget["period"];

/** Who may spend how much. */
export function Budgets(): ReactNode {
  const [search, set] = useUrl();
  const budgets = useQuery({ ...budgetsQuery, refetchInterval: 10_000 });
  const open = budgets.data?.data.find((budget) => budget.subject === search.open);
  const close = (): void => set({ open: undefined });
  return (
    <Page
      title="Budgets"
      actions={
        <Button kind="main" onClick={() => set({ open: "new" })}>
          <Plus size={16} strokeWidth={1.75} aria-hidden />
          Set a budget
        </Button>
      }
    >
      <Panel query={budgets}>
        {(found) =>
          found.data.length === 0 ? (
            <Empty title="No budgets yet." command="doorward budget set all --usd 100 --period month" action={<Button kind="main" onClick={() => set({ open: "new" })}>Set a budget</Button>}>
              A budget is held before each call and settled after it, so that it is never overspent. Set one for everything together, for a user or for a key.
            </Empty>
          ) : (
            <div className="flex flex-col gap-3">
              <ul className="flex flex-col divide-y divide-line rounded-card border border-line" aria-label="Budgets">
                {found.data.map((budget) => (
                  <BudgetRow key={budget.subject} budget={budget} change={() => set({ open: budget.subject })} />
                ))}
              </ul>
              <p className="flex flex-wrap gap-x-6 gap-y-1 text-console text-ink-2">
                <Legend mark="h-2 w-4 rounded-full bg-series-1">spent</Legend>
                <Legend mark="hatched h-2 w-4">held for open calls</Legend>
                <Legend mark="h-3 w-px bg-control">50 and 80 %: alerts, and at 100 %</Legend>
                <Legend mark="size-2 rotate-45 bg-ink-2">where it ends at this pace</Legend>
                <Legend mark="h-3 w-0.5 bg-ink">the cap</Legend>
              </p>
            </div>
          )
        }
      </Panel>
      {search.open && budgets.data && <BudgetForm budget={open} subject={search.open === "new" ? undefined : search.open} close={close} />}
    </Page>
  );
}

function Legend({ mark, children }: { mark: string; children: ReactNode }): ReactNode {
  return (
    <span className="flex items-center gap-2">
      <span aria-hidden className={mark} />
      {children}
    </span>
  );
}

function BudgetRow({ budget, change }: { budget: Budget; change: () => void }): ReactNode {
  const [removing, setRemoving] = useState(false);
  const client = useQueryClient();
  const sums = sumsOf(budget);
  const state = stateOf(budget);
  const [kind, id] = [budget.subject.split(":")[0], budget.subject.split(":")[1]];
  return (
    <li className="grid grid-cols-[minmax(0,1fr)_minmax(0,2fr)_13rem] items-center gap-x-6 gap-y-2 p-4 max-wide:grid-cols-1" data-row="" tabIndex={0} onKeyDown={(event) => {
        if (event.key !== "Enter" || event.target !== event.currentTarget) return;
        event.preventDefault();
        change();
      }}>
      <div className="min-w-0">
        <p className="flex items-center gap-2">
          <span className="truncate font-medium">{budget.subject === "all" ? "Everything together" : budget.label}</span>
          <Tag tone={state.tone}>{state.word}</Tag>
        </p>
        <p className="text-console text-ink-2">
          {kind === "all" ? "" : `${kind} · `}
          {resetWords(budget)}
        </p>
      </div>
      <div className="flex min-w-0 flex-col gap-1">
        <Bullet {...sums} />
        <p className="text-console">
          <span className="font-medium tabular-nums">{money(sums.spent, 2)}</span> of {money(sums.cap, 2)} spent
          {sums.held > 0 && <span className="text-ink-2"> · {money(sums.held, 2)} held</span>}
          <span className="text-ink-2"> · {forecastWords(budget)}</span>
        </p>
      </div>
      <div className="flex flex-wrap gap-2">
        <Button small onClick={change}>
          Change
        </Button>
        <Button small kind="quiet" onClick={() => setRemoving(true)} aria-label={`Lift the budget of ${budget.label}`}>
          Lift
        </Button>
        {kind !== "all" && (
          <Go to="/admin/calls" search={{ [kind === "key" ? "key_id" : "user_id"]: id }} button="quiet">
            Calls
          </Go>
        )}
      </div>
      {removing && (
        <Confirm
          title={`Lift the budget of ${budget.label}?`}
          act="Lift"
          close={() => setRemoving(false)}
          does={async () => {
            await data(api.DELETE("/api/v1/budgets/{subject}", { params: { path: { subject: budget.subject } } }));
            client.setQueryData(["budgets"], (before: { data: Budget[] } | undefined) => before && { data: before.data.filter((one) => one.subject !== budget.subject) });
          }}
        >
          <p>Its calls are bound by no budget of its own any more. What was spent stays on record and counts when a budget is set again.</p>
        </Confirm>
      )}
    </li>
  );
}

function BudgetForm({ budget, subject, close }: { budget: Budget | undefined; subject: string | undefined; close: () => void }): ReactNode {
  const client = useQueryClient();
  const [usd, setUsd] = useState(budget?.cap_usd ?? "");
  const [period, setPeriod] = useState<Period>(budget?.period ?? "month");
  const [kind, setKind] = useState<"all" | "user" | "key">("all");
  const keys = useQuery({ ...keysQuery, enabled: subject === undefined && kind === "key" });
  const nanos = nanosOf(usd);
  const spent = budget ? sumsOf(budget).spent : 0;
  return (
    <FormDialog
      title={budget ? `Budget of ${budget.subject === "all" ? "everything together" : budget.label}` : "Set a budget"}
      close={close}
      save={async (form) => {
        const of = subject ?? (kind === "all" ? "all" : `${kind}:${textOf(form, "who")}`);
        const made = (await data(api.PUT("/api/v1/budgets/{subject}", { params: { path: { subject: of } }, body: { cap_usd: usd.trim(), period } })))!;
        client.setQueryData(["budgets"], (before: { data: Budget[] } | undefined) => {
          const rows = before?.data ?? [];
          return { data: rows.some((one) => one.subject === made.subject) ? rows.map((one) => (one.subject === made.subject ? made : one)) : [...rows, made] };
        });
        say("Budget set. It holds from the next call on.");
      }}
    >
      {subject === undefined && (
        <SelectField label="For" name="kind" value={kind} onChange={(event) => setKind(event.target.value as typeof kind)}>
          <option value="all">everything together</option>
          <option value="user">a user</option>
          <option value="key">a client key</option>
        </SelectField>
      )}
      {subject === undefined && kind === "user" && <Field label="E-mail" name="who" type="email" required placeholder="you@example.com" />}
      {subject === undefined && kind === "key" && (
        <SelectField label="Key" name="who">
          {(keys.data?.data ?? [])
            .filter((key) => key.state === "active")
            .map((key) => (
              <option key={key.id} value={key.id}>
                {key.label} (dw-{key.id})
              </option>
            ))}
        </SelectField>
      )}
      {subject !== undefined && !budget && <p>For {subject === "all" ? "everything together" : subject}.</p>}
      <div className="grid grid-cols-2 gap-3">
        <Field label="Dollars" name="usd" inputMode="decimal" required pattern="\d+([.]\d{1,9})?" title="Like 10 or 2.50" value={usd} onChange={(event) => setUsd(event.target.value)} autoFocus />
        <SelectField label="A" name="period" value={period} onChange={(event) => setPeriod(event.target.value as Period)}>
          <option value="day">day (UTC)</option>
          <option value="month">month (UTC)</option>
          <option value="ever">lifetime</option>
        </SelectField>
      </div>
      {budget && nanos !== null && (
        <p className="rounded-card bg-sunk p-3 text-console" role="status">
          {money(nanosOf(budget.cap_usd), 2)} a {budget.period} &gt; {money(nanos, 2)} a {period}
          {period === budget.period && <>. {money(spent, 2)} of it is spent already{Number(nanos) < spent ? ": calls are refused until it resets" : ""}.</>}
        </p>
      )}
    </FormDialog>
  );
}

