// test/store/migrations.test.ts: an upgrade that is killed on its way opens again, whole, with every call and every sum.

import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { canTrace } from '../faults/tracer.ts';
import { SCHEMA_VERSION } from '../../server/store/sqlite/migrations.ts';
import { killAndStartAgain, writeOldLedger, writesOfAStart } from './old-ledger.ts';
import { scratch } from './scratch.ts';

const place = scratch();
afterAll(() => place.remove());

const CALLS = 500;

test.runIf(canTrace)('an upgrade from the first version, killed at three places, is taken up by the next start', async () => {
  const file = join(place.dir, 'old.db');
  writeOldLedger(file, CALLS);
  const writes = writesOfAStart(file);
  const found: number[] = [];
  for (let i = 1; i <= 3; i++) {
    const { killed, versionFound } = await killAndStartAgain(file, CALLS, Math.ceil((i * writes) / 4));
    expect(killed).toBe(true);
    found.push(versionFound);
  }
  // Some were killed before its end.
  expect(found.some((version) => version < SCHEMA_VERSION)).toBe(true);
});
