// web/pages/workspaces/multiples.tsx: one small course per workspace, all on one scale, with the even pace of its budget across.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { Bars } from '../../charts/bars.tsx';
import { TableSwitch } from '../../charts/chart.tsx';
import { colourOf, slotsFor } from '../../charts/palette.ts';
import { costOf, rowsBy } from '../../figures.ts';
import { dollarsForDrawing, exactMoney, shortMoney } from '../../format.ts';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { shade } from '../../shell/theme.ts';
import { follow } from '../../state/location.ts';
import { bucketName, buckets, bucketUnit, reportingZone, zone } from '../../state/period.ts';
import { dayMs } from '../../state/zone.ts';
import { limitOf } from '../budgets/scale.ts';
import { scaleOf, type WorkspaceFigures } from './figures.ts';
import { overviewOf } from './page.tsx';

const MOST = 12;

/** What a budget allows per bucket at an even pace, in nano-dollars; null where its period is shorter than a bucket. */
function evenPace(one: WorkspaceFigures, bucketMs: number): bigint | null {
  if (!one.budget) return null;
  const length = Date.parse(one.budget.period.to) - Date.parse(one.budget.period.from);
  return length < bucketMs ? null : (limitOf(one.budget) * BigInt(bucketMs)) / BigInt(length);
}

export function Multiples({ all, asked }: { all: readonly WorkspaceFigures[]; asked: Asked<UsageAnswer> }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  const shown = all.slice(0, MOST);
  const slots = slotsFor('workspace', all.map((one) => one.name));
  return (
    <Panel title={`Spend per ${unit}, on one scale`} asked={asked} skeleton="chart" aside={<TableSwitch />}>
      {(answer) => {
        const rows = rowsBy(answer.rows, (row) => row.workspace ?? '');
        const courses = shown.map((one) => {
          const byKey = new Map((rows.get(one.name) ?? []).map((row) => [Date.parse(row[unit] ?? ''), costOf(row)]));
          return buckets.value.map((bucket) => byKey.get(bucket.key) ?? 0n);
        });
        const most = dollarsForDrawing(scaleOf(courses));
        const cut = courses.flat().some((amount) => dollarsForDrawing(amount) > most);
        const bucketMs = unit === 'hour' ? dayMs / 24 : unit === 'day' ? dayMs : 30 * dayMs;
        return (
          <>
            <ul class="multiples">
              {shown.map((one, i) => {
                const course = courses[i]!;
                const pace = evenPace(one, bucketMs);
                const peak = course.reduce((best, amount, at) => (amount > course[best]! ? at : best), 0);
                // A pace far above everything would flatten all courses.
                const drawn = pace !== null && dollarsForDrawing(pace) <= most * 1.15 ? pace : null;
                return (
                  <li key={one.name}>
                    <p class="multiple-head"><a href={overviewOf(one.name)} onClick={follow}>{one.name}</a> <span class="muted">most {shortMoney(course[peak]!)}</span></p>
                    <Bars
                      title={`${one.name}: spend per ${unit}`} axisName="Time" valueName="Spend" height="mini" most={most} colour={colourOf(slots[i]!, shade.value)}
                      mark={drawn === null ? null : { value: dollarsForDrawing(drawn), name: `even pace of ${one.budget!.id}: ${shortMoney(drawn)}` }}
                      bars={buckets.value.map((bucket, at) => ({ name: bucketName(bucket, unit, shownIn), value: dollarsForDrawing(course[at]!), exact: exactMoney(course[at]!), running: bucket.running }))}
                      summary={`${one.name}: ${shortMoney(one.cost)} in all, the most ${shortMoney(course[peak]!)} on ${bucketName(buckets.value[peak]!, unit, shownIn)}${drawn === null ? '' : `; an even pace of its budget is ${shortMoney(drawn)} per ${unit}`}.`}
                    />
                  </li>
                );
              })}
            </ul>
            <p class="note muted">Dashed: an even pace of the workspace's own budget.{cut && ' Bars with a jagged top are longer than the scale.'}{all.length > MOST && ` The ${MOST} dearest of ${all.length}.`}</p>
          </>
        );
      }}
    </Panel>
  );
}
