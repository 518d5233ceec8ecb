// web/pages/limits/troubles.tsx: calls that did not succeed, over time, by whose doing it was.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch, TimeBars } from '../../charts/chart.tsx';
import type { Series } from '../../charts/series.ts';
import { whole } from '../../format.ts';
import { Swatch } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { addressWith, FILTERS, follow, go } from '../../state/location.ts';
import { bucketName, buckets, bucketUnit, periodParameters, reportingZone, timeOf, zone } from '../../state/period.ts';
import { SIDES } from './figures.ts';

const LOOKS: Readonly<Record<string, Pick<Series, 'slot' | 'alarm'>>> = {
  'The provider': { slot: { colour: 1, striped: false }, alarm: true },
  'Refused by us': { slot: { colour: 1, striped: true } },
  'The caller': { slot: { colour: null, striped: false } },
  'The gateway': { slot: { colour: 2, striped: false } },
};

export function Troubles({ asked }: { asked: Asked<UsageAnswer> }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  return (
    <Panel title={`Calls that did not succeed, per ${unit}`} asked={asked} skeleton="chart" class="low" aside={<TableSwitch />}>
      {(answer) => {
        const counts = new Map(answer.rows.map((row) => [`${row.outcome}@${Date.parse(row[unit] ?? '')}`, row.requests]));
        const series: Series[] = SIDES.map((side) => {
          const values = buckets.value.map((bucket) => side.outcomes.reduce((sum, outcome) => sum + (counts.get(`${outcome}@${bucket.key}`) ?? 0), 0));
          return { name: side.name, slot: LOOKS[side.name]!.slot, alarm: LOOKS[side.name]!.alarm ?? false, values, exact: values.map(whole) };
        }).filter((one) => one.values.some((value) => value > 0));
        if (series.length === 0) return <p class="calm"><span aria-hidden="true">✓</span> {answer.total.requests === 0 ? 'No calls in this period.' : 'Every call succeeded.'}</p>;
        const totals = buckets.value.map((_, i) => series.reduce((sum, one) => sum + one.values[i]!, 0));
        const peak = totals.indexOf(Math.max(...totals));
        const outcomesOf = (name: string | undefined) => SIDES.find((side) => side.name === name)?.outcomes ?? SIDES.flatMap((side) => side.outcomes);
        return (
          <>
            <TimeBars
              title="Calls that did not succeed" measure="count" height="low" buckets={buckets.value} unit={unit} zone={shownIn} series={series} before={null}
              nameOf={(bucket) => bucketName(bucket, unit, shownIn)} totalOf={(index) => whole(totals[index]!)}
              summary={`Calls that did not succeed: ${series.map((one) => `${one.name} ${whole(one.values.reduce((a, b) => a + b, 0))}`).join(', ')}; the most, ${whole(totals[peak]!)}, on ${bucketName(buckets.value[peak]!, unit, shownIn)}.`}
              onPick={(bucket, one) => go(addressWith({ [FILTERS.outcome]: outcomesOf(one?.name), ...timeOf(bucket) }, 'requests'))}
            />
            <ul class="legend">
              {series.map((one) => (
                <li key={one.name}>
                  <a href={addressWith({ [FILTERS.outcome]: outcomesOf(one.name), ...periodParameters() }, 'requests')} onClick={follow}>
                    {one.alarm ? <i class="swatch ending-failed" aria-hidden="true" /> : <Swatch slot={one.slot} />}
                    <span class="legend-name">{one.name}</span><span class="legend-figure">{whole(one.values.reduce((a, b) => a + b, 0))}</span>
                  </a>
                </li>
              ))}
            </ul>
          </>
        );
      }}
    </Panel>
  );
}
