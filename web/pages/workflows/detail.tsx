// web/pages/workflows/detail.tsx: one workflow: the course of its cost per call, what moved it, and how the cost of its actions spreads.

import type { RequestsAnswer, UsageFigures } from '../../../server/http/admin/wire.ts';
import { Bars } from '../../charts/bars.tsx';
import { TableSwitch } from '../../charts/chart.tsx';
import { Lines } from '../../charts/lines.tsx';
import { colourOf, slotsFor } from '../../charts/palette.ts';
import { costOf, perCall } from '../../figures.ts';
import { axisMoney, bucketLabelFormats, dollarsForDrawing, exactMoney, money, percent, shortMoney, whole } from '../../format.ts';
import { useUsage } from '../../parts/ask-usage.ts';
import { Snippet } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import { address, useAsk } from '../../server.ts';
import { shade } from '../../shell/theme.ts';
import { addressWith, FILTERS, follow, go } from '../../state/location.ts';
import { bucketName, buckets, bucketUnit, compared, comparedName, periodKey, range, reportingZone, timeOf, zone } from '../../state/period.ts';
import { actionsOf, causesOf, stepsOf, type WorkflowFigures } from './figures.ts';
import { callsOf } from './page.tsx';

/** The newest calls that the spread is taken from. */
const SAMPLE = 1_000;

export function Detail({ flow, baseUrl }: { flow: WorkflowFigures; baseUrl: string }) {
  const only = { workspace: [flow.workspace], workflow: [flow.workflow] };
  const perBucket = useUsage(bucketUnit.value, range.value, `flow:${flow.key}`, only);
  const before = useUsage('', compared.value, `flow-before:${flow.key}`, only);
  const sample = { ...only, limit: SAMPLE };
  const newest = useAsk<RequestsAnswer>(address('/api/requests', sample, range.value), address(`sample:${periodKey.value}`, sample), 'once');
  return (
    <>
      <Panel title={`${flow.workflow}: cost per call`} asked={perBucket} skeleton="chart" aside={<div class="panel-tools"><a class="button" href={callsOf(flow)} onClick={follow}>Requests</a><TableSwitch /></div>}>
        {(answer) => <Course flow={flow} rows={answer.rows} />}
      </Panel>
      <div class="columns even">
        <Panel title="What moved the spend" asked={perBucket} skeleton="chart" aside={compared.value && <span class="muted">against {comparedName.value}</span>}>
          {(answer) => <Causes now={answer.total} before={compared.value ? (before.data?.total ?? null) : null} />}
        </Panel>
        <Panel title="Cost per action" asked={newest} skeleton="chart" aside={<TableSwitch />}>
          {(answer) => <Actions answer={answer} baseUrl={baseUrl} flow={flow} />}
        </Panel>
      </div>
    </>
  );
}

function Course({ flow, rows }: { flow: WorkflowFigures; rows: readonly (UsageFigures & { hour?: string | undefined; day?: string | undefined; month?: string | undefined })[] }) {
  const unit = bucketUnit.value;
  const shownIn = unit === 'hour' ? zone.value : reportingZone.value;
  const byKey = new Map(rows.map((row) => [Date.parse(row[unit] ?? ''), row]));
  const each = buckets.value.map((bucket) => {
    const row = byKey.get(bucket.key);
    return row ? perCall(costOf(row), row.requests) : null;
  });
  const known = each.flatMap((cost, i) => (cost === null ? [] : [{ cost, i }]));
  const [first, last] = [known[0], known.at(-1)];
  return (
    <Lines
      title={`${flow.workflow}: cost per call`}
      axisName="Time"
      height="low"
      points={buckets.value.map((bucket) => ({ name: bucketName(bucket, unit, shownIn), label: bucketLabelFormats[unit](bucket.from, shownIn) }))}
      lines={[{ name: 'Per call', slot: slotsFor('workflow', [flow.workflow])[0]!, values: each.map((cost) => (cost === null ? null : dollarsForDrawing(cost))), exact: each.map((cost) => (cost === null ? '' : money(cost))) }]}
      tick={axisMoney}
      summary={first && last ? `Cost per call of ${flow.workflow}: ${money(first.cost)} at first, ${money(last.cost)} at last, ${flow.each === null ? '' : `${money(flow.each)} over the whole period`}.` : `No calls of ${flow.workflow} in this period.`}
      onPick={(index) => go(addressWith({ [FILTERS.workspace]: flow.workspace, [FILTERS.workflow]: flow.workflow, ...timeOf(buckets.value[index]!) }, 'requests'))}
    />
  );
}

function Causes({ now, before }: { now: UsageFigures; before: UsageFigures | null }) {
  const causes = before && causesOf(now, before);
  if (!before || !causes) return <p class="calm">{compared.value ? `There were no calls from ${comparedName.value} to compare with.` : 'Switch Compare on to see what moved it.'}</p>;
  const moved = costOf(now) - costOf(before);
  const parts = [
    { name: causes.calls < 0n ? 'Fewer calls' : 'More calls', why: `${whole(before.requests)} then, ${whole(now.requests)} now`, amount: causes.calls },
    { name: causes.tokens < 0n ? 'Fewer tokens per call' : 'More tokens per call', why: 'at what a token cost then', amount: causes.tokens },
    { name: causes.rate < 0n ? 'Cheaper tokens' : 'Dearer tokens', why: 'another model, other kinds, more or less caching, or other prices', amount: causes.rate },
  ];
  const size = (amount: bigint) => (amount < 0n ? -amount : amount);
  const most = Math.max(...parts.map((part) => Number(size(part.amount))), 1);
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="What moved the spend, as a table">
      <table class="causes">
        <thead><tr><th scope="col">Cause</th><th scope="col" class="figure">Change</th></tr></thead>
        <tbody>
          {parts.map((part) => (
            <tr key={part.why}>
              <th scope="row">{part.name}<br /><span class="muted">{part.why}</span></th>
              <td class="figure" title={exactMoney(part.amount)}>
                <span class="moved-track wide" aria-hidden="true"><i class={part.amount > 0n ? 'up' : 'down'} style={{ width: `${(Number(size(part.amount)) / most) * 50}%` }} /></span>{' '}
                {part.amount > 0n ? '+' : ''}{money(part.amount)}
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot><tr><th scope="row">{shortMoney(costOf(before))} became {shortMoney(costOf(now))}</th><td class="figure"><strong>{moved > 0n ? '+' : ''}{money(moved)}</strong></td></tr></tfoot>
      </table>
    </div>
  );
}

function Actions({ answer, baseUrl, flow }: { answer: RequestsAnswer; baseUrl: string; flow: WorkflowFigures }) {
  const actions = actionsOf(answer.rows);
  const steps = stepsOf(actions.costs);
  if (actions.calls === 0) return <p class="calm">No finished call whose row is still kept.</p>;
  const most = Math.max(...steps.map((step) => step.count), 1);
  const edge = (cost: bigint) => `$${Number(dollarsForDrawing(cost).toPrecision(1))}`;
  return (
    <>
      <p class="totals">
        <strong>{actions.p50 === null ? '–' : money(actions.p50)}</strong> <span class="muted">half cost less ·</span> <strong>{actions.p95 === null ? '–' : money(actions.p95)}</strong> <span class="muted">p95 ·</span> <strong>{(actions.calls / actions.count).toFixed(1)}</strong> <span class="muted">calls per action</span>
      </p>
      {steps.length > 0 && (
        <Bars
          title="Cost per action" axisName="Cost" valueName="Actions" most={most} colour={colourOf(slotsFor('workflow', [flow.workflow])[0]!, shade.value)}
          bars={steps.map((step) => ({ name: `${edge(step.from)} to ${edge(step.to)}`, label: edge(step.from), value: step.count, exact: whole(step.count) }))}
          summary={`Cost per action: half cost less than ${actions.p50 === null ? 'nothing' : money(actions.p50)}, one in twenty more than ${actions.p95 === null ? 'nothing' : money(actions.p95)}.`}
        />
      )}
      <p class="note muted">
        {whole(actions.count)} {actions.named > 0 ? 'actions' : 'calls'} out of the newest {whole(answer.rows.length)} calls.{' '}
        {actions.named < actions.calls && `${percent(1 - actions.named / actions.calls)} of them name no action; each then counts as one.`}
      </p>
      {actions.named === 0 && <Snippet text={`curl ${baseUrl}/w/${flow.workspace}/${flow.workflow}/v1/messages \\\n  -H "x-tollgate-action: ticket-4711" …`} what="the action header" />}
    </>
  );
}
