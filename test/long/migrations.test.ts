// test/long/migrations.test.ts: an upgrade of fifty thousand calls from the first version, killed at forty places from its first write to nearly its last.

import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { canTrace } from '../faults/tracer.ts';
import { SCHEMA_VERSION } from '../../server/store/sqlite/migrations.ts';
import { killAndStartAgain, writeOldLedger, writesOfAStart } from '../store/old-ledger.ts';
import { scratch } from '../store/scratch.ts';

const place = scratch();
afterAll(() => place.remove());

const CALLS = 50_000;
const PLACES = 40;

test.runIf(canTrace)(`an upgrade killed at ${PLACES} places opens again every time, whole, and its sums are those of its rows`, async () => {
  const file = join(place.dir, 'old.db');
  writeOldLedger(file, CALLS);
  const writes = writesOfAStart(file);
  const found = new Map<number, number>();
  // One start makes a few more or fewer writes than the next, as its syncs fall.
  const last = Math.floor(writes * 0.95);
  for (let i = 0; i < PLACES; i++) {
    const { killed, versionFound } = await killAndStartAgain(file, CALLS, 1 + Math.floor((i * (last - 1)) / (PLACES - 1)));
    expect(killed).toBe(true);
    found.set(versionFound, (found.get(versionFound) ?? 0) + 1);
  }
  console.log(`${writes} writes and syncs in a whole upgrade; found after the kill: ${[...found].sort(([a], [b]) => a - b).map(([version, n]) => `schema ${version} × ${n}`).join(', ')}`);
  expect([...found.keys()].some((version) => version < SCHEMA_VERSION)).toBe(true);
}, 1_800_000);
