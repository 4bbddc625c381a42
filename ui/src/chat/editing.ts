import { useSyncExternalStore } from "react";
import { signal } from "@/api/signal";

/** The question that is being edited: one at a time. */
export const editing = signal<string | null>(null);

export function useEditing(): string | null {
  return useSyncExternalStore(editing.watch, editing.get);
}
