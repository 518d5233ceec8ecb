// test/faults/clock.test.ts: a wall clock that steps, under a gateway that runs: rows keep their order, closed periods stay closed, and no leap is believed at first sight.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { admin, ask, call, eventually, metric, newSession, openScene, rowsOf, type Row, type Scene } from './scene.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

interface Moved extends Scene {
  /** Puts the gateway's wall clock so far from ours, and waits until it has seen it; with `forMs`, for so long only, and until it has seen that too. */
  move(ms: number, forMs?: number): Promise<void>;
}

/** @param startMs how far the clock is off when the gateway starts */
async function movable(config: Record<string, unknown> = {}, startMs = 0): Promise<Moved> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-clock-'));
  const file = join(folder, 'ms');
  // In one step, so that nobody reads half of it.
  const put = (ms: number, forMs?: number): void => {
    writeFileSync(`${file}.new`, forMs === undefined ? String(ms) : `${ms} ${forMs}`);
    renameSync(`${file}.new`, file);
  };
  put(startMs);
  const scene = await openScene({
    config: { log: { level: 'info' }, ...config },
    upstream: { idle_timeout: '20s', stream_headers_timeout: '20s', headers_timeout: '20s' },
    env: { NODE_OPTIONS: `--import ${new URL('./moved-clock.mjs', import.meta.url).href}`, CLOCK_FILE: file },
  });
  cleanUp.push(() => scene.close(), () => rmSync(folder, { recursive: true }));
  let steps = 0;
  return {
    ...scene,
    async move(ms, forMs) {
      put(ms, forMs);
      steps += forMs === undefined ? 1 : 2;
      await eventually(() => metric(scene, 'tollgate_clock_steps_total'), (seen) => seen === steps);
    },
  };
}

const at = (row: Row, which: 'admitted_at' | 'ended_at' = 'admitted_at'): number => Date.parse(String(row[which]));

test.each([
  { name: 'an hour', back: HOUR },
  { name: 'a year', back: YEAR },
])('a clock that steps back by $name in the middle of a stream changes neither its duration nor the order of rows, and is told', async ({ back }) => {
  const scene = await movable();
  const first = await call(scene, {});
  const began = performance.now();
  const session = newSession();
  const stream = ask(scene.gateway.dataUrl, { stream: true, fault: 'slow-events:25', session });
  await eventually(() => scene.standin.requests(), (n) => n === 2);
  await scene.move(-back);
  expect((await stream).ending).toBe('complete');
  const [during] = await eventually(() => rowsOf(scene, session), ([row]) => row !== undefined && row.outcome !== null);
  expect(Number(during!['duration_ms'])).toBeGreaterThan(0);
  expect(Number(during!['duration_ms'])).toBeLessThan(performance.now() - began);
  const after = await call(scene, {});
  const times = [at(first.row), at(first.row, 'ended_at'), at(during!), at(during!, 'ended_at'), at(after.row), at(after.row, 'ended_at')];
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(Math.abs(at(after.row) - Date.now())).toBeLessThan(60_000);
  expect(scene.gateway.output().split('\n').filter((line) => line.includes('"clock_stepped"')).map((line) => JSON.parse(line) as object)).toEqual([expect.objectContaining({ level: 'warn', reason: 'back', ms: expect.closeTo(back, -2) })]);
});

test('a period that is over stays over when the clock steps back into it', async () => {
  // Started in the last minutes of an hour, so that a step of ten minutes leads into the next.
  const now = Date.now();
  const startMs = HOUR - (now % HOUR) - 120_000;
  const scene = await movable({ budgets: [{ id: 'hourly', scope: { organization: true }, limit_usd: 5, period: 'hour' }] }, startMs);
  const standing = async () => (await admin<{ rows: { period: { from: string }; spent_usd: string }[] }>(scene, '/api/budgets')).rows[0]!;
  const early = await call(scene, {});
  const before = await standing();
  expect(before.spent_usd).toBe(early.row.cost_usd);
  await scene.move(startMs + 600_000);
  const late = await call(scene, {});
  const next = await standing();
  expect(Date.parse(next.period.from)).toBe(Date.parse(before.period.from) + HOUR);
  expect(next.spent_usd).toBe(late.row.cost_usd);
  await scene.move(startMs);
  const again = await call(scene, {});
  expect(at(again.row)).toBeGreaterThanOrEqual(at(late.row, 'ended_at'));
  const still = await standing();
  expect(still.period.from).toBe(next.period.from);
  expect(Number(still.spent_usd)).toBeCloseTo(Number(late.row.cost_usd) + Number(again.row.cost_usd), 9);
});

test('a leap of a year that lasts a moment marks no row; one that stays is followed', async () => {
  const scene = await movable();
  const sessions: string[] = [];
  let over = false;
  const leap = scene.move(YEAR, 400).then(() => (over = true));
  while (!over) {
    sessions.push(newSession());
    await ask(scene.gateway.dataUrl, { session: sessions.at(-1)! });
  }
  await leap;
  for (const session of sessions) {
    const [row] = await eventually(() => rowsOf(scene, session), ([one]) => one !== undefined && one.outcome !== null);
    expect(Math.abs(at(row!) - Date.now())).toBeLessThan(60_000);
  }
  await scene.move(YEAR);
  const session = newSession();
  await eventually(async () => {
    await ask(scene.gateway.dataUrl, { session });
    return admin<{ rows: Row[] }>(scene, `/api/requests?session=${session}&from=2000-01-01&to=2100-01-01&limit=1`);
  }, ({ rows: [row] }) => row !== undefined && at(row) > Date.now() + YEAR - 60_000, 10_000);
});

test.each([
  { name: 'a day of 25 hours', zone: 'Europe/Berlin', begins: '2026-10-24T22:00:00.000Z', ends: '2026-10-25T23:00:00.000Z' },
  { name: 'a month, in a zone of a quarter of an hour', zone: 'Asia/Kathmandu', begins: '2026-03-30T18:15:00.000Z', ends: '2026-03-31T18:15:00.000Z' },
  { name: 'a day before one without a midnight', zone: 'Africa/Cairo', begins: '2027-04-28T22:00:00.000Z', ends: '2027-04-29T22:00:00.000Z' },
])('at the end of $name in $zone a call belongs to the day that admitted it, and the next day begins at its first instant', async ({ zone, begins, ends }) => {
  const startMs = Date.parse(ends) - 60_000 - Date.now();
  const scene = await movable({ timezone: zone, budgets: [{ id: 'daily', scope: { organization: true }, limit_usd: 5, period: 'day' }] }, startMs);
  const standing = async () => (await admin<{ rows: { period: { from: string; to: string }; spent_usd: string; held_usd: string }[] }>(scene, '/api/budgets')).rows[0]!;
  let go = (): void => {};
  const until = new Promise<void>((resolve) => (go = resolve));
  scene.standin.next({ until });
  const session = newSession();
  const across = ask(scene.gateway.dataUrl, { stream: true, session });
  await eventually(() => scene.standin.requests(), (n) => n === 1);
  const before = await standing();
  expect(before).toMatchObject({ period: { from: begins, to: ends }, spent_usd: '0.000000000' });
  expect(Number(before.held_usd)).toBeGreaterThan(0);
  await scene.move(startMs + 120_000);
  // What the day before still holds, it holds alone.
  expect(await standing()).toMatchObject({ period: { from: ends }, spent_usd: '0.000000000', held_usd: '0.000000000' });
  const { row: next } = await call(scene, {});
  go();
  expect((await across).ending).toBe('complete');
  const [old] = await eventually(() => rowsOf(scene, session), ([row]) => row !== undefined && row.outcome !== null);
  expect(at(old!)).toBeLessThan(Date.parse(ends));
  expect(at(old!, 'ended_at')).toBeGreaterThan(Date.parse(ends));
  expect(await standing()).toMatchObject({ period: { from: ends }, spent_usd: next.cost_usd, held_usd: '0.000000000' });
  const days = await admin<{ rows: { day: string; cost_usd: string }[] }>(scene, `/api/usage?group_by=day&from=${begins}&to=${new Date(Date.parse(ends) + HOUR).toISOString()}`);
  expect(days.rows.map(({ cost_usd }) => cost_usd).sort()).toEqual([old!.cost_usd, next.cost_usd].sort());
});
