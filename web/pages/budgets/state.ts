// web/pages/budgets/state.ts: how a budget stands, in a word; and what calls in flight may do to it.

import type { AlertFiring, BudgetRow } from '../../../server/http/admin/wire.ts';
import { nanos, percent } from '../../format.ts';
import { limitOf } from './scale.ts';

export const used = (budget: BudgetRow): number => {
  const limit = limitOf(budget);
  return limit > 0n ? Number(nanos(budget.spent_usd)) / Number(limit) : 0;
};
export const byUrgency = (a: BudgetRow, b: BudgetRow): number => used(b) - used(a);

/** What calls in flight may still do to a budget, in nano-dollars. */
export interface Flight {
  /** The most that they can cost. */
  readonly held: bigint;
  /** What they count as, where that is less than the most; null where the worst case counts. */
  readonly counted: bigint | null;
  /** By how much the limit would be passed if each cost the most it can. */
  readonly atRisk: bigint;
  /** By how much they may ever stand above the limit; null where nothing bounds it, as the budget refuses nobody. */
  readonly bound: bigint | null;
  /** True when nothing more fits until one of them ends. */
  readonly full: boolean;
}

export function flightOf(budget: BudgetRow): Flight {
  const [limit, spent, held, counted] = [limitOf(budget), nanos(budget.spent_usd), nanos(budget.held_usd), nanos(budget.expected_usd)];
  const refuses = budget.mode === 'hard' && !budget.dry_run;
  const bound = nanos(budget.overshoot_usd);
  return {
    held,
    counted: budget.hold === 'expected' ? counted : null,
    atRisk: nanos(budget.at_risk_usd),
    bound: refuses ? bound : null,
    full: refuses && held > 0n && (spent + counted >= limit + nanos(budget.tolerance_usd) || spent + held >= limit + bound),
  };
}

/** For so long a refusal is news. */
const HOUR_MS = 3_600_000;

/** Fires, and nobody has taken it on or silenced it: what the mark beside the page's name counts. */
export const nobodysYet = (alert: Pick<AlertFiring, 'state' | 'silenced'>): boolean => alert.state === 'firing' && alert.silenced === null;

type State = { tone: 'good' | 'warn' | 'bad'; sign: string; word: string };
export function stateOf(budget: BudgetRow): State {
  const limit = limitOf(budget);
  const flight = flightOf(budget);
  if (nanos(budget.spent_usd) >= limit) return { tone: 'bad', sign: '✕', word: budget.mode === 'hard' && budget.dry_run ? 'Used up; a dry run only records' : budget.mode === 'hard' ? 'Used up, calls are refused' : 'Over its limit' };
  if (budget.refused && Date.now() - Date.parse(budget.refused.last_at) < HOUR_MS) return { tone: 'bad', sign: '✕', word: 'Refuses calls that can cost more than is left' };
  if (flight.full) return { tone: 'warn', sign: '!', word: 'Held up by calls in flight' };
  if (flight.atRisk > 0n && flight.bound !== null) return { tone: 'warn', sign: '!', word: 'Calls in flight may pass its limit' };
  if (budget.forecast_usd && nanos(budget.forecast_usd.p50) > limit) return { tone: 'warn', sign: '!', word: 'Will not last at this pace' };
  const crossed = budget.alerts.filter((alert) => used(budget) >= alert.at).at(-1);
  if (crossed && used(budget) >= 0.8) return { tone: 'warn', sign: '!', word: `Past ${percent(crossed.at)}` };
  return { tone: 'good', sign: '✓', word: 'On track' };
}
