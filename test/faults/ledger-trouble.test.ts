// test/faults/ledger-trouble.test.ts: a disk that is full, and a ledger that cannot be used, as clients and operators see it.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { startGateway } from '../flow/gateway.ts';
import { startStandin } from '../standin/standin.ts';
import { smallDisk } from './small-disk.ts';
import { ask, eventually, metric, newSession, rowsOf, sceneConfig, PROVIDER_KEY, type Scene } from './scene.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

const disk = smallDisk(6 * 1024 * 1024);
afterAll(() => {
  disk?.remove();
});

async function sceneOn(dataDir: string): Promise<Scene> {
  const standin = await startStandin({ seed: 'trouble' });
  cleanUp.push(() => standin.close());
  const gateway = await startGateway({ config: sceneConfig(standin.url, { upstream: { idle_timeout: '30s', stream_headers_timeout: '30s', headers_timeout: '30s' } }), env: { PROVIDER_KEY }, dataDir });
  cleanUp.push(() => gateway.close());
  return { gateway, standin, outcomes: new Map(), close: async () => undefined };
}

test.runIf(disk !== null)('while the disk is full streams finish, new calls are refused, nothing is lost, and it goes on without a restart', async () => {
  if (disk === null) throw new Error('no disk to fill');
  const scene = await sceneOn(join(disk.folder, 'data'));
  const session = newSession();
  let go = (): void => {};
  const until = new Promise<void>((resolve) => (go = resolve));
  scene.standin.script(() => ({ until }));
  const streams = Array.from({ length: 10 }, () => ask(scene.gateway.dataUrl, { stream: true, session }));
  await eventually(() => scene.standin.log.filter((r) => r.bodyComplete).length, (n) => n === 10);

  disk.fill();
  go();
  for (const seen of await Promise.all(streams)) expect(seen).toMatchObject({ status: 200, ending: 'complete' });
  scene.standin.script(null);
  // Small commits may still fit into what the ledger's file has; then they do not.
  const refused = await eventually(() => ask(scene.gateway.dataUrl, { session }), (seen) => seen.status !== 200, 15_000);
  expect(refused).toMatchObject({ status: 503, headers: { 'x-tollgate-refusal': 'ledger_unavailable', 'retry-after': '5' } });
  const answered = scene.standin.requests();
  expect((await fetch(new URL('/readyz', scene.gateway.adminUrl))).status).toBe(503);
  expect((await fetch(new URL('/healthz', scene.gateway.adminUrl))).status).toBe(200);
  await eventually(() => metric(scene, 'tollgate_ledger_writable'), (writable) => writable === 0);

  disk.empty();
  await eventually(async () => (await fetch(new URL('/readyz', scene.gateway.adminUrl))).status, (status) => status === 200, 5_000);
  expect((await ask(scene.gateway.dataUrl, { session })).status).toBe(200);
  const rows = await eventually(() => rowsOf(scene, `${session}&outcome=ok&limit=500`), (all) => all.length === answered + 1);
  expect(rows.every((row) => !row.estimated)).toBe(true);
  expect(scene.standin.requests()).toBe(answered + 1);
});

test.each([
  { name: 'a file that is no database', bytes: () => Buffer.from('this is not a ledger, and it is longer than the head of one would be'.repeat(100)) },
  { name: 'a database whose pages are damaged', bytes: (good: Buffer) => Buffer.concat([good.subarray(0, 4096), Buffer.alloc(good.length - 4096, 0xa5)]) },
])('$name in place of the ledger stops the start with code 3, and is left as it is', async ({ bytes }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-broken-'));
  cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir);
  const first = await startGateway({ config: sceneConfig('http://127.0.0.1:9'), env: { PROVIDER_KEY }, dataDir });
  await first.stop('SIGTERM');
  cleanUp.push(() => first.close());
  const file = join(dataDir, 'tollgate.db');
  writeFileSync(file, bytes(readFileSync(file)));
  const before = createHash('sha256').update(readFileSync(file)).digest('hex');
  const failure = await startGateway({ config: sceneConfig('http://127.0.0.1:9'), env: { PROVIDER_KEY }, dataDir }).then(() => null, (error: Error) => error.message);
  expect(failure).toMatch(/tollgate\.db/);
  expect(failure).not.toMatch(/\n\s+at /);
  const code = spawnSync(process.execPath, ['server/tollgate.mjs', 'serve', '--config', first.configFile, '--data-dir', dataDir, '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'], { env: { PATH: process.env['PATH'], PROVIDER_KEY }, timeout: 60_000 }).status;
  expect(code).toBe(3);
  expect(createHash('sha256').update(readFileSync(file)).digest('hex')).toBe(before);
});
