// server/alert/rules/budgets.ts: budgets: thresholds reached, money going too fast, and a limit that will be passed.

import type { Reading } from '../../domain/alert.ts';
import { limitOf, type Standing } from '../../domain/budget.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../domain/durations.ts';
import { nanodollars, NO_MONEY, usdNumber } from '../../domain/money.ts';
import type { Figures } from '../figures.ts';
import { count, dollars, percent, ratioOf, when } from './show.ts';

const HYSTERESIS_MILLIONTHS = 50_000n;
/** Shorter periods have hours of sleep in them that make any morning look fast. */
const PACED = new Set(['week', 'month', 'quarter', 'year']);
const millionths = (share: number): bigint => BigInt(Math.round(share * 1_000_000));

/** One reading per budget: as many tiers as it has thresholds. A grant moves them all, for as long as it lasts. */
export function budgetThresholds({ standings, zone, notify }: Figures): Reading[] {
  return standings.filter(({ budget }) => budget.alertAt.length > 0).map((standing) => {
    const { budget, period, spent } = standing;
    const limit = limitOf(standing);
    const reached = (slack: bigint): number => budget.alertAt.filter((at) => spent * 1_000_000n >= limit * (millionths(at) - slack)).length;
    const tier = reached(0n);
    const at = budget.alertAt[Math.max(0, tier - 1)] as number;
    return {
      rule: 'budget', scope: budget.id, period: period.from, basis: String(limit), tier, keeps: Math.max(tier, reached(HYSTERESIS_MILLIONTHS)),
      severity: at >= 1 ? 'critical' : at >= 0.8 ? 'warning' : 'info',
      forMs: 0, clearMs: 0, rearmMs: null,
      title: `Budget ${budget.id} has reached ${percent(at)} of its ${budget.period}`,
      text: `${dollars(spent)} of ${dollars(limit)} are spent.${at >= 1 ? (budget.mode === 'hard' ? ' Calls that do not fit are refused until the period ends or the limit is raised.' : ' Calls go on: the budget is soft.') : ''}`,
      facts: [...moneyFacts(standing), { label: 'Period ends', value: when(period.to, zone) }],
      value: usdNumber(spent), threshold: usdNumber(limit) * at, unit: 'usd', notify: budget.notify ?? notify,
    };
  });
}

/**
 * A hard budget turns calls away before it is spent: each could have cost more than is left. Its thresholds tell of what is spent, and may
 * never be reached then. Where the whole limit is spent and a threshold says so, that is enough.
 */
export function budgetRefusing({ standings, now, zone, rules, notify }: Figures): Reading[] {
  if (!rules.budgetRefusing.enabled) return [];
  return standings.filter(({ budget }) => budget.mode === 'hard' && budget.dryRun !== true).map((standing) => {
    const { budget, period, spent, refused } = standing;
    const limit = limitOf(standing);
    const told = spent >= limit && budget.alertAt.some((at) => at >= 1);
    const fires = refused !== undefined && !told && now - refused.lastAt < HOUR_MS;
    const left = nanodollars(limit > spent ? limit - spent : 0n);
    const calls = refused?.calls ?? 0;
    return {
      rule: 'budget_refusing', scope: budget.id, period: period.from, basis: String(limit), tier: fires ? 1 : 0, keeps: fires ? 1 : 0,
      severity: 'warning', forMs: 0, clearMs: 0, rearmMs: DAY_MS,
      title: `Budget ${budget.id} refuses calls`,
      text: `${calls === 1 ? 'A call was' : `${count(calls)} calls were`} refused in this ${budget.period}, because ${calls === 1 ? 'it' : 'each'} can cost more than the ${dollars(left)} that are left. Calls that can cost less still pass; a lower \`max_tokens\`, a grant or a higher limit lets the others through.`,
      facts: [{ label: 'Refused', value: count(calls) }, ...moneyFacts(standing), { label: 'Period ends', value: when(period.to, zone) }],
      value: calls, threshold: 1, unit: 'count', notify: budget.notify ?? notify,
    };
  });
}

/** Half is spent, one and a half times as fast as the period goes. */
export function burnPace({ standings, now, zone, rules, notify }: Figures): Reading[] {
  if (!rules.pace.enabled) return [];
  return standings.filter(({ budget }) => PACED.has(budget.period)).map((standing) => {
    const { budget, period, spent } = standing;
    const limit = limitOf(standing);
    const used = ratioOf(spent, limit);
    const gone = Math.max((now - period.from) / (period.to - period.from), 1e-6);
    const pace = used / gone;
    const early = gone >= 0.05;
    // What is spent already is the thresholds' to tell.
    const fires = early && used >= rules.pace.spent && used < 1 && pace >= rules.pace.factor;
    const days = (ms: number): number => Math.ceil(ms / DAY_MS);
    return {
      rule: 'pace', scope: budget.id, period: period.from, basis: String(limit), tier: fires ? 1 : 0, keeps: fires || (early && used >= rules.pace.spent && pace >= rules.pace.factor * 0.9) ? 1 : 0,
      severity: 'warning', forMs: 0, clearMs: 60 * MINUTE_MS, rearmMs: null,
      title: `Budget ${budget.id} is spent too fast`,
      text: `${percent(used)} is spent on day ${days(now - period.from)} of ${days(period.to - period.from)}, ${pace.toFixed(1)} times the even pace.`,
      facts: [...moneyFacts(standing), { label: 'Period ends', value: when(period.to, zone) }],
      value: pace, threshold: rules.pace.factor, unit: 'ratio', notify: budget.notify ?? notify,
    };
  });
}

/** The median path passes the limit before the period ends, for an hour. */
export function budgetForecast({ standings, outlooks, zone, rules, notify }: Figures): Reading[] {
  if (!rules.forecast.enabled) return [];
  return standings.flatMap((standing): Reading[] => {
    const { budget, period, spent } = standing;
    const outlook = outlooks.get(budget.id);
    if (!budget.alertForecast || outlook === undefined) return [];
    const limit = limitOf(standing);
    const fires = outlook !== null && outlook.p50 > limit && spent < limit;
    const keeps = outlook !== null && outlook.p50 * 1_000_000n > limit * (1_000_000n - HYSTERESIS_MILLIONTHS);
    const expected = outlook?.p50 ?? spent;
    return [{
      rule: 'forecast', scope: budget.id, period: period.from, basis: String(limit), tier: fires ? 1 : 0, keeps: keeps ? 1 : 0,
      severity: 'warning', forMs: 60 * MINUTE_MS, clearMs: 60 * MINUTE_MS, rearmMs: null,
      title: `Budget ${budget.id} will be exceeded`,
      text: `${dollars(expected)} of ${dollars(limit)} are expected by the end of the ${budget.period}${outlook?.reachesAt == null ? '' : `; the limit is reached on ${when(outlook.reachesAt, zone)}`}.`,
      facts: [
        ...moneyFacts(standing),
        { label: 'Expected (p50)', value: dollars(expected) },
        { label: 'At most, nine times of ten (p90)', value: dollars(outlook?.p90 ?? spent) },
        { label: 'Period ends', value: when(period.to, zone) },
      ],
      value: usdNumber(expected), threshold: usdNumber(limit), unit: 'usd', notify: budget.notify ?? notify,
    }];
  });
}

const moneyFacts = ({ budget, spent, held, granted = NO_MONEY }: Standing): { label: string; value: string }[] => [
  { label: 'Budget', value: budget.id },
  { label: 'Spent', value: `${dollars(spent)} (${percent(ratioOf(spent, nanodollars(budget.limit + granted)))})` },
  ...(held > 0n ? [{ label: 'Held by calls in flight', value: dollars(held) }] : []),
  { label: 'Limit', value: `${dollars(budget.limit)} per ${budget.period}${granted > 0n ? `, and ${dollars(granted)} granted` : ''}` },
];
