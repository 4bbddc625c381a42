import { short } from "./figures";

/** Dollars of an axis: as few digits as tell them apart. */
export function axisMoney(nanos: number): string {
  if (nanos === 0) return "$0";
  const usd = nanos / 1e9;
  if (usd >= 10) return `$${short(Math.round(usd))}`;
  if (usd >= 1) return `$${usd.toFixed(1)}`;
  return `$${usd >= 0.01 ? usd.toFixed(2) : usd.toFixed(4)}`;
}
