import { act } from "react";
import { createRoot } from "react-dom/client";
import { describe, expect, it } from "vitest";
import { Growing } from "@/markdown/blocks";
import { decoded, safeHref } from "@/markdown/entities";
import { Markdown } from "@/markdown/Markdown";
import { mended } from "@/markdown/mend";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

async function drawn(text: string): Promise<HTMLElement> {
  const place = document.createElement("div");
  await act(() => createRoot(place).render(<Markdown text={text} isWhole />));
  return place;
}

describe("a text that is still being written", () => {
  it.each([
    ["it is **bol", "it is **bol**"],
    ["it is **", "it is "],
    ["run `ls -l", "run `ls -l`"],
    ["see [the guide](https://exa", "see the guide"],
    ["a line\n``", "a line"],
    ["a line\n| a | b |", "a line"],
    ["| a | b |\n|--", ""],
    ["| a | b |\n|---|---|", "| a | b |\n|---|---|"],
    ["```py\nx = 1\n``", "```py\nx = 1\n"],
    ["2 * 3 * 4", "2 * 3 * 4"],
  ])("mends %j", (text, whole) => expect(mended(text)).toBe(whole));

  it("keeps closed blocks as the very same objects", () => {
    const growing = new Growing();
    const text = "# One\n\nTwo words.\n\n- a\n- b\n\n```js\nx()\n```\n\nLast **one**.";
    let before = growing.read(text.slice(0, 30), false);
    for (let end = 31; end <= text.length; end += 1) {
      const now = growing.read(text.slice(0, end), false);
      for (const [at, block] of before.slice(0, -1).entries()) expect(now[at]).toBe(block);
      before = now;
    }
    const whole = growing.read(text, true);
    expect(whole.map((block) => block.type)).toEqual(["heading", "paragraph", "list", "code", "paragraph"]);
  });

  it("ends at what the whole text alone would be, wherever it was cut", () => {
    const text = "Intro\n\n1. one\n2. two\n   - deep\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n$$x^2$$\n\n> quote\n\n[l](https://a.example) `c`";
    const fresh = JSON.stringify(new Growing().read(text, true));
    for (let step = 1; step < 12; step += 1) {
      const growing = new Growing();
      for (let end = step; end < text.length; end += step) growing.read(text.slice(0, end), false);
      expect(JSON.stringify(growing.read(text, true))).toBe(fresh);
    }
  });
});

describe("what is drawn", () => {
  it("leaves markup as text and fetches nothing", async () => {
    const place = await drawn("<img src=x onerror=alert(1)> **b** ![pic](https://evil.example/p.png) <script>x</script>");
    expect(place.querySelector("img, script")).toBeNull();
    expect(place.querySelector("strong")?.textContent).toBe("b");
    expect(place.querySelector("a")?.textContent).toBe("pic");
    expect(place.textContent).toContain("<img src=x onerror=alert(1)>");
  });

  it("keeps money apart from mathematics", async () => {
    expect((await drawn("It costs $5 and then $6.")).querySelector(".math")).toBeNull();
    expect((await drawn("So $a^2 + b^2$ it is.")).querySelector(".math")?.textContent).toBe("a^2 + b^2");
  });

  it("folds long code", async () => {
    const place = await drawn("```\n" + "x\n".repeat(500) + "```");
    expect(place.querySelector("code")?.textContent?.split("\n").length).toBe(400);
    expect(place.textContent).toContain("Show all");
  });
});

describe("links", () => {
  it.each(["javascript:alert(1)", "JaVaScRiPt&#58;alert(1)", "data:text/html,x", "vbscript:x", "//evil.example", "/setup", "\u0001javascript:x"])("does not follow %j", (href) =>
    expect(safeHref(href)).toBeNull(),
  );
  it("follows web and mail", () => {
    expect(safeHref("https://example.com/a?b=1&amp;c=2")).toBe("https://example.com/a?b=1&c=2");
    expect(safeHref("mailto:ann@example.com")).toBe("mailto:ann@example.com");
    expect(decoded("&lt;b&gt; &#x41; &unknown;")).toBe("<b> A &unknown;");
  });
});
