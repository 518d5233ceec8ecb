// test/faults/slow-admin.test.ts: requests to the admin port that never end are ended, and hold up nobody else's.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { Gateway } from '../../server/compose.ts';
import { loadSettings } from '../../server/settings/load.ts';
import { eventually, PROVIDER_KEY, sceneConfig } from './scene.ts';

const folder = mkdtempSync(join(tmpdir(), 'tollgate-slow-'));
let gateway: Gateway;
let port: number;
beforeAll(async () => {
  const file = join(folder, 'tollgate.yaml');
  writeFileSync(file, stringify(sceneConfig('http://127.0.0.1:9', { config: { log: { level: 'error' } } })));
  const loaded = loadSettings({ file, env: { PROVIDER_KEY }, overrides: { dataDir: join(folder, 'data') } });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  // As built, in this process: its threads are files beside it.
  const { compose } = (await import(new URL('../../dist/server/compose.js', import.meta.url).href)) as typeof import('../../server/compose.ts');
  gateway = await compose(loaded.settings);
  await new Promise<void>((listening) => gateway.adminServer.listen(0, '127.0.0.1', listening));
  ({ port } = gateway.adminServer.address() as AddressInfo);
});
afterAll(async () => {
  await gateway.close(0);
  rmSync(folder, { recursive: true, force: true });
});

/** Says this on a connection of its own, and goes on saying `more`. */
function talk(first: string, more: string): { socket: Socket; heard: () => string; closed: Promise<void> } {
  let heard = '';
  const socket = connect(port, '127.0.0.1').on('error', () => undefined).on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
  socket.write(first);
  const drip = setInterval(() => more !== '' && socket.write(more), 100);
  const closed = new Promise<void>((resolve) => socket.once('close', () => {
    clearInterval(drip);
    resolve();
  }));
  return { socket, heard: () => heard, closed };
}

test('a request to the admin port has 10 s for its head and 20 s in all, however busily it goes on; an open event stream, which is an answer, is left alone', async () => {
  const { adminServer } = gateway;
  expect({ head: adminServer.headersTimeout, whole: adminServer.requestTimeout }).toEqual({ head: 10_000, whole: 20_000 });
  // Node reads them whenever it looks for the slow, every five seconds: none has to be waited for as long as it may take.
  adminServer.headersTimeout = 1_000;
  adminServer.requestTimeout = 2_000;
  const live = talk('GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n', '');
  await eventually(live.heard, (text) => text.startsWith('HTTP/1.1 200 '));
  const post = 'POST /api/plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const slow = [
    talk('', ''),
    talk('GET /api/status HTTP/1.1\r\nHost: localhost\r\n', ''),
    talk('GET /api/status HTTP/1.1\r\nHost: localhost\r\nX-Long: ', 'a'),
    talk(`${post}Content-Length: 1000\r\n\r\n{`, ''),
    talk(`${post}Content-Length: 1000\r\n\r\n{`, ' '),
    talk(`${post}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`, '1\r\n \r\n'),
  ];
  for (const one of slow) {
    await one.closed;
    expect(one.heard()).toMatch(/^HTTP\/1\.1 408 /);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  }
  expect(live.socket.destroyed).toBe(false);
  live.socket.destroy();
});
