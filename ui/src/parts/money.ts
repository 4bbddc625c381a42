/** Money as text. Unknown is not zero, and what is too small to show is not zero either. */

export type Digits = 2 | 4 | "exact";

const NANOS = 1_000_000_000n;

/** Nano-dollars -> `$0.0021`, `< $0.0001`, `unknown`. `estimated` puts `~` before it. */
export function money(nanos: number | bigint | null | undefined, digits: Digits = 4, estimated = false): string {
  if (nanos === null || nanos === undefined) return "unknown";
  const whole = BigInt(typeof nanos === "number" ? Math.round(nanos) : nanos);
  const sign = whole < 0n ? "-" : "";
  const size = whole < 0n ? -whole : whole;
  const mark = estimated ? "~" : "";
  if (digits === "exact") return `${mark}${sign}$${exact(size)}`;
  const unit = digits === 2 ? 10_000_000n : 100_000n;
  if (size > 0n && size < unit) return `< ${sign}$${digits === 2 ? "0.01" : "0.0001"}`;
  const rounded = (size + unit / 2n) / unit;
  const parts = digits === 2 ? 100n : 10_000n;
  return `${mark}${sign}$${grouped(rounded / parts)}.${String(rounded % parts).padStart(digits, "0")}`;
}

/** Dollars as the API writes them (a decimal string or a number) -> nano-dollars. */
export function nanosOf(usd: string | number | null | undefined): bigint | null {
  if (usd === null || usd === undefined) return null;
  const text = typeof usd === "number" ? usd.toFixed(9) : usd;
  const match = /^(-?)(\d+)(?:\.(\d{1,9})\d*)?$/.exec(text.trim());
  if (!match) return null;
  const nanos = BigInt(match[2] ?? "0") * NANOS + BigInt((match[3] ?? "").padEnd(9, "0") || "0");
  return match[1] ? -nanos : nanos;
}

function exact(size: bigint): string {
  const rest = String(size % NANOS).padStart(9, "0").replace(/0+$/, "");
  return `${grouped(size / NANOS)}.${rest.padEnd(2, "0")}`;
}

function grouped(value: bigint): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
