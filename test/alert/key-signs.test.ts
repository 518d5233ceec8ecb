// test/alert/key-signs.test.ts: what is new of where a key comes from: told of keys with habits, remembered over restarts, and kept as nothing that names a network or a client.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import Database from 'better-sqlite3';
import { clientFamily, KeySigns, networkOf } from '../../server/alert/key-signs.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { budgetScene } from './scene.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T0 = Date.UTC(2026, 10, 1);

const arrival = (remoteAddress: string, agent?: string) => ({ socket: { remoteAddress }, headers: agent === undefined ? {} : { 'user-agent': agent } });

test.each([
  ['192.0.2.17', '192.0.2'],
  ['::ffff:192.0.2.17', '192.0.2'],
  ['2001:db8:85a3:1:2:3:4:5', '2001:db8:85a3'],
  ['2001:DB8:85A3::1', '2001:db8:85a3'],
  ['2001:db8::1', '2001:db8:0'],
  ['fe80::1%eth0', 'fe80:0:0'],
  ['::1', '0:0:0'],
  ['', null],
  ['/run/app.sock', null],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test.each([
  ['Anthropic/JS 0.71.2', 'Anthropic/JS'],
  ['AsyncAnthropic/Python 0.40.0', 'AsyncAnthropic/Python'],
  ['claude-cli/2.1.50 (external, cli)', 'claude-cli'],
  ['curl/8.5.0', 'curl'],
  ['python-requests/2.32.3', 'python-requests'],
  ['Mozilla/5.0 (X11; Linux x86_64)', 'Mozilla'],
  ['7zip', ''],
])('%s is the client %s, whatever its version', (agent, family) => {
  expect(clientFamily(agent)).toBe(family);
});

describe('a key', () => {
  let signs: KeySigns;
  beforeEach(() => {
    signs = new KeySigns('secret');
  });
  const use = (address: string, agent: string, at: number, key = 'triage') => signs.note(key, arrival(address, agent), epochMs(at));
  const newsOf = (at: number) => signs.newsAt(epochMs(at)).get('triage');

  test('that always came from one network with one client has news when it comes from another with another', () => {
    for (let day = 0; day < 10; day++) use(`192.0.2.${day}`, `Anthropic/JS 0.${day}.0`, T0 + day * DAY);
    expect(newsOf(T0 + 9 * DAY + HOUR)).toBeUndefined();
    use('198.51.100.7', 'curl/8.5.0', T0 + 10 * DAY);
    expect(newsOf(T0 + 10 * DAY + 59 * 60_000)).toEqual({ networks: 1, clients: ['curl'], clientCount: 1 });
    expect(newsOf(T0 + 10 * DAY + HOUR)).toBeUndefined();
  });

  test('that is six days old has no habits to break', () => {
    for (let day = 0; day < 6; day++) use('192.0.2.1', 'curl/8', T0 + day * DAY);
    use('198.51.100.7', 'Anthropic/JS 1', T0 + 6 * DAY);
    expect(newsOf(T0 + 6 * DAY)).toBeUndefined();
  });

  test('that is at home in nine networks says nothing by a tenth', () => {
    for (let day = 0; day < 9; day++) use(`192.0.${day}.1`, 'curl/8', T0 + day * DAY);
    use('198.51.100.7', 'curl/8', T0 + 10 * DAY);
    expect(newsOf(T0 + 10 * DAY)).toBeUndefined();
  });

  test('does not make news of another', () => {
    for (const key of ['triage', 'other']) use('192.0.2.1', 'curl/8', T0, key);
    use('198.51.100.7', 'curl/8', T0 + 10 * DAY, 'other');
    expect([...signs.newsAt(epochMs(T0 + 10 * DAY)).keys()]).toEqual(['other']);
  });

  test('that comes from ten thousand networks and with ten thousand clients is kept in a bounded place', () => {
    for (let i = 0; i < 10_000; i++) use(`10.${i >> 8}.${i & 255}.1`, `client${'x'.repeat(i % 50)}${String.fromCharCode(97 + (i % 26))}/${i}`, T0 + i * 60_000);
    expect(signs.takeChanges().length).toBeLessThanOrEqual(64);
  });
});

describe('over its database', () => {
  let scene: Awaited<ReturnType<typeof budgetScene>>;
  beforeEach(async () => {
    scene = await budgetScene();
  });
  afterEach(() => scene.close());

  test('habits outlive a kill, and the file holds neither network nor client', async () => {
    const now = () => scene.time.clock.at;
    scene.alerts().keyUsed('triage', arrival('192.0.2.17', 'Anthropic/JS 0.71.2'), now());
    await scene.pass(60_000);
    await scene.restart('killed');
    scene.time.clock.at = epochMs(now() + 8 * DAY);
    await scene.pass(60_000);
    const rows = () => {
      const db = new Database(scene.file, { readonly: true });
      try {
        return db.prepare('SELECT key, kind, mark, first_at FROM key_mark ORDER BY first_at, kind').all() as { key: string; kind: string; mark: string; first_at: number }[];
      } finally {
        db.close();
      }
    };
    const before = rows();
    expect(before.map(({ key, kind }) => `${key} ${kind}`)).toEqual(['triage client', 'triage network']);
    scene.alerts().keyUsed('triage', arrival('192.0.2.99', 'Anthropic/JS 0.80.0'), now());
    scene.alerts().keyUsed('triage', arrival('198.51.100.7', 'curl/8.5.0'), now());
    await scene.pass(60_000);
    // What was known before the kill is known after it, so that two marks of four came anew.
    expect(rows().slice(0, 2)).toEqual(before);
    expect(rows()).toHaveLength(4);
    expect(JSON.stringify(rows())).not.toMatch(/192\.0|198\.51|Anthropic|curl/i);
  });
});
