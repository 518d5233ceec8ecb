// test/store/corrections.test.ts: corrections are rows of their own that every sum counts, and a check of the sums finds what is not theirs.

import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import type { Correction } from '../../server/domain/ledger.ts';
import { nanodollars } from '../../server/domain/money.ts';
import type { Filter, Reports } from '../../server/domain/reports.ts';
import type { OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { openReports } from '../../server/store/sqlite/reader-client.ts';
import { cost, NOON, openEntry, price, settlement } from './samples.ts';
import { scratch, type Scratch } from './scratch.ts';
import { recomputedSums, storedSums } from './sums.ts';

const ZONE = 'Europe/Berlin';
const EVERYTHING = { workspace: null, workflow: null, key: null, user: null, model: null };
const HOUR = 3_600_000;
const filter: Filter = { from: epochMs(NOON - HOUR), to: epochMs(NOON + HOUR), workspace: [], workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [] };

let place: Scratch;
let store: OpenLedger;
let reports: Reports;
beforeEach(async () => {
  place = scratch();
  store = await place.open();
  reports = openReports({ file: place.file, workerEntry: new URL('../../dist/server/store/sqlite/reader.js', import.meta.url), timezone: ZONE });
});
afterEach(async () => {
  await reports.close();
  await store.ledger.close();
  place.remove();
});

const correction = (id: string, before: bigint, after: bigint, more: Partial<Correction> = {}): Correction => ({
  call: openEntry(id).id, at: epochMs(NOON + 5_000), run: 'rp_1', reason: 'reprice', actor: 'cli', before: nanodollars(before), cost: nanodollars(after), cacheSavings: nanodollars(7n),
  estimated: false, estimateMethod: null, basis: 'listed', prices: [price('claude-haiku-4-5', 'bbbb')], ...more,
});
async function settled(id: string, nanos: bigint, estimated = false): Promise<void> {
  await store.ledger.open(openEntry(id));
  await store.ledger.settle(settlement(id, { cost: cost({ total: nanodollars(nanos), estimated, estimateMethod: estimated ? 'a guess' : null }) }));
}
const usage = async (more: Partial<Filter> = {}) => (await reports.usage({ filter: { ...filter, ...more }, groupBy: [], limit: 1 })).total;

test('a correction counts in every sum, and the row of the call stays as it was', async () => {
  await settled('req_1', 1_000n, true);
  await settled('req_2', 500n);
  const [untouched] = place.read('SELECT * FROM call WHERE id = ?', 'req_1');
  await store.ledger.correct(correction('req_1', 1_000n, 300n));
  expect(place.read('SELECT * FROM call WHERE id = ?', 'req_1')).toEqual([untouched]);
  expect(await store.ledger.spent(EVERYTHING, filter.from, filter.to)).toBe(800n);
  expect(await store.ledger.spent({ ...EVERYTHING, user: 'mia' }, filter.from, filter.to)).toBe(800n);
  const ways: Partial<Filter>[] = [{}, { session: ['session-7'] }, { from: epochMs(NOON - 40 * HOUR), to: epochMs(NOON + 40 * HOUR) }];
  for (const more of ways) {
    expect(await usage(more)).toMatchObject({ requests: 2, cost: 800n, estimatedCost: 0n, cacheSavings: 84n });
  }
  expect((await reports.hourlySpend({ ...EVERYTHING, user: 'mia' }, epochMs(NOON - HOUR), epochMs(NOON + HOUR))).map(({ cost: spent }) => spent)).toEqual([800n]);
  expect((await reports.requests({ filter, limit: 10, cursor: null })).rows.map((row) => [row.id, row.cost, row.settledCost, row.corrections, row.estimated, row.priceVersion])).toEqual([
    ['req_2', 500n, 500n, 0, false, 'claude-haiku-4-5@2025-10-01#1f2e3d4c'],
    ['req_1', 300n, 1_000n, 1, false, 'claude-haiku-4-5@2025-10-01#bbbb'],
  ]);
  expect(storedSums(place)).toEqual(recomputedSums(place, ZONE));
});

test('corrections follow one another, and a call tells all of them', async () => {
  await settled('req_1', 1_000n);
  await store.ledger.correct(correction('req_1', 1_000n, 300n));
  await store.ledger.correct(correction('req_1', 300n, 450n, { run: 'rp_2', estimated: true, estimateMethod: 'a guess' }));
  const detail = await reports.request('req_1');
  expect(detail?.corrections.map((c) => [c.run, c.difference, c.cost, c.estimated])).toEqual([['rp_1', -700n, 300n, false], ['rp_2', 150n, 450n, true]]);
  expect(detail?.prices.map((row) => row.version)).toEqual(['claude-haiku-4-5@2025-10-01#bbbb']);
  expect(await usage()).toMatchObject({ cost: 450n, estimatedCost: 450n });
});

describe('a correction is refused, and changes nothing,', () => {
  test.each([
    { name: 'when the call costs something else by now', made: () => correction('req_1', 999n, 300n) },
    { name: 'when there is no such call', made: () => correction('req_9', 1_000n, 300n) },
    { name: 'when the call is still in flight', made: () => correction('req_open', 0n, 300n) },
  ])('$name', async ({ made }) => {
    await settled('req_1', 1_000n);
    await store.ledger.open(openEntry('req_open'));
    await expect(store.ledger.correct(made())).rejects.toThrow();
    expect((await usage()).cost).toBe(1_000n);
  });
});

test('the same run corrects a call once, however often it is told', async () => {
  await settled('req_1', 1_000n);
  await store.ledger.correct(correction('req_1', 1_000n, 300n));
  await store.ledger.correct(correction('req_1', 1_000n, 300n));
  expect((await usage()).cost).toBe(300n);
  expect(place.read('SELECT count(*) AS n FROM correction')).toEqual([{ n: 1 }]);
});

test('a kill and another zone find the corrected sums again', async () => {
  await settled('req_1', 1_000n, true);
  await store.ledger.correct(correction('req_1', 1_000n, 300n));
  const after = place.crashed();
  const again = await after.open({ timezone: 'Asia/Kathmandu' });
  expect(await again.ledger.spent(EVERYTHING, filter.from, filter.to)).toBe(300n);
  await again.ledger.close();
  expect(storedSums(after)).toEqual(recomputedSums(after, 'Asia/Kathmandu'));
});

test('corrections go with their call when it is too old, and the sums stay', async () => {
  await settled('req_1', 1_000n);
  await store.ledger.correct(correction('req_1', 1_000n, 300n));
  await store.ledger.close();
  store = await place.open({ clock: { now: () => epochMs(NOON + 100 * 24 * HOUR), monotonic: () => 0 }, retentionDays: 30 });
  await store.retain(30);
  expect(place.read('SELECT (SELECT count(*) FROM call) AS calls, (SELECT count(*) FROM correction) AS corrections, (SELECT sum(cost) FROM rollup WHERE grain = 2) AS cost')).toEqual([{ calls: 0, corrections: 0, cost: 300 }]);
});

describe('the check of a day', () => {
  test('finds nothing where every sum is what its rows give', async () => {
    await settled('req_1', 1_000n, true);
    await store.ledger.correct(correction('req_1', 1_000n, 300n));
    const kept = await reports.daysKept();
    expect(kept).toEqual({ from: Date.UTC(2026, 2, 3, 23), to: Date.UTC(2026, 2, 4, 23) });
    expect(await reports.checkDay(kept!.from)).toEqual({ to: kept!.to, drift: [] });
  });

  test.each([
    { name: 'a sum that was changed', sql: 'UPDATE rollup SET cost = cost + 1 WHERE grain = 1', kinds: ['hour'] },
    { name: 'a sum that is gone', sql: 'DELETE FROM rollup WHERE grain = 3', kinds: ['day by user'] },
    { name: 'a row that is gone', sql: 'DELETE FROM call', kinds: ['day', 'day by user'] },
    { name: 'a correction that no sum knows', sql: 'UPDATE correction SET cost = cost - 1', kinds: ['day', 'day by user', 'hour'] },
  ])('tells $name', async ({ sql, kinds }) => {
    await settled('req_1', 1_000n);
    await settled('req_2', 10n);
    await store.ledger.correct(correction('req_1', 1_000n, 300n));
    const db = new Database(place.file);
    db.exec(sql.replace('DELETE FROM call', "DELETE FROM call WHERE id = 'req_2'"));
    db.close();
    const { drift } = await reports.checkDay(NOON);
    const found = [...new Set(drift.map(({ subject }) => subject.replace(/ \S+$/, '')))];
    expect(found).toEqual(expect.arrayContaining([...kinds]));
    expect(drift.every(({ expected, found: have }) => expected !== have)).toBe(true);
  });

  test('an empty ledger has no days', async () => {
    expect(await reports.daysKept()).toBeNull();
  });
});
