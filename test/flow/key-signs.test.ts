// test/flow/key-signs.test.ts: a real gateway tells of a key that comes from elsewhere, and of a secret that has ended and is still tried.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AlertFiring, AlertsAnswer } from '../../server/http/admin/wire.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { tollgate } from '../cli/tollgate.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { apiHeaders, ask, baseConfig, eventually, hello, PROVIDER_KEY, SECRETS, send } from './scene.ts';

const DAY = 86_400_000;
const folder = mkdtempSync(join(tmpdir(), 'tollgate-signs-'));
let standin: Standin;
let gateway: RunningGateway;
const start = () => startGateway({ config: baseConfig(standin.url), dataDir: folder });
beforeAll(async () => {
  standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' } });
  gateway = await start();
});
afterAll(async () => {
  await gateway.close();
  await standin.close();
  rmSync(folder, { recursive: true, force: true });
});

const call = async (secret: string, from: string, agent: string) => (await send(`${gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(secret), 'user-agent': agent }, body: hello(), from })).status;
const firing = (scope: string): Promise<AlertFiring> =>
  eventually(`${scope} is told of`, async () => (await ask<AlertsAnswer>(gateway, '/api/alerts')).firing.find((alert) => alert.rule === 'key_leak' && alert.scope === scope) ?? null);

test('a key that comes from another network with another client is told of; one that does not is not', async () => {
  expect([await call(SECRETS.triage, '127.0.0.2', 'Anthropic/JS 0.71.2'), await call(SECRETS.support, '127.0.0.2', 'Anthropic/JS 0.71.2')]).toEqual([200, 200]);
  await gateway.stop();
  const db = new Database(join(folder, 'tollgate.db'));
  expect(db.prepare('UPDATE key_mark SET first_at = first_at - ?').run(30 * DAY).changes).toBe(4);
  db.close();
  gateway = await start();
  expect([await call(SECRETS.triage, '127.0.7.9', 'curl/8.5.0'), await call(SECRETS.support, '127.0.0.3', 'Anthropic/JS 0.80.0')]).toEqual([200, 200]);
  expect(await firing('triage-prod')).toMatchObject({ severity: 'critical', title: 'Key triage-prod may have leaked' });
  const { firing: all } = await ask<AlertsAnswer>(gateway, '/api/alerts');
  expect(all.filter(({ rule }) => rule === 'key_leak').map(({ scope, text }) => `${scope}: ${text}`)).toEqual([
    'triage-prod: It is used as a stolen key is: calls from a network that it never came from; calls with curl, which it never used. If that was not you: give it another secret in the config.',
  ]);
});

test('a secret that a rotation has ended is told of when it is tried', async () => {
  const issue = async (...args: string[]): Promise<string> => (await tollgate(['keys', ...args, '--url', gateway.adminUrl])).out.trim();
  const old = await issue('create', 'ci', '--workspace', 'engineering');
  const now = await issue('rotate', 'ci');
  expect([await call(old, '127.0.0.2', 'curl/8.5.0'), await call(now, '127.0.0.2', 'curl/8.5.0')]).toEqual([401, 200]);
  expect(await firing('ci')).toMatchObject({ severity: 'warning', title: 'A secret of key ci that has ended is still tried' });
});

test('no address and no client is in any file', async () => {
  await gateway.stop();
  // The provider's own is in the config, which is kept for the next start.
  for (const file of readdirSync(folder)) expect(readFileSync(join(folder, file), 'latin1').replaceAll(standin.url, '')).not.toMatch(/127\.0\.[07]\.\d|Anthropic\/JS/);
});
