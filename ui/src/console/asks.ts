/** What the console's pages ask for. A page's route asks it at once (`ahead`), while the page's own file is still on its way. */

import { isAdmin, hasLogin, sessionQuery } from "@/api/session";
import { api, data } from "@/api/client";
import { queries } from "@/api/queries";
import { spanOf, zone } from "./parts/range";
import type { Search } from "./parts/url";

interface Ask {
  queryKey: readonly unknown[];
  queryFn: () => Promise<unknown>;
}

/** Starts what a page asks for, if whoever looks may see it; others send no request. The page finds it under way. */
export function ahead(who: "admins" | "everybody", asks: (search: Search, id: string) => Ask[]) {
  return ({ location, params }: { location: { search: unknown }; params: unknown }): void => {
    void begin(who, () => asks(textOnly(location.search as Record<string, unknown>), (params as { id?: string }).id ?? ""));
  };
}

async function begin(who: "admins" | "everybody", asks: () => Ask[]): Promise<void> {
  const session = await queries.ensureQueryData(sessionQuery).catch(() => null); // the shell says what is wrong
  if (session === null || (hasLogin(session) && session.user === null)) return;
  if (who === "admins" && !isAdmin(session)) return;
  for (const ask of asks()) void queries.prefetchQuery(ask);
}

/** An address as pages read it: see `only` in parts/url. */
function textOnly(search: Record<string, unknown>): Search {
  return Object.fromEntries(Object.entries(search).map(([name, value]) => [name, value === undefined || value === null || typeof value === "object" ? undefined : String(value)]));
}

const MINUTE_MS = 60_000;

export function thisMinute(): number {
  return Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
}

export interface OverviewAsked {
  from: string;
  to: string | undefined;
  tz: string;
  key_id: string;
  model: string;
}

export function overviewAsked(search: Search, nowMs: number): OverviewAsked {
  const span = spanOf(search, nowMs);
  return { from: String(span.from), to: span.to === undefined ? undefined : String(span.to), tz: zone(), key_id: search.key_id ?? "", model: search.model ?? "" };
}

export const overviewQuery = (asked: OverviewAsked) => ({
  queryKey: ["overview", asked] as const,
  queryFn: async () => (await data(api.GET("/api/v1/overview", { params: { query: asked } })))!,
});

export const CALL_FILTERS = ["key_id", "user_id", "model", "provider_id", "account_id", "endpoint", "tag", "outcome", "source", "status", "error_code"] as const;
export const CALLS_USUAL = "7d";
const CALLS_STEP_MS = 300_000;

/** The page of calls that an address names; a range that ends now moves on every five minutes. */
export function callsAsked(search: Search, mine: boolean) {
  const span = spanOf(search, Math.floor(Date.now() / CALLS_STEP_MS) * CALLS_STEP_MS, CALLS_USUAL);
  const filter = Object.fromEntries(CALL_FILTERS.map((name) => [name, search[name]]));
  return { ...filter, status: search.status ? Number(search.status) : undefined, from_s: span.from, to_s: span.to, mine, after: search.after, before: search.before };
}

export const callsQuery = (asked: ReturnType<typeof callsAsked>) => ({
  queryKey: ["calls", asked] as const,
  queryFn: async () => (await data(api.GET("/api/v1/calls", { params: { query: asked } })))!,
});

export const callQuery = (id: string) => ({
  queryKey: ["call", id] as const,
  queryFn: async () => (await data(api.GET("/api/v1/calls/{call_id}", { params: { path: { call_id: id } } })))!,
});

export type By = "model" | "key" | "tag" | "endpoint";

export const USAGE_BYS: readonly By[] = ["model", "key", "tag", "endpoint"];
export const USAGE_USUAL = "30d";

export interface UsageAsked {
  from: string;
  to?: string;
  tz: string;
  mine: boolean;
}

export function usageAsked(search: Search): UsageAsked {
  const span = spanOf(search, Date.now(), USAGE_USUAL);
  return { from: String(span.from), ...(span.to === undefined ? {} : { to: String(span.to) }), tz: zone(), mine: true };
}

export function usageBy(search: Search): By {
  return USAGE_BYS.find((name) => name === search.by) ?? "model";
}

export const usageQuery = (by: By | "day", asked: UsageAsked) => ({
  queryKey: ["usage", by, asked] as const,
  queryFn: async () => (await data(api.GET("/api/v1/usage", { params: { query: { ...asked, by } } })))!,
});

export const whatIfQuery = ({ model = "", stream = "", key_id = "" }: Search) => ({
  queryKey: ["what-if", model, stream, key_id] as const,
  queryFn: async () =>
    (await data(
      api.POST("/api/v1/routes/what-if", {
        params: { query: key_id ? { key_id } : {} },
        body: { model, messages: [{ role: "user", content: "Hello" }], ...(stream ? { stream: true } : {}) },
      }),
    ))!,
});

export const usersQuery = (after = "") => ({
  queryKey: ["users", after] as const,
  queryFn: async () => (await data(api.GET("/api/v1/user-states", { params: { query: { after } } })))!,
});

export const PRICES_USUAL = "openai";

export const pricesQuery = ({ list = PRICES_USUAL, model = "" }: Search) => ({
  queryKey: ["prices", list, model] as const,
  queryFn: async () => (await data(api.GET("/api/v1/prices", { params: { query: { price_list: list, model } } })))!,
});

export const auditQuery = ({ before, action }: Search) => ({
  queryKey: ["audit", before ?? "", action ?? ""] as const,
  queryFn: async () => (await data(api.GET("/api/v1/audit", { params: { query: { before: before ? Number(before) : undefined, action, limit: 50 } } })))!,
});

export const chainQuery = {
  queryKey: ["audit-verify"],
  queryFn: async () => (await data(api.GET("/api/v1/audit/verify")))!,
  staleTime: 60_000,
};

export const keysQuery = { queryKey: ["keys"], queryFn: async () => (await data(api.GET("/api/v1/keys")))! };
export const budgetsQuery = { queryKey: ["budgets"], queryFn: async () => (await data(api.GET("/api/v1/budgets")))! };
export const myBudgetQuery = { queryKey: ["my-budget"], queryFn: async () => (await data(api.GET("/api/v1/me/budget")))! };
export const accountsQuery = { queryKey: ["accounts"], queryFn: async () => (await data(api.GET("/api/v1/accounts")))! };
export const statesQuery = { queryKey: ["account-states"], queryFn: async () => (await data(api.GET("/api/v1/account-states")))! };
export const routesQuery = { queryKey: ["routes"], queryFn: async () => (await data(api.GET("/api/v1/routes")))! };
export const aliasesQuery = { queryKey: ["aliases"], queryFn: async () => (await data(api.GET("/api/v1/aliases")))! };
export const adaptersQuery = { queryKey: ["adapters"], queryFn: async () => (await data(api.GET("/api/v1/adapters")))! };
export const invitationsQuery = { queryKey: ["invitations"], queryFn: async () => (await data(api.GET("/api/v1/invitations")))! };
