import { describe, expect, it } from "vitest";
import { axisMoney } from "@/console/parts/axis";
import { type Budget, forecastWords, resetWords, stateOf } from "@/console/parts/budget";
import { change, count, percent, plural, short, wait } from "@/console/parts/figures";
import { grown } from "@/console/parts/live";
import { rangeOf, spanOf } from "@/console/parts/range";
import { coloured, stacked } from "@/console/parts/stack";
import { changed, only, query } from "@/console/parts/url";
import { whatIfLines } from "@/console/parts/what-if";
import { answerOf, linesOf, textOf } from "@/console/parts/why";
import type { Schemas } from "@/api/client";

describe("figures", () => {
  it("never show unknown as nothing, and nothing as something", () => {
    expect(count(null)).toBe("unknown");
    expect(percent(0, 0)).toBe("none");
    expect([percent(0, 10), percent(1, 10_000), percent(6, 1000), percent(23, 100)]).toEqual(["0 %", "< 0.1 %", "0.6 %", "23 %"]);
    expect([change(108, 100), change(92, 100), change(100, 100)]).toEqual(["+8 %", "−8 %", "±0 %"]);
    expect([change(5, 0), change(null, 5), change(5, null), change(5000, 1)]).toEqual([undefined, undefined, undefined, undefined]);
  });
  it("are short where they must be", () => {
    expect([short(9_999), short(12_400), short(3_100_000)]).toEqual(["9,999", "12.4 k", "3.1 M"]);
    expect([wait(40.2), wait(600), wait(7200), wait(200_000)]).toEqual(["41 s", "10 min", "2 h", "2 days"]);
    expect([plural(1, "call"), plural(1200, "call")]).toEqual(["1 call", "1,200 calls"]);
    expect([0, 12e9, 1.5e9, 4e7, 300_000].map(axisMoney)).toEqual(["$0", "$12", "$1.5", "$0.04", "$0.0003"]);
  });
});

describe("addresses", () => {
  it("keep what the page knows, as text, and drop the rest", () => {
    expect(only(["status", "model", "live"])({ status: 500, model: "gpt-4o", live: true, evil: "x", open: {} })).toEqual({ status: "500", model: "gpt-4o", live: "true" });
    expect(only(["model"])({ model: { toString: "x" } })).toEqual({});
    expect(changed({ a: "1", b: "2" }, { a: undefined, c: "3", b: "" })).toEqual({ c: "3" });
    expect(query({ a: "x y", b: undefined, mine: false, n: 3 })).toBe("a=x+y&n=3");
  });
  it("name ranges; two moments win, nonsense is the usual one", () => {
    const now = new Date(2026, 10, 20, 15, 30, 12).getTime();
    expect(spanOf({}, now)).toEqual({ from: Math.floor(now / 60_000) * 60 - 86_400, to: undefined });
    expect(spanOf({ range: "7d" }, now).from).toBe(new Date(2026, 10, 14).getTime() / 1000);
    expect(spanOf({ range: "month" }, now).from).toBe(new Date(2026, 10, 1).getTime() / 1000);
    expect(spanOf({ from: "100", to: "200", range: "7d" }, now)).toEqual({ from: 100, to: 200 });
    expect([rangeOf({ range: "nonsense" }), rangeOf({ from: "x" }), rangeOf({ from: "5" })]).toEqual(["24h", "24h", "custom"]);
  });
});

describe("charts", () => {
  it("stack parts so that the first drawn is the tallest", () => {
    expect(stacked([[1, null, 3], [1, 1, 1]])).toEqual([[2, 1, 4], [1, 0, 3]]);
  });
  it("give Other its own colour, whatever its place", () => {
    expect(coloured(["a", "b", "Other"].map((name) => ({ name, values: [] }))).map((line) => line.colour)).toEqual([1, 2, "other"]);
  });
  it("grow by what came since, and never shrink", () => {
    const figures = { calls: 10, failed_calls: 1, refused_calls: 0, cached_calls: 0, unknown_cost_calls: 0, input_tokens: 5, output_tokens: 5, cost_nanos: 100, saved_nanos: 0, first_byte_p50_ms: 1, first_byte_p95_ms: 2 };
    const found = { now: figures, calls: [4, 6] } as Schemas["OverviewOut"];
    const sums = { bucket: 0, calls: 6, failed_calls: 1, cached_calls: 0, unknown_cost_calls: 0, input_tokens: 3, output_tokens: 3, cost_nanos: 60 };
    const after = grown(found, sums, { ...sums, calls: 8, cost_nanos: 90, failed_calls: 0 });
    expect([after.now.calls, after.now.cost_nanos, after.now.failed_calls, after.calls]).toEqual([12, 130, 1, [4, 8]]);
    expect(found.calls).toEqual([4, 6]);
  });
});

describe("budgets", () => {
  const budget: Budget = { subject: "all", label: "", cap_usd: "10", period: "month", period_name: "2026-11", spent_usd: "4", held_usd: "0.5", left_usd: "5.5", resets_at: 1_796_083_200, forecast_usd: "9" };
  it("are put in words", () => {
    expect(resetWords(budget)).toBe("month, resets 1 Dec 00:00 UTC");
    expect(resetWords({ ...budget, resets_at: null, period: "ever" })).toBe("for ever, never resets");
    expect([stateOf(budget).word, stateOf({ ...budget, spent_usd: "8" }).word, stateOf({ ...budget, spent_usd: "10" }).word, stateOf({ ...budget, forecast_usd: "11" }).word]).toEqual(["within", "over 80 %", "used up", "ends early"]);
    expect([forecastWords(budget), forecastWords({ ...budget, forecast_usd: "12.5" }), forecastWords({ ...budget, forecast_usd: null })]).toEqual(["$9.00 at this pace", "$12.50 at this pace: too much", "forecast: too early to say"]);
  });
});

const attempt = (number: number, account: string, more: object = {}): Schemas["StepOut"] => ({
  step: "attempt",
  says: "",
  at_ms: 2,
  details: { number, provider_id: "openai", account_id: account, model: "gpt-4o", state: "done", status: 200, reason: "", started_ms: 2, first_event_ms: 400, ended_ms: 2310, cost_nanos: 2_100_000, price_version: "x", ...more },
});

const call = (more: object = {}): Schemas["CallWhy"] =>
  ({ id: "req_1", endpoint: "/v1/chat/completions", outcome: "done", status: 200, error_code: null, cache: "miss", key_id: "k", key_label: "mobile app", model_asked: "gpt-4o", model_served: "gpt-4o", input_tokens: 812, cached_tokens: 512, output_tokens: 214, reasoning_tokens: 0, cost_nanos: 2_100_000, held_nanos: 13_400_000, source: "upstream", reason: "", duration_ms: 2310, steps: [], ...more }) as unknown as Schemas["CallWhy"];

describe("why", () => {
  const names = (id: string): string | undefined => ({ a1: "main-1", a2: "main-2" })[id];
  it("says the answer first", () => {
    const failed = attempt(1, "a1", { state: "failed", status: 429, first_event_ms: null, cost_nanos: 0 });
    expect(answerOf(call({ steps: [failed, attempt(2, "a2")] }), names)).toBe("Answered by main-2 after main-1 was rate-limited. Billed once.");
    expect(answerOf(call({ steps: [attempt(1, "a1")], cost_nanos: null }), names)).toBe("Answered by main-1. Its price is not known.");
    expect(answerOf(call({ outcome: "refused", error_code: "budget_exceeded" }), names)).toBe("Refused by Doorward: a budget is used up. Nothing was sent, nothing was charged.");
    expect(answerOf(call({ cache: "hit" }), names)).toMatch(/^Answered from the cache/);
    expect(answerOf(call({ outcome: "gone", steps: [attempt(1, "unknown")] }), names)).toBe("The client left while openai was answering. Billed once.");
    expect(answerOf(call({ outcome: "failed", steps: [attempt(1, "a1", { status: 503, state: "failed", cost_nanos: 0 })], cost_nanos: 0 }), names)).toBe("Failed: main-1 answered 503. Nothing was charged.");
  });
  it("tells every step, and which limit of whom", () => {
    const steps = [
      { step: "authenticated", says: "Authenticated: key", at_ms: 0, details: {} },
      { step: "limits", says: "", at_ms: null, details: { left: { rpm: [46, 60], "key:x:tpm": [87_790, 90_000], seats: [7, 8] } } },
      { step: "hold", says: "", at_ms: null, details: { nanos: 13_400_000, budgets: [["key:k1", "2026-11", 10_000_000_000, 3_190_000_000], ["all", "ever", 9_000_000_000, null]], how: "input 812 tokens" } },
      attempt(1, "a1", { status: 429, state: "failed", first_event_ms: null }),
      { step: "settled", says: "", at_ms: 2310, details: {} },
    ];
    const lines = linesOf(call({ steps }), names);
    expect(lines.map((line) => `${line.title}: ${line.says}`)).toEqual([
      'Authenticated: key "mobile app"',
      "Limits: requests: 46 of 60/min left · tokens: 87,790 of 90,000/min left · at once: 7 of 8 left",
      'Held: $0.0134 of the budget of key "mobile app" (free after it: $3.19 of $10.00 a month) and the budget of everything together',
      "Attempt 1: main-1: 429, was rate-limited",
      "Settled: in 812 (512 cached) · out 214 · $0.0021 · from the provider",
    ]);
    expect(lines[3]).toMatchObject({ tone: "warn", bar: { from: 2, to: 2310 } });
    expect(textOf(call({ steps }), lines, names).split("\n")).toHaveLength(7);
  });
  it("tells of a refusal which limit it was, when it was free again, and who can raise it", () => {
    const refused = (told: string | null, more: object = {}): object => ({ outcome: "refused", error_code: "rate_limit_exceeded", steps: [{ step: "refused", says: "", at_ms: 1, details: { told } }], ...more });
    const own = "This key's limit of 60 requests a minute is reached. Try again in 0.82 s.";
    const [line] = linesOf(call(refused(own)), names, "admin");
    expect(line).toMatchObject({ says: "This key's limit of 60 requests a minute is reached. Nothing was sent, nothing was charged.", more: ["It was free again 0.82 s later."], way: { to: "/admin/keys" } });
    expect(linesOf(call(refused(own)), names, "user")[0]).toMatchObject({ more: ["It was free again 0.82 s later.", "An admin can raise it."] });
    expect(linesOf(call(refused(own)), names, "user")[0]).not.toHaveProperty("way");
    const user = linesOf(call(refused("This user may have 2 calls open at once, and has. Wait for one to end.", { user_id: "u1" })), names, "admin")[0];
    expect(user).toMatchObject({ way: { to: "/admin/users", open: "u1" } });
    const budget = "The budget of user u1 is used up: 9.98 USD is spent and 0 USD held of 10 USD, and this call may cost up to 0.05 USD. It starts anew at 2026-12-01 00:00 UTC.";
    expect(linesOf(call(refused(budget, { error_code: "budget_exceeded" })), names, "anybody")[0]).toMatchObject({
      says: "The budget of its user of $10.00 is used up ($9.98 spent; this call may cost up to $0.05). It starts anew at 2026-12-01 00:00 UTC. Nothing was sent, nothing was charged.",
      more: ["Whoever runs Doorward can raise it."],
    });
    expect(linesOf(call(refused(budget, { error_code: "budget_exceeded" })), names, "admin")[0]).toMatchObject({ way: { to: "/admin/budgets", open: "user:u1" } });
    expect(linesOf(call(refused(null)), names)[0]!.more).toEqual(["The limit frees by itself, evenly over its minute or day. An admin can raise it under Keys."]);
  });
  it("names the source of each amount", () => {
    const settled = [{ step: "settled", says: "", at_ms: 1, details: {} }];
    const says = (more: object): string => linesOf(call({ steps: settled, ...more }), names)[0]!.says;
    expect(says({ source: "counted" })).toContain("counted by us");
    expect(says({ source: "estimated", cost_nanos: 5, held_nanos: 9 })).toContain("estimated");
    expect(says({ source: "estimated", cost_nanos: 9, held_nanos: 9 })).toContain("held at worst case: outcome unknown");
    expect(says({ cost_nanos: null })).toContain("cost unknown");
  });
});

describe("what if", () => {
  const plan = (label: string, more: object = {}): Schemas["PlanOut"] => ({ provider: "openai", model: "gpt-4o", account: label, label, is_usable: true, is_refused: false, wait_s: 0, weight: 1, headroom: 1, health: 1, in_flight: 0, share: 0.5, ...more });
  it("draws the order of models and the shares among accounts", () => {
    const lines = whatIfLines({ key_id: null, asked: "gpt-4o", why: "gpt-4o at openai", is_pinned: false, rescue: true, has_fallback: true, first_event_s: 120, idle_s: 60, total_s: 3600, plans: [plan("main-1", { is_usable: false, wait_s: 41, share: 0 }), plan("main-2", { share: 1, headroom: null }), plan("main-1", { model: "gpt-4o-mini", share: 0 })] });
    expect(lines.map((line) => line.title)).toEqual(["Route", "First", "Account main-1", "Account main-2", "Then", "Account main-1", "Limits", "Rescue"]);
    expect(lines[2]).toMatchObject({ tone: "warn", says: "rests, 41 s still" });
    const refused = whatIfLines({ key_id: null, asked: "gpt-4o", why: "", is_pinned: false, rescue: false, has_fallback: false, first_event_s: 1, idle_s: 1, total_s: 1, plans: [plan("old", { is_usable: false, is_refused: true, wait_s: 900 })] });
    expect(refused[2]).toMatchObject({ tone: "warn", says: "is not asked: the provider refuses its key" });
    expect(lines[3]!.share).toBe(1);
    expect(lines[3]!.says).toContain("its limits not known yet");
  });
});
