// server/http/admin/routes-rules.ts: what is in force: budgets, limits, policies, prices, alerts, and the audit log.

import type { z } from 'zod';
import { toldOf } from '../../domain/budget.ts';
import { inForce, type Grant } from '../../domain/grant.ts';
import { epochMs, type BudgetId, type EpochMs } from '../../domain/ids.ts';
import { nanoFromUsd, usdString } from '../../domain/money.ts';
import { rowsInForce } from '../../domain/price.ts';
import type { LimitRule, Settings, Workspace } from '../../domain/settings.ts';
import { auditDetail } from './encode-audit.ts';
import { budgetRow, grantRow, iso, limitRule, policy, priceRow } from './encode.ts';
import { isOfClass, limitsAnswer } from './encode-limits.ts';
import { AdminError, badBody } from './errors.ts';
import { isAsked, NO_SUBJECT, pageOf } from './list.ts';
import { noSuch } from './query.ts';
import { json, type Route } from './route.ts';
import { alertsOf } from './routes-alerts.ts';
import type { AdminServices } from './services.ts';
import * as wire from './wire.ts';

const LISTED = 'A row is left where its scope names one of the values of every filter given; a filter that names nothing leaves none. Without `limit` and `cursor` every row comes, in the order of the config; with either they come by id, so that a page goes on where the one before ended, whatever a reload changed in between.';

export const ruleRoutes: readonly Route[] = [
  json({
    method: 'get',
    path: '/api/budgets',
    role: 'read',
    summary: 'Every budget in its current period.',
    description: LISTED,
    query: wire.BudgetsQuery,
    name: 'Budgets',
    answer: wire.BudgetsAnswer,
    async handle({ services, query, now }) {
      const { notify, channels } = services.settings().alerts;
      const page = pageOf('budgets', services.gate.standings(now).filter(({ budget }) => isAsked(budget.scope, query)), ({ budget }) => budget.id, query);
      const rows = await Promise.all(
        page.rows.map(async (standing) => {
          const forecast = await services.forecast(standing);
          return budgetRow(standing, alertsOf(services.alerts.states(), standing), forecast === null ? null : { p50: usdString(forecast.p50), p90: usdString(forecast.p90) }, inForceFor(services, standing.budget.id, now), toldOf(standing.budget, notify, channels));
        }),
      );
      return { at: iso(now), timezone: services.settings().timezone, rows, next_cursor: page.nextCursor };
    },
  }),
  json({
    method: 'post',
    path: '/api/budgets/:id/grants',
    role: 'write',
    summary: 'Raises a budget for a while. In force for the next call; ends by itself.',
    query: wire.NoQuery,
    body: wire.GrantBody,
    name: 'Grant',
    answer: wire.GrantAnswer,
    status: 201,
    async handle({ services, body, params, actor, now }) {
      const budget = services.settings().budgets.find(({ id }) => id === params['id']);
      if (budget === undefined) throw new AdminError(404, 'unknown_budget', noSuch('budget', params['id'] ?? '', services.settings().budgets.map(({ id }) => id), ' in the config'));
      const until = epochMs(Date.parse(body.until));
      if (until <= now) throw badBody('until: expected a time to come');
      const amount = nanoFromUsd(body.amount_usd);
      if (amount === 0n) throw badBody('amount_usd: expected more than nothing');
      return { grant: grantRow(await services.grants.create({ budget: budget.id, amount, until, reason: body.reason, actor: actor?.name ?? 'nobody' })) };
    },
  }),
  json({
    method: 'delete',
    path: '/api/budgets/:id/grants/:grant',
    role: 'write',
    summary: 'Ends a grant, at once and for good.',
    query: wire.NoQuery,
    name: 'Grant',
    answer: wire.GrantAnswer,
    async handle({ services, params, actor }) {
      const { id = '', grant = '' } = params;
      return { grant: grantRow(await services.grants.revoke({ id: grant, budget: id as BudgetId, actor: actor?.name ?? 'nobody' })) };
    },
  }),
  json({
    method: 'get',
    path: '/api/limits',
    role: 'read',
    summary: "The provider's limits as its response headers last told them, and our own.",
    description: `${LISTED} The rows of \`provider\` and \`own\` are one list here; what the provider tells is about classes of models and names nothing else. \`course\`, \`queue\` and \`retries\` are always whole.`,
    query: wire.LimitsQuery,
    name: 'Limits',
    answer: wire.LimitsAnswer,
    handle: ({ services, course, query, now }) => limitsAnswer(services, course, query, now),
  }),
  json({
    method: 'get',
    path: '/api/policies',
    role: 'read',
    summary: 'The rules of the config in force.',
    description: `${LISTED} The rows of \`workspaces\` and \`limits\` are one list here; of a workspace, those workflows are told that match, and itself where one of them or its own rules do.`,
    query: wire.PoliciesQuery,
    name: 'Policies',
    answer: wire.PoliciesAnswer,
    handle({ services, query }) {
      const settings = services.settings();
      const page = pageOf('policies', rulesAsked(settings, query), ({ id }) => id, query);
      return {
        config_file: settings.file,
        config_digest: settings.digest,
        access: settings.access,
        timezone: settings.timezone,
        unknown_model: settings.prices.unknownModel,
        on_abort: settings.onAbort,
        requests_retention_days: settings.retention.requestsDays,
        max_in_flight: settings.maxInFlight,
        workspaces: page.rows.flatMap((row) => ('scope' in row ? [] : [{
          id: row.id,
          upstream_key: row.upstreamKey,
          open_workflows: row.openWorkflows,
          ...policy(row),
          workflows: row.workflows.map((workflow) => ({ id: workflow.id, ...policy(workflow) })),
        }])),
        limits: page.rows.flatMap((row) => ('scope' in row ? [limitRule(row)] : [])),
        next_cursor: page.nextCursor,
      };
    },
  }),
  json({
    method: 'get',
    path: '/api/prices',
    role: 'read',
    summary: 'The price book.',
    description: 'Without `limit` and `cursor` every row comes, in the order of the book; with either they come by `version`, so that a page goes on where the one before ended, whatever a reload changed in between.',
    query: wire.PricesQuery,
    name: 'Prices',
    answer: wire.PricesAnswer,
    handle({ services, query, now }) {
      const rows = services.priceRows();
      const inForce = rowsInForce(rows, now);
      const page = pageOf('prices', rows.filter(({ model }) => isAsked({ ...NO_SUBJECT, model }, query, isPricedAs)), ({ version }) => version, query);
      return { at: iso(now), rows: page.rows.map((row) => priceRow(row, inForce.has(row.version))), next_cursor: page.nextCursor };
    },
  }),
  json({
    method: 'get',
    path: '/api/audit',
    role: 'read',
    summary: 'Who changed what, newest first.',
    query: wire.AuditQuery,
    name: 'Audit',
    answer: wire.AuditAnswer,
    async handle({ services, query }) {
      const page = await services.reports.audit({ limit: query.limit ?? 100, cursor: query.cursor ?? null, action: query.action ?? [], actor: query.actor ?? [] });
      return {
        rows: page.rows.map(({ id, at, actor, action, subject, detail }) => ({ id, at: iso(at), actor, action, subject, detail: auditDetail(detail) })),
        next_cursor: page.nextCursor,
      };
    },
  }),
];

const inForceFor = (services: AdminServices, budget: BudgetId, at: EpochMs): readonly Grant[] => services.grants.list().filter((grant) => grant.budget === budget && inForce(grant, at));

/** The rules that filters leave: workspaces, with their workflows that match, and limits. No two have the same id. */
function rulesAsked({ workspaces, limitRules }: Settings, query: z.output<typeof wire.PoliciesQuery>): readonly (Workspace | LimitRule)[] {
  const left = [...workspaces.values()].flatMap((workspace) => {
    const of = { ...NO_SUBJECT, workspace: workspace.id };
    const workflows = workspace.workflows.filter(({ id }) => isAsked({ ...of, workflow: id }, query));
    return workflows.length > 0 || isAsked(of, query) ? [{ ...workspace, workflows }] : [];
  });
  return [...left, ...limitRules.filter(({ scope }) => isAsked({ ...NO_SUBJECT, ...scope, model: scope.modelClass }, query, isOfClass))];
}

/** The book finds a model under its name with a date too. */
const isPricedAs = (named: string, asked: string): boolean => named === asked || named === asked.replace(/-\d{8}$/, '');
