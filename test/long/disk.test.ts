// test/long/disk.test.ts: a disk that is full for half a minute under load, and one that fails at the n-th sync or write, for every n to a hundred.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { canTrace, trace } from '../faults/tracer.ts';
import { ask, eventually, metric, openScene, PROVIDER_KEY, sceneConfig, type Row, type Scene } from '../faults/scene.ts';
import { startGateway, type RunningGateway } from '../flow/gateway.ts';
import { ledgerRows } from '../flow/scene.ts';
import { startStandin } from '../standin/standin.ts';

const PATIENT = { idle_timeout: '60s', stream_headers_timeout: '60s', headers_timeout: '60s' };
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

const lines = (gateway: RunningGateway, event: string): number => gateway.output().split('\n').filter((line) => line.includes(`"${event}"`)).length;

/** The names of calls that reached the provider, each of which must have one row and no other row may cost anything. */
async function expectOneRowEach(gateway: RunningGateway, standin: Scene['standin']): Promise<void> {
  const rows = (await ledgerRows(gateway)) as unknown as Row[];
  const perName = new Map<string, number>();
  for (const row of rows.filter((one) => one.outcome !== 'refused')) perName.set(String(row['action']), (perName.get(String(row['action'])) ?? 0) + 1);
  const reached = standin.log.map(({ rawHeaders }) => rawHeaders[rawHeaders.findIndex((name) => name === 'x-case') + 1]!);
  expect(reached.filter((name) => perName.get(name) !== 1)).toEqual([]);
  expect([...perName.keys()].sort()).toEqual([...reached].sort());
  expect(rows.filter((row) => row.outcome === null)).toEqual([]);
}

let next = 0;
const named = (): Record<string, string> => {
  const name = `case-${next++}`;
  return { 'x-case': name, 'x-tollgate-action': name };
};

test.runIf(canTrace).each([
  { name: 'sync', inject: 'trace=fsync,fdatasync', what: 'inject=fsync,fdatasync:error=EIO' },
  { name: 'write', inject: 'trace=pwrite64', what: 'inject=pwrite64:error=ENOSPC' },
])('an error at the n-th $name, n from 1 to 100: the gateway lives on, and nothing that the provider saw is lost', async ({ inject, what }) => {
  const scene = await openScene({ config: { log: { level: 'info' } }, upstream: PATIENT });
  cleanUp.push(() => scene.close());
  const { gateway, standin } = scene;
  let hit = 0;
  for (let n = 1; n <= 100; n++) {
    const before = lines(gateway, 'ledger_unwritable');
    const tracer = await trace(gateway.pid, ['-e', inject, '-e', `${what}:when=${n}`]);
    for (let made = 0; made < 3 * n + 20 && lines(gateway, 'ledger_unwritable') === before; made += 4) {
      const seen = await Promise.all(Array.from({ length: 4 }, () => ask(gateway.dataUrl, { headers: named() })));
      for (const one of seen) expect([200, 503]).toContain(one.status);
    }
    await tracer.stop();
    if (lines(gateway, 'ledger_unwritable') > before) hit++;
    await eventually(async () => (await fetch(new URL('/readyz', gateway.adminUrl))).status, (status) => status === 200, 5_000);
  }
  console.log(`${hit} of 100 errors met a commit; ${standin.requests()} calls at the provider`);
  expect(hit).toBeGreaterThan(90);
  await eventually(() => metric(scene, 'tollgate_record_queue_length'), (queued) => queued === 0);
  expect(await metric(scene, 'tollgate_records_dropped_total')).toBe(0);
  await gateway.stop('SIGKILL');
  const again = await startGateway({ config: sceneConfig(standin.url), env: { PROVIDER_KEY }, dataDir: gateway.dataDir });
  cleanUp.push(() => again.close());
  await expectOneRowEach(again, standin);
});

function smallDisk(bytes: number): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-disk-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]).status === 0) return folder;
  rmSync(folder, { recursive: true });
  return null;
}

test('a disk that is full for 30 s under load: streams finish, calls are refused, nothing is lost or doubled, and it is back within 5 s', async (context) => {
  const disk = smallDisk(8 * 1024 * 1024);
  if (disk === null) return context.skip('no file system of our own may be mounted here');
  cleanUp.push(() => {
    execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true });
  });
  const standin = await startStandin({ seed: 'full' });
  cleanUp.push(() => standin.close());
  const gateway = await startGateway({ config: sceneConfig(standin.url, { upstream: PATIENT }), env: { PROVIDER_KEY }, dataDir: join(disk, 'data') });
  cleanUp.push(() => gateway.close());
  const statuses = new Map<number | null, number>();
  const underWay = new Set<Promise<unknown>>();
  const cutStreams: string[] = [];
  const call = (stream: boolean): void => {
    const work = ask(gateway.dataUrl, { stream, headers: named(), ...(stream ? { fault: 'slow-events:40' } : {}) }).then((seen) => {
      statuses.set(seen.status, (statuses.get(seen.status) ?? 0) + 1);
      if (seen.status === 200 && seen.ending !== 'complete') cutStreams.push(String(seen.headers['x-tollgate-request-id']));
    });
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };
  let ticks = 0;
  const timer = setInterval(() => call(ticks++ % 4 === 0), 50);
  await pause(3_000);
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize));
  await pause(30_000);
  expect((await fetch(new URL('/readyz', gateway.adminUrl))).status).toBe(503);
  expect((await fetch(new URL('/metrics', gateway.adminUrl))).status).toBe(200);
  rmSync(join(disk, 'filler'));
  const freed = performance.now();
  await eventually(async () => (await fetch(new URL('/readyz', gateway.adminUrl))).status, (status) => status === 200, 5_000);
  const backMs = performance.now() - freed;
  await pause(2_000);
  clearInterval(timer);
  await Promise.all(underWay);
  console.log(`answers by status: ${[...statuses].map(([status, n]) => `${status} × ${n}`).join(', ')}; back after ${backMs.toFixed(0)} ms`);
  expect(cutStreams).toEqual([]);
  expect([...statuses.keys()].sort()).toEqual([200, 503]);
  await eventually(() => metric({ gateway }, 'tollgate_record_queue_length'), (queued) => queued === 0);
  expect(await metric({ gateway }, 'tollgate_records_dropped_total')).toBe(0);
  await expectOneRowEach(gateway, standin);
});
