/** What stands in a conversation: questions and answers, and what an answer did with tools. */

import type { Step, StoredMessage } from "./conversations";

export type State = "stored" | "waiting" | "streaming" | "stopped" | "failed" | "cut";

/** A question or an answer. `key` stays when the server gives an id. */
export interface Said {
  key: string;
  id: string | null;
  parentId: string | null;
  role: "user" | "assistant";
  text: string;
  images: string[];
  /** What the answer did with tools, in order. */
  steps: Step[];
  model: string | null;
  state: State;
  callId: string | null;
  siblings: string[];
  at: number;
  error: unknown;
}

export function shown(message: StoredMessage, key: string = message.id): Said {
  const parts = message.parts ?? [];
  const isAnswer = message.role === "assistant";
  return {
    key,
    id: message.id,
    parentId: message.parent_id,
    role: isAnswer ? "assistant" : "user",
    text: message.text,
    images: parts.flatMap((part) => (part.image_url ? [part.image_url.url] : [])),
    steps: isAnswer ? parts.map(({ type: kind, ...details }) => ({ kind, details })) : [],
    model: message.model,
    state: message.stopped ? "stopped" : "stored",
    callId: message.call_id,
    siblings: message.siblings,
    at: message.created_at,
    error: null,
  };
}

export function local(key: string, role: Said["role"], text: string, more: Partial<Said>): Said {
  return {
    key,
    id: null,
    parentId: null,
    role,
    text,
    images: [],
    steps: [],
    model: null,
    state: "stored",
    callId: null,
    siblings: [],
    at: Date.now() / 1000,
    error: null,
    ...more,
  };
}

/** The calls that made an answer: with tools there is one for each time the model was asked. */
export function callIds(said: Said): string[] {
  const asked = said.steps.flatMap((step) => (step.kind === "model" && step.details.call_id ? [step.details.call_id] : []));
  return asked.length > 0 ? asked : said.callId !== null ? [said.callId] : [];
}

/** The tool calls that a person has to let run before the answer goes on. */
export function waitsFor(said: Said): Step["details"]["waits_for"] & object {
  const last = said.steps.at(-1);
  return last?.kind === "approval" && !last.details.decisions ? (last.details.waits_for ?? []) : [];
}
