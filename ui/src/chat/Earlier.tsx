import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useLayoutEffect, useRef } from "react";
import { useView } from "./context";
import { MESSAGE, Message } from "./Message";

const GUESS_PX = 140;

/** What was said before the last turn: only the rows near the view are there. */
export function Earlier({ count, scroller }: { count: number; scroller: HTMLDivElement | null }): ReactNode {
  const { said, found } = useView();
  const list = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller,
    estimateSize: () => GUESS_PX,
    getItemKey: (index) => said[index]?.key ?? index,
    overscan: 6,
    scrollMargin: list.current?.offsetTop ?? 0,
  });
  useKeepPlace(said[0]?.key, virtual.getTotalSize(), scroller);
  const hit = found === null ? -1 : said.findIndex((one) => one.id === found);
  useLayoutEffect(() => {
    if (hit < 0 || hit >= count || !scroller) return;
    // heights become known over the first few frames: the row is brought to its place until it stays there
    let frames = 8;
    let next = 0;
    const there = (): void => {
      virtual.scrollToIndex(hit, { align: "start" });
      if (--frames > 0) next = requestAnimationFrame(there);
    };
    there();
    return () => cancelAnimationFrame(next);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once for each hit; later the reader owns the scroll
  }, [found, hit >= 0, scroller]);
  return (
    <div ref={list} className="relative" style={{ height: virtual.getTotalSize() }}>
      {virtual.getVirtualItems().map((item) => {
        const one = said[item.index];
        if (!one) return null;
        return (
          <div
            key={item.key}
            data-index={item.index}
            ref={virtual.measureElement}
            className="absolute inset-x-0 top-0"
            style={{ transform: `translateY(${item.start - virtual.options.scrollMargin}px)` }}
          >
            <div className={MESSAGE} data-said={one.id ?? one.key} data-hit={item.index === hit ? "" : undefined}>
              <Message said={one} question={said[item.index - 1]} />
            </div>
          </div>
        );
      })}
    </div>
  );
}

/** When older messages are put before the first, what was read stays where it was. */
function useKeepPlace(first: string | undefined, height: number, scroller: HTMLDivElement | null): void {
  const before = useRef({ first, height });
  useLayoutEffect(() => {
    const was = before.current;
    if (was.first !== undefined && first !== was.first && scroller) scroller.scrollTop += height - was.height;
    before.current = { first, height };
  }, [first, height, scroller]);
}
