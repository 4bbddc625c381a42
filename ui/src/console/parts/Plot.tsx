import { type KeyboardEvent, type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useLook } from "@/api/look";
import { clockOf, dayOf } from "@/parts/times";
import { type Line, stacked } from "./stack";

interface Drawing {
  /** First second of each step. */
  starts: number[];
  lines: Line[];
  /** Bars stand on each other; lines keep gaps where nothing is known. */
  kind: "bars" | "lines";
  says: (value: number) => string;
  /** The last step is still running: hatched. */
  running: boolean;
}

const HEIGHT = 180;

/** One chart. Left and right walk its steps, Enter opens the step's calls. */
export function Plot({ starts, lines, kind, says, running, label, at, setAt, open }: Drawing & { label: string; at: number | null; setAt: (step: number | null) => void; open?: ((step: number) => void) | undefined }): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const told = useRef({ setAt, open });
  told.current = { setAt, open };
  const { theme } = useLook();
  const dark = useDark();
  const isSeen = useSeen(box);

  useEffect(() => {
    const element = box.current;
    if (!element || !isSeen || starts.length === 0) return;
    const drawn = new uPlot(optionsOf({ starts, lines, kind, says, running }, element.clientWidth, (step) => told.current.setAt(step)), dataOf(starts, lines, kind), element);
    plot.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    const clicked = (): void => {
      if (typeof drawn.cursor.idx === "number") told.current.open?.(drawn.cursor.idx);
    };
    drawn.over.addEventListener("click", clicked);
    return () => {
      resized.disconnect();
      drawn.destroy();
      plot.current = null;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- drawn anew when the data or the colours are others
  }, [starts, lines, kind, running, theme, dark, isSeen]);

  const pressed = (event: KeyboardEvent): void => {
    const last = starts.length - 1;
    const step = event.key === "ArrowLeft" ? Math.max(0, (at ?? last + 1) - 1) : event.key === "ArrowRight" ? Math.min(last, (at ?? -1) + 1) : event.key === "Home" ? 0 : event.key === "End" ? last : null;
    if (step !== null) {
      event.preventDefault();
      setAt(step);
      const drawn = plot.current;
      if (drawn) drawn.setCursor({ left: drawn.valToPos(middle(starts, step), "x"), top: 10 }, false);
    } else if (event.key === "Enter" && at !== null) open?.(at);
    else if (event.key === "Escape") setAt(null);
  };

  return <div ref={box} role="img" aria-label={label} tabIndex={0} onKeyDown={pressed} onPointerLeave={() => setAt(null)} className={`overflow-hidden rounded-control ${open ? "cursor-pointer" : ""}`} style={{ height: HEIGHT }} />;
}

/** Once it has come near the view: a chart is drawn then, so that the page's figures need not wait for it. */
function useSeen(element: RefObject<HTMLElement | null>): boolean {
  const [isSeen, setIsSeen] = useState(false);
  useEffect(() => {
    if (!element.current) return;
    const watch = new IntersectionObserver(
      ([entry]) => {
        if (!entry?.isIntersecting) return;
        watch.disconnect();
        setIsSeen(true);
      },
      { rootMargin: "200px" },
    );
    watch.observe(element.current);
    return () => watch.disconnect();
  }, [element]);
  return isSeen;
}

/** Middle of a step: where its bar stands. */
function middle(starts: number[], step: number): number {
  const start = starts[step] ?? 0;
  const size = (starts[step + 1] ?? start + stepSize(starts)) - start;
  return start + size / 2;
}

export function stepSize(starts: number[]): number {
  return starts.length > 1 ? starts[starts.length - 1]! - starts[starts.length - 2]! : 900;
}

function dataOf(starts: number[], lines: Line[], kind: Drawing["kind"]): uPlot.AlignedData {
  const xs = starts.map((_, step) => middle(starts, step));
  return [xs, ...(kind === "bars" ? stacked(lines.map((line) => line.values)) : lines.map((line) => line.values))] as uPlot.AlignedData;
}

function colourOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function optionsOf({ starts, lines, kind, says, running }: Drawing, width: number, setAt: (step: number | null) => void): uPlot.Options {
  const ink = colourOf("--ink-2");
  const grid = { stroke: colourOf("--line"), width: 1 };
  const font = "12px system-ui, sans-serif";
  // what stands highest is drawn first, so that the others cover its lower part
  const drawn = kind === "bars" ? [...lines].reverse() : lines;
  const first = starts[0] ?? 0;
  const end = (starts[starts.length - 1] ?? 0) + stepSize(starts);
  return {
    width,
    height: HEIGHT,
    padding: [8, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { show: kind === "lines" } },
    scales: { x: { time: true, range: () => [first, end] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { show: false }, size: 28, space: 64, values: (_, marks) => marks.map((mark) => tick(mark, end - first)) },
      { stroke: ink, font, grid, ticks: { show: false }, size: (_, values) => 14 + 7 * Math.max(2, ...(values ?? []).map((value) => value.length)), space: 36, values: (_, marks) => marks.map(says) },
    ],
    series: [
      {},
      ...drawn.map((line, index): uPlot.Series => {
        const colour = colourOf(`--series-${line.colour}`);
        if (kind === "bars") return { label: line.name, fill: colour, stroke: colour, width: 0, points: { show: false }, paths: uPlot.paths.bars!({ size: [0.8, 48] }) };
        return { label: line.name, stroke: colour, width: 2, dash: index > 0 ? [6, 4] : [], spanGaps: false, points: { show: true, size: 4, fill: colour } };
      }),
    ],
    hooks: {
      setCursor: [(self) => setAt(typeof self.cursor.idx === "number" && (self.cursor.left ?? -1) >= 0 ? self.cursor.idx : null)],
      draw: running && kind === "bars" ? [(self) => hatch(self, starts[starts.length - 1] ?? 0, end)] : [],
    },
  };
}

function tick(atS: number, lengthS: number): string {
  return lengthS <= 26 * 3600 ? clockOf(atS) : dayOf(atS);
}

/** Stripes of the ground over the step that is still running. */
function hatch(self: uPlot, from: number, to: number): void {
  const { ctx, bbox } = self;
  const left = self.valToPos(from, "x", true);
  const right = self.valToPos(to, "x", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colourOf("--raised");
  ctx.lineWidth = 2 * devicePixelRatio;
  for (let x = left - bbox.height; x < right; x += 6 * devicePixelRatio) {
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
    ctx.stroke();
  }
  ctx.restore();
}

/** Whether the page is dark now; the system may change its mind while the page is open. */
function useDark(): boolean {
  const read = (): boolean => document.documentElement.dataset.theme === "dark";
  const [dark, setDark] = useState(read);
  useEffect(() => {
    const watcher = new MutationObserver(() => setDark(read()));
    watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => watcher.disconnect();
  }, []);
  return dark;
}
