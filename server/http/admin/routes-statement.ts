// server/http/admin/routes-statement.ts: what is handed to finance: a workspace's month as a statement, and the ledger as FOCUS rows.

import { atListPrice } from '../../bill/charges.ts';
import { openFocus, type FocusRow } from '../../bill/focus.ts';
import { openStatement } from '../../bill/statement.ts';
import { periodAt } from '../../domain/calendar.ts';
import { epochMs, type EpochMs, type WorkspaceId } from '../../domain/ids.ts';
import { nanodollars } from '../../domain/money.ts';
import type { BilledCall, Filter, Reports } from '../../domain/reports.ts';
import { iso } from './encode.ts';
import { statementAnswer } from './encode-statement.ts';
import { AdminError } from './errors.ts';
import { attach, audited } from './export-route.ts';
import { writeFocus, writeStatement } from './export-csv.ts';
import { addressable, monthAt } from './month.ts';
import { noSuch, rangeOf } from './query.ts';
import { json, raw, type Input, type Route } from './route.ts';
import type { AdminServices } from './services.ts';
import * as wire from './wire.ts';

/** Calls read and explained at once: few enough that a stream beside it is not kept waiting. */
const PAGE = 250;
/** Months of the trend, the statement's own included. */
const TREND_MONTHS = 6;

type Asked = Pick<Input<ReturnType<typeof wire.StatementQuery.parse>, null>, 'services' | 'query' | 'now'>;

async function statement({ services, query, now }: Asked): Promise<wire.StatementAnswer> {
  const { timezone, budgets } = services.settings();
  const month = monthAt(query.month, now, timezone);
  const to = epochMs(Math.min(month.to, now));
  const { workspace } = query;
  await mustBeKnown(workspace, services, now);
  const only = (from: EpochMs, until: EpochMs): Filter => filterOf([workspace], from, until);
  const kept = await services.reports.daysKept();
  // Before the first day whose rows are whole, only sums are kept.
  const rowsFrom = epochMs(Math.min(to, Math.max(month.from, kept?.from ?? to)));
  const open = openStatement();
  const past = rowsFrom > month.from ? await services.reports.usage({ filter: only(month.from, rowsFrom), groupBy: ['workflow', 'model'], limit: wire.LIMITS.usage }) : null;
  open.addPast(past?.rows ?? []);
  for await (const detail of bills(services.reports, { from: rowsFrom, to, workspace })) open.add(detail, services.explain(detail));

  const actions = rowsFrom < to ? (await services.reports.actions({ filter: only(rowsFrom, to), groupBy: [], most: MOST_ACTION_CALLS })).total : null;
  const trendFrom = monthsBefore(month.from, TREND_MONTHS - 1, timezone);
  const trend = await services.reports.usage({ filter: only(trendFrom, to), groupBy: ['month'], limit: TREND_MONTHS + 1 });
  const own = budgets.filter(({ scope, period }) => period === 'month' && scope.workspace === workspace && scope.workflow === null && scope.key === null && scope.user === null && scope.model === null);
  return statementAnswer({
    workspace, month, to, now, timezone, rowsFrom: (past?.total.requests ?? 0) > 0 ? rowsFrom : null, statement: open.close(), actions, budgets: own, grants: services.grants.list(),
    trend: trend.rows.map((row) => ({ month: epochMs(Number(row.group.month)), cost: row.cost })),
  });
}

const filterOf = (workspaces: readonly string[], from: EpochMs, to: EpochMs): Filter => ({ from, to, workspace: workspaces, workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [] });

/** A month of a workspace that nobody bears looks like a month without spend. @throws AdminError 404 for a name that neither the config nor the ledger knows */
async function mustBeKnown(workspace: string, { settings, reports }: Pick<AdminServices, 'settings' | 'reports'>, now: EpochMs): Promise<void> {
  const { workspaces } = settings();
  if (workspaces.has(workspace as WorkspaceId)) return;
  const everIn = (names: readonly string[]) => reports.usage({ filter: filterOf(names, epochMs(0), epochMs(now + 1)), groupBy: ['workspace'], limit: MOST_WORKSPACES, times: false });
  if ((await everIn([workspace])).rows.length > 0) return;
  const known = [...workspaces.keys(), ...(await everIn([])).rows.map(({ group }) => String(group.workspace ?? ''))];
  throw new AdminError(404, 'not_found', noSuch('workspace', workspace, [...new Set(known)].filter((name) => name !== '')));
}

/** As many as are looked at for one that may be meant. */
const MOST_WORKSPACES = 200;

/** As many as `/api/actions` reads. */
const MOST_ACTION_CALLS = 100_000;

function monthsBefore(from: EpochMs, months: number, zone: string): EpochMs {
  let at = from;
  for (let i = 0; i < months; i++) at = periodAt('month', epochMs(at - 1), zone).from;
  return at;
}

async function* bills(reports: Reports, { from, to, workspace }: { from: EpochMs; to: EpochMs; workspace?: string }): AsyncGenerator<BilledCall> {
  if (from >= to) return;
  for (let cursor: string | null = null; ; ) {
    const page = await reports.bills({ from, to, limit: PAGE, cursor, ...(workspace === undefined ? {} : { workspace }) });
    yield* page.rows;
    if (page.nextCursor === null) return;
    cursor = page.nextCursor;
  }
}

async function* focusRows(services: AdminServices, range: { from: EpochMs; to: EpochMs }, grain: 'hour' | 'day'): AsyncGenerator<FocusRow> {
  const open = openFocus(grain);
  const prices = services.priceRows();
  for await (const detail of bills(services.reports, range)) {
    const lines = services.explain(detail);
    const atList = atListPrice(detail, prices);
    yield* open.add(detail, lines, atList === detail ? lines : services.explain({ ...atList, row: { ...atList.row, cost: nanodollars(detail.row.cost) } }));
  }
  yield* open.close();
}

export const statementRoutes: readonly Route[] = [
  json({
    method: 'get',
    path: '/api/statement',
    role: 'read',
    summary: "A workspace's month as a bill: quantities, unit prices and amounts that add up.",
    query: wire.StatementQuery,
    name: 'Statement',
    answer: wire.StatementAnswer,
    handle: statement,
  }),
  raw({
    path: '/api/export/statement.csv',
    role: 'read',
    summary: 'The lines of /api/statement, as CSV.',
    query: wire.StatementQuery,
    mediaType: 'text/csv',
    async handle(input) {
      const answer = await statement(input);
      await audited(input, 'export.statement', answer.period);
      attach(input.res, `tollgate-statement-${addressable(answer.workspace)}-${answer.month}.csv`);
      await writeStatement(answer, input.res);
    },
  }),
  raw({
    path: '/api/export/focus.csv',
    role: 'read',
    summary: 'The ledger in the columns of FOCUS 1.2, cut in UTC as the provider does.',
    query: wire.FocusExportQuery,
    mediaType: 'text/csv',
    async handle(input) {
      const { services, query, now } = input;
      const range = rangeOf(query, now, 'UTC');
      const { workspaces } = services.settings();
      await audited(input, 'export.focus', { from: iso(range.from), to: iso(range.to) });
      attach(input.res, `tollgate-focus-${query.version}-${iso(range.from).slice(0, 10)}.csv`);
      const accounts = new Map([...workspaces.values()].map((one) => [one.id as string, one.upstreamKey]));
      await writeFocus(focusRows(services, range, query.grain), { accountOf: (workspace) => accounts.get(workspace) ?? 'default' }, input.res);
    },
  }),
];
