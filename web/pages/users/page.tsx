// web/pages/users/page.tsx: who drives cost; is anyone stuck or abusing?

import { TableSwitch } from '../../charts/chart.tsx';
import { Lines } from '../../charts/lines.tsx';
import { compact, exactMoney, fullTime, money, nanos, percent, shortMoney, weekday, whole } from '../../format.ts';
import { useUsage } from '../../parts/ask-usage.ts';
import { Listing, Meter, TableExport, type Column } from '../../parts/listing.tsx';
import { Snippet } from '../../parts/marks.tsx';
import { NoMatch } from '../../parts/no-match.tsx';
import { Panel } from '../../parts/panel.tsx';
import { settled } from '../../server.ts';
import type { PageProps } from '../../shell/pages.tsx';
import { addressWith, FILTERS, follow, go, parameter } from '../../state/location.ts';
import { periodParameters, range, zone } from '../../state/period.ts';
import { NoTraffic } from '../workspaces/page.tsx';
import { spreadOf, stuck, usersOf, type Spread, type UserFigures } from './figures.ts';

/** Rows on screen; the file has them all. */
const MOST = 200;

export function Users({ status }: PageProps) {
  const usage = useUsage('user', range.value, 'users');
  if (status.data && !status.data.first_run.has_traffic) return <NoTraffic baseUrl={status.data.base_url} />;
  return (
    <Panel asked={usage} skeleton="list" class="bare">
      {(answer) => {
        if (answer.rows.length === 0) return <NoMatch what="requests" />;
        const all = usersOf(answer.rows, nanos(answer.total.cost_usd));
        const spread = spreadOf(all);
        const open = all.find((one) => one.user !== null && one.user === parameter('open')) ?? null;
        return (
          <>
            <Lead all={all} spread={spread} />
            {spread.active === 0 ? <NameUsers baseUrl={status.data?.base_url ?? ''} /> : (
              <div class="columns even">
                <Pareto spread={spread} />
                <Facts spread={spread} all={all} />
              </div>
            )}
            {open && <AlertOn user={open.user!} spend={open.cost} />}
            <Table all={all} open={open} ready={settled(usage)} />
          </>
        );
      }}
    </Panel>
  );
}

function Lead({ all, spread }: { all: readonly UserFigures[]; spread: Spread }) {
  const troubled = all.filter((one) => one.user !== null && stuck(one));
  if (spread.active === 0) return <p class="lead">No call names its user.</p>;
  return (
    <p class="lead">
      {spread.fourFifths > 0 && <><strong>{whole(spread.fourFifths)}</strong> of {whole(spread.active)} users make up four fifths of the spend. </>}
      {troubled.length === 0 ? 'Nobody looks stuck.' : <>{troubled.slice(0, 3).map((one, i) => <span key={one.user}>{i > 0 && ', '}<strong>{one.user}</strong></span>)}{troubled.length > 3 && ` and ${troubled.length - 3} more`} {troubled.length === 1 ? 'meets' : 'meet'} many failures or refusals.</>}
    </p>
  );
}

function Pareto({ spread }: { spread: Spread }) {
  const { cumulative } = spread;
  const last = cumulative.length - 1;
  // At most a hundred points: a curve of ten thousand users looks the same.
  const picked = last <= 100 ? cumulative.map((_, i) => i) : Array.from({ length: 101 }, (_, i) => Math.round((i / 100) * last));
  return (
    <section class="panel" aria-label="How the spend spreads">
      <header class="panel-head"><h2>How the spend spreads</h2><TableSwitch /></header>
      <Lines
        title="Share of spend by share of users" axisName="Users" height="low" top={1} tick={percent}
        points={picked.map((i) => ({ name: `The first ${whole(i)} of ${whole(last)} users`, label: percent(last ? i / last : 0) }))}
        lines={[{ name: 'Share of spend', slot: { colour: 0, striped: false }, values: picked.map((i) => cumulative[i]!), exact: picked.map((i) => percent(cumulative[i]!)) }]}
        summary={`${whole(spread.fourFifths)} of ${whole(spread.active)} users make up four fifths of what named users spend.`}
      />
      <p class="note muted">Across: users, the dearest first. Up: their share of the spend. A straight line would mean that all spend the same.</p>
    </section>
  );
}

function Facts({ spread, all }: { spread: Spread; all: readonly UserFigures[] }) {
  return (
    <section class="panel" aria-label="Spend per user">
      <header class="panel-head"><h2>Spend per user</h2></header>
      <dl class="facts roomy">
        <div><dt>Active users</dt><dd>{whole(spread.active)}</dd></div>
        <div><dt>Half spend less than</dt><dd title={spread.p50 === null ? undefined : exactMoney(spread.p50)}>{spread.p50 === null ? '–' : money(spread.p50)}</dd></div>
        <div><dt>One in twenty, more than</dt><dd title={spread.p95 === null ? undefined : exactMoney(spread.p95)}>{spread.p95 === null ? '–' : money(spread.p95)}</dd></div>
        <div><dt>No user named</dt><dd><span>{percent(spread.unnamed)} of the spend</span></dd></div>
        <div><dt>Refused</dt><dd>{whole(all.reduce((sum, one) => sum + one.refused, 0))}</dd></div>
      </dl>
    </section>
  );
}

const requestsOf = (user: string | null): string => addressWith({ [FILTERS.user]: user ?? '', ...periodParameters() }, 'requests');

/** @param ready whether the figures are of the period and the filters in force */
function Table({ all, open, ready }: { all: readonly UserFigures[]; open: UserFigures | null; ready: boolean }) {
  const most = Math.max(...all.map((one) => one.share), 0.0001);
  const columns: Column<UserFigures>[] = [
    { key: 'user', name: 'User', by: (one) => one.user ?? '', cell: (one) => <a href={requestsOf(one.user)} onClick={follow} title="Open the requests">{one.user ?? <em>no user</em>}</a>, csv: { user: (one) => one.user } },
    { key: 'cost', name: 'Spend', figure: true, by: (one) => one.cost, title: (one) => exactMoney(one.cost), cell: (one) => shortMoney(one.cost), csv: { cost_usd: (one) => one.cost } },
    { key: 'share', name: 'Share', figure: true, by: (one) => one.share, cell: (one) => <span class="metered"><Meter share={one.share / most} /><span>{percent(one.share)}</span></span>, csv: { cost_share: (one) => one.share } },
    { key: 'requests', name: 'Requests', figure: true, by: (one) => one.requests, title: (one) => whole(one.requests), cell: (one) => compact(one.requests), csv: { requests: (one) => one.requests } },
    { key: 'failed', name: 'Failed', figure: true, by: (one) => one.failed, cell: (one) => (one.failed === null ? '–' : percent(one.failed)), csv: { failed: (one) => one.failed } },
    { key: 'refused', name: 'Refused', figure: true, by: (one) => one.refused, cell: (one) => one.refused > 0 ? <a href={addressWith({ [FILTERS.user]: one.user ?? '', [FILTERS.outcome]: 'refused', ...periodParameters() }, 'requests')} onClick={follow} aria-label={`${one.refused} refused requests of ${one.user ?? 'no user'}`}>{whole(one.refused)}</a> : '0', csv: { refused: (one) => one.refused } },
    { key: 'state', name: 'State', by: (one) => (stuck(one) ? 0 : 1), cell: (one) => (stuck(one) ? <span class="outcome warn"><span class="outcome-sign" aria-hidden="true">!</span>stuck?</span> : <span class="muted">–</span>), csv: { state: (one) => (stuck(one) ? 'stuck' : null) } },
    { key: 'last', name: 'Last seen', by: (one) => one.lastAt, title: (one) => (one.lastAt === null ? undefined : fullTime(one.lastAt, zone.value)), cell: (one) => (one.lastAt === null ? '–' : weekday(one.lastAt, zone.value)), csv: { last_seen_at: (one) => (one.lastAt === null ? null : new Date(one.lastAt).toISOString()) } },
    { key: 'alert', name: 'Hold', cell: (one) => one.user === null ? <span class="muted">–</span> : <a href={addressWith({ open: one.user, sort: parameter('sort') })} onClick={follow} aria-label={`Budget as YAML for ${one.user}`}>Budget as YAML</a> },
  ];
  return (
    <section class="panel" aria-label="Users">
      <header class="panel-head"><h2>All users</h2><TableExport columns={columns} rows={all} order="-cost" name="users.csv" ready={ready} /></header>
      <Listing caption="Users, as a table" columns={columns} rows={all.slice(0, MOST)} idOf={(one) => one.user ?? '\u0000none'} order="-cost" open={open?.user ?? null} close={() => parameter('open') && go(addressWith({ open: null }))} main />
      {all.length > MOST && <p class="note muted">The {MOST} dearest of {whole(all.length)}; the CSV file has them all.</p>}
    </section>
  );
}

/** Names from clients go into YAML as JSON strings, which YAML reads as they are. */
function AlertOn({ user, spend }: { user: string; spend: bigint }) {
  const limit = Math.max(1, Math.ceil(Number(spend) / 1e9 / 5) * 5);
  return (
    <section class="panel" aria-label="Budget for a user">
      <header class="panel-head"><h2>A budget for {user}</h2><button type="button" class="quiet icon" aria-label="Close" onClick={() => go(addressWith({ open: null }))}>✕</button></header>
      <p>Add this to the configuration; it is in force as soon as the file is saved. <span class="muted">Soft only alerts; hard refuses.</span></p>
      <Snippet text={`budgets:\n  - id: user-month\n    scope: { user: ${JSON.stringify(user)} }\n    limit_usd: ${limit}\n    period: month\n    mode: soft\n    alert_at: [50%, 80%, 100%]\n`} what="the budget" />
    </section>
  );
}

function NameUsers({ baseUrl }: { baseUrl: string }) {
  return (
    <section class="panel" aria-label="How to name users">
      <header class="panel-head"><h2>How to name users</h2></header>
      <p>Send an opaque id with each call, never a name or an address: as a header, or as <code>metadata.user_id</code> in the body.</p>
      <Snippet text={`curl ${baseUrl}/v1/messages \\\n  -H "x-tollgate-user: u-4711" …`} what="the user header" />
    </section>
  );
}
