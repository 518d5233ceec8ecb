// test/admin/grants.test.ts: budgets are raised for a while over the admin API, by who may write, and with a reason.

import request from 'supertest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditAnswer, BudgetsAnswer, GrantAnswer } from '../../server/http/admin/wire.ts';
import { adminGateway, type AdminGateway } from './gateway.ts';

let gateway: AdminGateway;
beforeAll(async () => void (gateway = await adminGateway()));
afterAll(() => gateway.close());

const post = (body: object, path = '/api/budgets/support-month/grants') => request(gateway.port.app).post(path).send(body);
const later = (ms: number): string => new Date(gateway.clock.now() + ms).toISOString();

test('a grant is shown with the budget until it is over', async () => {
  const { status, body } = await post({ amount_usd: '12.50', until: later(3_600_000), reason: 'launch week' });
  const { grant } = body as GrantAnswer;
  expect([status, grant]).toEqual([201, { id: expect.stringMatching(/^grant_/), budget: 'support-month', amount_usd: '12.500000000', created_at: later(0), until: later(3_600_000), reason: 'launch week', actor: expect.any(String), revoked_at: null }]);
  const shown = async () => ((await request(gateway.port.app).get('/api/budgets')).body as BudgetsAnswer).rows[0]!.grants;
  expect(await shown()).toEqual([grant]);
  const ended = await request(gateway.port.app).delete(`/api/budgets/support-month/grants/${grant.id}`);
  expect([ended.status, (ended.body as GrantAnswer).grant.revoked_at]).toEqual([200, later(0)]);
  expect(await shown()).toEqual([]);
});

test('the audit tells money and times of a detail as every answer does, whatever form they are kept in', async () => {
  const send = (path: string, body: object) => request(gateway.port.app).post(path).send(body);
  const latest = async () => ((await request(gateway.port.app).get('/api/audit?limit=1')).body as AuditAnswer).rows[0]!;
  await post({ amount_usd: '0.03', until: later(60_000), reason: 'trial' });
  expect(await latest()).toMatchObject({ action: 'budget.grant', detail: { id: expect.stringMatching(/^grant_/), amount_usd: '0.030000000', until: later(60_000), reason: 'trial' } });
  expect((await latest()).detail).not.toHaveProperty('nanodollars');
  await send('/api/keys', { id: 'audited', workspace: 'support', expires_at: '2027-01-01T01:00:00+01:00' });
  expect((await latest()).detail).toEqual({ workspace: 'support', workflow: null, expires_at: '2027-01-01T00:00:00.000Z', hint: expect.any(String) });
  await send('/api/keys', { id: 'lasting', workspace: 'support' });
  expect((await latest()).detail).toMatchObject({ expires_at: null });
  await send('/api/keys/audited/rotate', { old_ends_at: later(2 * 3_600_000) });
  expect((await latest()).detail).toEqual({ hint: expect.any(String), old_ends_at: later(2 * 3_600_000) });
  await send('/api/alerts/silences', { scope: 'support-month', until: later(3_600_000).replace('.000Z', 'Z'), reason: 'test' });
  expect((await latest()).detail).toMatchObject({ until: later(3_600_000) });
  await gateway.ledger.audit({ at: gateway.clock.now(), actor: 'local', action: 'note', subject: 's', detail: 'no JSON' });
  expect((await latest()).detail).toBe('no JSON');
  const known = ((await request(gateway.port.app).get('/api/budgets')).body as BudgetsAnswer).rows[0]!.grants;
  for (const { id } of known) await request(gateway.port.app).delete(`/api/budgets/support-month/grants/${id}`);
});

test.each([
  { name: 'an end that is past', body: { until: '2020-01-01T00:00:00Z' }, status: 400, said: 'until' },
  { name: 'an end without an offset', body: { until: '2099-01-01T00:00:00' }, status: 400, said: 'until' },
  { name: 'no reason', body: { reason: ' ' }, status: 400, said: 'reason' },
  { name: 'a reason of two lines', body: { reason: 'a\nb' }, status: 400, said: 'reason' },
  { name: 'nothing', body: { amount_usd: '0.000' }, status: 400, said: 'amount_usd' },
  { name: 'less than nothing', body: { amount_usd: '-5' }, status: 400, said: 'amount_usd' },
  { name: 'a tenth place', body: { amount_usd: '0.0000000001' }, status: 400, said: 'amount_usd' },
  { name: 'a number, which may not be exact', body: { amount_usd: 5 }, status: 400, said: 'amount_usd' },
  { name: 'a field that is none', body: { forever: true }, status: 400, said: 'forever' },
])('a grant with $name is refused and changes nothing', async ({ body, status, said }) => {
  const answer = await post({ amount_usd: '5', until: '2099-01-01T00:00:00Z', reason: 'r', ...body });
  expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.stringContaining(said)]);
  expect(((await request(gateway.port.app).get('/api/budgets')).body as BudgetsAnswer).rows[0]!.grants).toEqual([]);
});

test('a budget or a grant that is not there is 404', async () => {
  expect((await post({ amount_usd: '5', until: later(1_000), reason: 'r' }, '/api/budgets/nope/grants')).body).toMatchObject({ error: { code: 'unknown_budget' } });
  const gone = await request(gateway.port.app).delete('/api/budgets/support-month/grants/grant_0');
  expect([gone.status, gone.body]).toMatchObject([404, { error: { code: 'unknown_grant' } }]);
});
