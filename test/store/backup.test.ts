// test/store/backup.test.ts: a backup taken under load is a whole ledger, and never takes the place of a file.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEntry, settlement } from './samples.ts';
import { scratch, type Scratch } from './scratch.ts';
import { recomputedSums, storedSums } from './sums.ts';

let place: Scratch;
let target: Scratch;
beforeEach(() => {
  place = scratch();
  target = scratch();
});
afterEach(() => {
  place.remove();
  target.remove();
});

test('a backup taken while calls are written holds all that was acknowledged before it, and opens as a ledger', async () => {
  const { ledger, backup } = await place.open();
  await Promise.all(Array.from({ length: 3_000 }, (_, i) => ledger.open(openEntry(`req_${i}`)).then(() => ledger.settle(settlement(`req_${i}`)))));
  let done = false;
  let more = 0;
  const writing = (async () => {
    for (; !done; more++) {
      await ledger.open(openEntry(`req_m${more}`));
      await ledger.settle(settlement(`req_m${more}`));
    }
  })();
  const { bytes, ms } = await backup(target.file);
  done = true;
  await writing;
  expect(more).toBeGreaterThan(0);
  expect(bytes).toBeGreaterThan(500_000);
  expect(ms).toBeGreaterThan(0);
  expect(readdirSync(target.dir)).toEqual(['ledger.db']);
  expect(place.read('SELECT count(*) AS n FROM call')).toEqual([{ n: 3_000 + more }]);
  await ledger.close();

  const restored = await target.open();
  await restored.ledger.close();
  expect(target.read<{ n: number }>("SELECT count(*) AS n FROM call WHERE id NOT LIKE 'req_m%' AND outcome = 'ok'")).toEqual([{ n: 3_000 }]);
  expect(storedSums(target)).toEqual(recomputedSums(target, 'Europe/Berlin'));
});

test('a backup never overwrites a file, and leaves nothing behind', async () => {
  const { ledger, backup } = await place.open();
  writeFileSync(target.file, 'something dear');
  await expect(backup(target.file)).rejects.toThrow(/exists/);
  expect(readFileSync(target.file, 'utf8')).toBe('something dear');
  await expect(backup(join(target.file, 'inside-a-file.db'))).rejects.toThrow();
  expect(readdirSync(target.dir)).toEqual(['ledger.db']);
  const { bytes } = await backup(join(target.dir, 'made', 'for-it.db'));
  expect(statSync(join(target.dir, 'made', 'for-it.db')).size).toBe(bytes);
  await ledger.open(openEntry('req_1'));
  await ledger.close();
});
