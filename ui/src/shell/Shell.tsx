import { Outlet, useLocation } from "@tanstack/react-router";
import { Menu } from "lucide-react";
import { type ReactNode, Suspense, lazy, useEffect, useState } from "react";
import { hasLogin, useSession } from "@/api/session";
import { IconButton } from "@/parts/Button";
import { Dialog } from "@/parts/Dialog";
import { Panel } from "@/parts/Panel";
import { StatusRegion } from "@/parts/StatusRegion";
import { BottomBar } from "./BottomBar";
import { GoTo } from "./GoTo";
import { Logo } from "./Logo";
import { OfflineBar } from "./OfflineBar";
import { Rail } from "./Rail";
import { SessionOver } from "./SessionOver";
import { useShortcuts } from "./shortcuts";

const Palette = lazy(async () => ({ default: (await import("./Palette")).Palette }));
const ShortcutList = lazy(async () => ({ default: (await import("./ShortcutList")).ShortcutList }));

/** The sign-in wall, and what surrounds every page behind it. */
export function Shell(): ReactNode {
  const session = useSession();
  const { pathname, searchStr } = useLocation();
  if (!session.data)
    return (
      <div className="mx-auto max-w-md p-8">
        <OfflineBar />
        <Panel query={session} rows={1}>
          {() => null}
        </Panel>
      </div>
    );
  if (hasLogin(session.data) && session.data.user === null)
    return <GoTo to="/signin" search={pathname === "/" ? {} : { to: pathname + searchStr }} />;
  return <Frame pathname={pathname} />;
}

function Frame({ pathname }: { pathname: string }): ReactNode {
  const [sheet, setSheet] = useState(false);
  const [palette, setPalette] = useState(false);
  const [list, setList] = useState(false);
  useShortcuts({ palette: () => setPalette(true), list: () => setList(true) });
  useEffect(() => setSheet(false), [pathname]);
  const inChat = pathname === "/" || pathname.startsWith("/c/");
  return (
    <div className="flex h-dvh overflow-hidden max-wide:flex-col">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-10 focus:m-2 focus:bg-raised focus:p-2">
        Skip to the page
      </a>
      <aside className={inChat ? "w-[260px] shrink-0 border-r border-line bg-panel max-wide:hidden" : "w-[232px] shrink-0 border-r border-line bg-panel max-wide:hidden"}>
        <Rail openPalette={() => setPalette(true)} />
      </aside>
      <header className="flex h-12 shrink-0 items-center gap-2 border-b border-line bg-panel px-2 wide:hidden">
        <IconButton label="Menu" onClick={() => setSheet(true)}>
          <Menu size={20} strokeWidth={1.75} />
        </IconButton>
        <Logo />
        <span className="font-semibold">Doorward</span>
        <span id="header-slot" className="ml-auto flex items-center" />
      </header>
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <OfflineBar />
        <main id="main" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto outline-none">
          <Outlet />
        </main>
      </div>
      <BottomBar />
      <Dialog open={sheet} onClose={() => setSheet(false)} title="Menu" side>
        <Rail
          openPalette={() => {
            setSheet(false);
            setPalette(true);
          }}
        />
      </Dialog>
      <Suspense>
        {palette && <Palette open close={() => setPalette(false)} />}
        {list && <ShortcutList open close={() => setList(false)} />}
      </Suspense>
      <SessionOver />
      <StatusRegion />
    </div>
  );
}
