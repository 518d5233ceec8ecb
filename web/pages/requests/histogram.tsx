// web/pages/requests/histogram.tsx: when the calls came and how they ended, above the list of them.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch, TimeBars } from '../../charts/chart.tsx';
import type { Series } from '../../charts/series.ts';
import { whole } from '../../format.ts';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { addressWith, FILTERS, follow, go } from '../../state/location.ts';
import { bucketName, buckets, bucketUnit, reportingZone, timeOf, zone } from '../../state/period.ts';

interface Ending {
  readonly name: string;
  readonly outcomes: readonly string[];
  readonly slot: Series['slot'];
  readonly alarm?: boolean;
}

/** Endings that read alike; failures are red and crossed, so that they show without colour too. */
const ENDINGS: readonly Ending[] = [
  { name: 'Succeeded', outcomes: ['ok', 'truncated'], slot: { colour: 0, striped: false } },
  { name: 'Client left or cut', outcomes: ['client_abort', 'drained', 'crashed'], slot: { colour: null, striped: false } },
  { name: 'Refused', outcomes: ['refused'], slot: { colour: 1, striped: true } },
  { name: 'Failed', outcomes: ['client_error', 'upstream_error', 'connect_failed', 'upstream_reset', 'upstream_timeout', 'upstream_protocol'], slot: { colour: 1, striped: false }, alarm: true },
];

export function Histogram({ asked }: { asked: Asked<UsageAnswer> }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  return (
    <Panel title="Requests over time" asked={asked} skeleton="chart" class="low" aside={<TableSwitch />}>
      {(answer) => {
        const counts = new Map<string, number>();
        for (const row of answer.rows) counts.set(`${row.outcome}@${Date.parse(row[unit] ?? '')}`, row.requests);
        const series: Series[] = ENDINGS.map((ending) => {
          const values = buckets.value.map((bucket) => ending.outcomes.reduce((sum, outcome) => sum + (counts.get(`${outcome}@${bucket.key}`) ?? 0), 0));
          return { name: ending.name, slot: ending.slot, alarm: ending.alarm ?? false, values, exact: values.map(whole) };
        }).filter((one) => one.values.some((value) => value > 0));
        const totals = buckets.value.map((_, i) => series.reduce((sum, one) => sum + one.values[i]!, 0));
        const peak = totals.indexOf(Math.max(...totals));
        const failed = series.find((one) => one.alarm)?.values.reduce((a, b) => a + b, 0) ?? 0;
        if (answer.total.requests === 0) return <p class="empty small">Nothing in this period.</p>;
        return (
          <>
            <TimeBars
              title="Requests over time"
              measure="count"
              height="low"
              buckets={buckets.value}
              unit={unit}
              zone={shownIn}
              series={series}
              before={null}
              nameOf={(bucket) => bucketName(bucket, unit, shownIn)}
              totalOf={(index) => whole(totals[index]!)}
              summary={`Requests over time: ${whole(answer.total.requests)} in all, ${whole(failed)} failed, the most ${whole(totals[peak]!)} on ${bucketName(buckets.value[peak]!, unit, shownIn)}.`}
              onPick={(bucket, one) => {
                const ending = ENDINGS.find((candidate) => candidate.name === one?.name);
                go(addressWith({ ...timeOf(bucket), ...(ending && ending.name !== 'Succeeded' ? { [FILTERS.outcome]: ending.outcomes } : {}) }));
              }}
            />
            <ul class="legend">
              {series.map((one) => (
                <li key={one.name}>
                  <a href={addressWith({ [FILTERS.outcome]: ENDINGS.find((ending) => ending.name === one.name)!.outcomes })} onClick={follow}>
                    <EndingSwatch series={one} />
                    <span class="legend-name">{one.name}</span>
                    <span class="legend-figure">{whole(one.values.reduce((a, b) => a + b, 0))}</span>
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

function EndingSwatch({ series }: { series: Series }) {
  return <i class={`swatch ending-${series.alarm ? 'failed' : series.slot.colour === null ? 'left' : series.slot.striped ? 'refused' : 'ok'}`} aria-hidden="true" />;
}
