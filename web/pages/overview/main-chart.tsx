// web/pages/overview/main-chart.tsx: time by measure, split by group; any mark opens the requests behind it.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch, TimeBars } from '../../charts/chart.tsx';
import { change, percent } from '../../format.ts';
import { useHappenings } from '../../parts/happenings.ts';
import { Swatch } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { addressWith, FILTERS, follow, go, parameter } from '../../state/location.ts';
import { bucketsOf } from '../../state/buckets.ts';
import { bucketName, buckets, bucketUnit, compared, comparedName, periodName, reportingZone, timeOf, zone } from '../../state/period.ts';
import { group, GROUPS, GROUP_WORDS, MEASURES, perBucket, toDraw, type Group, type Grouped, type Measure, type MeasureName } from './measures.ts';

const measureName = (): MeasureName => ((parameter('metric') ?? 'cost') in MEASURES ? ((parameter('metric') ?? 'cost') as MeasureName) : 'cost');
export const groupName = (): Group => GROUPS.find((one) => one === parameter('by')) ?? 'workspace';

/** The address of the requests behind a value, in the period on screen. */
export function requestsOf(by: Group, value: string | null): string | null {
  if (value === null && by !== 'user') return null;
  return addressWith({ [FILTERS[by]]: value ?? '', from: parameter('from') ?? `now-${periodName.value ?? '7d'}` }, 'requests');
}

export function MainChart({ usage, before, grouped }: { usage: UsageAnswer; before: UsageAnswer | null; grouped: Asked<UsageAnswer> }) {
  const measure: Measure = MEASURES[measureName()];
  const by = groupName();
  const unit = bucketUnit.value;
  const notes = useHappenings();
  return (
    <Panel
      title={`${measure.name} by ${by}`}
      asked={grouped}
      skeleton="chart"
      class="main-chart"
      aside={
        <div class="panel-tools">
          <div class="segments small" role="group" aria-label="Measure">
            {(Object.keys(MEASURES) as MeasureName[]).map((name) => (
              <button type="button" key={name} aria-pressed={measureName() === name} onClick={() => go(addressWith({ metric: name === 'cost' ? null : name }))}>{MEASURES[name].name}</button>
            ))}
          </div>
          <div class="segments small" role="group" aria-label="Group by">
            {GROUPS.map((one) => (
              <button type="button" key={one} aria-pressed={by === one} onClick={() => go(addressWith({ by: one === 'workspace' ? null : one }))}>{GROUP_WORDS[one]}</button>
            ))}
          </div>
          <TableSwitch />
        </div>
      }
    >
      {(answer) => {
        const totals = perBucket(usage.rows, buckets.value, unit, measure);
        const { shown, other } = group(answer.rows, totals, buckets.value, unit, by, measure);
        const all = other ? [...shown, other] : shown;
        const total = totals.reduce((a, b) => a + b, 0n);
        if (total === 0n) return <p class="empty small">{measureName() === 'errors' ? 'No errors in this period.' : 'Nothing in this period.'}</p>;
        const past = before && compared.value ? perBucket(before.rows, bucketsOf(compared.value, unit, reportingZone.value, false), unit, measure) : null;
        const pastTotal = past?.reduce((a, b) => a + b, 0n) ?? null;
        const peak = totals.reduce((best, amount, i) => (amount > totals[best]! ? i : best), 0);
        const difference = pastTotal !== null ? change(Number(total), Number(pastTotal), true) : null;
        return (
          <>
            <TimeBars
              title={`${measure.name} by ${by}`}
              measure={measure.axis}
              buckets={buckets.value}
              unit={unit}
              zone={unit === 'hour' ? zone.value : reportingZone.value}
              series={all.map((one) => one.series)}
              before={past?.map((amount) => toDraw(measure, amount)) ?? null}
              notes={notes}
              nameOf={(bucket) => bucketName(bucket, unit, unit === 'hour' ? zone.value : reportingZone.value)}
              totalOf={(index) => measure.exact(totals[index]!)}
              summary={`${measure.name} by ${by}: ${measure.short(total)} in all, the most ${measure.short(totals[peak]!)} on ${bucketName(buckets.value[peak]!, unit, reportingZone.value)}${difference ? `, ${difference.direction === 'flat' ? difference.text : `${difference.direction} ${difference.text}`} against ${comparedName.value}` : ''}.`}
              onPick={(bucket, series) => {
                const one = all.find((candidate) => candidate.series === series || candidate.series.name === series?.name);
                const filter = one && one !== other && (one.value !== null || by === 'user') ? { [FILTERS[by]]: one.value ?? '' } : {};
                go(addressWith({ ...filter, ...timeOf(bucket) }, 'requests'));
              }}
            />
            <Legend all={all} other={other} total={total} measure={measure} by={by} before={past !== null} unit={unit} />
          </>
        );
      }}
    </Panel>
  );
}

function Legend({ all, other, total, measure, by, before, unit }: { all: readonly Grouped[]; other: Grouped | null; total: bigint; measure: Measure; by: Group; before: boolean; unit: string }) {
  return (
    <div class="legend-block">
      <ul class="legend">
        {all.map((one) => {
          const to = one === other ? null : requestsOf(by, one.value);
          const body = (
            <>
              <Swatch slot={one.series.slot} />
              <span class="legend-name">{one.series.name}</span>
              <span class="legend-figure">{measure.short(one.total)}</span>
              <span class="muted legend-share">{percent(Number(one.total) / Number(total))}</span>
            </>
          );
          return <li key={one.series.name}>{to ? <a href={to} onClick={follow} title="Open the requests">{body}</a> : <span>{body}</span>}</li>;
        })}
      </ul>
      <p class="muted note">
        {before ? <><span class="dash" aria-hidden="true" /> dashed: {comparedName.value}. </> : compared.value ? `No requests from ${comparedName.value} to compare with. ` : ''}
        Per {unit}, {reportingZone.value}. The last bar is still filling.
      </p>
    </div>
  );
}
