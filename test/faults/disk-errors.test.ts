// test/faults/disk-errors.test.ts: a disk that answers with errors, a file that another process has locked, and calls under no hard budget meanwhile.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { CHECKED_WHOLE_BYTES } from '../../server/store/sqlite/inspection.ts';
import { startGateway } from '../flow/gateway.ts';
import { harmRows } from '../store/harm.ts';
import { admin, ask, eventually, metric, newSession, openScene, PROVIDER_KEY, rowsOf, sceneConfig, type Scene, type SceneOptions } from './scene.ts';
import { canTrace, trace } from './tracer.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});
async function scene(options: SceneOptions = {}): Promise<Scene> {
  const made = await openScene({ upstream: { idle_timeout: '30s', stream_headers_timeout: '30s', headers_timeout: '30s' }, ...options });
  cleanUp.push(() => made.close());
  return made;
}

const ready = async (at: Scene): Promise<number> => (await fetch(new URL('/readyz', at.gateway.adminUrl))).status;
const SYNC = ['-e', 'trace=fsync,fdatasync'];
const WRITE = ['-e', 'trace=pwrite64'];

test.runIf(canTrace).each([
  { name: 'cannot be synced', inject: [...SYNC, '-e', 'inject=fsync,fdatasync:error=EIO'] },
  { name: 'cannot be written', inject: [...WRITE, '-e', 'inject=pwrite64:error=EIO'] },
  { name: 'has become read-only', inject: [...WRITE, '-e', 'inject=pwrite64:error=EROFS'] },
])('while the ledger $name, streams finish, calls under a hard budget are refused, and it goes on without a restart when that is over', async ({ inject }) => {
  const at = await scene();
  const session = newSession();
  let go = (): void => {};
  const until = new Promise<void>((resolve) => (go = resolve));
  at.standin.script(() => ({ until }));
  const streams = Array.from({ length: 5 }, () => ask(at.gateway.dataUrl, { stream: true, session }));
  await eventually(() => at.standin.log.filter((r) => r.bodyComplete).length, (n) => n === 5);
  const broken = await trace(at.gateway.pid, inject);
  try {
    go();
    for (const seen of await Promise.all(streams)) expect(seen).toMatchObject({ status: 200, ending: 'complete' });
    at.standin.script(null);
    const refused = await ask(at.gateway.dataUrl, { session });
    expect(refused).toMatchObject({ status: 503, headers: { 'x-tollgate-refusal': 'ledger_unavailable', 'retry-after': '5' } });
    expect(await eventually(() => ready(at), (status) => status === 503)).toBe(503);
    expect((await fetch(new URL('/healthz', at.gateway.adminUrl))).status).toBe(200);
    await eventually(() => metric(at, 'tollgate_ledger_writable'), (writable) => writable === 0);
  } finally {
    await broken.stop();
  }
  await eventually(() => ready(at), (status) => status === 200, 5_000);
  expect((await ask(at.gateway.dataUrl, { session })).status).toBe(200);
  const rows = await eventually(() => rowsOf(at, session), (all) => all.length === 7 && all.every((row) => row.outcome !== null));
  expect(rows.map((row) => `${row.outcome} ${row.estimated}`).sort()).toEqual([...Array<string>(6).fill('ok false'), 'refused false']);
  expect(at.standin.requests()).toBe(6);
  expect(await metric(at, 'tollgate_records_dropped_total')).toBe(0);
  // One line for the trouble and one for its end, however many tries there were.
  for (const event of ['ledger_unwritable', 'ledger_writable_again']) expect(at.gateway.output().split('\n').filter((line) => line.includes(`"${event}"`))).toHaveLength(1);
});

test.runIf(canTrace)('calls that no hard budget covers go on while the disk fails; their rows wait in memory, and survive the next start', async () => {
  const at = await scene({ config: { budgets: [{ id: 'soft', scope: { organization: true }, limit_usd: 1000, period: 'year', mode: 'soft' }] } });
  const session = newSession();
  const broken = await trace(at.gateway.pid, [...WRITE, '-e', 'inject=pwrite64:error=ENOSPC']);
  try {
    for (let i = 0; i < 10; i++) expect((await ask(at.gateway.dataUrl, { session, stream: i % 2 === 0 })).status).toBe(200);
    expect(await rowsOf(at, session)).toEqual([]);
    expect(await ready(at)).toBe(503);
    expect((await admin<{ ledger: { queued: number } }>(at, '/api/status')).ledger.queued).toBe(20);
  } finally {
    await broken.stop();
  }
  await eventually(() => ready(at), (status) => status === 200, 5_000);
  await eventually(() => rowsOf(at, session), (rows) => rows.length === 10 && rows.every((row) => row.outcome === 'ok'));
  await at.gateway.stop('SIGKILL');
  const again = await startGateway({ config: sceneConfig(at.standin.url), env: { PROVIDER_KEY }, dataDir: at.gateway.dataDir });
  cleanUp.push(() => again.close());
  expect((await rowsOf({ gateway: again }, session)).map((row) => `${row.outcome} ${row.estimated}`)).toEqual(Array(10).fill('ok false'));
});

test('another process that holds the ledger for four seconds, of the five that it may, is not noticed, and holds up neither a stream nor the event loop', async () => {
  const at = await scene({ config: { log: { level: 'info' } } });
  const session = newSession();
  expect((await ask(at.gateway.dataUrl, { session })).status).toBe(200);
  const file = join(at.gateway.dataDir, 'tollgate.db');
  const holder = spawn(process.execPath, ['--input-type=module', '-e', `
    import Database from 'better-sqlite3';
    const db = new Database(${JSON.stringify(file)});
    db.exec('BEGIN IMMEDIATE');
    console.log('held');
    setTimeout(() => { db.exec('ROLLBACK'); console.log('free'); }, 4000);
  `], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp.push(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  await metric(at, 'tollgate_event_loop_delay_seconds');
  let free = false;
  void once(holder.stdout, 'data').then(() => (free = true));
  const began = performance.now();
  const calls = Array.from({ length: 20 }, () => ask(at.gateway.dataUrl, { session }));
  // Answered without the ledger, all the while.
  const waits: number[] = [];
  for (let asked = performance.now(); !free; asked = performance.now()) {
    expect((await fetch(new URL('/healthz', at.gateway.dataUrl))).status).toBe(200);
    waits.push(performance.now() - asked);
  }
  waits.sort((a, b) => a - b);
  expect(waits.length).toBeGreaterThan(20);
  expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(500);
  // On a busy machine one may have been late; a loop that waits for the lock itself is late by all of it.
  expect(waits.at(-1)).toBeLessThan(2_000);
  expect(await metric(at, 'tollgate_event_loop_delay_seconds', { percentile: 'p50' })).toBeLessThan(0.05);
  expect(await metric(at, 'tollgate_event_loop_delay_seconds', { percentile: 'max' })).toBeLessThan(2);
  for (const seen of await Promise.all(calls)) expect(seen).toMatchObject({ status: 200, ending: 'complete' });
  expect(performance.now() - began).toBeGreaterThan(3_000);
  const rows = await eventually(() => rowsOf(at, session), (all) => all.length === 21 && all.every((row) => row.outcome !== null));
  expect(new Set(rows.map((row) => `${row.outcome} ${row.estimated}`))).toEqual(new Set(['ok false']));
  // They were held up before they left; the row says for how long, and that it was our doing.
  for (const row of rows.slice(0, 20)) {
    expect(Number(row['duration_ms'])).toBeGreaterThan(1_000);
    expect(Number(row['overhead_ms'])).toBeGreaterThan(1_000);
  }
  expect(at.gateway.output()).not.toContain('ledger_unwritable');
});

test('a ledger that is damaged while it is in use is never replaced, and the next start refuses it', async () => {
  const at = await scene();
  const session = newSession();
  for (let i = 0; i < 20; i++) expect((await ask(at.gateway.dataUrl, { session })).status).toBe(200);
  await at.gateway.stop('SIGTERM');
  const file = join(at.gateway.dataDir, 'tollgate.db');
  const running = await startGateway({ config: sceneConfig(at.standin.url), env: { PROVIDER_KEY }, dataDir: at.gateway.dataDir });
  cleanUp.push(() => running.close());
  const { ino } = statSync(file);
  const damaged = openSync(file, 'r+');
  const { size } = fstatSync(damaged);
  writeSync(damaged, Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096);
  closeSync(damaged);
  for (let i = 0; i < 20; i++) {
    const seen = await ask(running.dataUrl, { session });
    expect([200, 503]).toContain(seen.status);
    if (seen.status === 503) expect(seen.headers['x-tollgate-refusal']).toBe('ledger_unavailable');
  }
  expect((await fetch(new URL('/healthz', running.adminUrl))).status).toBe(200);
  await running.stop('SIGTERM');
  expect(statSync(file).ino).toBe(ino);
  const failure = await startGateway({ config: sceneConfig(at.standin.url), env: { PROVIDER_KEY }, dataDir: at.gateway.dataDir }).then(() => null, (error: Error) => error.message);
  expect(failure).toMatch(/damaged/);
});

test('a gateway that finds damage in a large ledger while it serves says so and ends with code 3, and no later start takes it', async () => {
  const at = await scene();
  const session = newSession();
  for (const seen of await Promise.all(Array.from({ length: 100 }, () => ask(at.gateway.dataUrl, { session })))) expect(seen.status).toBe(200);
  expect(await at.gateway.stop('SIGTERM')).toBe(0);
  const file = join(at.gateway.dataDir, 'tollgate.db');
  const { ino, size } = statSync(file);
  harmRows(file);
  // What lies behind its last page is none of a database's business; it is as large as one that is not checked before the start.
  truncateSync(file, CHECKED_WHOLE_BYTES + 1);

  const again = (): ReturnType<typeof startGateway> => startGateway({ config: sceneConfig(at.standin.url), env: { PROVIDER_KEY }, dataDir: at.gateway.dataDir });
  const running = await again();
  cleanUp.push(() => running.close());
  expect(await running.ended()).toBe(3);
  const lines = running.output().split('\n');
  expect(lines.filter((line) => line.includes('"event":"ledger_damaged"'))).toHaveLength(1);
  expect(lines.filter((line) => line.startsWith('tollgate: '))).toEqual([expect.stringMatching(/tollgate\.db is damaged \(.*\)\. It was left as it is\. Move it away and put a backup in its place/)]);
  expect(existsSync(`${file}.damaged`)).toBe(true);

  const failure = await again().then(() => null, (error: Error) => error.message);
  expect(failure).toMatch(/before it was ready:\n.*is damaged/s);
  expect(statSync(file).ino).toBe(ino);
  expect(statSync(file).size).toBeGreaterThanOrEqual(size);
});
