/** Keys that work on every page. Single letters are off in fields and can be switched off (WCAG 2.1.4). */

import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { look } from "@/api/look";
import { PLACES } from "./places";

const GO_MS = 1200;

export const MODIFIER = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl ";

export function useShortcuts(acts: { palette: () => void; list: () => void }): void {
  const navigate = useNavigate();
  const going = useRef(0);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.isComposing || event.defaultPrevented) return;
      if ((event.ctrlKey || event.metaKey) && !event.altKey) {
        const key = event.key.toLowerCase();
        if (key === "k" && !event.shiftKey) act(event, acts.palette);
        if (key === "o" && event.shiftKey) act(event, () => void navigate({ to: "/" }));
        return;
      }
      if (event.altKey || !look.get().shortcuts || isField(event.target) || document.querySelector("dialog[open]")) return;
      if (Date.now() - going.current < GO_MS) {
        going.current = 0;
        const place = PLACES.find(({ letter }) => letter === event.key);
        if (place) act(event, () => void navigate({ to: place.to }));
      } else if (event.key === "g") going.current = Date.now();
      else if (event.key === "?") act(event, acts.list);
      else if (event.key === "/") act(event, () => document.querySelector<HTMLElement>("[data-search]")?.focus());
      else if (event.key === "j") act(event, () => walk(1));
      else if (event.key === "k") act(event, () => walk(-1));
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
}

function act(event: KeyboardEvent, what: () => void): void {
  event.preventDefault();
  what();
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

/** To the next or previous visible row of the page's list. */
function walk(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row][tabindex]")].filter((row) => row.offsetParent !== null);
  const at = rows.indexOf(document.activeElement as HTMLElement);
  rows[Math.min(rows.length - 1, Math.max(0, at + step))]?.focus();
}
