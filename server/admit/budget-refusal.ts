// server/admit/budget-refusal.ts: the two ways a budget says no, in words that a person can act on.

import { limitOf, type Scope } from '../domain/budget.ts';
import type { EpochMs } from '../domain/ids.ts';
import { usdString, type Nanodollars } from '../domain/money.ts';
import { refused, type Refusal } from '../domain/refusal.ts';
import type { Overrun } from './budgets.ts';

/** How soon holds of calls in flight may be gone. */
const RETRY_HELD_SECONDS = 2;

/** @param ask the most that the call can cost */
export function budgetRefusal({ standing, exhausted }: Overrun, ask: Nanodollars, at: EpochMs): Refusal {
  const { budget, period, spent, held } = standing;
  const rule = `budget:${budget.id}`;
  const name = `budget ${budget.id} (${scopeInWords(budget.scope)})`;
  const limit = `${usd(limitOf(standing))} for this ${period.kind}`;
  const call = `this call can cost up to ${usd(ask)}`;
  if (!exhausted) {
    const message = `${name} has room, but calls in flight hold ${usd(held)}: ${usd(spent)} of ${limit} is spent, and ${call}. It may fit when they end`;
    return refused('budget_held', message, { rule, retryAfterSeconds: RETRY_HELD_SECONDS }).refusal;
  }
  const what = spent >= limitOf(standing) ? `is exhausted: ${usd(spent)} of ${limit} is spent` : `has too little left for this call: ${usd(spent)} of ${limit} is spent`;
  const message = `${name} ${what}, and ${call}. A new ${period.kind} begins at ${new Date(period.to).toISOString()}; raising the limit or granting more helps at once`;
  const retryAfterSeconds = Math.max(1, Math.ceil((period.to - at) / 1000));
  return { ...refused('budget_exhausted', message, { rule, retryAfterSeconds }).refusal, budget: { period: period.kind, resetsAt: period.to } };
}

const usd = (amount: Nanodollars): string => `${usdString(amount)} USD`;

function scopeInWords(scope: Scope): string {
  const parts = (['workspace', 'workflow', 'key', 'user', 'model'] as const).flatMap((field) => (scope[field] === null ? [] : [`${field} ${scope[field]}`]));
  return parts.length === 0 ? 'the organization' : parts.join(', ');
}
