import { signal } from "@/api/signal";

/** Whether the model picker is open. Error bubbles open it, too: `largest` sorts by how much a model reads. */
export const pickerOpen = signal<false | "all" | "largest">(false);
