/** The console's places in the rail, in their order. */

import { ChartNoAxesColumn, Gauge, KeyRound, ListTree, Plug, ScrollText, Server, Split, Tags, Users, Wallet } from "lucide-react";
import type { Place } from "@/shell/place";

export const consolePlaces: Place[] = [
  { to: "/usage", name: "Usage", group: "mine", icon: ChartNoAxesColumn, bottom: true },
  { to: "/calls", name: "Calls", group: "mine", icon: ListTree },
  { to: "/admin", name: "Overview", group: "admin", icon: Gauge, letter: "o" },
  { to: "/admin/calls", name: "Calls", group: "admin", icon: ListTree, letter: "l" },
  { to: "/admin/accounts", name: "Accounts", group: "admin", icon: Server },
  { to: "/admin/routes", name: "Routes", group: "admin", icon: Split },
  { to: "/admin/keys", name: "Keys", group: "admin", icon: KeyRound },
  { to: "/admin/users", name: "Users", group: "admin", icon: Users },
  { to: "/admin/budgets", name: "Budgets", group: "admin", icon: Wallet, letter: "b" },
  { to: "/admin/adapters", name: "Adapters", group: "admin", icon: Plug },
  { to: "/admin/prices", name: "Prices", group: "admin", icon: Tags },
  { to: "/admin/audit", name: "Audit", group: "admin", icon: ScrollText },
];
