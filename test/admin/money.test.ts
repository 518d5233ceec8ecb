// test/admin/money.test.ts: repricing and checking over HTTP: one run at a time, what it answers, and whom it tells.

import request from 'supertest';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RepriceAnswer, VerifyAnswer } from '../../server/http/admin/wire.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { createPricing } from '../../server/price/pricing.ts';
import { ask, complete, quoted, shippedBook, usage } from '../price/rows.ts';
import { NOON, openEntry, settlement } from '../store/samples.ts';
import { createPriceBook } from '../../server/price/book.ts';
import { adminGateway, type AdminGateway } from './gateway.ts';

let gateway: AdminGateway;
beforeEach(async () => {
  gateway = await adminGateway();
});
afterEach(() => gateway.close());

const post = (path: string, body: object) => request(gateway.port.app).post(path).send(body);
const get = (path: string) => request(gateway.port.app).get(path);
/** A run that was over soon is answered whole; of one that was not, what GET says when it is. */
async function ran(path: string, body: object): Promise<Awaited<ReturnType<typeof post>>> {
  const answer = await post(path, body);
  return answer.body.run?.state === 'running' ? vi.waitUntil(async () => { const later = await get(path); return later.body.run.state === 'running' ? null : later; }, { timeout: 60_000 }) : answer;
}
const RANGE = { from: new Date(NOON - 60_000).toISOString(), to: new Date(NOON + 60_000).toISOString() };

/** A call of a model that the book of its day did not know. */
async function unpricedCall(id: string): Promise<bigint> {
  const pricing = createPricing({ book: createPriceBook(shippedBook().models().filter((model) => model.id !== 'claude-sonnet-4-6')), unknownModel: 'ceiling' });
  const quote = quoted(ask({ model: 'claude-sonnet-4-6' }), { by: pricing, at: NOON });
  const cost = pricing.cost(quote, complete(usage({ input: 1_000, output: 10 }, { modelServed: 'claude-sonnet-4-6' })));
  await gateway.ledger.open(openEntry(id, { modelRequested: 'claude-sonnet-4-6', modelSent: 'claude-sonnet-4-6', price: quote.row }));
  await gateway.ledger.settle(settlement(id, { cost }));
  return cost.total;
}

test('before the first run there is none', async () => {
  expect(RepriceAnswer.parse((await get('/api/reprice')).body)).toEqual({ run: null });
  expect(VerifyAnswer.parse((await get('/api/verify')).body)).toEqual({ run: null });
});

test('a run says what it changed per model, and the gate and the metrics hear of each difference', async () => {
  const before = await unpricedCall('req_1');
  const { run } = RepriceAnswer.parse((await ran('/api/reprice', RANGE)).body);
  // 1,000 tokens at three dollars a million, 10 at fifteen.
  const after = 3_150_000n;
  expect(run).toMatchObject({ state: 'done', progress: 1, calls: 1, changed: 1, unpriced: 0, unexplained: 0, after_usd: '0.003150000', error: null });
  expect(run?.models).toMatchObject([{ model: 'claude-sonnet-4-6', calls: 1, changed: 1, after_usd: '0.003150000' }]);
  expect(run?.models[0]?.price_versions[0]).toMatch(/^claude-sonnet-4-6@/);
  expect(gateway.corrected).toEqual([{ subject: { workspace: 'support', workflow: 'triage', key: 'triage-prod', user: 'mia', model: 'claude-sonnet-4-6' }, admittedAt: NOON, difference: nanodollars(after - before) }]);
  expect(RepriceAnswer.parse((await get('/api/reprice')).body).run).toEqual(run);
  expect((await ran('/api/reprice', RANGE)).body.run).toMatchObject({ changed: 0 });
  expect((await post('/api/reprice', RANGE)).status).toBe(202);
});

test('a dry run writes nothing and tells nobody', async () => {
  const before = await unpricedCall('req_1');
  expect((await ran('/api/reprice', { ...RANGE, dry_run: true })).body.run).toMatchObject({ dry_run: true, changed: 1 });
  expect(gateway.corrected).toEqual([]);
  expect((await get('/api/requests/req_1')).body).toMatchObject({ request: { corrections: 0, price_kind: 'ceiling' }, corrections: [] });
  expect((await get(`/api/usage?from=${RANGE.from}&to=${RANGE.to}`)).body.total.cost_usd).toBe(`0.${String(before).padStart(9, '0')}`);
});

test('while a run is under way, a second one is turned down', async () => {
  // A real run over one call is over before a second request can come.
  const busy = await adminGateway({}, { reprice: () => null, verify: () => null });
  const answers = await Promise.all([request(busy.port.app).post('/api/reprice').send(RANGE), request(busy.port.app).post('/api/verify').send({})]);
  expect(answers.map(({ status, body }) => [status, body.error.code])).toEqual([[409, 'busy'], [409, 'busy']]);
  await busy.close();
});

test('a check counts calls, days and what is estimated, and finds a budget whose sum is another', async () => {
  const cost = await unpricedCall('req_1');
  gateway.state.spent = nanodollars(cost);
  const usd = `0.${String(cost).padStart(9, '0')}`;
  expect(VerifyAnswer.parse((await ran('/api/verify', {})).body).run).toMatchObject({ state: 'done', calls: 1, days: 1, budgets: 1, drift: 0, cost_usd: usd, estimated_cost_usd: usd, at_hold: 0 });
  gateway.state.spent = nanodollars(cost + 1n);
  const { run } = VerifyAnswer.parse((await ran('/api/verify', {})).body);
  expect(run).toMatchObject({ drift: 1, examples: [{ kind: 'budget', subject: 'support-month', figure: 'spent', expected: usd }] });
});

test('a check has a reader of its own: no page waits for it, and it for none', async () => {
  await unpricedCall('req_1');
  await gateway.reports.close();
  const { run } = VerifyAnswer.parse((await ran('/api/verify', {})).body);
  expect(run).toMatchObject({ state: 'done', calls: 1, days: 1, error: null });
});

test.each([
  { path: '/api/reprice', body: {}, says: 'from' },
  { path: '/api/reprice', body: { from: 'yesterday' }, says: 'ISO 8601' },
  { path: '/api/reprice', body: { from: 'now', to: 'now-1d' }, says: 'before to' },
  { path: '/api/verify', body: { since: 'now-1d' }, says: 'unknown field' },
])('$path turns $body down in words', async ({ path, body, says }) => {
  const answer = await post(path, body);
  expect(answer.status).toBe(400);
  expect(answer.body.error.message).toContain(says);
});
