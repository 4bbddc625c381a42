import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { hasLogin, isAdmin, useSession } from "@/api/session";
import { placesFor } from "./places";

/** A phone's three places; out of the way while its keyboard is up (app.css). */
export function BottomBar(): ReactNode {
  const session = useSession().data;
  const places = placesFor({ admin: isAdmin(session), people: session !== undefined && hasLogin(session) });
  return (
    <nav aria-label="Main" className="bottom-bar flex shrink-0 border-t border-line bg-panel pb-[env(safe-area-inset-bottom)] wide:hidden">
      {places
        .filter((place) => place.bottom)
        .map((place) => (
          <Link
            key={place.to}
            to={place.to}
            activeOptions={{ exact: place.to === "/" }}
            className="flex h-14 flex-1 flex-col items-center justify-center gap-0.5 text-note text-ink-2 no-underline"
            activeProps={{ className: "text-accent!" }}
          >
            <place.icon size={20} strokeWidth={1.75} aria-hidden />
            {place.name}
          </Link>
        ))}
    </nav>
  );
}
