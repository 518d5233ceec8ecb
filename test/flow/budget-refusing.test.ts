// test/flow/budget-refusing.test.ts: a hard budget that turns calls away long before it is spent says so.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AlertsAnswer } from '../../server/http/admin/wire.ts';
import { tollgate } from '../cli/tollgate.ts';
import { apiHeaders, ask, budgetsOf, eventually, hello, SECRETS, send, settled, startScene, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene({ budgets: [{ id: 'support-day', scope: { workspace: 'support' }, limit_usd: 0.2, period: 'day', alert_at: ['50%', '100%'] }] });
});
afterAll(() => scene.close());

/** Claude Haiku 4.5 costs five dollars a million tokens of output. */
const call = (maxTokens: number) => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.triage), body: hello({ max_tokens: maxTokens }) });
const firing = async () => (await ask<AlertsAnswer>(scene.gateway, '/api/alerts')).firing;

test('calls that can cost more than is left are counted on the budget and told of, until a grant makes room', async () => {
  expect((await call(100)).status).toBe(200);
  await settled(scene.gateway);
  expect((await budgetsOf(scene.gateway)).rows[0]).toMatchObject({ refused: null });
  for (let n = 0; n < 2; n++) expect((await call(50_000)).headers['x-tollgate-refusal']).toBe('budget_exhausted');
  expect((await budgetsOf(scene.gateway)).rows[0]).toMatchObject({ id: 'support-day', refused: { calls: 2, last_at: expect.any(String) } });
  const [alert] = await eventually('it is told', async () => ((await firing()).length === 1 ? firing() : null));
  expect(alert).toMatchObject({ rule: 'budget_refusing', scope: 'support-day', severity: 'warning', title: 'Budget support-day refuses calls', text: expect.stringMatching(/^2 calls were refused in this day, because each can cost more than the \$0\.1\d+ that are left\./) });
  // What costs less goes on.
  expect((await call(100)).status).toBe(200);

  expect((await tollgate(['budgets', 'grant', 'support-day', '--usd', '1', '--until', '1d', '--reason', 'a long document', '--url', scene.gateway.adminUrl])).code).toBe(0);
  expect((await call(50_000)).status).toBe(200);
});
