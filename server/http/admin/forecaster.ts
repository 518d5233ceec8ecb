// server/http/admin/forecaster.ts: where budgets will stand at the end of their periods, computed when asked and kept for a minute.

import type { Standing } from '../../domain/budget.ts';
import { DAY_MS } from '../../domain/durations.ts';
import { forecast, neverBelow } from '../../domain/forecast.ts';
import { epochMs, type Clock } from '../../domain/ids.ts';
import type { Nanodollars } from '../../domain/money.ts';
import type { Reports } from '../../domain/reports.ts';

const KEPT_MS = 60_000;
/** What the forecast learns from: five weeks hold four whole ones. */
const HISTORY_MS = 35 * DAY_MS;

type Outlook = { readonly p50: Nanodollars; readonly p90: Nanodollars } | null;

/** One forecast per budget a minute at most, shared by the admin API and the metrics. */
export function createForecaster(services: { reports: Pick<Reports, 'hourlySpend'>; clock: Clock; zone: () => string }): (standing: Standing) => Promise<Outlook> {
  const kept = new Map<string, { readonly at: number; readonly period: number; readonly answer: Promise<Outlook> }>();
  const learned = ({ budget, period, spent }: Standing): Promise<Outlook> => {
    const now = services.clock.now();
    const known = kept.get(budget.id);
    if (known && known.period === period.from && Math.abs(now - known.at) < KEPT_MS) return known.answer;
    const answer = services.reports
      .hourlySpend(budget.scope, epochMs(now - HISTORY_MS), now)
      .then((hourly) => forecast({ spent, now, period, hourly, zone: services.zone() }));
    kept.set(budget.id, { at: now, period: period.from, answer });
    answer.catch(() => kept.delete(budget.id));
    return answer;
  };
  return async (standing) => {
    const outlook = await learned(standing);
    return outlook === null ? null : neverBelow(outlook, standing.spent);
  };
}
