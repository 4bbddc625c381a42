/** Every page: its address, and the file it is loaded from. `/admin` and what belongs to it stand in console/routes.ts. */

import { createRoute, createRouter, lazyRouteComponent, redirect, stringifySearchWith } from "@tanstack/react-router";
import { consoleRoutes } from "./console/routes";
import { NotFound, Whole } from "./shell/Whole";
import { root, shell } from "./shell/frames";

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/signin",
  validateSearch: (search: Record<string, unknown>): { to?: string } => ({ to: text(search.to) }),
  component: lazyRouteComponent(() => import("./pages/SignIn"), "SignIn"),
});

const setUp = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  component: lazyRouteComponent(() => import("./pages/SetUp"), "SetUp"),
});

const invitation = createRoute({
  getParentRoute: () => root,
  path: "/invitation",
  component: lazyRouteComponent(() => import("./pages/Invitation"), "Invitation"),
});

const talk = createRoute({
  getParentRoute: () => shell,
  id: "talk",
  component: lazyRouteComponent(() => import("./pages/Chat"), "Chat"),
});

const chat = createRoute({
  getParentRoute: () => talk,
  path: "/",
  validateSearch: (search: Record<string, unknown>): { first?: boolean } => (search.first ? { first: true } : {}),
});

const conversation = createRoute({
  getParentRoute: () => talk,
  path: "/c/$id",
  // `m`: the message that a search has found
  validateSearch: (search: Record<string, unknown>): { first?: boolean; m?: string } => ({ ...(search.first ? { first: true } : {}), ...(text(search.m) && { m: text(search.m)! }) }),
});

const settings = createRoute({
  getParentRoute: () => shell,
  path: "/settings",
  component: lazyRouteComponent(() => import("./pages/Settings"), "Settings"),
});

const settingsIndex = createRoute({
  getParentRoute: () => settings,
  path: "/",
  beforeLoad: () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- the router's own way
    throw redirect({ to: "/settings/openai" });
  },
});

const openai = createRoute({
  getParentRoute: () => settings,
  path: "/openai",
  component: lazyRouteComponent(() => import("./pages/OpenAIKey"), "OpenAIKey"),
});

const security = createRoute({
  getParentRoute: () => settings,
  path: "/security",
  component: lazyRouteComponent(() => import("./pages/Security"), "Security"),
});

const look = createRoute({
  getParentRoute: () => settings,
  path: "/look",
  component: lazyRouteComponent(() => import("./pages/Look"), "LookPage"),
});

const keys = createRoute({
  getParentRoute: () => shell,
  path: "/keys",
  component: lazyRouteComponent(() => import("./pages/Keys"), "Keys"),
});

const tree = root.addChildren([
  signIn,
  setUp,
  invitation,
  shell.addChildren([talk.addChildren([chat, conversation]), settings.addChildren([settingsIndex, openai, security, look]), keys, ...consoleRoutes]),
]);

// text stays text in an address: `from=1795046400`, not `from="1795046400"`; pages read what they know of it as text again
export const router = createRouter({ routeTree: tree, stringifySearch: stringifySearchWith(JSON.stringify), defaultNotFoundComponent: NotFound, defaultErrorComponent: Whole, scrollRestoration: true });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
