import { describe, expect, it, vi } from "vitest";
import { ApiError, Unreachable } from "@/api/errors";
import { LONG_PASTE_CHARS, imagesOf, pasted } from "@/chat/attachments";
import { bubbleOf } from "@/chat/bubbles";
import { storeDraft, storedDraft } from "@/chat/drafts";
import { CutOff, piecesOf } from "@/chat/frames";
import { byDay } from "@/chat/History";
import { looksLikeKey } from "@/chat/keylike";
import { contextWord, largest } from "@/chat/models";
import { pretty, roundsOf } from "@/chat/ToolSteps";
import { boundsOf } from "@/keys/bounds";
import { money, nanosOf } from "@/parts/money";
import { ago, duration } from "@/parts/times";

describe("money", () => {
  it.each([
    [null, "unknown"],
    [0, "$0.0000"],
    [1, "< $0.0001"],
    [100_000, "$0.0001"],
    [13_200_000, "$0.0132"],
    [1_234_567_890_000_000, "$1,234,567.8900"],
    [-2_500_000_000, "-$2.5000"],
  ])("shows %s nanos as %s", (nanos, text) => expect(money(nanos)).toBe(text));

  it("marks estimates, rounds figures, and is exact where asked", () => {
    expect(money(13_200_000, 4, true)).toBe("~$0.0132");
    expect(money(9_995_000_000, 2)).toBe("$10.00");
    expect(money(4_000_000, 2)).toBe("< $0.01");
    expect(money(123, "exact")).toBe("$0.000000123");
    expect(money(5_000_000_000, "exact")).toBe("$5.00");
  });

  it("reads the API's dollars without a float", () => {
    expect(nanosOf("0.000000001")).toBe(1n);
    expect(nanosOf("-12.5")).toBe(-12_500_000_000n);
    expect(nanosOf("much")).toBeNull();
    expect(nanosOf(null)).toBeNull();
  });
});

describe("times", () => {
  it("speaks of the distance", () => {
    expect(ago(1000, 1000 + 3 * 86_400)).toBe("3 days ago");
    expect(ago(1000, 1003)).toBe("just now");
    expect(ago(90 * 86_400, 5)).toBe("in 3 months");
    expect(ago(2 * 86_400, 5)).toBe("in 2 days");
    expect(ago(1000, 1000 + 1.9 * 86_400)).toBe("yesterday");
    expect(duration(402)).toBe("402 ms");
    expect(duration(2310)).toBe("2.31 s");
    expect(duration(null)).toBe("unknown");
  });

  it("groups conversations by the viewer's days", () => {
    const now = new Date(2026, 10, 20, 12);
    const at = (day: number, hour: number): number => new Date(2026, 10, day, hour).getTime() / 1000;
    const rows = [at(20, 0), at(19, 23), at(15, 9), at(1, 9)].map((when, id) => ({ id: String(id), title: "", at: when }));
    expect(byDay(rows, now).map(([day]) => day)).toEqual(["Today", "Yesterday", "Last 7 days", "November 2026"]);
  });
});

describe("keys in texts", () => {
  it.each(["sk-proj-abcdefghijklmnop", "here: dw-7kq2vp9x-m4tRw8sLabcd.", 'api_key="sk-1234567890abcdef"'])("holds %s", (text) => expect(looksLikeKey(text)).toBe(true));
  it.each(["risk-averse-decision-making", "sk-", "task-1234567890abcdef", "a dw-short"])("lets %s go", (text) => expect(looksLikeKey(text)).toBe(false));

  it("never stores a draft with one", () => {
    storeDraft("ann", null, "hello");
    expect(storedDraft("ann", null)).toBe("hello");
    expect(storedDraft("bob", null)).toBe("");
    storeDraft("ann", null, "hello sk-proj-abcdefghijklmnop");
    expect(storedDraft("ann", null)).toBe("");
  });
});

function bytes(...pieces: string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(encoder.encode(piece));
      controller.close();
    },
  });
}

async function all(...pieces: string[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const piece of piecesOf(bytes(...pieces), "req_1")) found.push(piece);
  return found;
}

describe("frames", () => {
  it("reads deltas wherever the bytes are cut, and passes comments over", async () => {
    expect(await all('data: {"del', 'ta": "a"}\n', '\n: waiting\n\ndata: {"delta": "é\\n"}\n\ndata: [DONE]\n\n')).toEqual(["a", "é\n"]);
  });

  it("hands on the steps of an answer with tools", async () => {
    const step = { number: 1, kind: "tool", details: { name: "add", result: "3" } };
    expect(await all(`data: {"delta": "a"}\n\ndata: {"step": ${JSON.stringify(step)}}\n\ndata: [DONE]\n\n`)).toEqual(["a", step]);
  });

  it("tells a stream that broke from one that ended", async () => {
    await expect(all('data: {"delta": "a"}\n\n')).rejects.toBeInstanceOf(CutOff);
    const broken = all('data: {"error": {"message": "lost", "code": "upstream_lost"}}\n\n');
    await expect(broken).rejects.toMatchObject({ said: { code: "upstream_lost", requestId: "req_1" } });
  });
});

describe("what goes wrong", () => {
  const error = (status: number, code: string, message = "", wait: number | null = null): ApiError => new ApiError(status, code, message, null, wait);

  it.each([
    [error(403, "key_not_configured", "Set your OpenAI API key first"), "settings", "Set your OpenAI API key first"],
    [error(401, "upstream_key_refused"), "replace", "OpenAI refused the stored key."],
    [error(429, "insufficient_quota"), "why", "The OpenAI account is out of credit. Nothing was charged."],
    [error(429, "rate_limit_exceeded", "slow", 12), "wait", "OpenAI asks to wait 12 s."],
    [error(429, "rate_limit_exceeded", "Your limit of 20 requests a minute is reached. Try again in 9 s.", 9), "wait", "Your limit of 20 requests a minute is reached."],
    [error(429, "budget_exceeded", "The budget is used up."), "usage", "The budget is used up."],
    [error(429, "rate_limit_exceeded", "This user's limit of 20 requests a minute is reached. Try again in 9 s.", 9), "wait", "Your limit of 20 requests a minute is reached."],
    [
      error(429, "budget_exceeded", "The budget of user 7 is used up: 9.98 USD is spent and 0 USD held of 10 USD, and this call may cost up to 0.05 USD. It starts anew at 2026-12-01 00:00 UTC."),
      "usage",
      "Your budget of $10.00 is used up ($9.98 spent; this message may cost up to $0.05). It starts anew at 2026-12-01 00:00 UTC.",
    ],
    [error(502, "upstream_credentials_refused"), "retry", "OpenAI refused the operator's key. Tell your admin: it has to be replaced."],
    [error(503, "overloaded", "Too many. Try again in 3 s.", 3), "wait", "Doorward has as many calls as it can take. Nothing was charged."],
    [error(503, "all_accounts_resting", "Nothing that serves gpt-4o can take a call now. Try again in 9 s.", 9), "wait", "Nothing that serves gpt-4o can take a call now."],
    [new ApiError(400, "cost_unbounded", "The price of x is not known.", null, null, "model"), "model", "The price of this model is not known, so it can't be used with a budget."],
    [error(400, "context_length_exceeded"), "larger", "This conversation is longer than the model can read."],
    [new CutOff(null), "retry", "Cut off by the provider."],
    [new Unreachable(), "retry", "Can't reach Doorward. Your question is kept here."],
  ])("leads on from %s", (cause, way, text) => expect(bubbleOf(cause)).toMatchObject({ way, text }));
});

describe("models", () => {
  it("puts what reads most on top, and what is not known last", () => {
    const models = [["small", 8_192], ["unknown", null], ["large", 1_050_000], ["middle", 128_000]].map(([id, size]) => ({ id: String(id), provider: "openai", context_tokens: size as number | null }));
    expect(largest(models, "")[0]![1].map((one) => one.id)).toEqual(["large", "middle", "small", "unknown"]);
    expect(largest(models, "zebra")).toEqual([]);
    expect([8_192, 1_050_000, 1_000_000, null].map(contextWord)).toEqual(["8k tokens", "1.1M tokens", "1M tokens", "size unknown"]);
  });
});

describe("tool steps", () => {
  it("gives each call its own result, though ids come again", () => {
    const call = { tool_call_id: "call_0", name: "add", arguments: "{}" };
    const rounds = roundsOf([
      { kind: "model", details: { text: "First.", tool_calls: [call] } },
      { kind: "tool", details: { tool_call_id: "call_0", name: "add", result: "1" } },
      { kind: "model", details: { text: null, tool_calls: [call] } },
      { kind: "tool", details: { tool_call_id: "call_0", name: "add", result: "2", failed: true } },
      { kind: "model", details: { text: null, tool_calls: [] } },
    ]);
    expect(rounds.map((one) => [one.text, one.results.get("call_0")?.result])).toEqual([["First.", "1"], ["", "2"]]);
  });
  it("breaks JSON into lines and leaves the rest", () => {
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(pretty("{broken")).toBe("{broken");
    expect(pretty("plain")).toBe("plain");
  });
});

describe("attachments", () => {
  it("refuses what is no image or too large", async () => {
    vi.stubGlobal("FileReader", class {
      result = "data:image/png;base64,AAAA";
      onload: () => void = () => undefined;
      readAsDataURL(file: File): void {
        if (file.name === "big.png") this.result = "x".repeat(8_000_000);
        this.onload();
      }
    });
    const file = (name: string, type: string): File => new File(["x"], name, { type });
    const { taken, refused } = await imagesOf([file("a.png", "image/png"), file("b.svg", "image/svg+xml")], []);
    expect(taken.map((one) => one.name)).toEqual(["a.png"]);
    expect(refused).toBe("b.svg is not a PNG, JPEG, WebP or GIF image.");
    expect((await imagesOf([file("big.png", "image/png")], [])).refused).toContain("too large");
    expect(pasted("a\n".repeat(LONG_PASTE_CHARS)).name).toBe("Pasted text, 20,001 lines");
  });
});

describe("bounds of a key", () => {
  const none = { rpm: null, rpd: null, tpm: null, tpd: null, concurrency: null, budget_usd: null, budget_period: null };
  it("names what bounds it from above instead of nothing", () => {
    const budget = { subject: "user:1", left_usd: "3.19" } as Parameters<typeof boundsOf>[1] extends (infer B)[] | undefined ? B : never;
    expect(boundsOf({ ...none, rpm: 60 })).toBe("60 requests/min");
    expect(boundsOf(none)).toBe("no limit");
    expect(boundsOf(none, [budget])).toBe("no limit of its own · bound by your budget: $3.19 left");
  });
});
