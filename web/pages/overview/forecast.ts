// web/pages/overview/forecast.ts: where the month ends if it goes on as the last days did.

import { dayMs, next, startOf, addDays } from '../../state/zone.ts';

/** Looks no further back than this many days. */
const LOOK_BACK_DAYS = 14;

/** The stretch of time that a forecast needs to know. */
export function forecastRange(now: number, zone: string): { from: number; to: number } {
  return { from: Math.min(startOf('month', now, zone), addDays(startOf('day', now, zone), -LOOK_BACK_DAYS, zone)), to: now };
}

/**
 * The month's end from spend by day: days without spend count from the first day with some.
 * @param days nano-dollars by the instant a day begins; days without spend may be absent
 */
export function monthEndOf(days: readonly { readonly at: number; readonly cost: bigint }[], now: number, zone: string): { p50: bigint; p90: bigint; spent: bigint } | null {
  const monthStart = startOf('month', now, zone);
  const today = startOf('day', now, zone);
  const spent = days.filter((day) => day.at >= monthStart).reduce((sum, day) => sum + day.cost, 0n);
  if (days.length === 0) return null;
  const first = Math.min(...days.map((day) => day.at));
  const complete: bigint[] = [];
  for (let day = Math.max(first, addDays(today, -LOOK_BACK_DAYS, zone)); day < today; day = next('day', day, zone)) complete.push(days.filter((one) => one.at === day).reduce((sum, one) => sum + one.cost, 0n));
  const forecast = monthEnd(spent, complete, (next('month', monthStart, zone) - now) / dayMs);
  return forecast && { ...forecast, spent };
}

/**
 * Spend at the end of the month: what is spent, plus for every day left the mean of the last complete days.
 * p90 adds what the days' own scatter would add in nine months of ten. Null with fewer than three complete days to go by.
 * @param spent nano-dollars this month so far
 * @param completeDays nano-dollars of the last complete days
 * @param daysLeft days to the end of the month, with the rest of today as a fraction
 */
export function monthEnd(spent: bigint, completeDays: readonly bigint[], daysLeft: number): { p50: bigint; p90: bigint } | null {
  if (completeDays.length < 3) return null;
  const days = completeDays.map(Number);
  const mean = days.reduce((a, b) => a + b, 0) / days.length;
  const variance = days.reduce((sum, day) => sum + (day - mean) ** 2, 0) / (days.length - 1);
  const p50 = spent + BigInt(Math.round(mean * daysLeft));
  return { p50, p90: p50 + BigInt(Math.round(1.2816 * Math.sqrt(variance * daysLeft))) };
}
