// test/admin/plan.test.ts: `POST /api/plan` over HTTP: what it answers, and what it turns down in words.

import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PlanAnswer } from '../../server/http/admin/wire.ts';
import { adminGateway, type AdminGateway } from './gateway.ts';

let gateway: AdminGateway;
beforeAll(async () => {
  gateway = await adminGateway();
});
afterAll(() => gateway.close());

const TICKETS = { model: 'claude-haiku-4-5', calls_per_day: 200, input_tokens: 200, output_tokens: 5 };
const plan = (body: object) => request(gateway.port.app).post('/api/plan').send(body);

test('a plan is exact, and answers by its schema', async () => {
  const answer = await plan({ ...TICKETS, minutes_per_task: 1.5, hourly_rate_usd: '40' });
  expect(answer.status).toBe(200);
  const { models, by_hand: byHand } = PlanAnswer.parse(answer.body);
  expect(models[0]).toMatchObject({ model: 'claude-haiku-4-5', price_kind: 'list', described: { call_usd: '0.000225000', month_usd: '1.350000000', year_usd: '16.200000000' }, saved_month_usd: '5998.650000000' });
  expect(models[0]?.described.kinds).toEqual([
    { kind: 'input', tokens_per_month: 1_200_000, month_usd: '1.200000000000' },
    { kind: 'output', tokens_per_month: 30_000, month_usd: '0.150000000000' },
  ]);
  expect(models.length).toBeGreaterThan(5);
  expect(byHand).toEqual({ hours_per_month: 150, worth_month_usd: '6000.000000000' });
});

test('minutes without a rate give hours, and no worth', async () => {
  const { models, by_hand: byHand } = PlanAnswer.parse((await plan({ ...TICKETS, minutes_per_task: 1.5 })).body);
  expect([byHand, models[0]?.saved_month_usd]).toEqual([{ hours_per_month: 150, worth_month_usd: null }, null]);
});

test('a workspace that runs in the US by default plans with the US factor, unless told otherwise', async () => {
  const us = { ...TICKETS, model: 'claude-opus-5-5', compare: [] };
  const plain = (await plan(us)).body.models[0].described.year_usd;
  gateway.state.settings = { ...gateway.state.settings, prices: { ...gateway.state.settings.prices, assumeUsInference: true } };
  const dearer = (await plan(us)).body.models[0].described.year_usd;
  expect(Number(dearer)).toBeCloseTo(Number(plain) * 1.1, 6);
  expect((await plan({ ...us, us_inference: false })).body.models[0].described.year_usd).toBe(plain);
});

describe('a plan is turned down', () => {
  test.each([
    { name: 'for a model that the book does not know', more: { model: 'claude-haiku-4-6' }, says: 'Did you mean claude-haiku-4-5?' },
    { name: 'for no call', more: { calls_per_day: 0 }, says: 'calls_per_day: expected a whole number from 1 to 1000000000, found 0' },
    { name: 'for a month of half a day more', more: { days_per_month: 30.5 }, says: 'days_per_month: expected a whole number from 1 to 31, found 30.5' },
    { name: 'for a prefix longer than its prompt', more: { cached_prefix_tokens: 201 }, says: 'cached_prefix_tokens: expected no more than input_tokens' },
    { name: 'for no token at all', more: { input_tokens: 0, output_tokens: 0 }, says: 'at least one token' },
    { name: 'for a rate without minutes', more: { hourly_rate_usd: 3 }, says: 'minutes_per_task' },
    { name: 'for a rate finer than a nano-dollar', more: { minutes_per_task: 3, hourly_rate_usd: '0.1234567891' }, says: 'nine places' },
    { name: 'for a share above one', more: { batch_share: 1.5 }, says: 'batch_share' },
    { name: 'for a field that is misspelt', more: { batchshare: 1 }, says: 'unknown field' },
  ])('$name', async ({ more, says }) => {
    const answer = await plan({ ...TICKETS, ...more });
    expect(answer.status).toBe(400);
    expect(answer.body.error.message).toContain(says);
  });
});
