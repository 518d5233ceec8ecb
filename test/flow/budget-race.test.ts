// test/flow/budget-race.test.ts: two hundred calls race for a hard budget with room for fifty.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StatusAnswer } from '../../server/http/admin/wire.ts';
import { SECRETS, apiHeaders, ask, budgetsOf, eventually, hello, latch, ledgerRows, nanos, send, settled, startScene, type Scene } from './scene.ts';

/** claude-haiku-4-5 costs 1,000 nano-dollars per token in and 5,000 out; the gateway adds 804 tokens for instructions to a byte per token. */
const MAX_TOKENS = 18_400;
const BODY_BYTES = 7_196;
const WORST_CASE = 100_000_000n;

let scene: Scene;

beforeAll(async () => {
  scene = await startScene({ budgets: [{ id: 'five-dollars', scope: { workspace: 'support' }, limit_usd: 5, period: 'year' }] });
});
afterAll(() => scene.close());

function bodyOf(stream: boolean): string {
  const bare = hello({ max_tokens: MAX_TOKENS, stream });
  return bare.replace('Say hello', `${'x'.repeat(BODY_BYTES - Buffer.byteLength(bare))}Say hello`);
}

test('exactly as many calls as the budget can pay in the worst case reach the provider; the others are refused, and the budget is never overspent', async () => {
  const held = latch();
  scene.standin.script(() => ({ until: held.opened }));
  const answers = Array.from({ length: 200 }, (_, n) => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: bodyOf(n % 2 === 0) }));
  await eventually('fifty are at the provider, and the others have been refused', async () => ((await ask<StatusAnswer>(scene.gateway, '/api/status')).in_flight === 50 ? true : null));
  expect(scene.standin.requests()).toBe(50);
  const [full] = (await budgetsOf(scene.gateway)).rows;
  expect(full).toMatchObject({ spent_usd: '0.000000000', held_usd: '5.000000000', remaining_usd: '0.000000000' });

  held.open();
  const all = await Promise.all(answers);
  expect(all.filter((answer) => answer.status === 200 && answer.whole)).toHaveLength(50);
  expect(all.filter((answer) => answer.headers['x-tollgate-refusal'] === 'budget_held')).toHaveLength(150);
  expect(scene.standin.requests()).toBe(50);

  await settled(scene.gateway);
  const rows = await ledgerRows(scene.gateway);
  const served = rows.filter((row) => row.outcome !== 'refused');
  expect(rows).toHaveLength(200);
  expect(served.map((row) => nanos(row.held_usd))).toEqual(Array(50).fill(WORST_CASE));
  const spent = served.reduce((sum, row) => sum + nanos(row.cost_usd), 0n);
  const [after] = (await budgetsOf(scene.gateway)).rows;
  expect(after).toMatchObject({ held_usd: '0.000000000' });
  expect(nanos(after!.spent_usd)).toBe(spent);
});

test('what the calls did not use is there for the next ones', async () => {
  const answer = await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: bodyOf(false) });
  expect(answer.status).toBe(200);
});
