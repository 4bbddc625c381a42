import { Outlet } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { isAdmin, useSession } from "@/api/session";
import { AdminsOnly } from "@/shell/Whole";
import "./parts/console.css";

/** Around every page of admins: others get a sentence, and the page that would ask for data is not even loaded. */
export function AdminFrame(): ReactNode {
  return isAdmin(useSession().data) ? <Outlet /> : <AdminsOnly />;
}
