// test/settings/written.test.ts: what a config says, without its secrets, and what another one says differently.

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { WrittenConfig } from '../../server/domain/settings.ts';
import { readDocument } from '../../server/settings/document.ts';
import { changesBetween, keepWritten, lastWritten, writtenIn } from '../../server/settings/written.ts';

const ENV = { KEY: 'sk-ant-very-secret', ZONE: 'Europe/Berlin', HOST: 'hooks.example.com' };
const written = (text: string): WrittenConfig => writtenIn(readDocument('tollgate.yaml', text, ENV));
const shown = (text: string): Record<string, string> => Object.fromEntries([...written(text)].map(([place, value]) => [place, value.shown]));

test.each([
  { name: 'a value goes by the names that lead to it', text: 'admin: { listen: "127.0.0.1:4101" }', shows: { 'admin.listen': '127.0.0.1:4101' } },
  { name: 'a member of a list goes by its id', text: 'workspaces: [{ id: support, limits: { concurrent: 50 } }]', shows: { 'workspaces.support.limits.concurrent': '50' } },
  { name: 'a member without one goes by its number', text: 'workspaces: [{ limits: { concurrent: 50 } }]', shows: { 'workspaces.1.limits.concurrent': '50' } },
  { name: 'a list of words is one value', text: 'alerts: { notify: [ops, finance] }', shows: { 'alerts.notify': '[ops, finance]' } },
  { name: 'money stands as it was written', text: 'budgets: [{ id: a, limit_usd: 400.50 }]', shows: { 'budgets.a.limit_usd': '400.50' } },
  { name: 'a variable goes by its name, wherever it stands', text: 'timezone: ${ZONE}\nadmin: { token: "${KEY}" }', shows: { timezone: '${ZONE}', 'admin.token': '${KEY}' } },
  { name: 'a stand-in for a variable is not shown', text: 'admin: { token: "${KEY:-sk-in-the-file}" }', shows: { 'admin.token': '(hidden)' } },
  { name: 'a secret in the file is not shown', text: 'keys: [{ id: a, secret: tg-in-the-file }]', shows: { 'keys.a.secret': '(hidden)' } },
  { name: 'nor is a provider key', text: 'upstream: { keys: { default: sk-in-the-file }, failover: [{ id: eu, keys: { default: sk-in-the-file } }] }', shows: { 'upstream.keys.default': '(hidden)', 'upstream.failover.eu.keys.default': '(hidden)' } },
  { name: 'nor what lets one write to a channel', text: 'alerts: { channels: { a: { url: "https://${HOST}/T0/B0" }, b: { routing_key: r-in-the-file }, c: { smtp: "smtp://me:word@mail" } } }', shows: { 'alerts.channels.a.url': '(hidden)', 'alerts.channels.b.routing_key': '(hidden)', 'alerts.channels.c.smtp': '(hidden)' } },
  { name: 'nor a header of a collector', text: 'telemetry: { otlp: { headers: { authorization: Basic abc } } }', shows: { 'telemetry.otlp.headers.authorization': '(hidden)' } },
  { name: 'a text that goes on and on is cut', text: `public_url: ${'a'.repeat(300)}`, shows: { public_url: `${'a'.repeat(200)}…` } },
])('$name', ({ text, shows }) => {
  expect(shown(text)).toEqual(shows);
});

test('what changed is told by place: other, new and gone; also where the value may not be shown', () => {
  const before = written('access: open\nbudgets: [{ id: a, limit_usd: 1 }, { id: b, limit_usd: 2 }]\nadmin: { token: one }\n');
  const after = written('budgets: [{ id: b, limit_usd: 3 }, { id: a, limit_usd: 1 }]\nadmin: { token: two }\non_abort: drain # new\n');
  expect(changesBetween(before, after)).toEqual([
    { place: 'budgets.b.limit_usd', before: '2', after: '3' },
    { place: 'admin.token', before: '(hidden)', after: '(hidden)' },
    { place: 'on_abort', before: null, after: 'drain' },
    { place: 'access', before: 'open', after: null },
  ]);
  expect(changesBetween(before, written('admin: {token: one}\naccess: open\nbudgets:\n  - {id: a, limit_usd: 1}\n  - {id: b, limit_usd: 2}\n'))).toEqual([]);
});

test('what was in force is known after a restart, as far as it may be shown', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-written-'));
  try {
    expect(lastWritten(folder)).toBeNull();
    keepWritten(folder, { digest: 'd1', written: written('access: open\nadmin: { token: in-the-file }\n') });
    const file = join(folder, 'config-in-force.json');
    expect(readFileSync(file, 'utf8')).not.toContain('in-the-file');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const last = lastWritten(folder)!;
    expect(last.digest).toBe('d1');
    expect(changesBetween(last.written, written('access: keys\nadmin: { token: another }\n'))).toEqual([{ place: 'access', before: 'open', after: 'keys' }]);
    writeFileSync(file, '{"digest": 5');
    expect(lastWritten(folder)).toBeNull();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
