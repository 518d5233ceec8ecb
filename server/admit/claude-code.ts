// server/admit/claude-code.ts: how Claude Code hears of a budget: it shows spend limits from headers of its own.
//
// Source: Claude Code 2.1 and the gateway that comes with it. It renders a 429 with these headers as a spend limit, does not
// try it again, and warns on answers that pass once 75 % and 95 % are used.

import type { IncomingHttpHeaders } from 'node:http';
import { limitOf, type Standing } from '../domain/budget.ts';
import type { PeriodKind } from '../domain/calendar.ts';
import type { EpochMs } from '../domain/ids.ts';

/** Headers of this family on an answer of ours take the place of the provider's own, so that two limits are never mixed. */
export const UNIFIED = 'anthropic-ratelimit-unified-';

/** Descending, in hundredths of the limit. */
const WARNINGS = [95n, 75n] as const;

/** The periods that it has words for. */
const PERIOD_WORD: Partial<Record<PeriodKind, string>> = { day: 'daily', week: 'weekly', month: 'monthly' };

export function isClaudeCode(headers: IncomingHttpHeaders): boolean {
  return headers['x-app'] === 'cli' || (headers['user-agent'] ?? '').startsWith('claude-cli/');
}

/** For a refusal because a budget is exhausted. Flat: name, value, name, value… */
export function exhaustedHeaders({ period, resetsAt }: { readonly period: PeriodKind; readonly resetsAt: EpochMs }): string[] {
  const word = PERIOD_WORD[period];
  return [
    `${UNIFIED}status`, 'rejected',
    ...resets(resetsAt),
    `${UNIFIED}overage-utilization`, '1',
    `${UNIFIED}overage-surpassed-threshold`, '1',
    `${UNIFIED}overage-disabled-reason`, 'org_spend_cap_reached',
    ...(word === undefined ? [] : [`${UNIFIED}overage-period`, word]),
  ];
}

/** For an answer that passes; empty while less than 75 % is used. @param tightest the hard budget that has the least left; null: none covers the call */
export function warningHeaders(tightest: Standing | null): string[] {
  if (tightest === null) return [];
  const limit = limitOf(tightest);
  const passed = WARNINGS.find((percent) => tightest.spent * 100n >= limit * percent);
  if (passed === undefined) return [];
  // Rounded down and below 1: what passed was not over the limit.
  const used = limit === 0n ? 99n : (tightest.spent * 100n) / limit;
  return [
    `${UNIFIED}status`, 'allowed_warning',
    ...resets(tightest.period.to),
    `${UNIFIED}representative-claim`, 'overage',
    `${UNIFIED}overage-status`, 'allowed_warning',
    `${UNIFIED}overage-utilization`, hundredths(used > 99n ? 99n : used),
    `${UNIFIED}overage-surpassed-threshold`, hundredths(passed),
  ];
}

/** Unix seconds, rounded up: never earlier than the period ends. */
function resets(at: EpochMs): string[] {
  const seconds = String(Math.ceil(at / 1000));
  return [`${UNIFIED}reset`, seconds, `${UNIFIED}overage-reset`, seconds];
}

const hundredths = (percent: bigint): string => `0.${percent.toString().padStart(2, '0')}`;
