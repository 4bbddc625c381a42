import { type ReactNode, useEffect, useState } from "react";
import type { Schemas } from "@/api/client";
import { Money } from "@/parts/Money";
import { Tag, type Tone } from "@/parts/Tag";
import { ShareBar } from "./Bars";
import { wait } from "./figures";

export type Account = Schemas["AccountOut"];
export type State = Schemas["AccountStateOut"];
export type Row = Account & { now: State | undefined };

const TONES: Record<State["state"], Tone> = { ready: "good", resting: "warn", refused: "bad", off: "plain", no_key: "bad" };

/** `ready`, `resting 41 s: 429`, `refused: key invalid`, `off`: counts down between looks. */
export function StateTag({ row, at }: { row: Row; at: number }): ReactNode {
  const passed = useSeconds(at, row.now?.state === "resting");
  if (!row.now) return <span className="text-ink-3">not known yet</span>;
  const left = row.now.for_s === null ? null : row.now.for_s - passed;
  const words: Record<State["state"], string> = { ready: "ready", resting: `resting${left !== null && left > 0 ? ` ${wait(left)}` : ""}${causeOf(row.now.why)}`, refused: "refused: key invalid", off: "off", no_key: "no key" };
  return (
    <span title={row.now.why || undefined}>
      <Tag tone={TONES[row.now.state]}>{words[row.now.state]}</Tag>
    </span>
  );
}

/** Why it rests, in a word; the whole sentence is its title. */
function causeOf(why: string): string {
  if (why.startsWith("the provider asked to wait")) return ": 429";
  return why.startsWith("too many failures") ? ": failures" : "";
}

function useSeconds(since: number, on: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return on ? Math.max(0, (now - since) / 1000) : 0;
}

/** What is left of a limit and when it is whole again. Before the first answer nobody knows: never 100 %. */
export function Headroom({ left, at, known }: { left: State["requests"] | undefined; at: number; known: boolean }): ReactNode {
  const passed = useSeconds(at, Boolean(left && left.left < 1));
  if (!known) return null;
  if (!left) return <span className="text-ink-3">not known yet</span>;
  const resets = left.resets_in_s - passed;
  return (
    <span className="flex min-w-28 flex-col gap-0.5">
      <ShareBar share={left.left} tone={left.left < 0.1 ? "bad" : left.left < 0.3 ? "warn" : "good"} />
      <span className="text-note whitespace-nowrap text-ink-2">
        {Math.round(left.left * 100)} %{left.left < 1 && resets > 0 && `, whole in ${wait(resets)}`}
      </span>
    </span>
  );
}

export function Spend({ now }: { now: State }): ReactNode {
  return now.calls_24h > 0 && now.unknown_cost_calls_24h === now.calls_24h ? <Money nanos={null} /> : <Money nanos={now.cost_nanos_24h} />;
}
