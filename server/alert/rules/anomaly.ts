// server/alert/rules/anomaly.ts: an hour that costs far more than the same hour of past weeks.

import type { Reading } from '../../domain/alert.ts';
import { DAY_MS, MINUTE_MS } from '../../domain/durations.ts';
import { nanoFromUsd, nanodollars, usdNumber, type Nanodollars } from '../../domain/money.ts';
import type { Figures, SpendNow } from '../figures.ts';
import { dollars, percent, ratioOf } from './show.ts';

/** Below this many weeks the spread of an hour is not known, and yesterday is all there is. */
const LEAST_WEEKS = 3;
const YESTERDAY_FACTOR = 3n;
const SIGMA_PER_MAD_MILLIONTHS = 1_482_600n;

/**
 * Spend of the last sixty minutes against the same sixty minutes of past weeks: more than the median by four deviations and by
 * half of it, and by the floor in dollars. With less than three weeks behind: three times yesterday's.
 */
export function spendAnomaly({ spend, rules, notify }: Figures): Reading[] {
  const { enabled, floorUsdPerHour, mad, forMs } = rules.anomaly;
  if (!enabled) return [];
  const floor = nanoFromUsd(floorUsdPerHour.toFixed(9));
  return spend.flatMap((now): Reading[] => {
    const usual = usualOf(now, mad);
    if (usual === null) return [];
    const { middle, limit, against } = usual;
    const excess = nanodollars(now.lastHour - middle);
    const fires = now.lastHour > limit && excess > floor;
    // Five points of hysteresis: calm is well below what fires.
    const keeps = now.lastHour * 100n > limit * 95n && excess * 100n > floor * 95n;
    const share = now.top === null || excess <= 0n ? null : Math.min(1, ratioOf(now.top.cost, now.lastHour));
    const user = now.top?.user ?? null;
    return [{
      rule: 'anomaly', scope: now.workspace, period: null, basis: '', tier: fires ? 1 : 0, keeps: fires || keeps ? 1 : 0,
      severity: middle > 0n && now.lastHour > 5n * middle ? 'critical' : 'warning',
      forMs, clearMs: 60 * MINUTE_MS, rearmMs: DAY_MS,
      title: `Workspace ${now.workspace} spends far more than usual`,
      text: `${dollars(now.lastHour)} in the last hour; ${dollars(middle)} ${against}.${now.top === null || share === null ? '' : ` Most of it is ${now.top.workflow} on ${now.top.model || 'no model'}.`}`,
      facts: [
        { label: 'Workspace', value: now.workspace },
        { label: 'Last hour', value: dollars(now.lastHour) },
        { label: 'Usual', value: dollars(middle) },
        { label: 'Excess', value: dollars(excess) },
        ...(now.top === null || share === null ? [] : [{ label: 'Top contributor', value: `${now.top.workflow} on ${now.top.model || 'no model'}: ${dollars(now.top.cost)} in this hour and the one before, ${percent(share)} of the last hour` }]),
        ...(share === null || user === null ? [] : [{ label: 'Top user', value: `${user.name}: ${dollars(user.cost)} in the same time` }]),
      ],
      excessPerHour: excess > 0n ? usdNumber(excess) : 0,
      value: usdNumber(now.lastHour), threshold: usdNumber(limit), unit: 'usd', notify,
    }];
  });
}

function usualOf({ pastWeeks, yesterday }: SpendNow, mad: number): { middle: Nanodollars; limit: Nanodollars; against: string } | null {
  if (pastWeeks.length < LEAST_WEEKS) return yesterday === null ? null : { middle: yesterday, limit: nanodollars(yesterday * YESTERDAY_FACTOR), against: 'at the same hour yesterday' };
  const middle = medianOf(pastWeeks);
  const deviation = medianOf(pastWeeks.map((spent) => (spent > middle ? spent - middle : middle - spent)));
  const spread = (deviation * SIGMA_PER_MAD_MILLIONTHS * BigInt(Math.round(mad * 1000))) / 1_000_000_000n;
  const half = middle / 2n;
  return { middle: nanodollars(middle), limit: nanodollars(middle + (spread > half ? spread : half)), against: `is the median of that hour in ${pastWeeks.length} weeks` };
}

function medianOf(values: readonly bigint[]): bigint {
  const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[half] as bigint) : ((sorted[half - 1] as bigint) + (sorted[half] as bigint)) / 2n;
}
