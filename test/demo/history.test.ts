// test/demo/history.test.ts: the demo's past: repeatable, believable, exact, and never told twice.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DateTime } from 'luxon';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { loadSettings } from '../../server/settings/load.ts';
import { CAST } from './cast.ts';
import { demoConfig, sizedLimit } from './config.ts';
import { generateHistory, type HistoryDone } from './history.ts';
import { demoPricing, openDemoLedger, ZONE } from './ledger.ts';
import { openWithPast, type PastOptions } from './past.ts';
import { callsOfSlot, SLOT_MS, type PlannedCall } from './plot.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NOW = Date.parse('2026-11-20T12:00:00Z');
const DAY = 86_400_000;
const EVERYTHING = { workspace: null, workflow: null, key: null, user: null, model: null };

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'demo-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function written(folder: string, options: { from?: number; to?: number; seed?: string } = {}): Promise<HistoryDone & { spent: bigint }> {
  const store = await openDemoLedger(join(dir, folder), ROOT);
  const from = options.from ?? NOW - 3 * DAY;
  const to = options.to ?? NOW;
  const done = await generateHistory({ ledger: store.ledger, pricing: demoPricing(ROOT), from, to, zone: ZONE, calls: 3_000, seed: options.seed ?? 'a' });
  const spent = await store.ledger.spent(EVERYTHING, epochMs(from), epochMs(to));
  await store.ledger.close();
  return { ...done, spent };
}

test('a history costs in the ledger exactly what its calls cost by the price book', async () => {
  const done = await written('one');
  expect(done.calls).toBeGreaterThan(150);
  expect(done.cost).toBeGreaterThan(0n);
  expect(done.spent).toBe(done.cost);
});

test('the same seed tells the same story, another seed another one', async () => {
  const [one, same, other] = [await written('one'), await written('same'), await written('other', { seed: 'b' })];
  expect({ calls: same.calls, cost: same.cost }).toEqual({ calls: one.calls, cost: one.cost });
  expect(other.cost).not.toBe(one.cost);
});

test('a history ends at the last slot of five minutes before its end', async () => {
  expect((await written('one', { to: NOW + 299_999 })).until).toBe(NOW);
});

/** Every call planned for four weeks, without writing any. */
function month(): PlannedCall[] {
  const end = Date.parse('2026-11-20T00:00:00Z');
  const out: PlannedCall[] = [];
  for (let slot = end - 28 * DAY; slot < end; slot += SLOT_MS) out.push(...callsOfSlot(slot, { seed: 'month', zone: ZONE, calls: 20_000 }));
  return out;
}

test('a month has working hours, weekends, every workflow, every kind of ending, and one runaway afternoon', () => {
  const calls = month();
  const local = (call: PlannedCall) => DateTime.fromMillis(call.at, { zone: ZONE });
  const office = calls.filter((c) => c.part.shape === 'office');
  const weekdays = office.filter((c) => local(c).weekday <= 5).length / 5;
  const weekends = office.filter((c) => local(c).weekday > 5).length / 2;
  expect(weekdays).toBeGreaterThan(weekends * 5);
  expect(office.filter((c) => local(c).hour === 3)).toHaveLength(0);
  expect(new Set(calls.map((c) => c.part))).toEqual(new Set(CAST));
  expect(new Set(calls.map((c) => c.fate.kind))).toEqual(new Set(['ok', 'refusal', 'max_tokens', 'abort', 'reset', 'error', 'refused']));
  expect(calls.some((c) => c.retry === 2)).toBe(true);
  const loop = calls.filter((c) => c.user === 'nightly-eval');
  expect(new Set(loop.map((c) => local(c).toISODate()))).toHaveLength(1);
  expect(loop.at(-1)?.fate).toMatchObject({ kind: 'refused', reason: 'budget_exhausted' });
});

test('a month of 20,000 calls has about 20,000', () => {
  const calls = month().filter((c) => c.user !== 'nightly-eval').length * (30 / 28);
  expect(calls).toBeGreaterThan(17_000);
  expect(calls).toBeLessThan(23_000);
});

const past = (more: Partial<PastOptions> = {}): PastOptions => ({ dataDir: dir, now: NOW, days: 3, calls: 3_000, seed: 'a', root: ROOT, ...more });

test('a second start writes what is missing since, and nothing twice', async () => {
  const first = await openWithPast(past());
  await first.store.ledger.close();
  const again = await openWithPast(past());
  await again.store.ledger.close();
  expect(again.written.calls).toBe(0);
  const later = await openWithPast(past({ now: NOW + DAY / 4 }));
  const spent = await later.store.ledger.spent(EVERYTHING, epochMs(NOW - 3 * DAY), epochMs(NOW + DAY));
  await later.store.ledger.close();
  expect(later.written.calls).toBeGreaterThan(0);
  expect(spent).toBe(first.written.cost + later.written.cost);
});

test('a history that was interrupted is begun again', async () => {
  const abort = new AbortController();
  await expect(openWithPast(past({ calls: 60_000, signal: abort.signal, onProgress: () => abort.abort() }))).rejects.toThrow(/abort/i);
  const whole = await openWithPast(past());
  const spent = await whole.store.ledger.spent(EVERYTHING, epochMs(0), epochMs(NOW + DAY));
  await whole.store.ledger.close();
  expect(spent).toBe(whole.written.cost);
  expect(JSON.parse(readFileSync(join(dir, 'history.json'), 'utf8'))).toMatchObject({ until: NOW });
});

test('a directory with a ledger that the demo did not make is left alone', async () => {
  writeFileSync(join(dir, 'tollgate.db'), 'somebody else\'s');
  await expect(openWithPast(past())).rejects.toThrow(/did not make/);
  expect(readFileSync(join(dir, 'tollgate.db'), 'utf8')).toBe('somebody else\'s');
});

test('the demo\'s config is one that the gateway takes, with a key for each workflow of the cast', async () => {
  const { store } = await openWithPast(past());
  const file = join(dir, 'tollgate.yaml');
  writeFileSync(file, await demoConfig({ ledger: store.ledger, now: NOW, zone: ZONE, upstream: 'http://127.0.0.1:9', alertsTo: 'http://127.0.0.1:9/alerts', pricesFile: join(ROOT, 'config/prices.yaml') }));
  await store.ledger.close();
  const loaded = loadSettings({ file, env: {} });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  expect(loaded.settings.access).toBe('keys');
  for (const part of CAST) expect(loaded.settings.workspaces.get(part.workspace as never)?.workflows.map((w) => w.id)).toContain(part.workflow);
  expect(new Set(loaded.settings.keys.map((k) => k.id))).toEqual(new Set(CAST.map((part) => part.key)));
});

test.each([
  { name: 'of which nine tenths are spent', spent: 90, budget: { mode: 'soft' as const, spent: 0.9 }, limit: 100 },
  { name: 'that is overspent', spent: 106, budget: { mode: 'soft' as const, spent: 1.06 }, limit: 100 },
  { name: 'in two figures', spent: 123.45, budget: { mode: 'soft' as const, spent: 0.5 }, limit: 250 },
  { name: 'that leaves the sample apps two dollars', spent: 5, budget: { mode: 'hard' as const, spent: 0.93 }, limit: 7 },
  { name: 'of a dollar where nothing was spent', spent: 0, budget: { mode: 'soft' as const, spent: 0.5 }, limit: 1 },
])('a limit $name', ({ spent, budget, limit }) => {
  expect(sizedLimit(spent, budget)).toBe(limit);
});
