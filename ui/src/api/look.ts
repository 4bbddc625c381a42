/** Theme, density, motion and keys, as the viewer chose them; kept in this browser. `public/look.js` applies them. */

import { useSyncExternalStore } from "react";
import { signal } from "./signal";

export interface Look {
  theme: "system" | "light" | "dark";
  density: "normal" | "compact";
  motion: "system" | "reduced";
  shortcuts: boolean;
  announce: "end" | "sentences";
}

const KEY = "doorward.look";
const FIRST: Look = { theme: "system", density: "normal", motion: "system", shortcuts: true, announce: "end" };

function stored(): Look {
  try {
    return { ...FIRST, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Look>) };
  } catch {
    return FIRST;
  }
}

export const look = signal<Look>(stored());

export function setLook(change: Partial<Look>): void {
  look.set({ ...look.get(), ...change });
  try {
    localStorage.setItem(KEY, JSON.stringify(look.get()));
  } catch {
    // a browser without storage keeps it until the page goes
  }
  dispatchEvent(new Event("doorward:look"));
}

export function useLook(): Look {
  return useSyncExternalStore(look.watch, look.get);
}
