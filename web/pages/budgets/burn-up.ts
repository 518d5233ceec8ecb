// web/pages/budgets/burn-up.ts: the spend of a period added up, and where it goes from here.

import type { BudgetRow, UsageRow } from '../../../server/http/admin/wire.ts';
import { costOf } from '../../figures.ts';
import { nanos } from '../../format.ts';
import { bucketsOf, type Bucket, type BucketUnit } from '../../state/buckets.ts';

export interface BurnUp {
  readonly unit: BucketUnit;
  readonly buckets: readonly Bucket[];
  /** Nano-dollars spent by the end of each bucket; null past the present. */
  readonly spent: readonly (bigint | null)[];
  /** From the present to the end of the period; null before it, and everywhere without a forecast. */
  readonly p50: readonly (bigint | null)[];
  readonly p90: readonly (bigint | null)[];
}

/** Hours for what lasts up to two days, else days; months for a year. */
export function burnUnit(budget: BudgetRow): BucketUnit {
  const days = (Date.parse(budget.period.to) - Date.parse(budget.period.from)) / 86_400_000;
  return days <= 2 ? 'hour' : days <= 120 ? 'day' : 'month';
}

/**
 * @param rows usage in the budget's scope by `burnUnit`, over its period
 * The last point of the spend is what the budget itself counts, so that the curve and the figure beside it cannot disagree.
 */
export function burnUpOf(budget: BudgetRow, rows: readonly UsageRow[], now: number, zone: string): BurnUp {
  const unit = burnUnit(budget);
  const buckets = bucketsOf({ from: Date.parse(budget.period.from), to: Date.parse(budget.period.to) }, unit, zone, null);
  const present = buckets.findIndex((bucket) => now >= bucket.from && now < bucket.to);
  const byKey = new Map(rows.map((row) => [Date.parse(row[unit] ?? ''), costOf(row)]));
  let sum = 0n;
  const spent = buckets.map((bucket, i) => {
    sum += byKey.get(bucket.key) ?? 0n;
    if (present >= 0 && i > present) return null;
    return i === present ? nanos(budget.spent_usd) : sum;
  });
  const end = buckets.length - 1;
  const towards = (goal: bigint) => buckets.map((_, i) => {
    if (present < 0 || i < present) return null;
    const start = nanos(budget.spent_usd);
    return end === present ? goal : start + ((goal - start) * BigInt(i - present)) / BigInt(end - present);
  });
  const none = buckets.map(() => null);
  return { unit, buckets, spent, p50: budget.forecast_usd ? towards(nanos(budget.forecast_usd.p50)) : none, p90: budget.forecast_usd ? towards(nanos(budget.forecast_usd.p90)) : none };
}
