import { Link, useLocation } from "@tanstack/react-router";
import { LogOut, Search } from "lucide-react";
import { Suspense, lazy, type ReactNode } from "react";
import { hasLogin, isAdmin, signOut, useSession } from "@/api/session";
import { IconButton } from "@/parts/Button";
import { classes } from "@/parts/classes";
import { Logo } from "./Logo";
import type { Place } from "./place";
import { placesFor } from "./places";
import { MODIFIER } from "./shortcuts";

const History = lazy(async () => ({ default: (await import("@/chat/History")).History }));

/** Chat · Mine · Admin. Beside a chat the conversations take the place of most of it. */
export function Rail({ openPalette }: { openPalette: () => void }): ReactNode {
  const session = useSession().data;
  const { pathname } = useLocation();
  const inChat = pathname === "/" || pathname.startsWith("/c/");
  const places = placesFor({ admin: isAdmin(session), people: session !== undefined && hasLogin(session) });
  const of = (group: Place["group"]): Place[] => places.filter((place) => place.group === group);
  return (
    <div className="flex h-full flex-col gap-3 p-3">
      <div className="flex items-center gap-2 px-2">
        <Link to="/" className="flex items-center gap-2 font-semibold text-ink no-underline">
          <Logo /> Doorward
        </Link>
        <button
          type="button"
          onClick={openPalette}
          className="ml-auto flex h-8 items-center gap-1.5 rounded-control px-2 text-note text-ink-2 hover:bg-sunk max-wide:h-11"
        >
          <Search size={16} strokeWidth={1.75} aria-hidden />
          <span className="sr-only">Search everywhere</span>
          <kbd className="font-sans max-wide:hidden">{MODIFIER}K</kbd>
        </button>
      </div>
      {inChat ? (
        <>
          <Suspense fallback={<div className="flex-1" />}>
            <History />
          </Suspense>
          <nav aria-label="Pages" className="border-t border-line pt-2">
            <Group places={of("mine")} />
            <Group places={of("admin").slice(0, 1).map((place) => ({ ...place, name: "Admin" }))} />
          </nav>
        </>
      ) : (
        <nav aria-label="Pages" className="flex min-h-0 flex-1 flex-col gap-4 overflow-y-auto">
          <Group places={of("chat")} />
          <Group title="Mine" places={of("mine")} />
          <Group title="Admin" places={of("admin")} />
        </nav>
      )}
      {session?.user && <Who email={session.user.email} />}
    </div>
  );
}

function Group({ title, places }: { title?: string; places: Place[] }): ReactNode {
  if (places.length === 0) return null;
  return (
    <div>
      {title && <p className="px-2 pb-1 text-note text-ink-3">{title}</p>}
      <ul>
        {places.map((place) => (
          <li key={place.to}>
            <Link
              to={place.to}
              activeOptions={{ exact: place.to === "/" || place.to === "/admin", includeSearch: false }}
              className={classes("flex h-8 items-center gap-2 rounded-control px-2 text-ink-2 no-underline hover:bg-sunk hover:text-ink max-wide:h-11")}
              activeProps={{ className: "bg-accent-tint text-accent! font-medium" }}
            >
              <place.icon size={16} strokeWidth={1.75} aria-hidden />
              {place.name}
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Who({ email }: { email: string }): ReactNode {
  return (
    <div className="flex items-center gap-2 border-t border-line px-2 pt-2">
      <span className="min-w-0 flex-1 truncate text-console text-ink-2" title={email}>
        {email}
      </span>
      <IconButton label="Sign out" onClick={() => void signOut()}>
        <LogOut size={16} strokeWidth={1.75} />
      </IconButton>
    </div>
  );
}
