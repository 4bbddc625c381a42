/** Whether Doorward answers. After a failure it is asked again: after 2, 4, 8, then every 15 seconds. */

import { signal } from "./signal";

const WAITS_S = [2, 4, 8, 15];

export interface Away {
  /** Unix milliseconds of the first failure, and of the next try. */
  since: number;
  nextTry: number;
}

export const away = signal<Away | null>(null);

const backListeners = new Set<() => void>();
let tries = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

export function reached(): void {
  if (away.get() === null) return;
  clearTimeout(timer);
  tries = 0;
  away.set(null);
  for (const told of [...backListeners]) told();
}

export function unreachable(): void {
  if (away.get() === null) schedule(Date.now());
}

export async function retryNow(): Promise<void> {
  clearTimeout(timer);
  const since = away.get()?.since ?? Date.now();
  try {
    const response = await fetch("/healthz", { cache: "no-store" });
    if (response.status < 500 || response.headers.has("x-request-id")) return reached();
  } catch {
    // still away
  }
  tries += 1;
  schedule(since);
}

/** `told` is called each time Doorward answers again. */
export function onBack(told: () => void): () => void {
  backListeners.add(told);
  return () => backListeners.delete(told);
}

function schedule(since: number): void {
  const waitMs = 1000 * (WAITS_S[Math.min(tries, WAITS_S.length - 1)] ?? 15);
  away.set({ since, nextTry: Date.now() + waitMs });
  timer = setTimeout(() => void retryNow(), waitMs);
}
