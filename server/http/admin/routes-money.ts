// server/http/admin/routes-money.ts: what money will be, should have been, and is proved to be: plans, repricing, checks.

import { epochMs } from '../../domain/ids.ts';
import { nearest } from '../../settings/mistakes.ts';
import { iso } from './encode.ts';
import { reconciliationAnswer, repriceRun, verifyRun } from './encode-money.ts';
import { planAnswer, planTask } from './encode-plan.ts';
import { AdminError } from './errors.ts';
import { filterOf, rangeOf } from './query.ts';
import { json, type Route } from './route.ts';
import * as wire from './wire.ts';

/** A short run is answered when it is over; of a longer one the answer says how it stands, and GET how it goes on. */
const PATIENCE_MS = 2_000;

export const moneyRoutes: readonly Route[] = [
  json({
    method: 'post',
    path: '/api/plan',
    role: 'read',
    summary: 'What a task will cost per call, day, month and year, on one model or many, with and without caching and batches.',
    query: wire.NoQuery,
    body: wire.PlanBody,
    name: 'Plan',
    answer: wire.PlanAnswer,
    handle({ services, body, now }) {
      const planned = services.plan(planTask(body, services.settings().prices.assumeUsInference), now);
      if (planned.ok) return planAnswer(planned.plan, now);
      const meant = nearest(planned.unknownModel, planned.known);
      throw new AdminError(400, 'unknown_model', `The price book does not know the model ${JSON.stringify(planned.unknownModel.slice(0, 80))}.${meant === null ? '' : ` Did you mean ${meant}?`}`);
    },
  }),
  json({
    method: 'get',
    path: '/api/prices/check',
    role: 'read',
    summary: 'What is missing or old in the price book, measured by the models that calls used.',
    query: wire.PricesCheckQuery,
    name: 'PricesCheck',
    answer: wire.PricesCheckAnswer,
    async handle({ services, query, now }) {
      const filter = filterOf(query, now, services.settings().timezone);
      const { rows } = await services.reports.usage({ filter, groupBy: ['model', 'outcome'], limit: wire.LIMITS.usage });
      const used = new Map<string, number>();
      // A call that was refused, here or there, names whatever its client wrote; it was never priced.
      for (const { group, requests, cost } of rows) if (typeof group.model === 'string' && group.outcome !== 'refused' && cost > 0n) used.set(group.model, (used.get(group.model) ?? 0) + requests);
      const warnings = services.pricesCheck([...used].map(([model, calls]) => ({ model, calls })), now, query.max_age_days ?? 60);
      return { from: iso(filter.from), to: iso(filter.to), models: used.size, warnings: [...warnings] };
    },
  }),
  json({
    method: 'post',
    path: '/api/reprice',
    role: 'write',
    summary: 'Prices the settled calls of a time by the book in force, and writes a correction for each that comes out otherwise.',
    query: wire.NoQuery,
    body: wire.RepriceBody,
    name: 'Reprice',
    answer: wire.RepriceAnswer,
    status: 202,
    async handle({ services, body, actor, now }) {
      const range = rangeOf({ from: body.from, to: body.to }, now, services.settings().timezone);
      const run = services.reprice({ ...range, dryRun: body.dry_run, actor: actor?.name ?? 'nobody' });
      if (run === null) throw new AdminError(409, 'busy', 'Calls are being repriced already; GET /api/reprice says how far that is.');
      return { run: repriceRun(await soon(run)) };
    },
  }),
  json({
    method: 'get',
    path: '/api/reprice',
    role: 'read',
    summary: 'The repricing under way, or the latest one.',
    query: wire.NoQuery,
    name: 'Reprice',
    answer: wire.RepriceAnswer,
    handle({ services }) {
      const run = services.lastReprice();
      return { run: run === null ? null : repriceRun(run) };
    },
  }),
  json({
    method: 'post',
    path: '/api/verify',
    role: 'write',
    summary: "Works out anew every call's cost from its usage and prices, every sum from its rows, and says what differs. Changes nothing.",
    query: wire.NoQuery,
    body: wire.VerifyBody,
    name: 'Verify',
    answer: wire.VerifyAnswer,
    status: 202,
    async handle({ services, body, now }) {
      const { timezone } = services.settings();
      const given = body.from !== undefined || body.to !== undefined;
      const run = services.verify(given ? rangeOf({ from: body.from ?? iso(epochMs(0)), to: body.to }, now, timezone) : null);
      if (run === null) throw new AdminError(409, 'busy', 'The ledger is being checked already; GET /api/verify says how far that is.');
      return { run: verifyRun(await soon(run)) };
    },
  }),
  json({
    method: 'get',
    path: '/api/verify',
    role: 'read',
    summary: 'The check of the ledger under way, or the latest one.',
    query: wire.NoQuery,
    name: 'Verify',
    answer: wire.VerifyAnswer,
    handle({ services }) {
      const run = services.lastVerification();
      return { run: run === null ? null : verifyRun(run) };
    },
  }),
  json({
    method: 'get',
    path: '/api/reconciliation',
    role: 'read',
    summary: "The ledger beside the provider's bill, by UTC day.",
    query: wire.NoQuery,
    name: 'Reconciliation',
    answer: wire.ReconciliationAnswer,
    handle: ({ services: { reconciler } }) => reconciliationAnswer(reconciler.enabled, reconciler.latest()),
  }),
  json({
    method: 'post',
    path: '/api/reconciliation',
    role: 'write',
    summary: "Compares now; at most once a minute, as the provider's reports want it.",
    query: wire.NoQuery,
    name: 'Reconciliation',
    answer: wire.ReconciliationAnswer,
    handle: async ({ services: { reconciler } }) => reconciliationAnswer(reconciler.enabled, await reconciler.look()),
  }),
];

async function soon<State>(run: { now(): State; readonly ended: Promise<State> }): Promise<State> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), PATIENCE_MS)));
  const over = await Promise.race([run.ended, patience]);
  clearTimeout(timer);
  return over ?? run.now();
}
