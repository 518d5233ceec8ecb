// test/store/rollups.test.ts: roll-ups are the sums of their rows, in any zone, for any history; and spend is exact at any instant.

import Database from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Outcome } from '../../server/domain/call.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { bucketsIn } from '../../server/store/sqlite/buckets.ts';
import { recut } from '../../server/store/sqlite/recovery.ts';
import { attempt, caller, cost, logbook, openEntry, refusedEntry, settlement, tokens } from './samples.ts';
import { scratch, type Scratch } from './scratch.ts';
import { recomputedSums, storedSums } from './sums.ts';

const MINUTE = 60_000;

/** Zones of whole, half and quarter hours, each with an instant around which its clocks change. */
const ZONES = [
  { zone: 'Europe/Berlin', around: Date.UTC(2026, 2, 29, 1) },
  { zone: 'America/New_York', around: Date.UTC(2026, 10, 1, 6) },
  { zone: 'Australia/Lord_Howe', around: Date.UTC(2026, 3, 4, 15) },
  { zone: 'Australia/Lord_Howe', around: Date.UTC(2026, 9, 3, 15, 30) },
  { zone: 'America/Santiago', around: Date.UTC(2026, 8, 6, 4) },
  { zone: 'Asia/Kathmandu', around: Date.UTC(2026, 0, 1) },
  { zone: 'Pacific/Chatham', around: Date.UTC(2026, 3, 4, 14) },
];

const aCall = fc.record({
  minutes: fc.integer({ min: -3 * 1440, max: 3 * 1440 }),
  ms: fc.integer({ min: 0, max: MINUTE - 1 }),
  workspace: fc.constantFrom('a', 'b'),
  workflow: fc.constantFrom('x', 'y'),
  user: fc.constantFrom(null, 'mia', 'ben'),
  model: fc.constantFrom('haiku', 'opus'),
  served: fc.constantFrom(null, 'haiku', 'opus-1'),
  outcome: fc.constantFrom<Outcome | 'open'>('ok', 'truncated', 'upstream_error', 'client_abort', 'refused', 'open'),
  nanos: fc.bigInt({ min: 0n, max: 5_000_000_000n }),
  estimated: fc.boolean(),
  attempts: fc.integer({ min: 0, max: 3 }),
  input: fc.nat(100_000),
});
type ACall = typeof aCall extends fc.Arbitrary<infer T> ? T : never;

async function live(place: Scratch, zone: string, around: number, history: readonly ACall[]): Promise<void> {
  const { ledger } = await place.open({ timezone: zone });
  await Promise.all(history.map(async (call, i) => {
    const id = `req_${i}`;
    const about = { admittedAt: epochMs(around + call.minutes * MINUTE + call.ms), caller: caller(call) };
    if (call.outcome === 'refused') return ledger.refuse(refusedEntry(id, { ...about, modelRequested: call.model }));
    await ledger.open(openEntry(id, { ...about, modelSent: call.model, held: nanodollars(call.nanos + 1n) }));
    if (call.outcome === 'open') return;
    await ledger.settle(settlement(id, {
      outcome: call.outcome,
      cost: cost({ total: nanodollars(call.nanos), estimated: call.estimated, modelServed: call.served, tokens: tokens(call.input, 1) }),
      attempts: Array.from({ length: call.attempts }, (_, n) => attempt(n + 1)),
    }));
  }));
  await ledger.close();
}

test.each(ZONES)('in $zone, roll-ups are the sums of their rows and spend is exact, around a change of clocks, before and after a restart', { timeout: 60_000 }, async ({ zone, around }) => {
  await fc.assert(
    fc.asyncProperty(fc.array(aCall, { minLength: 1, maxLength: 60 }), fc.array(fc.tuple(aCall, aCall), { minLength: 8, maxLength: 8 }), async (history, ranges) => {
      const place = scratch();
      try {
        await live(place, zone, around, history);
        expect(storedSums(place)).toEqual(recomputedSums(place, zone));
        // The next start settles those left open, and sums them too.
        const { ledger, recovery } = await place.open({ timezone: zone });
        expect(recovery.crashed).toBe(history.filter((c) => c.outcome === 'open').length);
        for (const [a, b] of ranges) {
          // Whole minutes meet the edges of buckets now and then; the rest falls between them.
          const [from = 0, to = 0] = [a, b].map((c) => around + c.minutes * MINUTE + (c.estimated ? 0 : c.ms)).sort((x, y) => x - y);
          const scope = { workspace: a.workspace, workflow: b.outcome === 'ok' ? a.workflow : null, key: null, user: a.user, model: b.outcome === 'refused' ? a.model : null };
          const expected = history
            .filter((c) => c.outcome !== 'refused' && c.workspace === scope.workspace)
            .filter((c) => (scope.workflow === null || c.workflow === scope.workflow) && (scope.user === null || c.user === scope.user) && (scope.model === null || c.model === scope.model))
            .filter((c) => around + c.minutes * MINUTE + c.ms >= from && around + c.minutes * MINUTE + c.ms < to)
            .reduce((sum, c) => sum + c.nanos + (c.outcome === 'open' ? 1n : 0n), 0n);
          expect(await ledger.spent(scope, epochMs(from), epochMs(to))).toBe(expected);
        }
        await ledger.close();
        expect(storedSums(place)).toEqual(recomputedSums(place, zone));
      } finally {
        place.remove();
      }
    }),
    { numRuns: 4 },
  );
});

test('a ledger that is opened in another zone has its roll-ups cut anew, and again', { timeout: 60_000 }, async () => {
  const place = scratch();
  const history = fc.sample(aCall, { numRuns: 120, seed: 7 });
  await live(place, 'Europe/Berlin', Date.UTC(2026, 2, 29, 1), history);
  for (const zone of ['Asia/Kathmandu', 'America/New_York', 'Europe/Berlin']) {
    const { ledger } = await place.open({ timezone: zone });
    await ledger.close();
    expect(storedSums(place)).toEqual(recomputedSums(place, zone));
  }
  place.remove();
});

test.each([
  { name: 'is finished by the next start', next: 'Asia/Kathmandu', finishes: true },
  { name: 'is begun anew by a start in yet another zone', next: 'America/New_York', finishes: false },
  { name: 'is undone by a start in the zone of before', next: 'Europe/Berlin', finishes: false },
])('a cut that a kill ended half-way $name', { timeout: 60_000 }, async ({ next, finishes }) => {
  const place = scratch();
  await live(place, 'Europe/Berlin', Date.UTC(2026, 2, 29, 1), fc.sample(aCall, { numRuns: 120, seed: 8 }));
  // The next start would end the calls left open; they are none of this.
  await (await place.open({ timezone: 'Europe/Berlin' })).ledger.close();
  const db = new Database(place.file);
  const steps: number[] = [];
  const cutShort = (): unknown => recut(db, bucketsIn('Asia/Kathmandu'), 'Asia/Kathmandu', (done) => {
    if (steps.push(done) === 3) throw new Error('killed');
  }, 20);
  expect(cutShort).toThrow('killed');
  db.close();
  expect(storedSums(place)).not.toEqual(recomputedSums(place, 'Asia/Kathmandu'));

  const log = logbook();
  const { ledger } = await place.open({ timezone: next, log });
  await ledger.close();
  expect(storedSums(place)).toEqual(recomputedSums(place, next));
  expect(place.read('SELECT value FROM meta WHERE key = ?', 'timezone')).toEqual([{ value: next }]);
  expect(place.read("SELECT key FROM meta WHERE key LIKE 'recut%'")).toEqual([]);
  expect(JSON.stringify(log)).toContain(finishes ? 'the rest of it' : `to ${next}`);
  place.remove();
});
