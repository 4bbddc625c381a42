import type { ReactNode } from "react";
import { classes } from "@/parts/classes";

/** A share of a whole as a bar; the words beside it say the same. */
export function ShareBar({ share, tone = "accent" }: { share: number; tone?: "accent" | "good" | "warn" | "bad" }): ReactNode {
  const tones = { accent: "bg-series-1", good: "bg-good", warn: "bg-warn", bad: "bg-bad" };
  return (
    <span aria-hidden className="block h-2 w-full overflow-hidden rounded-full bg-line">
      <span className={classes("block h-full rounded-full", tones[tone])} style={{ width: `${Math.max(0, Math.min(1, share)) * 100}%` }} />
    </span>
  );
}

/** Spent solid, held hatched, a tick where the forecast ends, marks at 50 and 80 %, and the cap as the line at the end. */
export function Bullet({ spent, held, cap, forecast }: { spent: number; held: number; cap: number; forecast: number | null }): ReactNode {
  const top = Math.max(cap, spent + held, Math.min(forecast ?? 0, cap * 1.5)) || 1;
  const at = (value: number): string => `${Math.min(1, value / top) * 100}%`;
  const tone = spent >= cap ? "bg-bad" : spent >= 0.8 * cap ? "bg-warn" : "bg-series-1";
  return (
    <span aria-hidden className="relative block h-4 w-full">
      <span className="absolute inset-x-0 top-1 h-2 rounded-full bg-line" />
      <span className={classes("absolute top-1 left-0 h-2 rounded-l-full", tone)} style={{ width: at(spent) }} />
      <span className="hatched absolute top-1 h-2" style={{ left: at(spent), width: `${Math.max(0, Math.min(1, held / top)) * 100}%` }} />
      {[0.5, 0.8].map((mark) => (
        <span key={mark} className="absolute top-1 h-2 w-px bg-control" style={{ left: at(mark * cap) }} />
      ))}
      <span className="absolute top-0 h-4 w-0.5 bg-ink" style={{ left: `calc(${at(cap)} - 2px)` }} />
      {forecast !== null && <span className="absolute top-0 size-2 -translate-x-1 rotate-45 bg-ink-2" style={{ left: at(Math.min(forecast, top)) }} />}
    </span>
  );
}
