// web/pages/policies/blocks.tsx: calls over time by what rules said of them: those they refused, and those that dry runs would have.

import type { VerdictRow } from '../../../server/http/admin/wire.ts';
import { TimeBars } from '../../charts/chart.tsx';
import { OTHER_SLOT, slotsFor } from '../../charts/palette.ts';
import type { Series } from '../../charts/series.ts';
import { whole } from '../../format.ts';
import { Swatch } from '../../parts/marks.tsx';
import { addressWith, FILTERS, follow, go } from '../../state/location.ts';
import { bucketName, buckets, bucketUnit, periodParameters, reportingZone, timeOf, zone } from '../../state/period.ts';
import type { Spoken } from './figures.ts';

const MOST = 6;
export const policyWord = (policy: string): string => policy || 'no rule';

/** The address of the calls that some rules said one of the verdicts of; null: any rule. */
export const callsOf = (policies: readonly string[] | null, verdicts: readonly VerdictRow['verdict'][], time: { from: string; to: string | null }): string =>
  addressWith({ [FILTERS.policy]: policies, [FILTERS.verdict]: verdicts, ...time }, 'requests');

/** @param kind whose names share the colours @param spoken by rule, the most frequent first; not empty @param verdicts which calls a bar leads to */
export function VerdictBars({ kind, title, spoken, verdicts }: { kind: string; title: string; spoken: readonly Spoken[]; verdicts: readonly VerdictRow['verdict'][] }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  const slots = slotsFor(kind, spoken.slice(0, MOST).map((one) => one.policy));
  const row = (name: string, slot: Series['slot'], policies: readonly string[], rows: readonly VerdictRow[]) => {
    const byKey = new Map<number, number>();
    for (const one of rows) byKey.set(Date.parse(one[unit] ?? ''), (byKey.get(Date.parse(one[unit] ?? '')) ?? 0) + one.calls);
    const values = buckets.value.map((bucket) => byKey.get(bucket.key) ?? 0);
    return { name, slot, policies, values, exact: values.map(whole), sum: values.reduce((a, b) => a + b, 0) };
  };
  const rest = spoken.slice(MOST);
  const series = [
    ...spoken.slice(0, MOST).map((one, i) => row(policyWord(one.policy), slots[i]!, [one.policy], one.rows)),
    ...(rest.length ? [row('Other rules', OTHER_SLOT, rest.map((one) => one.policy), rest.flatMap((one) => one.rows))] : []),
  ];
  const totals = buckets.value.map((_, i) => series.reduce((sum, one) => sum + one.values[i]!, 0));
  const peak = totals.indexOf(Math.max(...totals));
  return (
    <>
      <TimeBars
        title={title} measure="count" height="low" buckets={buckets.value} unit={unit} zone={shownIn} series={series} before={null}
        nameOf={(bucket) => bucketName(bucket, unit, shownIn)} totalOf={(index) => whole(totals[index]!)}
        summary={`${title}: ${series.map((one) => `${one.name} ${whole(one.sum)}`).join(', ')}; the most, ${whole(totals[peak]!)}, on ${bucketName(buckets.value[peak]!, unit, shownIn)}.`}
        onPick={(bucket, one) => go(callsOf(series.find((row) => row === one)?.policies ?? null, verdicts, timeOf(bucket)))}
      />
      <ul class="legend">
        {series.map((one) => (
          <li key={one.name}>
            <a href={callsOf(one.policies, verdicts, periodParameters())} onClick={follow} title="Open these calls"><Swatch slot={one.slot} /><span class="legend-name">{one.name}</span><span class="legend-figure">{whole(one.sum)}</span></a>
          </li>
        ))}
      </ul>
    </>
  );
}
