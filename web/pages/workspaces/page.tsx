// web/pages/workspaces/page.tsx: who spends, within what?

import type { BudgetsAnswer, UsageAnswer } from '../../../server/http/admin/wire.ts';
import { slotsFor } from '../../charts/palette.ts';
import { change, compact, exactMoney, percent, shortMoney, whole } from '../../format.ts';
import { Listing, Meter, TableExport, type Column } from '../../parts/listing.tsx';
import { Snippet, Swatch } from '../../parts/marks.tsx';
import { NoMatch } from '../../parts/no-match.tsx';
import { Panel } from '../../parts/panel.tsx';
import { useUsage } from '../../parts/ask-usage.ts';
import { settled, useAsk, type Asked } from '../../server.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { bucketUnit, compared, comparedName, now, periodParameters, range, reportingZone } from '../../state/period.ts';
import type { PageProps } from '../../shell/pages.tsx';
import { forecastRange } from '../overview/forecast.ts';
import { totalOf, usedOf, workspacesOf, type WorkspaceFigures } from './figures.ts';
import { Icicle } from './icicle.tsx';
import { Multiples } from './multiples.tsx';

export function Workspaces({ status }: PageProps) {
  const usage = useUsage('workspace', range.value, 'workspaces');
  const flows = useUsage('workspace,workflow', range.value, 'workspace-flows');
  const past = useUsage('workspace', compared.value, 'workspaces-before');
  const perBucket = useUsage(`workspace,${bucketUnit.value}`, range.value, 'workspace-buckets');
  const days = useUsage('workspace,day', forecastRange(now.value, reportingZone.value), 'workspace-days');
  const budgets = useAsk<BudgetsAnswer>('/api/budgets', 'budgets');
  if (status.data && !status.data.first_run.has_traffic) return <NoTraffic baseUrl={status.data.base_url} />;
  const figuresFor = (answer: UsageAnswer) =>
    workspacesOf({ perWorkspace: answer.rows, perWorkflow: flows.data?.rows ?? [], before: past.data && past.data.total.requests > 0 ? past.data.rows : null, days: days.data?.rows ?? null, budgets: budgets.data?.rows ?? [] }, now.value, reportingZone.value);
  return (
    <Panel asked={usage} skeleton="list" class="bare">
      {(answer) => {
        if (answer.rows.length === 0) return <NoMatch what="requests" />;
        const all = figuresFor(answer);
        return (
          <>
            <Lead all={all} budgets={budgets.data !== null} />
            {all.length === 1 && all[0]!.name === 'default' && status.data && <OnlyDefault baseUrl={status.data.base_url} />}
            <Icicle all={all} total={totalOf(all)} />
            <Multiples all={all} asked={perBucket} />
            <Table all={all} usage={usage} budgets={budgets} days={days} past={past} total={totalOf(all)} />
          </>
        );
      }}
    </Panel>
  );
}

/** The answer to the page's question in one sentence. */
/** @param budgets whether they are known yet */
function Lead({ all, budgets }: { all: readonly WorkspaceFigures[]; budgets: boolean }) {
  const total = totalOf(all);
  const first = all[0]!;
  const over = all.filter((one) => one.budget && usedOf(one.budget) >= 0.8).toSorted((a, b) => usedOf(b.budget!) - usedOf(a.budget!));
  return (
    <p class="lead">
      <strong>{first.name}</strong> spends the most: {shortMoney(first.cost)}{total > 0n && <>, {percent(Number(first.cost) / Number(total))} of {shortMoney(total)}</>}.{' '}
      {!budgets ? null : over.length > 0 ? <>{over.map((one, i) => <span key={one.name}>{i > 0 && ', '}<strong>{one.name}</strong> has used {percent(usedOf(one.budget!))} of its budget</span>)}.</> : all.some((one) => one.budget) ? 'No workspace is near its budget.' : 'No workspace has a budget of its own.'}
    </p>
  );
}

export const overviewOf = (workspace: string): string => addressWith({ [FILTERS.workspace]: workspace, ...periodParameters() }, 'overview');

function Table({ all, usage, budgets, days, past, total }: { all: readonly WorkspaceFigures[]; usage: Asked<UsageAnswer>; budgets: Asked<BudgetsAnswer>; days: Asked<UsageAnswer>; past: Asked<UsageAnswer>; total: bigint }) {
  const compares = past.data !== null && past.data.total.requests > 0 && compared.value !== null;
  const ready = [usage, budgets, days, ...(compared.value === null ? [] : [past])].every(settled);
  const unless = (asked: Asked<unknown>, otherwise: string) => <span class="muted">{asked.data !== null ? otherwise : asked.failure ? 'not loaded' : '…'}</span>;
  const slots = new Map(slotsFor('workspace', all.map((one) => one.name)).map((slot, i) => [all[i]!.name, slot]));
  const columns: Column<WorkspaceFigures>[] = [
    { key: 'name', name: 'Workspace', by: (one) => one.name, cell: (one) => <span class="named" title={one.name}><Swatch slot={slots.get(one.name)!} /> <a href={overviewOf(one.name)} onClick={follow}>{one.name}</a></span>, csv: { workspace: (one) => one.name } },
    { key: 'cost', name: 'Spend', figure: true, by: (one) => one.cost, title: (one) => exactMoney(one.cost), cell: (one) => shortMoney(one.cost), csv: { cost_usd: (one) => one.cost } },
    ...(compares ? [{ key: 'change', name: 'Change', figure: true, by: (one: WorkspaceFigures) => (one.before === null ? null : one.cost - one.before), title: (one: WorkspaceFigures) => `${exactMoney(one.before ?? 0n)} in ${comparedName.value}`, cell: (one: WorkspaceFigures) => <Moved now={one.cost} before={one.before ?? 0n} />, csv: { before_usd: (one: WorkspaceFigures) => one.before ?? 0n, change_usd: (one: WorkspaceFigures) => one.cost - (one.before ?? 0n) } }] : []),
    { key: 'forecast', name: 'Month end', figure: true, by: (one) => one.forecast?.p50 ?? null, title: (one) => (one.forecast ? `up to ${exactMoney(one.forecast.p90)} at 90%` : undefined), cell: (one) => (one.forecast ? shortMoney(one.forecast.p50) : unless(days, 'too early')), csv: { month_end_p50_usd: (one) => one.forecast?.p50 ?? null, month_end_p90_usd: (one) => one.forecast?.p90 ?? null } },
    { key: 'budget', name: 'Budget used', figure: true, by: (one) => (one.budget ? usedOf(one.budget) : null), title: (one) => one.budget?.id, cell: (one) => one.budget ? <a class="metered" href={addressWith({}, 'budgets')} onClick={follow}><Meter share={usedOf(one.budget)} alarm={usedOf(one.budget) >= 1} /><span>{percent(usedOf(one.budget))}</span></a> : unless(budgets, 'none'), csv: { budget: (one) => one.budget?.id ?? null, budget_used: (one) => (one.budget ? usedOf(one.budget) : null) } },
    { key: 'requests', name: 'Requests', figure: true, by: (one) => one.requests, title: (one) => whole(one.requests), cell: (one) => compact(one.requests), csv: { requests: (one) => one.requests } },
    { key: 'thousand', name: 'Per 1,000', figure: true, wide: true, by: (one) => one.perThousand, title: (one) => (one.perThousand === null ? undefined : exactMoney(one.perThousand)), cell: (one) => (one.perThousand === null ? '–' : shortMoney(one.perThousand)), csv: { per_1000_requests_usd: (one) => one.perThousand } },
    { key: 'failed', name: 'Failed', figure: true, by: (one) => one.failed, cell: (one) => (one.failed === null ? '–' : percent(one.failed)), csv: { failed: (one) => one.failed } },
    { key: 'cached', name: 'From cache', figure: true, wide: true, by: (one) => one.cached, cell: (one) => (one.cached === null ? '–' : percent(one.cached)), csv: { from_cache: (one) => one.cached } },
    { key: 'statement', name: 'Bill', figure: true, cell: (one) => <a href={addressWith({ [FILTERS.workspace]: one.name, from: null, to: null }, 'statement')} onClick={follow} aria-label={`Statement of ${one.name}`}>Statement</a> },
  ];
  return (
    <section class="panel" aria-label="Workspaces">
      <header class="panel-head"><h2>All workspaces</h2><div class="panel-tools"><span class="muted">{shortMoney(total)} in all</span><TableExport columns={columns} rows={all} order="-cost" name="workspaces.csv" ready={ready} /></div></header>
      <Listing caption="Workspaces, as a table" columns={columns} rows={all} idOf={(one) => one.name} order="-cost" main />
      <p class="note muted">Budget used and month end are of the running period, whatever period is chosen above. Per 1,000: spend by 1,000 requests. From cache: the share of prompt tokens read from the cache.</p>
    </section>
  );
}

export function Moved({ now: present, before }: { now: bigint; before: bigint }) {
  const { text, direction } = change(Number(present), Number(before), true);
  return <span>{direction === 'flat' ? <span class="muted">{text}</span> : before === 0n ? text : <>{direction === 'up' ? '+' : '−'}{text}</>}</span>;
}

function OnlyDefault({ baseUrl }: { baseUrl: string }) {
  return (
    <section class="panel" aria-label="One workspace so far">
      <header class="panel-head"><h2>All traffic is in one workspace</h2></header>
      <p>Name a workspace in the base URL of an app, or give it a virtual key of its own; its spend then stands here by name.</p>
      <Snippet text={`export ANTHROPIC_BASE_URL=${baseUrl}/w/support/ticket-triage`} what="the base URL with a workspace" />
    </section>
  );
}

export function NoTraffic({ baseUrl }: { baseUrl: string }) {
  return (
    <section class="panel empty-feature" aria-label="No traffic yet">
      <h2>No call has come yet</h2>
      <p>Point an app at Tollgate, and this page fills by itself:</p>
      <Snippet text={`export ANTHROPIC_BASE_URL=${baseUrl}`} what="the base URL setting" />
      <p><a href={addressWith({}, 'overview')} onClick={follow}>All four first steps</a></p>
    </section>
  );
}

