// test/faults/four-sides.test.ts: each fault once, seen from all sides; and what only some of them can show.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { CASES, expectMetricsOf, linesOf, lookFromAllSides, nanos, standing, streamed, type Case } from './four-sides.ts';
import { admin, ask, call, eventually, expectAllCounted, metric, newSession, openScene, question, rowOf, type Row, type Scene } from './scene.ts';

let scene: Scene;
const done: { readonly one: Case; readonly row: Row }[] = [];
beforeAll(async () => {
  // The log as most people have it.
  scene = await openScene({ config: { log: { level: 'info' }, on_abort: 'cut' } });
});
afterAll(() => scene.close());

test.each(CASES)('$id', async (one) => {
  done.push({ one, row: await lookFromAllSides(scene, one) });
});

test('the metrics count each of them once, under its outcome, and every estimate', () => expectMetricsOf(scene, done));

test('F11: what a call costs above its hold is booked and counted, and the budget has spent it', async () => {
  const before = await standing(scene);
  const { row } = await call(scene, streamed('growing-input:180000'));
  expect(row).toMatchObject({ outcome: 'ok', estimated: false });
  expect(nanos(row.cost_usd)).toBeGreaterThan(nanos(String(row['held_usd'])));
  expect(await standing(scene)).toEqual({ spent: before.spent + nanos(row.cost_usd), held: 0n });
  await eventually(() => metric(scene, 'tollgate_hold_exceeded_total'), (n) => n === 1);
});

test('F21: a client that takes a little at a time gets all of it, in order, and pays what was used', async () => {
  const session = newSession();
  const seen = await ask(scene.gateway.dataUrl, { session, stream: true, body: question({ stream: true, max_tokens: 20_000 }), headers: { 'x-standin-output': '8000' }, slowly: true });
  expect(seen).toMatchObject({ status: 200, ending: 'complete' });
  const { response } = scene.standin.log.at(-1)!;
  expect(seen.body.equals(response.body)).toBe(true);
  expect(await rowOf(scene, session)).toMatchObject({ outcome: 'ok', estimated: false, tokens: { output: response.billed!.output_tokens } });
});

test('F1: a provider that cannot be reached costs nothing, is counted once, and has its line', async () => {
  const dead = await openScene({ origin: 'http://127.0.0.1:9', config: { log: { level: 'info' } } });
  try {
    const { seen, row } = await call(dead, {});
    expect(seen).toMatchObject({ status: 502, ending: 'complete' });
    expect(row).toMatchObject({ outcome: 'connect_failed', cost_usd: '0.000000000', attempts: 2 });
    expect((await admin<{ rows: { spent_usd: string }[] }>(dead, '/api/budgets')).rows[0]!.spent_usd).toBe('0.000000000');
    expect(linesOf(dead, row.id)).toMatchObject([{ level: 'warn', event: 'connect_failed', code: 'ECONNREFUSED' }]);
    await expectAllCounted(dead);
    expect(await metric(dead, 'tollgate_requests_total', { outcome: 'upstream_error' })).toBe(1);
    expect(await metric(dead, 'tollgate_retries_total', { source: 'proxy', reason: 'connect' })).toBe(1);
  } finally {
    await dead.close();
  }
});
