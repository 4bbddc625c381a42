import { type ReactNode, useEffect, useRef } from "react";

/** TeX, drawn by KaTeX into the page's own elements; until it is loaded, and where it fails, the source. */
export function Formula({ tex, display }: { tex: string; display: boolean }): ReactNode {
  const place = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let isCurrent = true;
    void import("./katex").then(({ katex }) => {
      if (!isCurrent || !place.current) return;
      try {
        katex.render(tex, place.current, { displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxExpand: 500, maxSize: 30 });
      } catch {
        place.current.textContent = tex;
      }
    });
    return () => {
      isCurrent = false;
    };
  }, [tex, display]);
  return (
    <span ref={place} className={display ? "block overflow-x-auto py-2 text-center" : "math"}>
      {tex}
    </span>
  );
}
