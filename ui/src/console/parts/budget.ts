/** A budget in words. Pure. */

import type { Schemas } from "@/api/client";
import { money, nanosOf } from "@/parts/money";
import type { Tone } from "@/parts/Tag";
import { utcDayOf } from "@/parts/times";

export type Budget = Schemas["BudgetOut"];

export interface Sums {
  spent: number;
  held: number;
  cap: number;
  forecast: number | null;
}

export function sumsOf(budget: Budget): Sums {
  const nanos = (usd: string): number => Number(nanosOf(usd) ?? 0n);
  return { spent: nanos(budget.spent_usd), held: nanos(budget.held_usd), cap: nanos(budget.cap_usd), forecast: budget.forecast_usd === null ? null : nanos(budget.forecast_usd) };
}

/** `month, resets 1 Dec 00:00 UTC` */
export function resetWords(budget: Budget): string {
  if (budget.resets_at === null) return "for ever, never resets";
  return `${budget.period}, resets ${utcDayOf(budget.resets_at)}`;
}

export function forecastWords(budget: Budget): string {
  const { spent, held, cap, forecast } = sumsOf(budget);
  if (spent >= cap) return "used up";
  if (forecast === null) return budget.period === "ever" ? `${money(Math.max(0, cap - spent - held), 2)} left` : "forecast: too early to say";
  return forecast > cap ? `${money(forecast, 2)} at this pace: too much` : `${money(forecast, 2)} at this pace`;
}

export function stateOf(budget: Budget): { word: string; tone: Tone } {
  const { spent, cap, forecast } = sumsOf(budget);
  if (spent >= cap) return { word: "used up", tone: "bad" };
  if (spent >= 0.8 * cap) return { word: "over 80 %", tone: "warn" };
  if (forecast !== null && forecast > cap) return { word: "ends early", tone: "warn" };
  if (spent >= 0.5 * cap) return { word: "over 50 %", tone: "plain" };
  return { word: "within", tone: "good" };
}
