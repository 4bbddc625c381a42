import { Link, Outlet } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { hasLogin, useSession } from "@/api/session";
import { Page } from "@/parts/Page";

/** Settings of one's own: the key, the ways in, the look. */
export function Settings(): ReactNode {
  const session = useSession().data;
  const tabs = [
    { to: "/settings/openai", name: "OpenAI" } as const,
    ...(session && hasLogin(session) ? [{ to: "/settings/security", name: "Security" } as const] : []),
    { to: "/settings/look", name: "Look" } as const,
  ];
  return (
    <Page title="Settings" width="form">
      <nav aria-label="Settings" className="-mt-2 flex gap-1 border-b border-line">
        {tabs.map((tab) => (
          <Link
            key={tab.to}
            to={tab.to}
            className="-mb-px flex h-10 items-center border-b-2 border-transparent px-3 font-medium text-ink-2 no-underline hover:text-ink max-wide:h-11"
            activeProps={{ className: "border-accent! text-ink!" }}
          >
            {tab.name}
          </Link>
        ))}
      </nav>
      <Outlet />
    </Page>
  );
}
