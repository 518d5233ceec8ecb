// web/pages/workflows/page.tsx: what does one user action cost, and is it getting cheaper?

import type { ActionsAnswer } from '../../../server/http/admin/wire.ts';
import { slotsFor } from '../../charts/palette.ts';
import { calls, change, compact, exactMoney, money, moneyColumn, percent, shortMoney } from '../../format.ts';
import { useActions, useUsage } from '../../parts/ask-usage.ts';
import { Listing, TableExport, type Column } from '../../parts/listing.tsx';
import { Delta, Swatch } from '../../parts/marks.tsx';
import { NoMatch } from '../../parts/no-match.tsx';
import { Panel } from '../../parts/panel.tsx';
import { settled } from '../../server.ts';
import type { PageProps } from '../../shell/pages.tsx';
import { addressWith, FILTERS, follow, go, parameter } from '../../state/location.ts';
import { compared, comparedName, range } from '../../state/period.ts';
import { NoTraffic } from '../workspaces/page.tsx';
import { Detail } from './detail.tsx';
import { actionCost, workflowsOf, type WorkflowFigures } from './figures.ts';

/** Fewer calls than this on either side say nothing about the cost of one. */
const FEW = 20;

export function Workflows({ status }: PageProps) {
  const usage = useUsage('workspace,workflow', range.value, 'workflows');
  const actions = useActions('workspace,workflow', range.value, 'workflows');
  const past = useActions('workspace,workflow', compared.value, 'workflows-before');
  const outcomes = useUsage('workspace,workflow,outcome', range.value, 'workflow-outcomes');
  if (status.data && !status.data.first_run.has_traffic) return <NoTraffic baseUrl={status.data.base_url} />;
  return (
    <Panel asked={usage} skeleton="list" class="bare">
      {(answer) => {
        if (answer.rows.length === 0) return <NoMatch what="requests" />;
        const before = compared.value && past.data && past.data.total.actions > 0 ? past.data : null;
        const all = workflowsOf(answer.rows, actions.data?.rows ?? [], before?.rows ?? null, outcomes.data?.rows ?? []);
        const open = all.find((one) => one.key === parameter('open')) ?? all[0]!;
        return (
          <>
            {actions.data ? <Lead all={all} answer={actions.data} compares={before !== null} /> : <p class="lead muted">Counting actions…</p>}
            <Table all={all} open={open} ready={[usage, actions, outcomes, ...(compared.value === null ? [] : [past])].every(settled)} />
            <Detail key={open.key} flow={open} baseUrl={status.data?.base_url ?? ''} />
          </>
        );
      }}
    </Panel>
  );
}

function Lead({ all, answer, compares }: { all: readonly WorkflowFigures[]; answer: ActionsAnswer; compares: boolean }) {
  const enough = all.filter((one) => one.action !== null && one.action.actions >= FEW);
  const dearest = enough.toSorted((a, b) => Number(b.action!.mean - a.action!.mean))[0];
  const moved = enough.filter((one) => one.actionBefore !== null && one.actionBefore.mean > 0n && Math.abs(Number(one.action!.mean) / Number(one.actionBefore.mean) - 1) >= 0.05);
  const cheaper = moved.filter((one) => one.action!.mean < one.actionBefore!.mean).length;
  const whole = actionCost(answer.total);
  return (
    <p class="lead">
      {whole ? <>One user action costs <strong>{money(whole.mean)}</strong> on average{dearest && <>, most in <strong>{dearest.workflow}</strong> at {money(dearest.action!.mean)}</>}. </> : 'No call was served in this period. '}
      {whole && whole.named < 0.5 && <>{percent(1 - whole.named)} of the calls name no action; each then counts as one. </>}
      {compares && <>Against {comparedName.value}, {cheaper} {cheaper === 1 ? 'workflow' : 'workflows'} became cheaper per action and {moved.length - cheaper} dearer, by 5% or more.</>}
    </p>
  );
}

/** @param ready whether all figures are known */
function Table({ all, open, ready }: { all: readonly WorkflowFigures[]; open: WorkflowFigures; ready: boolean }) {
  const slots = new Map(slotsFor('workflow', all.map((one) => one.workflow)).map((slot, i) => [all[i]!.key, slot]));
  const each = moneyColumn(all.map((one) => one.action?.mean ?? null));
  const columns: Column<WorkflowFigures>[] = [
    { key: 'name', name: 'Workflow', by: (one) => one.key, cell: (one) => <span class="named" title={one.key}><Swatch slot={slots.get(one.key)!} /><span class="mixed"><span class="muted">{one.workspace} / </span><a href={addressWith({ open: one.key, sort: parameter('sort') })} onClick={follow} aria-label={`${one.key}, show in detail`}>{one.workflow}</a></span></span>, csv: { workspace: (one) => one.workspace, workflow: (one) => one.workflow } },
    { key: 'cost', name: 'Spend', figure: true, by: (one) => one.cost, title: (one) => exactMoney(one.cost), cell: (one) => shortMoney(one.cost), csv: { cost_usd: (one) => one.cost } },
    { key: 'actions', name: 'Actions', figure: true, by: (one) => one.action?.actions ?? null, title: (one) => calls(one.requests), cell: (one) => <a href={callsOf(one)} onClick={follow} aria-label={`${compact(one.action?.actions ?? one.requests)} actions of ${one.key}`}>{one.action === null ? '–' : compact(one.action.actions)}</a>, csv: { requests: (one) => one.requests, actions: (one) => one.action?.actions ?? null } },
    { key: 'each', name: 'Per action', figure: true, by: (one) => one.action?.mean ?? null, title: (one) => (one.action === null ? undefined : exactMoney(one.action.mean)), cell: (one) => (one.action === null ? '–' : <strong>{each(one.action.mean)}</strong>), csv: { per_action_usd: (one) => one.action?.mean ?? null } },
    ...(all.some((one) => one.actionBefore !== null) ? [{ key: 'change', name: 'Change', figure: true, by: (one: WorkflowFigures) => (one.action === null || !one.actionBefore ? null : Number(one.action.mean) / Number(one.actionBefore.mean)), cell: (one) => (one.action === null || one.actionBefore === null ? <span class="muted">–</span> : <Delta {...change(Number(one.action.mean), Number(one.actionBefore.mean), Math.min(one.action.actions, one.actionBefore.actions) >= FEW)} good="down" detail={`${money(one.actionBefore.mean)} per action from ${comparedName.value}`} />), csv: { per_action_before_usd: (one) => one.actionBefore?.mean ?? null, per_action_change_usd: (one) => (one.action === null || one.actionBefore === null ? null : one.action.mean - one.actionBefore.mean) } } satisfies Column<WorkflowFigures>] : []),
    { key: 'spread', name: 'Half below / p95', figure: true, wide: true, by: (one) => one.action?.p95 ?? null, title: (one) => (one.action === null ? undefined : `${exactMoney(one.action.p50)} / ${exactMoney(one.action.p95)}`), cell: (one) => (one.action === null ? '–' : `${money(one.action.p50)} / ${money(one.action.p95)}`), csv: { per_action_p50_usd: (one) => one.action?.p50 ?? null, per_action_p95_usd: (one) => one.action?.p95 ?? null } },
    { key: 'calls', name: 'Calls each', figure: true, by: (one) => (one.action ? one.action.calls / one.action.actions : null), cell: (one) => (one.action === null ? '–' : (one.action.calls / one.action.actions).toFixed(1)), csv: { calls_per_action: (one) => (one.action ? one.action.calls / one.action.actions : null) } },
    { key: 'prompt', name: 'Prompt', figure: true, wide: true, by: (one) => one.promptEach, title: () => 'Prompt tokens per call, cached ones included', cell: (one) => compact(Math.round(one.promptEach)), csv: { prompt_tokens_per_call: (one) => one.promptEach } },
    { key: 'output', name: 'Output', figure: true, wide: true, by: (one) => one.outputEach, title: () => 'Output tokens per call', cell: (one) => compact(Math.round(one.outputEach)), csv: { output_tokens_per_call: (one) => one.outputEach } },
    { key: 'truncated', name: 'Truncated', figure: true, wide: true, by: (one) => one.truncated, cell: (one) => percent(one.truncated), csv: { truncated: (one) => one.truncated } },
    { key: 'retries', name: 'Retried', figure: true, wide: true, by: (one) => one.retries, title: () => 'Tries beyond the first, per call', cell: (one) => percent(one.retries), csv: { retried: (one) => one.retries } },
  ];
  return (
    <section class="panel" aria-label="Workflows">
      <header class="panel-head"><h2>All workflows</h2><TableExport columns={columns} rows={all} order="-cost" name="workflows.csv" ready={ready} /></header>
      <Listing caption="Workflows, as a table" columns={columns} rows={all} idOf={(one) => one.key} order="-cost" open={open.key} close={() => parameter('open') && go(addressWith({ open: null }))} main />
      <p class="note muted">An action is all calls of a workflow on one day with one <code>x-tollgate-action</code>; a call without it is one by itself. Prompt and output: tokens per call.</p>
    </section>
  );
}

export function callsOf(one: WorkflowFigures): string {
  return addressWith({ [FILTERS.workspace]: one.workspace, [FILTERS.workflow]: one.workflow, from: parameter('from') ?? 'now-30d' }, 'requests');
}
