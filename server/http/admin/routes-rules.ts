// server/http/admin/routes-rules.ts: what is in force: budgets, limits, policies, prices, alerts, and the audit log.

import { toldOf } from '../../domain/budget.ts';
import { inForce, type Grant } from '../../domain/grant.ts';
import { epochMs, type BudgetId, type EpochMs } from '../../domain/ids.ts';
import { nanoFromUsd, usdString } from '../../domain/money.ts';
import { rowsInForce } from '../../domain/price.ts';
import { auditDetail } from './encode-audit.ts';
import { budgetRow, grantRow, iso, limitRule, policy, priceRow } from './encode.ts';
import { limitsAnswer } from './encode-limits.ts';
import { AdminError, badBody } from './errors.ts';
import { noSuch } from './query.ts';
import { json, type Route } from './route.ts';
import { alertsOf } from './routes-alerts.ts';
import type { AdminServices } from './services.ts';
import * as wire from './wire.ts';

export const ruleRoutes: readonly Route[] = [
  json({
    method: 'get',
    path: '/api/budgets',
    role: 'read',
    summary: 'Every budget in its current period.',
    query: wire.NoQuery,
    name: 'Budgets',
    answer: wire.BudgetsAnswer,
    async handle({ services, now }) {
      const { notify, channels } = services.settings().alerts;
      const rows = await Promise.all(
        services.gate.standings(now).map(async (standing) => {
          const forecast = await services.forecast(standing);
          return budgetRow(standing, alertsOf(services.alerts.states(), standing), forecast === null ? null : { p50: usdString(forecast.p50), p90: usdString(forecast.p90) }, inForceFor(services, standing.budget.id, now), toldOf(standing.budget, notify, channels));
        }),
      );
      return { at: iso(now), timezone: services.settings().timezone, rows };
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
    query: wire.NoQuery,
    name: 'Limits',
    answer: wire.LimitsAnswer,
    handle: ({ services, course, now }) => limitsAnswer(services, course, now),
  }),
  json({
    method: 'get',
    path: '/api/policies',
    role: 'read',
    summary: 'The rules of the config in force.',
    query: wire.NoQuery,
    name: 'Policies',
    answer: wire.PoliciesAnswer,
    handle({ services }) {
      const settings = services.settings();
      return {
        config_file: settings.file,
        config_digest: settings.digest,
        access: settings.access,
        timezone: settings.timezone,
        unknown_model: settings.prices.unknownModel,
        on_abort: settings.onAbort,
        requests_retention_days: settings.retention.requestsDays,
        max_in_flight: settings.maxInFlight,
        workspaces: [...settings.workspaces.values()].map((workspace) => ({
          id: workspace.id,
          upstream_key: workspace.upstreamKey,
          open_workflows: workspace.openWorkflows,
          ...policy(workspace),
          workflows: workspace.workflows.map((workflow) => ({ id: workflow.id, ...policy(workflow) })),
        })),
        limits: settings.limitRules.map(limitRule),
      };
    },
  }),
  json({
    method: 'get',
    path: '/api/prices',
    role: 'read',
    summary: 'The price book.',
    query: wire.NoQuery,
    name: 'Prices',
    answer: wire.PricesAnswer,
    handle({ services, now }) {
      const inForce = rowsInForce(services.priceRows(), now);
      return { at: iso(now), rows: services.priceRows().map((row) => priceRow(row, inForce.has(row.version))) };
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
      const page = await services.reports.audit({ limit: query.limit ?? 100, cursor: query.cursor ?? null });
      return {
        rows: page.rows.map(({ id, at, actor, action, subject, detail }) => ({ id, at: iso(at), actor, action, subject, detail: auditDetail(detail) })),
        next_cursor: page.nextCursor,
      };
    },
  }),
];

const inForceFor = (services: AdminServices, budget: BudgetId, at: EpochMs): readonly Grant[] => services.grants.list().filter((grant) => grant.budget === budget && inForce(grant, at));
