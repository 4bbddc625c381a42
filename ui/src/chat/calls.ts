/** What answers cost, as the book says: one call by its id, or the calls of a stretch of conversation in one request. */

import { type Schemas, api, data } from "@/api/client";
import { ApiError } from "@/api/errors";
import { money } from "@/parts/money";

export type Call = Schemas["CallOut"];

const WAITS_MS = [150, 400, 800, 1500, 3000];

/** A row appears within a second after the call is settled. `null`: it never came. */
export async function callOf(id: string): Promise<Call | null> {
  for (const waitMs of [...WAITS_MS, null]) {
    try {
      return (await data(api.GET("/api/v1/calls/{call_id}", { params: { path: { call_id: id } } })))!;
    } catch (cause) {
      if (!(cause instanceof ApiError) || cause.status !== 404 || waitMs === null) return null;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
  return null;
}

/** My chat calls between two moments, at most 200. */
export async function callsBetween(fromS: number, toS: number): Promise<Call[]> {
  const query = { tag: "app:chat", mine: true, from_s: Math.max(0, fromS - 600), to_s: toS + 60, limit: 200 };
  return (await data(api.GET("/api/v1/calls", { params: { query } })))!.data;
}

/** What an answer cost that took more than one call: sums, under the id of the last. `undefined`: none is known yet. */
export function sumOf(calls: ReadonlyMap<string, Call>, ids: string[]): Call | undefined {
  const found = ids.flatMap((id) => calls.get(id) ?? []);
  const last = found.at(-1);
  if (found.length < 2 || !last) return last;
  const sum = (value: (call: Call) => number): number => found.reduce((total, call) => total + value(call), 0);
  return {
    ...last,
    input_tokens: sum((call) => call.input_tokens),
    output_tokens: sum((call) => call.output_tokens),
    cost_nanos: found.some((call) => call.cost_nanos === null) ? null : sum((call) => call.cost_nanos ?? 0),
    duration_ms: sum((call) => call.duration_ms ?? 0),
    source: found.every((call) => call.source === "upstream") ? "upstream" : last.source === "upstream" ? found[0]!.source : last.source,
  };
}

export function cost(call: Call): string {
  if (call.cost_nanos === 0) return "$0.00";
  return money(call.cost_nanos, 4, call.source !== "upstream");
}
