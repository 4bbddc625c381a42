/** The frames of `/apps/chat/stream`, out of its bytes. */

import { ApiError } from "@/api/errors";
import type { Step } from "./conversations";

export interface Asked {
  message: string;
  conversation_id?: string;
  /** Answer after this message; "" starts over at the root. */
  parent_id?: string;
  images?: string[];
  model?: string;
  prompt?: string;
  variables?: Record<string, string>;
  /** Tools that the answer may use. */
  tools?: string[];
}

/** The stream broke: without an error of the server's, or with one in its last frame. */
export class CutOff extends Error {
  constructor(readonly said: ApiError | null) {
    super(said?.message ?? "The answer broke off.");
  }
}

interface Frame {
  delta?: unknown;
  step?: Step;
  error?: { message?: unknown; code?: unknown };
}

/** Yields pieces of text, and the steps of an answer with tools, until `[DONE]`. Throws `CutOff` for an error frame, or when the bytes end without it. */
export async function* piecesOf(body: ReadableStream<Uint8Array>, requestId: string | null): AsyncGenerator<string | Step> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
        throw new CutOff(null);
      });
      if (done) throw new CutOff(null);
      rest += decoder.decode(value, { stream: true });
      const frames = rest.split("\n\n");
      rest = frames.pop() ?? "";
      for (const frame of frames) {
        const text = dataOf(frame);
        if (text === null) continue;
        if (text === "[DONE]") return;
        const { delta, step, error } = JSON.parse(text) as Frame;
        if (error) throw new CutOff(new ApiError(502, typeof error.code === "string" ? error.code : "", String(error.message ?? ""), requestId));
        if (typeof delta === "string") yield delta;
        else if (step) yield step;
      }
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** A comment (`: waiting`) has no data. */
function dataOf(frame: string): string | null {
  const lines = frame.split("\n").filter((line) => line.startsWith("data:"));
  return lines.length ? lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n") : null;
}
