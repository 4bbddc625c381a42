/** Times and durations as text, in the viewer's zone. Input is Unix seconds, as the API gives them. */

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** `3 days ago`, `in 2 hours`, `just now`. */
export function ago(atS: number, nowS: number = Date.now() / 1000): string {
  const differenceS = atS - nowS;
  for (const [unit, sizeS] of UNITS) {
    // what lies ahead is rounded: 90 days from a moment ago are three months, not two
    if (Math.abs(differenceS) >= sizeS * (differenceS > 0 ? 0.95 : 1)) return relative.format(differenceS > 0 ? Math.round(differenceS / sizeS) : Math.trunc(differenceS / sizeS), unit);
  }
  return differenceS > 5 ? "in a moment" : "just now";
}

/** `20 Nov 2026, 17:35` */
export function moment(atS: number): string {
  return new Date(atS * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

export function utc(atS: number): string {
  return `${new Date(atS * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Milliseconds -> `402 ms`, `2.31 s`, `1 min 5 s`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "unknown";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
