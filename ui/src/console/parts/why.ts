/** A call's steps as sentences: the answer in one of them, then a line for each step. Pure. */

import type { Schemas } from "@/api/client";
import { money } from "@/parts/money";
import { duration } from "@/parts/times";
import { budgetWords } from "@/parts/refusals";
import { count, wait } from "./figures";

type Why = Schemas["CallWhy"];
type Step = Schemas["StepOut"];
type NameOf = (account: string) => string | undefined;

export interface Line {
  title: string;
  says: string;
  atMs: number | null;
  tone: "plain" | "warn" | "bad";
  /** Milliseconds since the call's start. */
  bar?: { from: number; to: number };
  more: string[];
  /** Where what refused the call can be raised; for admins. */
  way?: Way;
}

export interface Way {
  name: string;
  to: string;
  open: string;
}

/** Who looks: an admin; one of the people; anybody, where nobody signs in. */
export type Reader = "admin" | "user" | "anybody";

interface Attempt {
  number: number;
  provider_id: string;
  account_id: string | null;
  model: string | null;
  state: string;
  status: number | null;
  reason: string;
  started_ms: number;
  first_event_ms: number | null;
  ended_ms: number | null;
  cost_nanos: number | null;
  price_version: string | null;
}

export const SOURCES: Record<string, string> = { upstream: "from the provider", counted: "counted by us", estimated: "estimated" };

const CAUSES: Record<number, string> = { 401: "had its key refused", 403: "refused the call", 404: "did not know the model", 408: "timed out", 429: "was rate-limited" };

function attemptsOf(call: Why): Attempt[] {
  return call.steps.filter((step) => step.step === "attempt").map((step) => step.details as unknown as Attempt);
}

function nameOf(attempt: Attempt, label: NameOf): string {
  return (attempt.account_id && label(attempt.account_id)) || attempt.provider_id || "an upstream";
}

function cause(attempt: Attempt): string {
  if (attempt.status !== null && attempt.status >= 500) return `answered ${attempt.status}`;
  if (attempt.status !== null && CAUSES[attempt.status]) return CAUSES[attempt.status]!;
  if (attempt.status !== null && attempt.status >= 400) return `answered ${attempt.status}`;
  if (attempt.state === "connecting") return "could not be reached";
  if (attempt.state === "ambiguous" || attempt.state === "sent") return "gave no answer";
  return attempt.reason || "failed";
}

/** The answer first: `Answered by main-2 after main-1 was rate-limited. Billed once.` */
export function answerOf(call: Why, label: NameOf): string {
  const attempts = attemptsOf(call);
  const billed = attempts.filter((attempt) => attempt.cost_nanos !== null && attempt.cost_nanos > 0).length;
  const last = attempts[attempts.length - 1];
  if (call.outcome === "refused") return `Refused by Doorward: ${refusalWords(call.error_code)}. Nothing was sent, nothing was charged.`;
  if (call.cache === "hit") return "Answered from the cache. Nothing was sent, nothing was charged.";
  if (call.cache === "joined") return "Answered together with another call that was the same. Nothing was charged for this one.";
  if (call.outcome === "crashed") return "Doorward's process died during this call. It is charged what was held for it.";
  if (!last) return call.outcome === "done" ? "Answered without an upstream." : `Failed before anything was sent${call.error_code ? `: ${call.error_code}` : ""}.`;
  const earlier = attempts.slice(0, -1);
  const after = earlier.length ? ` after ${earlier.map((attempt) => `${nameOf(attempt, label)} ${cause(attempt)}`).filter(unique).join(" and ")}` : "";
  const cost = call.cost_nanos === null ? "Its price is not known." : billed === 0 ? "Nothing was charged." : billed === 1 ? "Billed once." : `Billed ${billed} times.`;
  if (call.outcome === "gone") return `The client left while ${nameOf(last, label)} was answering${after}. ${cost}`;
  if (call.outcome === "cut") return `The answer of ${nameOf(last, label)} broke off${after}. ${cost}`;
  if (call.outcome === "failed") return `Failed: ${nameOf(last, label)} ${cause(last)}${after}. ${cost}`;
  return `Answered by ${nameOf(last, label)}${after}. ${cost}`;
}

function unique(text: string, index: number, all: string[]): boolean {
  return all.indexOf(text) === index;
}

const REFUSALS: Record<string, string> = {
  rate_limit_exceeded: "the key's limit of requests was reached",
  tokens_limit_exceeded: "the key's limit of tokens was reached",
  concurrency_limit_exceeded: "the key had as many calls open as it may",
  budget_exceeded: "a budget is used up",
  cost_unbounded: "the cost of the call could not be bounded",
  key_not_configured: "no OpenAI key is set",
};

function refusalWords(code: string | null): string {
  return (code && REFUSALS[code]) || code || "not allowed";
}

export function linesOf(call: Why, label: NameOf, reader: Reader = "user"): Line[] {
  return call.steps.map((step) => lineOf(step, call, label, reader));
}

function lineOf(step: Step, call: Why, label: NameOf, reader: Reader): Line {
  const plain: Line = { title: titleOf(step.step), says: restOf(step.says), atMs: step.at_ms, tone: "plain", more: [] };
  switch (step.step) {
    case "authenticated":
      return { ...plain, title: "Authenticated", says: call.key_id ? `key "${call.key_label}"` : call.user_id ? "signed in" : "anonymous" };
    case "limits":
      return { ...plain, title: "Limits", says: limitsWords(step.details.left) };
    case "cache":
      return { ...plain, says: CACHE[call.cache] ?? plain.says };
    case "hold":
      return { ...plain, title: "Held", ...holdWords(step, call) };
    case "wait":
      return { ...plain, title: "Waited", says: typeof step.details.s === "number" ? `${wait(step.details.s)} as ${String(step.details.provider ?? "the provider")} asked` : plain.says };
    case "attempt":
      return attemptLine(step.details as unknown as Attempt, call, label);
    case "refused":
      return { ...plain, title: "Refused", tone: "bad", ...refusalOf(step, call, reader) };
    case "settled":
      return { ...plain, title: "Settled", says: settledWords(call) };
    default:
      return plain;
  }
}

function attemptLine(attempt: Attempt, call: Why, label: NameOf): Line {
  const failed = !["done", "first_event"].includes(attempt.state) || (attempt.status ?? 200) >= 400;
  const to = attempt.ended_ms ?? call.duration_ms ?? attempt.started_ms;
  const parts = [
    attempt.status !== null && failed ? String(attempt.status) : "",
    failed ? cause(attempt) : "",
    attempt.first_event_ms !== null ? `first byte ${duration(attempt.first_event_ms - attempt.started_ms)}` : "",
    failed ? "" : attempt.state === "done" ? "finished" : "broke off",
    attempt.cost_nanos === 0 && attempt.price_version !== "free" ? "not billed" : "",
    call.cache === "miss" && !failed ? "(cache: miss)" : "",
  ].filter(Boolean);
  const model = attempt.model && attempt.model !== call.model_asked ? ` as ${attempt.model}` : "";
  return {
    title: `Attempt ${attempt.number}`,
    says: `${nameOf(attempt, label)}${model}: ${parts.join(", ").replace(", (", " (")}`,
    atMs: attempt.started_ms,
    tone: failed ? "warn" : "plain",
    bar: { from: attempt.started_ms, to },
    more: attempt.reason && failed ? [attempt.reason] : [],
  };
}

const LIMIT_NAMES: Record<string, [string, string]> = {
  rpm: ["requests", "/min"],
  rpd: ["requests", "/day"],
  tpm: ["tokens", "/min"],
  tpd: ["tokens", "/day"],
  seats: ["at once", ""],
};

/** `requests 46 of 60/min left · tokens 87,790 of 90,000/min left` */
function limitsWords(left: unknown): string {
  if (typeof left !== "object" || left === null) return "none of its own";
  const words = Object.entries(left as Record<string, [number, number]>).map(([name, [remaining, most]]) => {
    const [kind, per] = LIMIT_NAMES[name.split(/[: ]/).pop() ?? ""] ?? [name, ""];
    return `${name.startsWith("user ") ? "its user's " : ""}${kind}: ${count(remaining)} of ${count(most)}${per} left`;
  });
  return words.join(" · ") || "none of its own";
}

const CACHE: Record<string, string> = {
  miss: "not in the cache: sent upstream",
  hit: "answered from it: nothing was sent",
  joined: "an identical call was running: its answer was shared",
};

/** `$0.0134 of the budget of key "mobile app" (free after it: $3.19 of $10.00 a month)`, and below it how the worst case was found. */
function holdWords(step: Step, call: Why): Pick<Line, "says" | "more"> {
  const nanos = step.details.nanos ?? step.details.held_nanos;
  if (typeof nanos !== "number") return { says: restOf(step.says), more: [] };
  const budgets = Array.isArray(step.details.budgets) ? (step.details.budgets as [string, string, number, number | null][]) : [];
  const of = budgets.map(([subject, period, cap, free]) => `the budget of ${subjectWords(subject, call)}${free === null ? "" : ` (free after it: ${money(free, 2)} of ${money(cap, 2)}${periodWords(period)})`}`);
  return { says: `${money(nanos, "exact")}${of.length ? ` of ${of.join(" and ")}` : ""}`, more: typeof step.details.how === "string" ? [step.details.how] : [] };
}

function subjectWords(subject: string, call: Why): string {
  if (subject === "all") return "everything together";
  return subject.startsWith("key") ? `key "${call.key_label}"` : "its user";
}

/** `2026-11-20`, `2026-11` or `ever`, as the ledger names a period. */
function periodWords(period: string): string {
  return period.length === 10 ? " a day" : period.length === 7 ? " a month" : "";
}

function settledWords(call: Why): string {
  const tokens = `in ${count(call.input_tokens)}${call.cached_tokens ? ` (${count(call.cached_tokens)} cached)` : ""} · out ${count(call.output_tokens)}${call.reasoning_tokens ? ` (${count(call.reasoning_tokens)} reasoning)` : ""}`;
  const cost = call.cost_nanos === null ? "cost unknown" : money(call.cost_nanos, "exact");
  const atHold = call.source === "estimated" && call.cost_nanos !== null && call.cost_nanos === call.held_nanos;
  return `${tokens} · ${cost} · ${atHold ? "held at worst case: outcome unknown" : (SOURCES[call.source] ?? call.source)}${call.reason ? ` · ${call.reason}` : ""}`;
}

const AGAIN = /\s*Try again in ([^.]*(?:\.\d+)?[^.]*)\.$/;

/** Which limit of whom refused the call, what was left, when it frees, and who can raise it. */
function refusalOf(step: Step, call: Why, reader: Reader): Pick<Line, "says" | "more" | "way"> {
  const told = typeof step.details.told === "string" ? step.details.told : null;
  if (told === null) return { says: `${refusalWords(call.error_code)}. Nothing was sent, nothing was charged.`, more: helpOf(call.error_code) };
  const freed = AGAIN.exec(told)?.[1];
  const says = call.error_code === "budget_exceeded" ? budgetWords(told, "call", (subject) => `The budget of ${subjectWords(subject, call)}`) : told.replace(AGAIN, "");
  const way = reader === "admin" ? wayTo(told, call) : undefined;
  const raise = reader === "admin" ? [] : [reader === "user" ? "An admin can raise it." : "Whoever runs Doorward can raise it."];
  return { says: `${says} Nothing was sent, nothing was charged.`, more: [...(freed ? [`It was free again ${freed} later.`] : []), ...raise], ...(way && { way }) };
}

function wayTo(told: string, call: Why): Way | undefined {
  const budget = /^The budget of (everything together|(user|key) (\S+)) is used up/.exec(told);
  if (budget) return { name: "Change the budget", to: "/admin/budgets", open: budget[2] ? `${budget[2]}:${budget[3]}` : "all" };
  if (/this user/i.test(told) && call.user_id) return { name: "Change the user's limits", to: "/admin/users", open: call.user_id };
  return call.key_id ? { name: "Change the key's limits", to: "/admin/keys", open: call.key_id } : undefined;
}

/** What one can do about a refusal of which only the code is known. */
function helpOf(code: string | null): string[] {
  switch (code) {
    case "rate_limit_exceeded":
    case "tokens_limit_exceeded":
      return ["The limit frees by itself, evenly over its minute or day. An admin can raise it under Keys."];
    case "concurrency_limit_exceeded":
      return ["A place frees when one of the key's open calls ends. An admin can raise the number under Keys."];
    case "budget_exceeded":
      return ["A budget for a day or a month starts anew when that ends. An admin can raise it under Budgets."];
    case "key_not_configured":
      return ["Set the OpenAI key under Settings; where admins keep it, ask one."];
    default:
      return [];
  }
}

function titleOf(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The sentence without the step's name before its colon. */
function restOf(says: string): string {
  const colon = says.indexOf(": ");
  return colon > 0 && colon < 24 ? says.slice(colon + 2) : says;
}

/** The whole page as plain text, to paste into a ticket. */
export function textOf(call: Why, lines: Line[], label: NameOf): string {
  const head = `${call.endpoint}  ${call.status ?? call.outcome}  ${duration(call.duration_ms)}  ${money(call.cost_nanos, "exact")}  ${call.id}`;
  const steps = lines.map((line) => `${(line.atMs === null ? "" : duration(line.atMs)).padStart(9)}   ${line.title.padEnd(14)} ${line.says}`);
  return [head, answerOf(call, label), ...steps].join("\n");
}
