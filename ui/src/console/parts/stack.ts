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
