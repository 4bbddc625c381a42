/** Series of a chart: their colours, and how parts stand on each other. Pure. */

export interface Named {
  name: string;
  values: (number | null)[];
}

export interface Line extends Named {
  /** Which of the six series colours. */
  colour: 1 | 2 | 3 | 4 | 5 | "other";
}

const OTHER = "Other";

export function coloured(series: Named[]): Line[] {
  return series.map((one, index) => ({ ...one, colour: one.name === OTHER || index > 4 ? "other" : ((index + 1) as 1 | 2 | 3 | 4 | 5) }));
}

/** Values on top of each other, the tallest first: what a chart draws so that each part shows only its own height. */
export function stacked(values: (number | null)[][]): number[][] {
  const sums: number[][] = [];
  let below: number[] | undefined;
  for (const row of values) {
    const on: number[] = row.map((value, step) => (value ?? 0) + (below?.[step] ?? 0));
    sums.unshift(on);
    below = on;
  }
  return sums;
}
