/** Counts, shares and changes as text. */

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "unknown" : String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `12.4 k`, `3.1 M`: where a figure must be short. */
export function short(value: number): string {
  if (value < 10_000) return count(value);
  if (value < 1_000_000) return `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)} k`;
  return `${(value / 1_000_000).toFixed(value < 100_000_000 ? 1 : 0)} M`;
}

/** A part of a whole in percent: `0.6 %`, `23 %`, `< 0.1 %`; nothing of nothing is `none`. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return "none";
  const share = (100 * part) / whole;
  if (share > 0 && share < 0.1) return "< 0.1 %";
  return `${share >= 10 || share === 0 ? Math.round(share) : share.toFixed(1)} %`;
}

/** How much more or less than before: `+8 %`. Undefined where there is nothing to compare with. */
export function change(now: number | null, before: number | null): string | undefined {
  if (now === null || before === null || before <= 0) return undefined;
  const share = Math.round((100 * (now - before)) / before);
  if (share === 0) return "±0 %";
  // ten times more than nearly nothing says nothing
  return share > 999 ? undefined : `${share > 0 ? "+" : "−"}${Math.abs(share)} %`;
}

/** Seconds until something: `41 s`, `12 min`, `3 h`, `2 days`. */
export function wait(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
