// server/http/admin/routes-money.ts: what money will be and should have been: plans.

import { planAnswer, planTask } from './encode-plan.ts';
import { AdminError } from './errors.ts';
import { nearest } from './query.ts';
import { json, type Route } from './route.ts';
import * as wire from './wire.ts';

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
];
