/** What stands where the answer would be: what happened, and the one button that leads on. */

import { ApiError, Unreachable, sentenceOf } from "@/api/errors";
import { CutOff } from "./frames";

export type Way = "settings" | "replace" | "why" | "wait" | "usage" | "model" | "edit" | "retry" | "simulator" | "signin";

export interface Bubble {
  text: string;
  way: Way;
  button: string;
  /** Seconds until the button may be pressed. */
  waitS?: number;
}

const OWN_LIMIT = /limit of [\d,]+ (requests|tokens) a (minute|day) is reached|calls open at once|can take a call now/;
const AGAIN = /\s*Try again in .*$/;

export function bubbleOf(error: unknown): Bubble {
  if (error instanceof CutOff) return { text: "Cut off by the provider.", way: "retry", button: "Retry" };
  if (error instanceof Unreachable) return { text: "Can't reach Doorward. Your question is kept here.", way: "retry", button: "Retry" };
  if (!(error instanceof ApiError)) return { text: sentenceOf(error), way: "retry", button: "Retry" };
  const { code, status, message } = error;
  if (error.isSignedOut) return { text: "Sign in to use this feature", way: "retry", button: "Retry" };
  if (code === "key_not_configured") return { text: message, way: "settings", button: "Open settings" };
  if (code === "upstream_key_refused" || code === "upstream_credentials_refused")
    return { text: "OpenAI refused the stored key.", way: "replace", button: "Replace key" };
  if (code === "insufficient_quota") return { text: "The OpenAI account is out of credit. Nothing was charged.", way: "why", button: "Why?" };
  if (code === "budget_exceeded") return { text: message, way: "usage", button: "See usage" };
  if (code === "cost_unbounded" || code === "price_unknown")
    return { text: "The price of this model is not known, so it can't be used with a budget.", way: "model", button: "Choose another model" };
  if (code === "context_length_exceeded") return { text: "This conversation is longer than the model can read.", way: "model", button: "Use a larger model" };
  if (code === "model_not_found") return { text: message, way: "model", button: "Choose another model" };
  if (code === "content_policy_violation" || code === "no_text_content") return { text: "OpenAI declined this request.", way: "edit", button: "Edit" };
  if (status === 429) return limited(error);
  if (status === 503 && error.retryAfterS !== null) return { text: message.replace(AGAIN, ""), way: "wait", button: "Retry", waitS: error.retryAfterS };
  if (status === 413 || status === 422) return { text: message, way: "edit", button: "Edit" };
  return { text: message, way: "retry", button: "Retry" };
}

/** Ours and theirs told apart. The wait counts down; nothing is sent by itself. */
function limited({ message, retryAfterS }: ApiError): Bubble {
  const waitS = retryAfterS ?? undefined;
  const button = "Retry";
  if (OWN_LIMIT.test(message)) return { text: message.replace(AGAIN, ""), way: "wait", button, waitS };
  return { text: waitS ? `OpenAI asks to wait ${Math.ceil(waitS)} s.` : "OpenAI asks to slow down.", way: "wait", button, waitS };
}
