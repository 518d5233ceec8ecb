// test/store/trouble.test.ts: a full disk refuses new calls at once, keeps settlements until they can be written, and needs no restart.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nanodollars } from '../../server/domain/money.ts';
import type { OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { cost, logbook, openEntry, refusedEntry, settlement } from './samples.ts';
import { scratch, type Scratch } from './scratch.ts';
import { recomputedSums, storedSums } from './sums.ts';

const EVERYTHING = { workspace: null, workflow: null, key: null, user: null, model: null };
const log = logbook();
let place: Scratch;
let open: OpenLedger;

beforeEach(async () => {
  log.lines.length = 0;
  place = scratch();
  open = await place.open({ log });
});
afterEach(() => place.remove());

/** Long error types, so that few calls fill the pages that are left. */
const bulky = (id: string) => settlement(id, { errorType: 'x'.repeat(900), cost: cost({ total: nanodollars(10n) }) });

/** Opens calls until the disk is full. @returns those acknowledged */
async function fillDisk(): Promise<string[]> {
  const opened: string[] = [];
  for (let i = 0; i < 40; i++) {
    await open.ledger.open(openEntry(`req_${i}`));
    opened.push(`req_${i}`);
  }
  // SQLite takes the size it has for the least maximum.
  await open.limitPages(1);
  return opened;
}

test('on a full disk settlements and refusals wait, and new calls are refused or wait too; with space again, nothing is lost or counted twice', async () => {
  const { ledger } = open;
  const opened = await fillDisk();
  const settled = Promise.all(opened.map((id) => ledger.settle(bulky(id))));
  await vi.waitFor(() => expect(ledger.health().writable).toBe(false), { timeout: 5_000 });

  await expect(ledger.open(openEntry('req_new'))).rejects.toMatchObject({ name: 'LedgerUnavailable' });
  const refused = ledger.refuse(refusedEntry('req_no'));
  expect(ledger.journal(openEntry('req_soft'))).toBe(true);
  const soft = ledger.settle(bulky('req_soft'));
  expect(ledger.health()).toMatchObject({ writable: false, queued: 43, trouble: expect.stringContaining('SQLITE_FULL') });
  // A sum without what waits would be none.
  await expect(ledger.spent(EVERYTHING, openEntry('').admittedAt, settlement('').endedAt)).rejects.toMatchObject({ name: 'LedgerUnavailable' });
  expect(log.lines.filter((line) => line.event === 'ledger_unwritable')).toHaveLength(1);

  await open.limitPages(1_000_000);
  await Promise.all([settled, refused, soft]);
  expect(ledger.health()).toMatchObject({ writable: true, queued: 0, trouble: null });
  await ledger.open(openEntry('req_new'));
  await ledger.settle(bulky('req_new'));
  await ledger.close();
  expect(place.read('SELECT outcome, count(*) AS n, sum(cost) AS cost FROM call GROUP BY outcome')).toEqual([{ outcome: 'ok', n: 42, cost: 420 }, { outcome: 'refused', n: 1, cost: 0 }]);
  expect(storedSums(place)).toEqual(recomputedSums(place, 'Europe/Berlin'));
});

test('a ledger without settlements to write finds out by itself that there is space again', async () => {
  const { ledger } = open;
  await open.limitPages(1);
  let refused: unknown = null;
  for (let i = 0; refused === null; i++) await ledger.open(openEntry(`req_${i}`)).catch((error: unknown) => (refused = error));
  expect(refused).toMatchObject({ name: 'LedgerUnavailable' });
  await open.limitPages(1_000_000);
  await vi.waitFor(() => expect(ledger.health()).toMatchObject({ writable: true, trouble: null }), { timeout: 5_000 });
  await ledger.open(openEntry('req_after'));
  await ledger.close();
});

test('a ledger that is closed on a full disk gives up what it cannot write, says how much, and the next start counts it at what was held', async () => {
  const { ledger } = open;
  const opened = await fillDisk();
  const settled = Promise.allSettled(opened.map((id) => ledger.settle(bulky(id))));
  await vi.waitFor(() => expect(ledger.health().writable).toBe(false), { timeout: 5_000 });
  await ledger.close();
  expect((await settled).every((result) => result.status === 'rejected')).toBe(true);
  expect(log.lines.find((line) => line.event === 'ledger_stopped')?.fields.count).toBe(40);
  const next = await place.open();
  expect(next.recovery).toEqual({ crashed: 40, crashedCost: 40n * 24_000_000n });
  await next.ledger.close();
});

test('more changes than the queue holds are refused at once, but never a settlement', async () => {
  const { ledger } = open;
  await ledger.open(openEntry('req_0'));
  const refusals = Array.from({ length: 10_001 }, (_, i) => ledger.refuse(refusedEntry(`req_r${i}`)).then(() => 'written', (error: Error) => error.name));
  const settled = ledger.settle(settlement('req_0'));
  const results = await Promise.all(refusals);
  expect(results.filter((r) => r === 'LedgerUnavailable')).toHaveLength(1);
  expect(results.filter((r) => r === 'written')).toHaveLength(10_000);
  await settled;
  await ledger.close();
});

test('a settlement that cannot be put into words is refused alone; those of the same commit are written', async () => {
  const { ledger } = open;
  await Promise.all(['req_a', 'req_b'].map((id) => ledger.open(openEntry(id))));
  const broken = ledger.settle({ ...settlement('req_a'), cost: null as never });
  const sound = ledger.settle(bulky('req_b'));
  await expect(broken).rejects.toThrow(TypeError);
  await sound;
  await ledger.settle(bulky('req_a'));
  await ledger.close();
  expect(place.read('SELECT id, outcome FROM call ORDER BY id')).toEqual([{ id: 'req_a', outcome: 'ok' }, { id: 'req_b', outcome: 'ok' }]);
});
