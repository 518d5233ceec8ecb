// test/long/budget-race.test.ts: a thousand calls race for a hard budget with room for fifty, twenty times over.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiHeaders, baseConfig, budgetsOf, eventually, hello, latch, nanos, send, settled, startScene, type Scene } from '../flow/scene.ts';

const ROUNDS = 20;
const CALLS = 1_000;
/** claude-haiku-4-5 costs 1,000 nano-dollars per token in and 5,000 out; the gateway adds 804 tokens for instructions to a byte per token: ten cents. */
const MAX_TOKENS = 18_400;
const BODY_BYTES = 7_196;

const rounds = Array.from({ length: ROUNDS }, (_, n) => ({ id: `round-${n}`, secret: `tg_round-${n}-0123456789abcdef` }));
const bare = hello({ max_tokens: MAX_TOKENS });
const body = bare.replace('Say hello', `${'x'.repeat(BODY_BYTES - Buffer.byteLength(bare))}Say hello`);

let scene: Scene;
beforeAll(async () => {
  const base = baseConfig('') as { workspaces: object[]; keys: object[] };
  scene = await startScene({
    workspaces: [...base.workspaces, ...rounds.map(({ id }) => ({ id }))],
    keys: [...base.keys, ...rounds.map(({ id, secret }) => ({ id, workspace: id, secret }))],
    budgets: rounds.map(({ id }) => ({ id, scope: { workspace: id }, limit_usd: 5, period: 'year' })),
  });
});
afterAll(() => scene.close());

test.each(rounds)('$id: exactly fifty of a thousand reach the provider', async ({ id, secret }) => {
  const before = scene.standin.requests();
  const held = latch();
  scene.standin.script(() => ({ until: held.opened }));
  let refused = 0;
  const answers = Array.from({ length: CALLS }, async () => {
    const answer = await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(secret), body });
    if (answer.headers['x-tollgate-refusal'] === 'budget_held') refused++;
    return answer;
  });
  await eventually('all that do not fit were refused', async () => (refused === CALLS - 50 ? true : null), 60_000);
  expect(scene.standin.requests() - before).toBe(50);
  const full = (await budgetsOf(scene.gateway)).rows.find((row) => row.id === id)!;
  expect(full).toMatchObject({ spent_usd: '0.000000000', held_usd: '5.000000000', remaining_usd: '0.000000000' });
  held.open();
  expect((await Promise.all(answers)).filter(({ status, whole }) => status === 200 && whole)).toHaveLength(50);
  await settled(scene.gateway);
  const after = (await budgetsOf(scene.gateway)).rows.find((row) => row.id === id)!;
  expect(after.held_usd).toBe('0.000000000');
  expect(nanos(after.spent_usd)).toBeLessThanOrEqual(nanos(after.limit_usd));
  expect(scene.standin.requests() - before).toBe(50);
});
