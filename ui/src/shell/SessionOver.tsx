import { type ReactNode, Suspense, lazy, useSyncExternalStore } from "react";
import { queries } from "@/api/queries";
import { isSessionOver } from "@/api/session-over";
import { Dialog } from "@/parts/Dialog";
import { Skeleton } from "@/parts/Skeleton";

const SignInForm = lazy(async () => ({ default: (await import("./SignInForm")).SignInForm }));

/** Over the page, never instead of it: what was typed stays. Failed reads repeat; a failed write waits for a click. */
export function SessionOver(): ReactNode {
  const open = useSyncExternalStore(isSessionOver.watch, isSessionOver.get);
  return (
    <Dialog open={open} onClose={() => isSessionOver.set(false)} title="Sign in to use this feature">
      <p className="text-ink-2">Your session is over. This page and what you typed stay as they are.</p>
      <Suspense fallback={<Skeleton rows={5} />}>
        <SignInForm
          returnTo={location.pathname + location.search}
          done={() => {
            isSessionOver.set(false);
            void queries.invalidateQueries();
          }}
        />
      </Suspense>
    </Dialog>
  );
}
