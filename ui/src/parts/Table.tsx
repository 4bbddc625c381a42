import { type ReactNode, useSyncExternalStore } from "react";
import { classes } from "./classes";

export interface Column<Row> {
  name: string;
  /** What stands in the cell. */
  cell: (row: Row) => ReactNode;
  /** Figures stand to the right. */
  right?: boolean;
  /** On a phone a row is two lines: name and money, then state and time. Columns without a place are left out there. */
  phone?: "name" | "money" | "state" | "time";
  className?: string;
}

/** Rows as a table; on a phone as two-line rows. Each row has one action at most: `open`, by click or Enter. */
export function Table<Row>({
  label,
  columns,
  rows,
  keyOf,
  open,
}: {
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  open?: (row: Row) => void;
}): ReactNode {
  // one of the two: drawing both for the style to hide one takes twice as long
  const isWide = useSyncExternalStore(watchWidth, () => WIDE.matches);
  if (isWide)
    return (
      <div className="overflow-x-auto rounded-card border border-line">
        <table className="w-full border-collapse text-console" aria-label={label}>
          <thead className="bg-panel">
            <tr>
              {columns.map((column) => (
                <th key={column.name} scope="col" className={classes("h-9 px-3 text-left font-medium whitespace-nowrap text-ink-2", column.right && "text-right")}>
                  {column.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={keyOf(row)} {...opens(open, row)} data-row="" className={classes("border-t border-line", open && "cursor-pointer hover:bg-panel")}>
                {columns.map((column) => (
                  <td key={column.name} className={classes("row-cell px-3", column.right && "text-right tabular-nums", column.className)}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  return (
    <ul className="divide-y divide-line rounded-card border border-line" aria-label={label}>
      {rows.map((row) => (
        <li key={keyOf(row)} {...opens(open, row)} data-row="" className="flex min-h-14 flex-col justify-center gap-0.5 px-3 py-2">
          <span className="flex items-center justify-between gap-3">
            <span className="min-w-0 truncate font-medium">{placed(columns, "name", row)}</span>
            <span className="shrink-0 tabular-nums">{placed(columns, "money", row)}</span>
          </span>
          <span className="flex items-center justify-between gap-3 text-console text-ink-2">
            <span className="flex min-w-0 items-center gap-2 truncate">{placed(columns, "state", row)}</span>
            <span className="shrink-0">{placed(columns, "time", row)}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}

/** As `wide:` in app.css. */
const WIDE = matchMedia("(min-width: 900px)");

function watchWidth(told: () => void): () => void {
  WIDE.addEventListener("change", told);
  return () => WIDE.removeEventListener("change", told);
}

function placed<Row>(columns: Column<Row>[], place: Column<Row>["phone"], row: Row): ReactNode {
  return columns.filter((column) => column.phone === place).map((column) => <span key={column.name} className="min-w-0 truncate">{column.cell(row)}</span>);
}

function opens<Row>(open: ((row: Row) => void) | undefined, row: Row): object {
  if (!open) return {};
  return {
    tabIndex: 0,
    onClick: () => open(row),
    onKeyDown: (event: React.KeyboardEvent) => {
      if (event.key !== "Enter" || event.target !== event.currentTarget) return;
      event.preventDefault(); // else the same Enter presses the first button of what opens
      open(row);
    },
  };
}
