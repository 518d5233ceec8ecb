// server/http/admin/routes-usage.ts: what was used and what it cost: usage, requests, one request, pickers, exports.

import type { CallRow } from '../../domain/reports.ts';
import { actionsAnswer, iso, reasonsAnswer, requestDetail, requestRow, shapesAnswer, stepsAnswer, usageFigures, usageRow, verdictsAnswer } from './encode.ts';
import { promptAnswer } from './encode-prompt.ts';
import { AdminError, badQuery } from './errors.ts';
import { attach, audited } from './export-route.ts';
import { writeActions, writeRequests, writeUsage, writeVerdicts } from './export-csv.ts';
import { dayName } from './month.ts';
import { actionGroupingsOf, filterOf, groupingsOf, rangeOf, reasonGroupingsOf, verdictGroupingsOf } from './query.ts';
import { json, raw, type Input, type Route } from './route.ts';
import * as wire from './wire.ts';

const CALL_ID = /^[A-Za-z0-9_]{1,64}$/;

const noSuchRequest = (): AdminError => new AdminError(404, 'not_found', 'No such request, or its row is past retention.');
/** Recent calls among which the one is looked for that shares most of a prompt. */
const COMPARED_WITH = 20;

/** One row more than asked for tells whether there are more. */
async function usage({ services, query, now }: Pick<Input<ReturnType<typeof wire.UsageQuery.parse>, null>, 'services' | 'query' | 'now'>): Promise<wire.UsageAnswer> {
  const { timezone } = services.settings();
  const filter = filterOf(query, now, timezone);
  const groupBy = groupingsOf(query.group_by);
  const limit = query.limit ?? 1_000;
  const report = await services.reports.usage({ filter, groupBy, limit: limit + 1, times: query.times !== 'no' });
  return {
    from: iso(filter.from),
    to: iso(filter.to),
    timezone,
    group_by: groupBy,
    rows: report.rows.slice(0, limit).map((row) => usageRow(row, groupBy)),
    truncated: report.rows.length > limit,
    total: usageFigures(report.total),
  };
}

/** Calls that figures are read from where no fold knows them: a report must not keep the others waiting. */
const MOST_ROWS_READ = 100_000;

/** Traces whose steps are looked at, the newest, and their calls; and steps that are told apart. */
const MOST = { mostTraces: 1_000, mostCalls: 6_000, mostSteps: 20 } as const;

async function actions({ services, query, now }: Pick<Input<ReturnType<typeof wire.ActionsQuery.parse>, null>, 'services' | 'query' | 'now'>): Promise<wire.ActionsAnswer> {
  const filter = filterOf(query, now, services.settings().timezone);
  const groupBy = actionGroupingsOf(query.group_by);
  return actionsAnswer(await services.reports.actions({ filter, groupBy, most: MOST_ROWS_READ }), filter, groupBy);
}

async function verdicts({ services, query, now }: Pick<Input<ReturnType<typeof wire.VerdictsQuery.parse>, null>, 'services' | 'query' | 'now'>): Promise<wire.VerdictsAnswer> {
  const filter = filterOf(query, now, services.settings().timezone);
  const groupBy = verdictGroupingsOf(query.group_by);
  return verdictsAnswer(await services.reports.verdicts({ filter, groupBy }), filter, groupBy);
}

export const usageRoutes: readonly Route[] = [
  json({
    method: 'get',
    path: '/api/usage',
    role: 'read',
    summary: 'Requests, tokens, cost and times, grouped; the dearest rows first.',
    query: wire.UsageQuery,
    name: 'Usage',
    answer: wire.UsageAnswer,
    handle: usage,
  }),
  json({
    method: 'get',
    path: '/api/requests',
    role: 'read',
    summary: 'Calls, newest first.',
    query: wire.RequestsQuery,
    name: 'Requests',
    answer: wire.RequestsAnswer,
    async handle({ services, query, now }) {
      const filter = filterOf(query, now, services.settings().timezone);
      const page = await services.reports.requests({ filter, limit: query.limit ?? 100, cursor: query.cursor ?? null });
      return { from: iso(filter.from), to: iso(filter.to), rows: page.rows.map(requestRow), next_cursor: page.nextCursor };
    },
  }),
  json({
    method: 'get',
    path: '/api/actions',
    role: 'read',
    summary: 'What user actions cost, and how many calls they take.',
    query: wire.ActionsQuery,
    name: 'Actions',
    answer: wire.ActionsAnswer,
    handle: actions,
  }),
  json({
    method: 'get',
    path: '/api/steps',
    role: 'read',
    summary: 'What the steps of a workflow\'s traces cost and take: the first call of each, the second, and so on.',
    query: wire.StepsQuery,
    name: 'Steps',
    answer: wire.StepsAnswer,
    async handle({ services, query, now }) {
      const { workspace, workflow } = query;
      const range = rangeOf(query, now, services.settings().timezone);
      return stepsAnswer(await services.reports.steps({ ...range, workspace, workflow, ...MOST }), range, MOST);
    },
  }),
  json({
    method: 'get',
    path: '/api/shapes',
    role: 'read',
    summary: 'How long answers are, how fast they were written, and what the gateway took itself.',
    query: wire.ShapesQuery,
    name: 'Shapes',
    answer: wire.ShapesAnswer,
    async handle({ services, query, now }) {
      const filter = filterOf(query, now, services.settings().timezone);
      return shapesAnswer(await services.reports.shapes({ filter, most: MOST_ROWS_READ }), filter);
    },
  }),
  json({
    method: 'get',
    path: '/api/reasons',
    role: 'read',
    summary: 'Why calls were refused or failed, and how often.',
    query: wire.ReasonsQuery,
    name: 'Reasons',
    answer: wire.ReasonsAnswer,
    async handle({ services, query, now }) {
      const filter = filterOf(query, now, services.settings().timezone);
      const groupBy = reasonGroupingsOf(query.group_by);
      return reasonsAnswer(await services.reports.reasons({ filter, groupBy }), filter, groupBy);
    },
  }),
  json({
    method: 'get',
    path: '/api/verdicts',
    role: 'read',
    summary: 'What rules said of calls: refused, or put a cheaper model in place, or would have; and how often.',
    query: wire.VerdictsQuery,
    name: 'Verdicts',
    answer: wire.VerdictsAnswer,
    handle: verdicts,
  }),
  json({
    method: 'get',
    path: '/api/requests/:id',
    role: 'read',
    summary: 'One call with its attempts, its bill line by line, and every policy decision.',
    query: wire.NoQuery,
    name: 'Request',
    answer: wire.RequestAnswer,
    async handle({ services, params }) {
      const id = params['id'] ?? '';
      const detail = CALL_ID.test(id) ? await services.reports.request(id) : null;
      if (detail === null) throw noSuchRequest();
      return requestDetail(detail, services.explain(detail));
    },
  }),
  json({
    method: 'get',
    path: '/api/requests/:id/prompt',
    role: 'read',
    summary: 'What of one call\'s prompt was the same in the call before, boundary by boundary, and what that meant for the cache.',
    query: wire.NoQuery,
    name: 'Prompt',
    answer: wire.PromptAnswer,
    async handle({ services, params }) {
      const id = params['id'] ?? '';
      const report = CALL_ID.test(id) ? await services.reports.prompts({ id, most: COMPARED_WITH }) : null;
      if (report === null) throw noSuchRequest();
      return promptAnswer(report);
    },
  }),
  json({
    method: 'get',
    path: '/api/facets',
    role: 'read',
    summary: 'The values that filters can take in a range of time, the busiest first.',
    query: wire.FacetsQuery,
    name: 'Facets',
    answer: wire.FacetsAnswer,
    async handle({ services, query, now }) {
      const facets = await services.reports.facets(rangeOf(query, now, services.settings().timezone), query.limit ?? 50);
      const { workspace, workflow, user, model, key, outcome, policy } = facets;
      return { workspace: [...workspace], workflow: [...workflow], user: [...user], model: [...model], key: [...key], outcome: [...outcome], policy: [...policy] };
    },
  }),
  raw({
    path: '/api/export/usage.csv',
    role: 'read',
    summary: 'What /api/usage answers, as CSV.',
    query: wire.UsageExportQuery,
    mediaType: 'text/csv',
    async handle(input) {
      // Everything that can be refused is refused before the first byte.
      const answer = await usage({ ...input, query: { ...input.query, limit: input.query.limit ?? wire.LIMITS.usage } });
      // A file that stops without a word looks like all there is. Who names a limit gets as much as that.
      if (answer.truncated && input.query.limit === undefined) throw badQuery(`There are more than ${wire.LIMITS.usage.toLocaleString('en-US')} groups. Narrow the time or the filters, group by less, or take the rows themselves (/api/export/requests.csv).`);
      await audited(input, 'export.usage', answer);
      attach(input.res, `tollgate-usage-${dayName(answer.from, input.services.settings().timezone)}.csv`);
      await writeUsage(answer, input.res);
    },
  }),
  raw({
    path: '/api/export/actions.csv',
    role: 'read',
    summary: 'What /api/actions answers, as CSV.',
    query: wire.ActionsQuery,
    mediaType: 'text/csv',
    async handle(input) {
      const answer = await actions(input);
      await audited(input, 'export.actions', answer);
      attach(input.res, `tollgate-actions-${dayName(answer.from, input.services.settings().timezone)}.csv`);
      await writeActions(answer.group_by, answer.rows, input.res);
    },
  }),
  raw({
    path: '/api/export/verdicts.csv',
    role: 'read',
    summary: 'What /api/verdicts answers, as CSV.',
    query: wire.VerdictsQuery,
    mediaType: 'text/csv',
    async handle(input) {
      const answer = await verdicts(input);
      await audited(input, 'export.verdicts', answer);
      attach(input.res, `tollgate-verdicts-${dayName(answer.from, input.services.settings().timezone)}.csv`);
      await writeVerdicts({ ...answer, timezone: input.services.settings().timezone }, input.res);
    },
  }),
  raw({
    path: '/api/export/requests.csv',
    role: 'read',
    summary: 'Every call that matches, newest first as in the list, as CSV.',
    query: wire.RequestsExportQuery,
    mediaType: 'text/csv',
    async handle(input) {
      const filter = filterOf(input.query, input.now, input.services.settings().timezone);
      await audited(input, 'export.requests', { from: iso(filter.from), to: iso(filter.to) });
      attach(input.res, `tollgate-requests-${dayName(filter.from, input.services.settings().timezone)}.csv`);
      await writeRequests(rows(input.services.reports.everyRequest(filter, 'newest')), input.res);
    },
  }),
];

async function* rows(calls: AsyncIterable<CallRow>): AsyncGenerator<wire.RequestRow> {
  for await (const call of calls) yield requestRow(call);
}
