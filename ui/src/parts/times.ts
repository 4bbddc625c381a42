/**
 * Times and durations as text, in the viewer's zone. Input is Unix seconds, as the API gives them.
 *
 * Written by hand: `toLocaleString` makes a formatter each time, which a list of fifty rows took 34 ms for.
 */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** `20 Nov` */
export function dayOf(atS: number): string {
  const at = new Date(atS * 1000);
  return `${at.getDate()} ${MONTHS[at.getMonth()]}`;
}

/** `20 Nov 2026` */
export function dateOf(atS: number): string {
  return `${dayOf(atS)} ${new Date(atS * 1000).getFullYear()}`;
}

/** `17:35`, or `17:35:08` */
export function clockOf(atS: number, seconds = false): string {
  const at = new Date(atS * 1000);
  return `${two(at.getHours())}:${two(at.getMinutes())}${seconds ? `:${two(at.getSeconds())}` : ""}`;
}

/** `1 Dec 00:00 UTC` */
export function utcDayOf(atS: number): string {
  const at = new Date(atS * 1000);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())} UTC`;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

let relative: Intl.RelativeTimeFormat | undefined;

/** `3 days ago`, `in 2 hours`, `just now`. */
export function ago(atS: number, nowS: number = Date.now() / 1000): string {
  relative ??= new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const differenceS = atS - nowS;
  for (const [unit, sizeS] of UNITS) {
    // what lies ahead is rounded: 90 days from a moment ago are three months, not two
    if (Math.abs(differenceS) >= sizeS * (differenceS > 0 ? 0.95 : 1)) return relative.format(differenceS > 0 ? Math.round(differenceS / sizeS) : Math.trunc(differenceS / sizeS), unit);
  }
  return differenceS > 5 ? "in a moment" : "just now";
}

/** `20 Nov 2026, 17:35` */
export function moment(atS: number): string {
  return `${dateOf(atS)}, ${clockOf(atS)}`;
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
