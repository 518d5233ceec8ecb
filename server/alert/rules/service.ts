// server/alert/rules/service.ts: whether calls are answered, and soon: burn rates of two service levels, room at the provider, and its caps.

import type { Reading, TierEnd } from '../../domain/alert.ts';
import { HOUR_MS, MINUTE_MS } from '../../domain/durations.ts';
import type { BurnWindows, Figures } from '../figures.ts';
import type { Window } from '../pulse.ts';
import { count, percent } from './show.ts';

/** Multiples of the error budget that a pair of windows may burn; the short one says that it is still so. From the Site Reliability Workbook, chapter 5. */
const PAIRS = [
  { long: 'h1', short: 'm5', rate: 14.4, tier: 2, said: 'hour' },
  { long: 'h6', short: 'm30', rate: 6, tier: 2, said: 'six hours' },
  { long: 'd1', short: 'h2', rate: 3, tier: 1, said: 'day' },
  { long: 'd3', short: 'h6', rate: 1, tier: 1, said: 'three days' },
] as const;

interface Level {
  readonly rule: 'errors' | 'first_token';
  readonly windows: BurnWindows;
  /** The share that may go wrong. */
  readonly allowed: number;
  /** Fewer bad calls than this in the long window are nobody's page. */
  readonly leastBad: number;
  readonly what: string;
  readonly note: string;
}

/** Five points below what fires. */
const HYSTERESIS = 0.95;

const rateOf = ({ total, bad }: Window): number => (total === 0 ? 0 : bad / total);

/** Pages end soon after they are over; what burnt for a day or three has not ended when one night is calm. */
const CLEAR_MS = { 1: 6 * HOUR_MS, 2: 10 * MINUTE_MS } as const;

function burn({ rule, windows, allowed, leastBad, what, note }: Level, notify: readonly string[] | null): Reading {
  const above = (window: Window, rate: number): boolean => rateOf(window) >= rate * allowed;
  const burning = (slack: number) => PAIRS.filter(({ long, short, rate }) => windows[long].bad >= leastBad && above(windows[long], rate * slack) && above(windows[short], rate * slack));
  const hot = burning(1);
  const worst = hot[0];
  const tier = Math.max(0, ...hot.map((pair) => pair.tier));
  const facts = [
    { label: 'Last 5 minutes', value: percent(rateOf(windows.m5)) },
    { label: 'Last hour', value: percent(rateOf(windows.h1)) },
    { label: 'Last day', value: percent(rateOf(windows.d1)) },
    { label: 'Allowed', value: percent(allowed) },
  ];
  const textOf = (window: keyof BurnWindows, span: string): TierEnd['text'] => ({
    title: `${what}: ${percent(rateOf(windows[window]))} in the last ${span}`,
    text: `${count(windows[window].bad)} of ${count(windows[window].total)} calls. ${percent(allowed)} is what the objective allows. ${note}`,
    facts,
    value: rateOf(windows[window]),
  });
  const ends = ([1, 2] as const).map((stands): TierEnd => ({
    // The short window is there to fire soon and only while it is so. It falls below the rate at every calm hour: to end, the long one has to. An alert that stands higher is not held by the
    // long windows of a lower tier, or one bad hour would be told as going on for three days.
    holds: PAIRS.some(({ long, rate, tier: of }) => of === stands && windows[long].bad >= leastBad && above(windows[long], rate * HYSTERESIS)),
    clearMs: CLEAR_MS[stands],
    text: stands === 2 ? textOf('h1', 'hour') : textOf('d3', 'three days'),
  }));
  return {
    rule, scope: 'gateway', period: null, basis: String(allowed), tier, keeps: Math.max(tier, 0, ...burning(HYSTERESIS).map((pair) => pair.tier)), ends,
    severity: tier === 2 ? 'critical' : 'warning', forMs: 0, clearMs: 10 * MINUTE_MS, rearmMs: HOUR_MS,
    ...textOf(worst?.long ?? 'h1', worst?.said ?? 'hour'),
    threshold: allowed, unit: 'ratio', notify,
  };
}

export function errorBurn({ errors, rules, notify }: Figures): Reading[] {
  const { enabled, objective, leastBad } = rules.errors;
  return enabled ? [burn({ rule: 'errors', windows: errors, allowed: 1 - objective, leastBad, what: 'Calls fail', note: 'Counted are errors, limits and overload of the provider and of the way to it; not what clients do wrong, leave or may not do.' }, notify)] : [];
}

export function firstTokenBurn({ firstToken, rules, notify }: Figures): Reading[] {
  const { enabled, objective, slowerThanMs, leastBad } = rules.firstToken;
  return enabled ? [burn({ rule: 'first_token', windows: firstToken, allowed: 1 - objective, leastBad, what: `Answers begin after more than ${slowerThanMs / 1000} s`, note: 'The time is from the call to the first content of a stream.' }, notify)] : [];
}

/** Less than a fifth left in five of ten minutes; less than a tenth, or more than one call in a hundred limited. */
export function providerHeadroom({ headroom, limited, rules, notify }: Figures): Reading[] {
  const { enabled, warnBelow, criticalBelow, limitedRatio } = rules.headroom;
  if (!enabled) return [];
  const rows = headroom.map((row): Reading => {
    const tier = row.minutesBelowCritical >= 5 ? 2 : row.minutesBelowWarning >= 5 ? 1 : 0;
    const scope = `${row.credential}/${row.modelClass}/${row.dimension}`;
    return {
      rule: 'headroom', scope, period: null, basis: '', tier, keeps: Math.max(tier, row.clear ? 0 : 1),
      severity: tier === 2 ? 'critical' : 'warning', forMs: 0, clearMs: 10 * MINUTE_MS, rearmMs: HOUR_MS,
      title: `Little room left at the provider: ${row.dimension.replace('_', ' ')} of ${row.modelClass}`,
      text: `${percent(row.lowest)} of the limit was left at the lowest of the last minute. Calls beyond it are answered with 429 by the provider.`,
      facts: [{ label: 'Credential', value: row.credential }, { label: 'Models', value: row.modelClass }, { label: 'Limit of', value: row.dimension.replace('_', ' ') }, { label: 'Lowest in the last minute', value: percent(row.lowest) }],
      value: 1 - row.lowest, threshold: 1 - (tier === 2 ? criticalBelow : warnBelow), unit: 'ratio', notify,
    };
  });
  const rate = rateOf(limited);
  const fires = limited.bad >= 5 && rate > limitedRatio;
  return [...rows, {
    rule: 'headroom', scope: 'gateway', period: null, basis: '', tier: fires ? 1 : 0, keeps: fires || (limited.bad > 0 && rate > limitedRatio * 0.95) ? 1 : 0,
    severity: 'critical', forMs: 0, clearMs: 10 * MINUTE_MS, rearmMs: HOUR_MS,
    title: `The provider limits calls: ${percent(rate)} were answered with 429`,
    text: `${count(limited.bad)} of ${count(limited.total)} calls of the last ten minutes.`,
    facts: [{ label: 'Limited', value: percent(rate) }],
    value: rate, threshold: limitedRatio, unit: 'ratio', notify,
  }];
}

/** The provider says that money, credit or a spend limit has run out: trying again cannot help. */
export function providerCap({ caps, rules, notify }: Figures): Reading[] {
  if (!rules.providerCap.enabled) return [];
  return caps.map(({ credential, code, count: refused }): Reading => ({
    rule: 'provider_cap', scope: `${credential}/${code}`, period: null, basis: '', tier: 1, keeps: 1, severity: 'critical', forMs: 0, clearMs: 0, rearmMs: HOUR_MS,
    title: `The provider refuses calls of credential ${credential}: ${code}`,
    text: 'Retries do not help: a payment, a credit or a spend limit has to be looked at in the provider\'s console.',
    facts: [{ label: 'Credential', value: credential }, { label: 'Said', value: code }, { label: 'Calls refused since the gateway started', value: count(refused) }],
    value: refused, threshold: 1, unit: 'count', notify,
  }));
}

const LEAST_WEEKS = 3;

/** Nobody calls in an hour of the week that is usually busy: the apps go another way, or cannot reach the gateway. */
export function noTraffic({ traffic, rules, notify }: Figures): Reading[] {
  const { enabled, leastCalls } = rules.noTraffic;
  if (!enabled || traffic.pastWeeks.length < LEAST_WEEKS) return [];
  const sorted = traffic.pastWeeks.toSorted((a, b) => a - b);
  const usual = sorted[(sorted.length - 1) >> 1] as number;
  const fires = traffic.lastHour === 0 && usual >= leastCalls;
  return [{
    rule: 'no_traffic', scope: 'gateway', period: null, basis: '', tier: fires ? 1 : 0, keeps: fires ? 1 : 0, severity: 'warning', forMs: 10 * MINUTE_MS, clearMs: 0, rearmMs: HOUR_MS,
    title: 'No calls come',
    text: `Not one in the last hour; usually there are ${count(usual)} at this time of the week. The apps may go another way, or not reach the gateway.`,
    facts: [{ label: 'Usual in this hour', value: count(usual) }, { label: 'Weeks compared', value: String(traffic.pastWeeks.length) }],
    value: traffic.lastHour, threshold: leastCalls, unit: 'count', notify,
  }];
}
