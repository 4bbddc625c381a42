import { type ReactNode, useMemo, useState } from "react";
import { Button } from "@/parts/Button";
import { Card } from "@/parts/Card";
import { clockOf, dayOf } from "@/parts/times";
import { Plot, stepSize } from "./Plot";
import { type Named, coloured } from "./stack";

interface Shown {
  title: string;
  /** One sentence: what the chart shows. It is the chart's name. */
  summary: string;
  starts: number[];
  series: Named[];
  kind: "bars" | "lines";
  says: (value: number) => string;
  axis?: (value: number) => string;
  running?: boolean;
  /** Opens the calls of a step. */
  open?: (from: number, to: number) => void;
}

/** A chart in its card: legend with the values under the cursor, and the same as a table. */
export function Chart({ title, summary, starts, series, kind, says, axis = says, running = true, open }: Shown): ReactNode {
  const [asTable, setAsTable] = useState(false);
  const [at, setAt] = useState<number | null>(null);
  const lines = useMemo(() => coloured(series), [series]);
  const isEmpty = series.every((one) => one.values.every((value) => !value));
  const step = at === null ? undefined : starts[at];
  const size = stepSize(starts);
  return (
    <Card
      title={title}
      actions={
        !isEmpty && (
          <Button small kind="quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            {asTable ? "Show as chart" : "Show as table"}
          </Button>
        )
      }
    >
      {isEmpty ? (
        <p className="flex h-[212px] items-center justify-center text-ink-3">Nothing in this range.</p>
      ) : asTable ? (
        <ValueTable title={title} starts={starts} size={size} series={series} says={says} />
      ) : (
        <div className="flex flex-col gap-3">
          <Plot starts={starts} lines={lines} kind={kind} says={axis} running={running} label={`${title}. ${summary} Arrow keys walk the steps.`} at={at} setAt={setAt} open={open && ((index) => open(starts[index]!, starts[index + 1] ?? starts[index]! + size))} />
          <ul className="flex min-h-5 flex-wrap gap-x-4 gap-y-1 text-console" aria-live="polite">
            {step !== undefined && <li className="text-ink-2">{stepName(step, size)}</li>}
            {lines.map((line) => (
              <li key={line.name} className="flex items-center gap-1.5">
                <span aria-hidden className="size-2.5 rounded-[2px]" style={{ background: `var(--series-${line.colour})` }} />
                <span className="text-ink-2">{line.name}</span>
                {at !== null && <span className="tabular-nums">{line.values[at] === null || line.values[at] === undefined ? "no calls" : says(line.values[at])}</span>}
              </li>
            ))}
          </ul>
        </div>
      )}
    </Card>
  );
}

function ValueTable({ title, starts, size, series, says }: { title: string; starts: number[]; size: number; series: Named[]; says: (value: number) => string }): ReactNode {
  const rows = starts.map((start, step) => ({ start, values: series.map((one) => one.values[step] ?? null) })).filter((row) => row.values.some((value) => value !== null && value !== 0));
  return (
    <div className="max-h-64 overflow-auto" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
      <table className="w-full text-console">
        <thead>
          <tr>
            <th scope="col" className="sticky top-0 bg-raised px-2 py-1 text-left font-medium text-ink-2">
              Time
            </th>
            {series.map((one) => (
              <th key={one.name} scope="col" className="sticky top-0 bg-raised px-2 py-1 text-right font-medium text-ink-2">
                {one.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.start} className="border-t border-line">
              <th scope="row" className="px-2 py-1 text-left font-normal whitespace-nowrap">
                {stepName(row.start, size)}
              </th>
              {row.values.map((value, index) => (
                <td key={series[index]!.name} className="px-2 py-1 text-right tabular-nums">
                  {value === null ? "no calls" : says(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function stepName(atS: number, sizeS: number): string {
  return sizeS >= 82_800 ? dayOf(atS) : `${dayOf(atS)}, ${clockOf(atS)}`;
}
