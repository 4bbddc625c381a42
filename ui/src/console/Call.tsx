import { useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { isAdmin, useSession } from "@/api/session";
import { Page } from "@/parts/Page";
import { CallWhy } from "./Why";

/** One call on a page of its own: the address that people send each other. */
export function CallPage(): ReactNode {
  const { id } = useParams({ strict: false }) as { id: string };
  return (
    <Page title="Why?">
      <CallWhy id={id} admin={isAdmin(useSession().data)} page />
    </Page>
  );
}
