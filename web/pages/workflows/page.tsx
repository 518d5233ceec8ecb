// web/pages/workflows/page.tsx: what does one user action cost, and is it getting cheaper?

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { slotsFor } from '../../charts/palette.ts';
import { change, compact, duration, exactMoney, money, percent, shortMoney, whole } from '../../format.ts';
import { usageCsv, useUsage } from '../../parts/ask-usage.ts';
import { Export, Listing, type Column } from '../../parts/listing.tsx';
import { Delta, Swatch } from '../../parts/marks.tsx';
import { NoMatch } from '../../parts/no-match.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { PageProps } from '../../shell/pages.tsx';
import { addressWith, FILTERS, follow, go, parameter } from '../../state/location.ts';
import { compared, comparedName, range } from '../../state/period.ts';
import { NoTraffic } from '../workspaces/page.tsx';
import { Detail } from './detail.tsx';
import { workflowsOf, type WorkflowFigures } from './figures.ts';

/** Fewer calls than this on either side say nothing about the cost of one. */
const FEW = 20;

export function Workflows({ status }: PageProps) {
  const usage = useUsage('workspace,workflow', range.value, 'workflows');
  const past = useUsage('workspace,workflow', compared.value, 'workflows-before');
  const outcomes = useUsage('workspace,workflow,outcome', range.value, 'workflow-outcomes');
  if (status.data && !status.data.first_run.has_traffic) return <NoTraffic baseUrl={status.data.base_url} />;
  return (
    <Panel asked={usage} skeleton="list" class="bare">
      {(answer) => {
        if (answer.rows.length === 0) return <NoMatch what="requests" />;
        const before = compared.value && past.data && past.data.total.requests > 0 ? past.data : null;
        const all = workflowsOf(answer.rows, before?.rows ?? null, outcomes.data?.rows ?? []);
        const open = all.find((one) => one.key === parameter('open')) ?? all[0]!;
        return (
          <>
            <Lead all={all} answer={answer} before={before} baseUrl={status.data?.base_url ?? ''} />
            <Table all={all} open={open} />
            <Detail key={open.key} flow={open} baseUrl={status.data?.base_url ?? ''} />
          </>
        );
      }}
    </Panel>
  );
}

function Lead({ all, answer, before }: { all: readonly WorkflowFigures[]; answer: UsageAnswer; before: UsageAnswer | null; baseUrl: string }) {
  const enough = all.filter((one) => one.requests >= FEW && one.each !== null);
  const dearest = enough.toSorted((a, b) => Number(b.each! - a.each!))[0];
  const moved = enough.filter((one) => one.eachBefore !== null && one.eachBefore > 0n && Math.abs(Number(one.each) / Number(one.eachBefore) - 1) >= 0.05);
  const cheaper = moved.filter((one) => one.each! < one.eachBefore!).length;
  return (
    <p class="lead">
      A call costs {answer.total.requests > 0 ? <strong>{money(averageOf(answer))}</strong> : '–'} on average{dearest && <>, most in <strong>{dearest.workflow}</strong> at {money(dearest.each!)}</>}.{' '}
      {before && <>Against {comparedName.value}, {cheaper} {cheaper === 1 ? 'workflow' : 'workflows'} became cheaper per call and {moved.length - cheaper} dearer, by 5% or more.</>}
    </p>
  );
}
const averageOf = (answer: UsageAnswer): bigint => workflowsOf([answer.total], null, [])[0]!.each ?? 0n;

function Table({ all, open }: { all: readonly WorkflowFigures[]; open: WorkflowFigures }) {
  const slots = new Map(slotsFor('workflow', all.map((one) => one.workflow)).map((slot, i) => [all[i]!.key, slot]));
  const columns: Column<WorkflowFigures>[] = [
    { key: 'name', name: 'Workflow', by: (one) => one.key, cell: (one) => <span class="named" title={one.key}><Swatch slot={slots.get(one.key)!} /><span class="mixed"><span class="muted">{one.workspace} / </span><a href={addressWith({ open: one.key, sort: parameter('sort') })} onClick={follow} aria-label={`${one.key}, show in detail`}>{one.workflow}</a></span></span> },
    { key: 'cost', name: 'Spend', figure: true, by: (one) => one.cost, title: (one) => exactMoney(one.cost), cell: (one) => shortMoney(one.cost) },
    { key: 'calls', name: 'Calls', figure: true, by: (one) => one.requests, title: (one) => whole(one.requests), cell: (one) => <a href={callsOf(one)} onClick={follow} aria-label={`${compact(one.requests)} calls of ${one.key}`}>{compact(one.requests)}</a> },
    { key: 'each', name: 'Per call', figure: true, by: (one) => one.each, title: (one) => (one.each === null ? undefined : exactMoney(one.each)), cell: (one) => (one.each === null ? '–' : <strong>{money(one.each)}</strong>) },
    { key: 'change', name: 'Change', figure: true, by: (one) => (one.each === null || !one.eachBefore ? null : Number(one.each) / Number(one.eachBefore)), cell: (one) => (one.each === null || one.eachBefore === null ? <span class="muted">–</span> : <Delta {...change(Number(one.each), Number(one.eachBefore), one.requests >= FEW)} good="down" detail={`${money(one.eachBefore)} per call from ${comparedName.value}`} />) },
    { key: 'prompt', name: 'Prompt', figure: true, wide: true, by: (one) => one.promptEach, title: () => 'Prompt tokens per call, cached ones included', cell: (one) => compact(Math.round(one.promptEach)) },
    { key: 'output', name: 'Output', figure: true, wide: true, by: (one) => one.outputEach, title: () => 'Output tokens per call', cell: (one) => compact(Math.round(one.outputEach)) },
    { key: 'truncated', name: 'Truncated', figure: true, wide: true, by: (one) => one.truncated, cell: (one) => percent(one.truncated) },
    { key: 'retries', name: 'Retried', figure: true, wide: true, by: (one) => one.retries, title: () => 'Tries beyond the first, per call', cell: (one) => percent(one.retries) },
    { key: 'ttft', name: 'First token, p95', figure: true, wide: true, by: (one) => one.ttftP95, cell: (one) => duration(one.ttftP95) },
  ];
  return (
    <section class="panel" aria-label="Workflows">
      <header class="panel-head"><h2>All workflows</h2><Export to={usageCsv('workspace,workflow', range.value)} name="workflows.csv" /></header>
      <Listing caption="Workflows, as a table" columns={columns} rows={all} idOf={(one) => one.key} order="-cost" open={open.key} close={() => parameter('open') && go(addressWith({ open: null }))} main />
    </section>
  );
}

export function callsOf(one: WorkflowFigures): string {
  return addressWith({ [FILTERS.workspace]: one.workspace, [FILTERS.workflow]: one.workflow, from: parameter('from') ?? 'now-30d' }, 'requests');
}
