// test/store/retention.test.ts: old rows go, their sums stay, and the file shrinks.

import { statSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import type { OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { clockAt, cost, NOON, openEntry, settlement } from './samples.ts';
import { scratch } from './scratch.ts';
import { recomputedSums, storedSums } from './sums.ts';

const DAY = 86_400_000;
const EVERYTHING = { workspace: null, workflow: null, key: null, user: null, model: null };
const place = scratch();
afterEach(() => place.remove());

const call = async ({ ledger }: OpenLedger, id: string, daysAgo: number): Promise<void> => {
  await ledger.open(openEntry(id, { admittedAt: epochMs(NOON - daysAgo * DAY), decisions: [{ rule: 'budget:soft', verdict: 'would_refuse', detail: null }] }));
  await ledger.settle(settlement(id, { cost: cost({ total: nanodollars(1n) }) }));
};
const rowsLeft = (): number => place.read<{ n: number }>('SELECT count(*) AS n FROM call')[0]?.n ?? 0;

test('rows older than told go with their attempts, whole days at a time; sums, spend and calls in flight stay', async () => {
  const clock = clockAt(NOON);
  const open = await place.open({ clock });
  await Promise.all(Array.from({ length: 1_500 }, (_, i) => call(open, `req_old_${i}`, 40 + (i % 3))));
  for (const daysAgo of [32, 31, 30, 29, 0]) await call(open, `req_${daysAgo}`, daysAgo);
  await open.ledger.open(openEntry('req_flying', { admittedAt: epochMs(NOON - 50 * DAY) }));
  const sums = storedSums(place);

  await open.retain(30);
  // Newer than 30 days, the rest of the day that began it, and the one in flight.
  await vi.waitFor(() => expect(rowsLeft()).toBe(4), { timeout: 15_000 });
  expect(place.read<{ id: string }>('SELECT id FROM call ORDER BY n').map((row) => row.id)).toEqual(['req_30', 'req_29', 'req_0', 'req_flying']);
  expect(place.read('SELECT count(*) AS n FROM attempt WHERE call NOT IN (SELECT n FROM call)')).toEqual([{ n: 0 }]);
  expect(place.read('SELECT call FROM verdict ORDER BY call')).toEqual(place.read("SELECT n AS call FROM call WHERE id <> 'req_flying' ORDER BY n"));
  expect(storedSums(place)).toEqual(sums);
  expect(await open.ledger.spent(EVERYTHING, epochMs(NOON - 365 * DAY), epochMs(NOON + DAY))).toBe(1_505n);

  await open.ledger.settle(settlement('req_flying', { cost: cost({ total: nanodollars(1n) }) }));
  await open.ledger.close();
  expect(statSync(place.file).size).toBeLessThan(400_000);

  // Another zone afterwards: sums whose rows are gone stay, the others are cut anew, and none is lost or counted twice.
  for (const zone of ['America/New_York', 'Asia/Kathmandu']) {
    const again = await place.open({ timezone: zone });
    expect(await again.ledger.spent(EVERYTHING, epochMs(NOON - 365 * DAY), epochMs(NOON + DAY))).toBe(1_506n);
    await again.ledger.close();
    const recut = recomputedSums(place, zone);
    const newer = (sums: typeof recut): typeof recut => new Map([...sums].filter(([name]) => Number(name.split(' ')[1]) >= NOON - 29.5 * DAY));
    expect(newer(recut).size).toBeGreaterThan(0);
    expect(newer(storedSums(place))).toEqual(newer(recut));
  }
});
