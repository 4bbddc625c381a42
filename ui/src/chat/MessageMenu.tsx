import { Ellipsis } from "lucide-react";
import { type ReactNode, useId, useRef } from "react";
import { copyText } from "@/parts/copy";
import { say } from "@/parts/StatusRegion";

const ITEM = "flex min-h-11 w-full items-center rounded-control px-3 text-left text-ink hover:bg-sunk disabled:opacity-50";
const MENU_PX = 176;

/** On a phone the actions of a message stand behind one button. */
export function MessageMenu({ label, copies, acts, disabled }: { label: string; copies: string; acts: [string, () => void][]; disabled: boolean }): ReactNode {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const act = (what: () => void) => (): void => {
    menu.current?.hidePopover();
    what();
  };
  const copy = async (): Promise<void> => {
    say((await copyText(copies)) ? "Copied" : "Not copied: this browser does not allow it here. Select the text and copy it.");
  };
  return (
    <span className="wide:hidden">
      <button
        type="button"
        aria-label={label}
        title={label}
        popoverTarget={id}
        className="inline-flex size-11 items-center justify-center rounded-control text-ink-2 hover:bg-sunk"
        onClick={(event) => {
          const { bottom, left } = event.currentTarget.getBoundingClientRect();
          if (!menu.current) return;
          menu.current.style.top = `${Math.max(8, Math.min(bottom, innerHeight - 60 - 44 * (acts.length + 1)))}px`;
          menu.current.style.left = `${Math.max(8, Math.min(left, innerWidth - MENU_PX - 8))}px`;
        }}
      >
        <Ellipsis size={16} strokeWidth={1.75} aria-hidden />
      </button>
      <div ref={menu} id={id} popover="auto" className="m-0 w-44 rounded-card border border-line bg-raised p-1 text-base text-ink shadow-float">
        {copies && (
          <button type="button" className={ITEM} onClick={act(() => void copy())}>
            Copy
          </button>
        )}
        {acts.map(([name, what]) => (
          <button key={name} type="button" className={ITEM} disabled={disabled} onClick={act(what)}>
            {name}
          </button>
        ))}
      </div>
    </span>
  );
}
