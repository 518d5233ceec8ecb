// web/pages/policies/blocks.tsx: refused calls over time, by reason.

import type { ReasonRow, ReasonsAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch, TimeBars } from '../../charts/chart.tsx';
import { OTHER_SLOT, slotsFor } from '../../charts/palette.ts';
import type { Series } from '../../charts/series.ts';
import { reasonWord, whole } from '../../format.ts';
import { Swatch } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { addressWith, FILTERS, go } from '../../state/location.ts';
import { bucketName, buckets, bucketUnit, reportingZone, timeOf, zone } from '../../state/period.ts';
import { refusedBy } from './figures.ts';

const MOST = 6;

export function Blocks({ asked }: { asked: Asked<ReasonsAnswer> }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  return (
    <Panel title={`Refused calls per ${unit}`} asked={asked} skeleton="chart" class="low" aside={<TableSwitch />}>
      {(answer) => {
        const reasons = refusedBy(answer.rows);
        if (reasons.length === 0) return <p class="calm"><span aria-hidden="true">✓</span> No call was refused.</p>;
        const count = (rows: readonly ReasonRow[]) => {
          const byKey = new Map<number, number>();
          for (const one of rows) byKey.set(Date.parse(one[unit] ?? ''), (byKey.get(Date.parse(one[unit] ?? '')) ?? 0) + one.calls);
          return buckets.value.map((bucket) => byKey.get(bucket.key) ?? 0);
        };
        const slots = slotsFor('refusal', reasons.slice(0, MOST).map((one) => one.reason ?? ''));
        const row = (name: string, slot: Series['slot'], values: number[]): Series => ({ name, slot, values, exact: values.map(whole) });
        const rest = reasons.slice(MOST);
        const series = [...reasons.slice(0, MOST).map((one, i) => row(reasonWord(one.reason), slots[i]!, count(one.rows))), ...(rest.length ? [row('Other', OTHER_SLOT, count(rest.flatMap((one) => one.rows)))] : [])];
        const totals = buckets.value.map((_, i) => series.reduce((sum, one) => sum + one.values[i]!, 0));
        const peak = totals.indexOf(Math.max(...totals));
        return (
          <>
            <TimeBars
              title="Refused calls" measure="count" height="low" buckets={buckets.value} unit={unit} zone={shownIn} series={series} before={null}
              nameOf={(bucket) => bucketName(bucket, unit, shownIn)} totalOf={(index) => whole(totals[index]!)}
              summary={`Refused calls: ${series.map((one) => `${one.name} ${whole(one.values.reduce((a, b) => a + b, 0))}`).join(', ')}; the most, ${whole(totals[peak]!)}, on ${bucketName(buckets.value[peak]!, unit, shownIn)}.`}
              onPick={(bucket) => go(addressWith({ [FILTERS.outcome]: 'refused', ...timeOf(bucket) }, 'requests'))}
            />
            <ul class="legend">{series.map((one) => <li key={one.name}><span><Swatch slot={one.slot} /><span class="legend-name">{one.name}</span><span class="legend-figure">{whole(one.values.reduce((a, b) => a + b, 0))}</span></span></li>)}</ul>
          </>
        );
      }}
    </Panel>
  );
}
