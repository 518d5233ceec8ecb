// web/pages/overview/main-chart.tsx: time by measure, split by group; any mark opens the requests behind it.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch, TimeBars } from '../../charts/chart.tsx';
import { Lines } from '../../charts/lines.tsx';
import { slotsFor } from '../../charts/palette.ts';
import { bucketLabelFormats, change, duration, percent } from '../../format.ts';
import { useHappenings } from '../../parts/happenings.ts';
import { Swatch } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { addressWith, FILTERS, follow, go, parameter } from '../../state/location.ts';
import { bucketsOf, type BucketUnit } from '../../state/buckets.ts';
import { bucketName, buckets, bucketUnit, compared, comparedName, periodName, reportingZone, timeOf, zone } from '../../state/period.ts';
import { firstTokens, group, groupKinds, GROUPS, GROUP_WORDS, MEASURES, perBucket, toDraw, type Group, type Grouped, type Measure, type MeasureName } from './measures.ts';

const measureName = (): MeasureName => ((parameter('metric') ?? 'cost') in MEASURES ? ((parameter('metric') ?? 'cost') as MeasureName) : 'cost');
export const groupName = (): Group => GROUPS.find((one) => one === parameter('by')) ?? 'workspace';

/** Tokens alone are told apart by kind: what a kind costs stands in the statement, call by call. */
const byKind = (): boolean => parameter('by') === 'kind';
export const firstTokenAsked = (): boolean => !byKind() && parameter('metric') === 'ttft';

/** The address of the requests behind a value, in the period on screen. */
export function requestsOf(by: Group, value: string | null): string | null {
  if (value === null && by !== 'user') return null;
  return addressWith({ [FILTERS[by]]: value ?? '', from: parameter('from') ?? `now-${periodName.value ?? '7d'}` }, 'requests');
}

export function MainChart({ usage, before, grouped }: { usage: UsageAnswer; before: UsageAnswer | null; grouped: Asked<UsageAnswer> }) {
  const kinds = byKind();
  const slow = firstTokenAsked();
  const measure: Measure = kinds ? MEASURES.tokens : MEASURES[measureName()];
  const by = groupName();
  const unit = bucketUnit.value;
  const notes = useHappenings();
  const title = slow ? `First token, p95, by ${by}` : `${measure.name} by ${kinds ? 'kind' : by}`;
  return (
    <Panel
      title={title}
      asked={grouped}
      skeleton="chart"
      class="main-chart"
      aside={
        <div class="panel-tools">
          <div class="segments small" role="group" aria-label="Measure">
            {(Object.keys(MEASURES) as MeasureName[]).map((name) => (
              <button type="button" key={name} aria-pressed={!slow && MEASURES[name] === measure} onClick={() => go(addressWith({ metric: name === 'cost' ? null : name, ...(kinds && name !== 'tokens' ? { by: null } : {}) }))}>{MEASURES[name].name}</button>
            ))}
            <button type="button" aria-pressed={slow} onClick={() => go(addressWith({ metric: 'ttft', ...(kinds ? { by: null } : {}) }))}>First token</button>
          </div>
          <div class="segments small" role="group" aria-label="Group by">
            {GROUPS.map((one) => (
              <button type="button" key={one} aria-pressed={!kinds && by === one} onClick={() => go(addressWith({ by: one === 'workspace' ? null : one }))}>{GROUP_WORDS[one]}</button>
            ))}
            <button type="button" aria-pressed={kinds} onClick={() => go(addressWith({ by: 'kind', metric: 'tokens' }))} title="Tokens by kind">Kind</button>
          </div>
          <TableSwitch />
        </div>
      }
    >
      {(answer) => {
        if (slow) return <FirstTokens answer={answer} by={by} />;
        const totals = perBucket(usage.rows, buckets.value, unit, measure);
        const { shown, other } = kinds ? { shown: groupKinds(usage.rows, buckets.value, unit), other: null } : group(answer.rows, totals, buckets.value, unit, by, measure);
        const all = other ? [...shown, other] : shown;
        const total = totals.reduce((a, b) => a + b, 0n);
        if (total === 0n) return <p class="empty small">{measureName() === 'errors' ? 'No errors in this period.' : 'Nothing in this period.'}</p>;
        const past = before && compared.value ? perBucket(before.rows, bucketsOf(compared.value, unit, reportingZone.value, null), unit, measure) : null;
        const pastTotal = past?.reduce((a, b) => a + b, 0n) ?? null;
        const peak = totals.reduce((best, amount, i) => (amount > totals[best]! ? i : best), 0);
        const difference = pastTotal !== null ? change(Number(total), Number(pastTotal), true) : null;
        return (
          <>
            <TimeBars
              title={title}
              measure={measure.axis}
              buckets={buckets.value}
              unit={unit}
              zone={unit === 'hour' ? zone.value : reportingZone.value}
              series={all.map((one) => one.series)}
              before={past?.map((amount) => toDraw(measure, amount)) ?? null}
              notes={notes}
              nameOf={(bucket) => bucketName(bucket, unit, unit === 'hour' ? zone.value : reportingZone.value)}
              totalOf={(index) => measure.exact(totals[index]!)}
              summary={`${title}: ${measure.short(total)} in all, the most ${measure.short(totals[peak]!)} on ${bucketName(buckets.value[peak]!, unit, reportingZone.value)}${difference ? `, ${difference.direction === 'flat' ? difference.text : `${difference.direction} ${difference.text}`} against ${comparedName.value}` : ''}.`}
              onPick={(bucket, series) => {
                const one = all.find((candidate) => candidate.series === series);
                const filter = !kinds && one && one !== other && (one.value !== null || by === 'user') ? { [FILTERS[by]]: one.value ?? '' } : {};
                go(addressWith({ ...filter, ...timeOf(bucket) }, 'requests'));
              }}
            />
            <Legend all={all} other={other} total={total} measure={measure} by={kinds ? null : by} before={past !== null} unit={unit} />
          </>
        );
      }}
    </Panel>
  );
}

function Legend({ all, other, total, measure, by, before, unit }: { all: readonly Grouped[]; other: Grouped | null; total: bigint; measure: Measure; by: Group | null; before: boolean; unit: BucketUnit }) {
  const filling = buckets.value.find((bucket) => bucket.running);
  return (
    <div class="legend-block">
      <ul class="legend">
        {all.map((one) => {
          const to = one === other || by === null ? null : requestsOf(by, one.value);
          const body = (
            <>
              <Swatch slot={one.series.slot} />
              <span class="legend-name">{one.series.name}</span>
              <span class="legend-figure">{measure.short(one.total)}</span>
              <span class="muted legend-share">{percent(Number(one.total) / Number(total))}</span>
            </>
          );
          return <li key={JSON.stringify([one === other, one.value])}>{to ? <a href={to} onClick={follow} title="Open the requests">{body}</a> : <span>{body}</span>}</li>;
        })}
      </ul>
      <p class="muted note">
        {before ? <><span class="dash" aria-hidden="true" /> dashed: {comparedName.value}. </> : compared.value ? `No requests from ${comparedName.value} to compare with. ` : ''}
        Per {unit}, {reportingZone.value}.{filling && (filling === buckets.value.at(-1) ? ' The last bar is still filling.' : ` The bar of ${bucketName(filling, unit, unit === 'hour' ? zone.value : reportingZone.value)} is still filling.`)}
      </p>
    </div>
  );
}

/** Waiting does not add up, so it is drawn as lines: for each group, what one call in twenty waited longer than. */
function FirstTokens({ answer, by }: { answer: UsageAnswer; by: Group }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  const lines = firstTokens(answer.rows, buckets.value, unit, by);
  if (lines.length === 0) return <p class="empty small">No streamed answer in this period.</p>;
  const slots = slotsFor(by, lines.map((one) => one.name));
  const worst = lines.toSorted((a, b) => Math.max(...b.values.map((value) => value ?? 0)) - Math.max(...a.values.map((value) => value ?? 0)))[0]!;
  return (
    <>
      <Lines
        title={`First token, p95, by ${by}`} axisName="Time" tick={(value) => (value === 0 ? '0' : duration(value))}
        points={buckets.value.map((bucket) => ({ name: bucketName(bucket, unit, shownIn), label: bucketLabelFormats[unit](bucket.from, shownIn) }))}
        lines={lines.map((one, i) => ({ name: one.name, slot: slots[i]!, dashed: slots[i]!.striped, values: one.values, exact: one.values.map((value) => (value === null ? '' : duration(value))) }))}
        summary={`First token, p95, by ${by}: the slowest was ${worst.name}, up to ${duration(Math.max(...worst.values.map((value) => value ?? 0)))}.`}
        onPick={(index) => go(addressWith(timeOf(buckets.value[index]!), 'requests'))}
      />
      <ul class="legend">
        {lines.map((one, i) => {
          const to = requestsOf(by, one.value);
          const body = <><Swatch slot={slots[i]!} /><span class="legend-name">{one.name}</span></>;
          return <li key={JSON.stringify(one.value)}>{to ? <a href={to} onClick={follow} title="Open the requests">{body}</a> : <span>{body}</span>}</li>;
        })}
      </ul>
      <p class="muted note">One call in twenty waited longer, per {unit}. Only streamed answers have a first token.</p>
    </>
  );
}
