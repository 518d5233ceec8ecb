// web/pages/overview/forecast.ts: where the month ends if it goes on as the last days did.

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
