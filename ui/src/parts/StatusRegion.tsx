import { type ReactNode, useSyncExternalStore } from "react";
import { signal } from "@/api/signal";

const said = signal({ text: "", count: 0 });

/** Tells readers what the eyes can see already. One polite region for the whole page. */
export function say(text: string): void {
  said.set({ text, count: said.get().count + 1 });
}

export function StatusRegion(): ReactNode {
  const { text, count } = useSyncExternalStore(said.watch, said.get);
  return (
    <div role="status" aria-live="polite" className="sr-only" data-testid="status">
      {/* the same words twice are two changes */}
      {count % 2 ? text : `${text}\u200b`}
    </div>
  );
}
