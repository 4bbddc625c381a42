import type { ReactNode } from "react";
import { Dialog } from "@/parts/Dialog";
import { PLACES } from "./places";
import { MODIFIER } from "./shortcuts";

/** `?` */
export function ShortcutList({ open, close }: { open: boolean; close: () => void }): ReactNode {
  const rows: [string, string][] = [
    [`${MODIFIER}K`, "Go anywhere: pages, conversations, a request id"],
    [`${MODIFIER}Shift O`, "New chat"],
    ...PLACES.filter((place) => place.letter).map((place): [string, string] => [`g ${place.letter}`, place.name]),
    ["/", "Search on this page"],
    ["j  k  Enter", "Walk rows, open one"],
    ["Enter · Shift Enter", "In a chat: send · new line"],
    ["Esc", "Stop an answer, close what floats"],
    ["↑", "In an empty message: edit the last question"],
  ];
  return (
    <Dialog open={open} onClose={close} title="Shortcuts">
      <dl className="grid grid-cols-[auto_1fr] items-baseline gap-x-6 gap-y-2">
        {rows.map(([keys, what]) => (
          <div key={keys} className="contents">
            <dt>
              <kbd className="rounded-control border border-line bg-sunk px-1.5 font-mono text-console">{keys}</kbd>
            </dt>
            <dd className="text-ink-2">{what}</dd>
          </div>
        ))}
      </dl>
      <p className="text-console text-ink-3">Single letters can be switched off in Settings, Look.</p>
    </Dialog>
  );
}
