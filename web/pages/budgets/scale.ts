// web/pages/budgets/scale.ts: where the marks of a burn bar stand, as shares of its width.

import type { BudgetRow } from '../../../server/http/admin/wire.ts';
import { nanos } from '../../format.ts';

interface Burn {
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  /** Where spend would stand if the limit were used up evenly over the period. */
  readonly pace: number;
  readonly ticks: readonly { readonly at: number; readonly share: number; readonly firing: boolean }[];
  readonly forecast: { readonly p50: number; readonly p90: number } | null;
  /** True where the forecast runs on past the end of the bar. */
  readonly cut: boolean;
}

/** What may be spent in this period, grants in force included; nano-dollars. */
export const limitOf = (budget: Pick<BudgetRow, 'limit_usd' | 'granted_usd'>): bigint => nanos(budget.limit_usd) + nanos(budget.granted_usd);

/** The bar ends at the limit, or further right to show an overspend or a forecast, at most at one and a half limits. */
export function burnOf(budget: BudgetRow, now: number): Burn {
  const limit = Number(limitOf(budget));
  const spent = Number(nanos(budget.spent_usd));
  const held = Number(nanos(budget.held_usd));
  const forecast = budget.forecast_usd && { p50: Number(nanos(budget.forecast_usd.p50)), p90: Number(nanos(budget.forecast_usd.p90)) };
  const wanted = Math.max(limit, spent + held, forecast?.p90 ?? 0);
  const end = Math.min(wanted, Math.max(limit * 1.5, spent + held)) || 1;
  const share = (amount: number) => Math.min(1, Math.max(0, amount / end));
  const from = Date.parse(budget.period.from);
  const elapsed = Math.min(1, Math.max(0, (now - from) / (Date.parse(budget.period.to) - from)));
  return {
    limit: share(limit),
    spent: share(spent),
    held: Math.min(share(held), 1 - share(spent)),
    pace: share(limit * elapsed),
    ticks: budget.alerts.map((alert) => ({ at: alert.at, share: share(limit * alert.at), firing: alert.state === 'firing' })),
    forecast: forecast && { p50: share(forecast.p50), p90: share(forecast.p90) },
    cut: wanted > end,
  };
}

/** When the forecast line meets the limit; null where it does not within the period. */
export function reachedAt(budget: BudgetRow, now: number): number | null {
  if (!budget.forecast_usd) return null;
  const [spent, goal, limit] = [Number(nanos(budget.spent_usd)), Number(nanos(budget.forecast_usd.p50)), Number(limitOf(budget))];
  if (goal <= limit || goal <= spent) return null;
  return now + ((Date.parse(budget.period.to) - now) * (limit - spent)) / (goal - spent);
}
