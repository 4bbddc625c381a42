import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const CSS = readFileSync("src/styles/tokens.css", "utf8");

type Palette = Record<string, string>;

function palette(selector: string): Palette {
  const block = CSS.slice(CSS.indexOf(`${selector} {`)).split("}")[0] ?? "";
  return Object.fromEntries([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((found) => [found[1], found[2]]));
}

const channels = (colour: string): number[] => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
const linear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channels(colour).map(linear);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** CIE L*a*b* under D65, from linear sRGB. */
function lab(rgb: number[]): number[] {
  const [r = 0, g = 0, b = 0] = rgb;
  const curve = (t: number): number => (t > (6 / 29) ** 3 ? Math.cbrt(t) : t / (3 * (6 / 29) ** 2) + 4 / 29);
  const x = curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
  const y = curve(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** Machado 2009, severity 1, on linear RGB. */
const SIGHTS: Record<string, number[][]> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

function seen(colour: string, matrix: number[][]): number[] {
  const rgb = channels(colour).map(linear);
  return matrix.map((row) => Math.min(1, Math.max(0, row.reduce((sum, weight, at) => sum + weight * (rgb[at] ?? 0), 0))));
}

const distance = (one: number[], other: number[]): number => Math.hypot(...one.map((value, at) => value - (other[at] ?? 0)));

const GROUNDS = ["page", "panel", "raised", "sunk"];

describe.each([
  ["light", ":root", 21, 3.1],
  ["dark", ':root[data-theme="dark"]', 24, 4.1],
] as const)("the %s theme", (_name, selector, apart, leastSeries) => {
  const tokens = palette(selector);
  const of = (token: string): string => tokens[token] ?? "";
  const worst = (token: string, grounds: string[] = GROUNDS): number => Math.min(...grounds.map((ground) => contrast(of(token), of(ground))));

  it.each(["ink", "ink-2", "ink-3", "accent", "good", "warn", "bad"])("reads %s on every ground", (token) => {
    expect(worst(token)).toBeGreaterThanOrEqual(4.5);
  });

  it.each([
    ["on-accent", "accent"],
    ["on-bad", "bad"],
    ["accent", "accent-tint"],
    ["good", "good-tint"],
    ["warn", "warn-tint"],
    ["bad", "bad-tint"],
    ["ink", "accent-tint"],
    ["ink", "warn-tint"],
    ["ink", "bad-tint"],
  ])("reads %s on %s", (text, ground) => {
    expect(contrast(of(text), of(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it("shows where a control ends", () => {
    expect(worst("control", ["page", "panel", "raised"])).toBeGreaterThanOrEqual(3);
  });

  const series = ["series-1", "series-2", "series-3", "series-4", "series-5"];

  it("keeps series visible and apart in every sight", () => {
    for (const token of [...series, "series-other"]) expect(contrast(of(token), of("page"))).toBeGreaterThanOrEqual(leastSeries);
    for (const matrix of Object.values(SIGHTS))
      for (const [at, one] of series.entries())
        for (const other of series.slice(at + 1)) expect(distance(lab(seen(of(one), matrix)), lab(seen(of(other), matrix)))).toBeGreaterThanOrEqual(apart - 0.5);
  });
});
