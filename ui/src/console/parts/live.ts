/** One stream of sums a second: the figures grow without asking for the page again. Paused while the tab is hidden. */

import { useEffect, useRef, useState } from "react";
import type { Schemas } from "@/api/client";
import { query } from "./url";

type Overview = Schemas["OverviewOut"];
export type Running = Schemas["RunningOut"];

const SUMS = ["calls", "failed_calls", "cached_calls", "unknown_cost_calls", "input_tokens", "output_tokens", "cost_nanos"] as const;

/** What grew between two sums of one quarter of an hour, added to the figures of when `since` was true. */
export function grown(found: Overview, since: Running, now: Running): Overview {
  const figures = { ...found.now };
  for (const name of SUMS) figures[name] += Math.max(0, now[name] - since[name]);
  const calls = [...found.calls];
  const last = calls.length - 1;
  if (last >= 0) calls[last] = (calls[last] ?? 0) + Math.max(0, now.calls - since.calls);
  return { ...found, now: figures, calls };
}

/** `found`, with what came since. A new quarter of an hour asks for everything again. */
export function useLive(found: Overview | undefined, on: boolean, asked: { key_id: string; model: string }, again: () => void): Overview | undefined {
  const [shown, setShown] = useState(found);
  const latest = useRef({ found, again });
  latest.current = { found, again };
  const [hidden, setHidden] = useState(document.hidden);

  useEffect(() => {
    setShown(found);
  }, [found]);

  useEffect(() => {
    const changed = (): void => setHidden(document.hidden);
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, []);

  useEffect(() => {
    if (!on || hidden) return;
    const source = new EventSource(`/api/v1/overview/live?${query({ key_id: asked.key_id, model: asked.model })}`);
    let bucket: number | null = null;
    source.onmessage = (event: MessageEvent<string>) => {
      const now = JSON.parse(event.data) as Running;
      const { found: base, again: askAgain } = latest.current;
      if (!base) return;
      if (now.bucket > base.running.bucket && now.bucket !== bucket) askAgain();
      bucket = now.bucket;
      if (base.running.bucket === now.bucket) setShown(grown(base, base.running, now));
    };
    return () => source.close();
  }, [on, hidden, asked.key_id, asked.model]);

  return shown ?? found;
}
