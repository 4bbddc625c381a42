/** The console's pages, each in a file of its own and loaded when it is opened. */

import { type AnyRoute, createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { shell } from "@/shell/frames";
import { AdminFrame } from "./Frame";
import {
  accountsQuery,
  adaptersQuery,
  ahead,
  aliasesQuery,
  auditQuery,
  budgetsQuery,
  callQuery,
  callsAsked,
  callsQuery,
  chainQuery,
  invitationsQuery,
  keysQuery,
  myBudgetQuery,
  overviewAsked,
  overviewQuery,
  pricesQuery,
  routesQuery,
  statesQuery,
  thisMinute,
  usageAsked,
  usageBy,
  usageQuery,
  usersQuery,
  whatIfQuery,
} from "./asks";
import { only } from "./parts/url";

const SPAN = ["range", "from", "to"] as const;
export const CALLS = [...SPAN, "key_id", "user_id", "model", "provider_id", "account_id", "endpoint", "tag", "outcome", "source", "status", "error_code", "after", "before", "open", "hide"] as const;

const usage = createRoute({
  getParentRoute: () => shell,
  path: "/usage",
  validateSearch: only([...SPAN, "by"]),
  loader: ahead("everybody", (search) => [usageQuery("day", usageAsked(search)), usageQuery(usageBy(search), usageAsked(search)), myBudgetQuery]),
    component: lazyRouteComponent(() => import("./Usage"), "Usage"),
});

const myCalls = createRoute({
  getParentRoute: () => shell,
  path: "/calls",
  validateSearch: only(CALLS),
  loader: ahead("everybody", (search) => [callsQuery(callsAsked(search, true))]),
    component: lazyRouteComponent(() => import("./Calls"), "MyCalls"),
});

const call = createRoute({
  getParentRoute: () => shell,
  path: "/calls/$id",
  loader: ahead("everybody", (_, id) => [callQuery(id)]),
    component: lazyRouteComponent(() => import("./Call"), "CallPage"),
});

const admin = createRoute({ getParentRoute: () => shell, path: "/admin", component: AdminFrame });

const pages = [
  createRoute({
    getParentRoute: () => admin,
    path: "/",
    validateSearch: only([...SPAN, "key_id", "model", "live"]),
    loader: ahead("admins", (search) => [overviewQuery(overviewAsked(search, thisMinute())), keysQuery]),
    component: lazyRouteComponent(() => import("./Overview"), "Overview"),
  }),
  createRoute({ getParentRoute: () => admin, path: "/calls", validateSearch: only(CALLS), loader: ahead("admins", (search) => [callsQuery(callsAsked(search, false)), ...(search.open ? [callQuery(search.open)] : [])]), component: lazyRouteComponent(() => import("./Calls"), "AllCalls") }),
  createRoute({ getParentRoute: () => admin, path: "/accounts", validateSearch: only(["provider_id", "open"]), loader: ahead("admins", () => [accountsQuery, statesQuery]), component: lazyRouteComponent(() => import("./Accounts"), "Accounts") }),
  createRoute({ getParentRoute: () => admin, path: "/routes", validateSearch: only(["model", "key_id", "stream"]), loader: ahead("admins", (search) => [...(search.model ? [whatIfQuery(search)] : []), routesQuery, aliasesQuery, keysQuery]), component: lazyRouteComponent(() => import("./Routes"), "Routes") }),
  createRoute({ getParentRoute: () => admin, path: "/keys", validateSearch: only(["q", "state", "open"]), loader: ahead("admins", () => [keysQuery, budgetsQuery]), component: lazyRouteComponent(() => import("./AllKeys"), "AllKeys") }),
  createRoute({ getParentRoute: () => admin, path: "/users", validateSearch: only(["after", "open"]), loader: ahead("admins", (search) => [usersQuery(search.after), invitationsQuery]), component: lazyRouteComponent(() => import("./Users"), "Users") }),
  createRoute({ getParentRoute: () => admin, path: "/budgets", validateSearch: only(["open"]), loader: ahead("admins", () => [budgetsQuery]), component: lazyRouteComponent(() => import("./Budgets"), "Budgets") }),
  createRoute({ getParentRoute: () => admin, path: "/adapters", validateSearch: only(["open"]), loader: ahead("admins", () => [adaptersQuery]), component: lazyRouteComponent(() => import("./Adapters"), "Adapters") }),
  createRoute({ getParentRoute: () => admin, path: "/prices", validateSearch: only(["list", "model"]), loader: ahead("admins", (search) => [pricesQuery(search)]), component: lazyRouteComponent(() => import("./Prices"), "Prices") }),
  createRoute({ getParentRoute: () => admin, path: "/audit", validateSearch: only(["before", "action"]), loader: ahead("admins", (search) => [auditQuery(search), chainQuery]), component: lazyRouteComponent(() => import("./Audit"), "AuditPage") }),
];

export const consoleRoutes: AnyRoute[] = [usage, myCalls, call, admin.addChildren(pages)];
