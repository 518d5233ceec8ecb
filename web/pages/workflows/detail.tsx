// web/pages/workflows/detail.tsx: one workflow: the course of its cost per action, what moved its spend, how the cost of its actions spreads, and the dearest.

import type { ActionsAnswer, UsageRow } from '../../../server/http/admin/wire.ts';
import { CAUSES, CAUSE_WORDS, causesOf } from '../../causes.ts';
import { Bars } from '../../charts/bars.tsx';
import { TableSwitch } from '../../charts/chart.tsx';
import { Lines } from '../../charts/lines.tsx';
import { colourOf, slotsFor } from '../../charts/palette.ts';
import { costOf, sumOf } from '../../figures.ts';
import { axisMoney, bucketLabelFormats, dayAndTime, dayMonth, dollarsForDrawing, exactMoney, fullTime, money, nanos, percent, shortMoney, whole } from '../../format.ts';
import { useActions, useUsage } from '../../parts/ask-usage.ts';
import { Snippet } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import { shade } from '../../shell/theme.ts';
import { addressWith, FILTERS, follow, go } from '../../state/location.ts';
import { bucketName, buckets, bucketUnit, compared, comparedName, periodParameters, range, reportingZone, timeOf, zone } from '../../state/period.ts';
import { actionCost, type WorkflowFigures } from './figures.ts';
import { callsOf } from './page.tsx';
import { Steps } from './steps.tsx';

export function Detail({ flow, baseUrl }: { flow: WorkflowFigures; baseUrl: string }) {
  const only = { workspace: [flow.workspace], workflow: [flow.workflow] };
  const perBucket = useActions(bucketUnit.value, range.value, `flow:${flow.key}`, only);
  const models = useUsage('model', range.value, `flow-models:${flow.key}`, only);
  const before = useUsage('model', compared.value, `flow-models-before:${flow.key}`, only);
  return (
    <>
      <Panel title={`${flow.workflow}: cost per action`} asked={perBucket} skeleton="chart" aside={<div class="panel-tools"><a class="button" href={callsOf(flow)} onClick={follow}>Requests</a><TableSwitch /></div>}>
        {(answer) => <Course flow={flow} answer={answer} />}
      </Panel>
      <div class="columns even">
        <Panel title="How the cost of an action spreads" asked={perBucket} skeleton="chart" aside={<TableSwitch />}>
          {(answer) => <Spread answer={answer} baseUrl={baseUrl} flow={flow} />}
        </Panel>
        <div>
          <Panel title="What moved the spend" asked={models} skeleton="row" aside={compared.value && <span class="muted">against {comparedName.value}</span>}>
            {(answer) => <Causes now={answer.rows} before={compared.value ? (before.data?.rows ?? null) : null} />}
          </Panel>
          <Panel title="Dearest actions" asked={perBucket} skeleton="row">
            {(answer) => <Dearest answer={answer} flow={flow} />}
          </Panel>
        </div>
      </div>
      <Steps flow={flow} baseUrl={baseUrl} />
    </>
  );
}

function Course({ flow, answer }: { flow: WorkflowFigures; answer: ActionsAnswer }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  const byKey = new Map(answer.rows.map((row) => [Date.parse(row[unit] ?? ''), actionCost(row)]));
  const each = buckets.value.map((bucket) => byKey.get(bucket.key)?.mean ?? null);
  const known = each.filter((cost) => cost !== null);
  const all = actionCost(answer.total);
  return (
    <>
      <Lines
        title={`${flow.workflow}: cost per action`}
        axisName="Time"
        height="low"
        points={buckets.value.map((bucket) => ({ name: bucketName(bucket, unit, shownIn), label: bucketLabelFormats[unit](bucket.from, shownIn) }))}
        lines={[{ name: 'Per action', slot: slotsFor('workflow', [flow.workflow])[0]!, values: each.map((cost) => (cost === null ? null : dollarsForDrawing(cost))), exact: each.map((cost) => (cost === null ? '' : money(cost))) }]}
        tick={axisMoney}
        summary={known.length > 0 && all ? `Cost per action of ${flow.workflow}: ${money(known[0]!)} at first, ${money(known.at(-1)!)} at last, ${money(all.mean)} over the whole period.` : `No calls of ${flow.workflow} in this period.`}
        onPick={(index) => go(addressWith({ [FILTERS.workspace]: flow.workspace, [FILTERS.workflow]: flow.workflow, ...timeOf(buckets.value[index]!) }, 'requests'))}
      />
      {answer.counted_from > answer.from && <p class="note warn">Counted over the newest {whole(answer.total.calls)} calls, from {dayMonth(Date.parse(answer.counted_from), shownIn)} on.</p>}
    </>
  );
}

function Causes({ now, before }: { now: readonly UsageRow[]; before: readonly UsageRow[] | null }) {
  const causes = before && causesOf(now, before);
  if (!before || !causes) return <p class="calm">{compared.value ? `There were no calls from ${comparedName.value} to compare with.` : 'Switch Compare on to see what moved it.'}</p>;
  const [spent, spentBefore] = [sumOf(now.map(costOf)), sumOf(before.map(costOf))];
  const size = (amount: bigint) => (amount < 0n ? -amount : amount);
  const most = Math.max(...CAUSES.map((cause) => Number(size(causes[cause]))), 1);
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="What moved the spend, as a table">
      <table class="causes">
        <thead><tr><th scope="col">Cause</th><th scope="col" class="figure">Change</th></tr></thead>
        <tbody>
          {CAUSES.map((cause) => (
            <tr key={cause}>
              <th scope="row"><span class="capital">{causes[cause] < 0n ? CAUSE_WORDS[cause].less : CAUSE_WORDS[cause].more}</span> <span class="muted">{CAUSE_WORDS[cause].hint}</span></th>
              <td class="figure" title={exactMoney(causes[cause])}>
                <span class="moved-track wide" aria-hidden="true"><i class={causes[cause] > 0n ? 'up' : 'down'} style={{ width: `${(Number(size(causes[cause])) / most) * 50}%` }} /></span>{' '}
                {causes[cause] > 0n ? '+' : ''}{money(causes[cause])}
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot><tr><th scope="row">{shortMoney(spentBefore)} became {shortMoney(spent)}</th><td class="figure"><strong>{spent > spentBefore ? '+' : ''}{money(spent - spentBefore)}</strong></td></tr></tfoot>
      </table>
    </div>
  );
}

function Spread({ answer, baseUrl, flow }: { answer: ActionsAnswer; baseUrl: string; flow: WorkflowFigures }) {
  const all = actionCost(answer.total);
  if (all === null) return <p class="calm">No finished call whose row is still kept.</p>;
  const edge = (usd: string) => `$${Number(dollarsForDrawing(nanos(usd)).toPrecision(1))}`;
  return (
    <>
      <p class="totals">
        <strong>{money(all.p50)}</strong> <span class="muted">half cost less ·</span> <strong>{money(all.p95)}</strong> <span class="muted">one in twenty costs more ·</span> <strong>{(all.calls / all.actions).toFixed(1)}</strong> <span class="muted">calls each</span>
      </p>
      {answer.steps.length > 0 && (
        <Bars
          title="Cost per action" axisName="Cost" valueName="Actions" most={Math.max(...answer.steps.map((step) => step.actions), 1)} colour={colourOf(slotsFor('workflow', [flow.workflow])[0]!, shade.value)}
          bars={answer.steps.map((step) => ({ name: `${edge(step.from_usd)} to ${edge(step.to_usd)}`, label: edge(step.from_usd), value: step.actions, exact: whole(step.actions) }))}
          summary={`Cost per action: half cost less than ${money(all.p50)}, one in twenty more than ${money(all.p95)}.`}
        />
      )}
      <p class="note muted">{whole(all.actions)} {all.named > 0 ? 'actions' : 'calls'} by cost, in steps of 1, 2 and 5. {all.named > 0 && all.named < 1 && `${percent(1 - all.named)} of the calls name no action; each then counts as one.`}</p>
      {all.named === 0 && (
        <>
          <p class="note">No call names its action. With one header per user action, its calls are added up:</p>
          <Snippet text={`curl ${baseUrl}/w/${flow.workspace}/${flow.workflow}/v1/messages \\\n  -H "x-tollgate-action: ticket-4711" …`} what="the action header" />
          <Snippet text={`// TypeScript\nclient.messages.create(body, { headers: { 'x-tollgate-action': 'ticket-4711' } })\n\n# Python\nclient.messages.create(**body, extra_headers={"x-tollgate-action": "ticket-4711"})`} what="the action header in an SDK" />
        </>
      )}
    </>
  );
}

function Dearest({ answer, flow }: { answer: ActionsAnswer; flow: WorkflowFigures }) {
  if (answer.dearest.length === 0) return <p class="calm">No call names its action.</p>;
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Dearest actions, as a table">
      <table>
        <thead><tr><th scope="col">Action</th><th scope="col" class="figure">Calls</th><th scope="col" class="figure">Cost</th><th scope="col" class="figure wide-only">First call</th></tr></thead>
        <tbody>
          {answer.dearest.slice(0, 6).map((one) => (
            <tr key={one.action}>
              <th scope="row" class="wraps"><a href={addressWith({ [FILTERS.workspace]: flow.workspace, [FILTERS.workflow]: flow.workflow, [FILTERS.action]: one.action, ...periodParameters() }, 'requests')} onClick={follow}>{one.action}</a></th>
              <td class="figure">{whole(one.calls)}</td>
              <td class="figure" title={exactMoney(nanos(one.cost_usd))}>{money(nanos(one.cost_usd))}</td>
              <td class="figure muted wide-only" title={fullTime(Date.parse(one.at), zone.value)}>{dayAndTime(Date.parse(one.at), zone.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
