/** What readers hear of an answer: its end, or by choice each sentence as it comes. */

import { look } from "@/api/look";
import { say } from "@/parts/StatusRegion";
import type { State } from "./said";

let heard = 0;

export function announce(text: string): void {
  if (look.get().announce !== "sentences") return;
  if (text.length < heard) heard = 0;
  const end = /^[\s\S]*[.!?:](?=\s)/.exec(text.slice(heard))?.[0].length ?? 0;
  if (end === 0) return;
  say(text.slice(heard, heard + end));
  heard += end;
}

export function endOfAnswer(text: string, state: State): void {
  heard = 0;
  const words = text.split(/\s+/).filter(Boolean).length;
  say(state === "stored" ? `Answer finished, ${words} words` : `${state === "stopped" ? "Stopped" : "Cut off"} after ${words} words`);
}
