/** Ranges of time as addresses say them: `24h`, `7d`, `30d`, `month`, or two moments in Unix seconds. */

import { clockOf, dayOf } from "@/parts/times";
import type { Search } from "./url";

export const RANGES = [
  ["1h", "Last hour"],
  ["24h", "Last 24 h"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
  ["90d", "Last 90 days"],
  ["month", "This month"],
] as const;

export interface Span {
  /** Unix seconds. */
  from: number;
  to: number | undefined;
}

const HOUR_S = 3600;
const SIZES_S: Record<string, number> = { "1h": HOUR_S, "24h": 24 * HOUR_S };
const DAYS: Record<string, number> = { "7d": 7, "30d": 30, "90d": 90 };

/** Which range an address names. Two moments win; what is not known is `usual`. */
export function rangeOf(search: Search, usual = "24h"): string {
  if (search.from && Number.isFinite(Number(search.from))) return "custom";
  return RANGES.some(([name]) => name === search.range) ? search.range! : usual;
}

/** The span of an address, from the viewer's midnight where it counts days. Rounded to the minute, so that it is one question a minute. */
export function spanOf(search: Search, nowMs: number, usual = "24h"): Span {
  const range = rangeOf(search, usual);
  if (range === "custom") return { from: Number(search.from), to: search.to ? Number(search.to) : undefined };
  const minute = Math.floor(nowMs / 60_000) * 60;
  const size = SIZES_S[range];
  if (size !== undefined) return { from: minute - size, to: undefined };
  const day = new Date(nowMs);
  day.setHours(0, 0, 0, 0);
  if (range === "month") day.setDate(1);
  else day.setDate(day.getDate() - (DAYS[range] ?? 1) + 1);
  return { from: Math.floor(day.getTime() / 1000), to: undefined };
}

let known: string | undefined;

/** `Europe/Berlin`; asked of the browser once, which takes it a while. */
export function zone(): string {
  return (known ??= Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
}

/** `20 Nov, 14:00 to 15:00`: a custom span in words. */
export function spanWords(span: Span): string {
  const day = (atS: number): string => `${dayOf(atS)}, ${clockOf(atS)}`;
  return span.to === undefined ? `Since ${day(span.from)}` : `${day(span.from)} to ${day(span.to)}`;
}
