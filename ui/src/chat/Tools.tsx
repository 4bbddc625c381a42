import { useQuery } from "@tanstack/react-query";
import { Wrench } from "lucide-react";
import { type ReactNode, useId, useRef } from "react";
import { classes } from "@/parts/classes";
import { Tag } from "@/parts/Tag";
import { tools } from "./conversations";
import { useChat, useView } from "./context";

/** Which of the operator's tools the next answers may use. Not there, where the operator offers none. */
export function Tools(): ReactNode {
  const chat = useChat();
  const { tools: chosen } = useView();
  const list = useQuery({ queryKey: ["tools"], queryFn: tools, staleTime: 300_000 });
  const menu = useRef<HTMLDivElement>(null);
  const id = useId();
  const offered = list.data ?? [];
  if (offered.every((tool) => tool.built_in)) return null;
  const toggle = (name: string, on: boolean): void => {
    const known = new Set(offered.map((tool) => tool.name));
    chat.choose({ tools: [...chosen.filter((one) => one !== name && known.has(one)), ...(on ? [name] : [])] });
  };
  return (
    <>
      <button
        type="button"
        popoverTarget={id}
        className={classes(
          "inline-flex h-8 items-center gap-1.5 rounded-control px-2 text-console hover:bg-sunk hover:text-ink max-wide:h-11",
          chosen.length > 0 ? "text-accent" : "text-ink-2",
        )}
        onClick={(event) => {
          const { top, left } = event.currentTarget.getBoundingClientRect();
          if (!menu.current) return;
          menu.current.style.top = "auto"; // the browser's own is 0, and would win over what follows
          menu.current.style.bottom = `${innerHeight - top + 8}px`;
          menu.current.style.left = `${Math.max(8, Math.min(left, innerWidth - 328))}px`;
        }}
      >
        <Wrench size={16} strokeWidth={1.75} aria-hidden />
        Tools{chosen.length > 0 && `: ${chosen.length}`}
      </button>
      <div ref={menu} id={id} popover="auto" role="group" aria-label="Tools that answers may use" className="m-0 max-h-[60dvh] w-80 max-w-[calc(100vw-1rem)] overflow-y-auto rounded-card border border-line bg-raised p-2 text-ink shadow-float">
        {offered.map((tool) => (
          <label key={tool.name} className="flex min-h-11 cursor-pointer items-start gap-2 rounded-control p-2 hover:bg-sunk">
            <input type="checkbox" checked={chosen.includes(tool.name)} onChange={(event) => toggle(tool.name, event.target.checked)} className="mt-1 accent-accent" />
            <span className="min-w-0 flex-1">
              <span className="flex flex-wrap items-center gap-x-2">
                <span className="truncate font-mono text-console">{tool.name}</span>
                {tool.approve && <Tag>asks you first</Tag>}
              </span>
              <span className="line-clamp-2 text-note text-ink-2">{tool.description}</span>
            </span>
          </label>
        ))}
      </div>
    </>
  );
}
