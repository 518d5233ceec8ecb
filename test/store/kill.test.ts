// test/store/kill.test.ts: a gateway killed at any moment loses nothing that the ledger acknowledged, and counts nothing twice.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterAll, expect, test } from 'vitest';
import { scratch } from './scratch.ts';
import { recomputedSums, storedSums } from './sums.ts';

const opener = fileURLToPath(new URL('./opener.mjs', import.meta.url));
const place = scratch();
afterAll(() => place.remove());

/** Lets a process write calls and kills it after so many lines. @returns the lines, all of them promises that the ledger has made */
async function workUntilKilled(cycle: number, lines: number, durability: string): Promise<string[]> {
  const child = spawn(process.execPath, [opener, place.file, 'work', String(cycle), durability], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'close');
  const said: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(line);
    if (said.length === lines) child.kill('SIGKILL');
  });
  await gone;
  return said;
}

test('fifteen times killed, every acknowledged call is there once, at its cost or at what was held, and all sums agree', { timeout: 120_000 }, async () => {
  const settled = new Set<string>();
  const opened = new Set<string>();
  const refused = new Set<string>();
  for (let cycle = 0; cycle < 15; cycle++) {
    // An odd number of lines, different each time, so that the end falls on another place in the batches.
    const said = await workUntilKilled(cycle, 40 + cycle * 61, cycle % 2 === 0 ? 'full' : 'normal');
    expect(said[0]).toMatch(/^open \d+$/);
    for (const line of said.slice(1)) {
      const [what, id] = line.split(' ') as [string, string];
      ({ opened, settled, refused })[what as 'opened']?.add(id);
    }
  }
  // The last start settles what the last kill left open.
  const { ledger } = await place.open();
  await ledger.close();

  const rows = place.read<{ id: string; outcome: string; cost: number }>('SELECT id, outcome, cost FROM call');
  const byId = new Map(rows.map((row) => [row.id, row]));
  expect(byId.size).toBe(rows.length);
  expect(settled.size).toBeGreaterThan(500);
  expect([...opened].filter((id) => !byId.has(id))).toEqual([]);
  expect([...settled].filter((id) => byId.get(id)?.outcome !== 'ok')).toEqual([]);
  expect([...refused].filter((id) => byId.get(id)?.outcome !== 'refused')).toEqual([]);
  const costs = { ok: 1_000, crashed: 7_000, refused: 0 } as Record<string, number>;
  expect(rows.filter((row) => row.cost !== costs[row.outcome])).toEqual([]);
  expect(rows.some((row) => row.outcome === 'crashed')).toBe(true);
  expect(place.read('SELECT call FROM attempt WHERE outcome IS NULL')).toEqual([]);
  expect(storedSums(place)).toEqual(recomputedSums(place, 'Europe/Berlin'));
  const db = new Database(place.file, { readonly: true });
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
  db.close();
});
