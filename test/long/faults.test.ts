// test/long/faults.test.ts: every fault fifty times over, in another order each time, at one gateway.

import { expect, test } from 'vitest';
import { leaveAtRandom } from '../faults/aborts.ts';
import { CASES, expectMetricsOf, lookFromAllSides, type Case } from '../faults/four-sides.ts';
import { openScene, type Row } from '../faults/scene.ts';

const ROUNDS = 50;
const seed = Number(process.env['FAULTS_SEED'] ?? Date.now() % 1_000_000);

/** As many items in an order of its own. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

test(`${ROUNDS} times every fault, in any order: what each side sees does not depend on what was before`, async () => {
  const scene = await openScene({ config: { log: { level: 'info' }, on_abort: 'cut' } });
  let state = seed || 1;
  const random = (): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) / 0x80000000);
  const done: { one: Case; row: Row }[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) for (const one of shuffled(CASES, random)) done.push({ one, row: await lookFromAllSides(scene, one) });
    await expectMetricsOf(scene, done);
    console.log(`seed ${seed}: ${done.length} calls`);
    expect(new Set(done.map(({ row }) => row.id)).size).toBe(ROUNDS * CASES.length);
  } finally {
    await scene.close();
  }
}, 1_800_000);

test('a thousand clients leave at random points: one row each, none free once it had begun, and no connection is left', async () => {
  const scene = await openScene({ config: { log: { level: 'info' }, on_abort: 'cut' }, upstream: { idle_timeout: '20s', headers_timeout: '20s', stream_headers_timeout: '20s' } });
  try {
    await leaveAtRandom(scene, 1_000);
  } finally {
    await scene.close();
  }
}, 600_000);
