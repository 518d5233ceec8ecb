// test/store/keys.test.ts: keys are issued, rotated and ended, at once and durably, and no secret is ever written down.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hashSecret, type VirtualKey } from '../../server/domain/directory.ts';
import { epochMs, type KeyId, type WorkflowId, type WorkspaceId } from '../../server/domain/ids.ts';
import { firstBrokenAudit } from '../../server/store/sqlite/audit-log.ts';
import type { Declared, OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { caller, clockAt, logbook, NOON, openEntry, settlement } from './samples.ts';
import { scratch, type Scratch } from './scratch.ts';

const HOUR = 3_600_000;
const support = 'support' as WorkspaceId;
const triage = 'triage' as WorkflowId;
const id = 'triage-prod' as KeyId;

const declaredKey = (name: string, secret: string): VirtualKey => ({
  id: name as KeyId, workspace: support, workflow: triage, workflows: null, secretHash: hashSecret(secret), origin: 'config',
  createdAt: null, expiresAt: null, revokedAt: null, lastUsedAt: null, hint: null,
});
const declared: Declared = {
  keys: [declaredKey('from-config', 'tg_config_secret')],
  workspaces: new Map([[support, { workflows: [{ id: triage }] as never, openWorkflows: false }]]),
};

let place: Scratch;
let clock: ReturnType<typeof clockAt>;
let open: OpenLedger;
beforeEach(async () => {
  place = scratch();
  clock = clockAt(NOON);
  open = await place.open({ declared, clock });
});
afterEach(async () => {
  await open.ledger.close();
  place.remove();
});

const create = (more: Partial<Parameters<OpenLedger['keys']['create']>[0]> = {}) =>
  open.keys.create({ id, workspace: support, workflow: triage, expiresAt: null, actor: 'cli', ...more });
const found = async (secret: string, at: number = clock.at): Promise<string | null> => (await open.keys.find(hashSecret(secret), epochMs(at)))?.id ?? null;
const reopen = async (): Promise<void> => {
  await open.ledger.close();
  open = await place.open({ declared, clock });
};

test('an issued key is found by its secret alone, now and after a restart', async () => {
  const { key, secret } = await create();
  expect(secret).toMatch(/^tg_[A-Za-z0-9_-]{43}$/);
  expect(key).toMatchObject({ id, workspace: 'support', workflow: 'triage', origin: 'issued', createdAt: NOON, hint: secret.slice(0, 9), secretHash: hashSecret(secret) });
  expect(await found(secret)).toBe(id);
  expect(await found(`${secret}x`)).toBeNull();
  expect(await found('')).toBeNull();
  await reopen();
  expect(await found(secret)).toBe(id);
});

test('two keys never share a secret', async () => {
  const a = await create();
  const b = await create({ id: 'other' as KeyId });
  expect(a.secret).not.toBe(b.secret);
});

test('a revoked key is unknown from the next call on, and stays so', async () => {
  const { secret } = await create();
  clock.at = epochMs(NOON + 5);
  expect((await open.keys.revoke({ id, actor: 'cli' })).revokedAt).toBe(NOON + 5);
  expect(await found(secret)).toBeNull();
  clock.at = epochMs(NOON + 9);
  expect((await open.keys.revoke({ id, actor: 'cli' })).revokedAt).toBe(NOON + 5);
  await reopen();
  expect(await found(secret)).toBeNull();
  await expect(open.keys.rotate({ id, oldEndsAt: null, actor: 'cli' })).rejects.toMatchObject({ code: 'unknown_key' });
});

test('a key ends at the instant it expires', async () => {
  const { secret } = await create({ expiresAt: epochMs(NOON + HOUR) });
  expect(await found(secret, NOON + HOUR - 1)).toBe(id);
  expect(await found(secret, NOON + HOUR)).toBeNull();
});

test('a rotated key has its old secret until the time that was given, and not longer by another rotation', async () => {
  const first = await create();
  const second = await open.keys.rotate({ id, oldEndsAt: epochMs(NOON + HOUR), actor: 'cli' });
  expect(second.key.hint).toBe(second.secret.slice(0, 9));
  expect(await found(first.secret, NOON + HOUR - 1)).toBe(id);
  expect(await found(first.secret, NOON + HOUR)).toBeNull();
  const third = await open.keys.rotate({ id, oldEndsAt: epochMs(NOON + 5 * HOUR), actor: 'cli' });
  await reopen();
  expect(await found(first.secret, NOON + 2 * HOUR)).toBeNull();
  expect(await found(second.secret, NOON + 2 * HOUR)).toBe(id);
  expect(await found(third.secret, NOON + 9 * HOUR)).toBe(id);
});

test('a key rotated without a time has its old secret ended at once', async () => {
  const first = await create();
  const second = await open.keys.rotate({ id, oldEndsAt: null, actor: 'cli' });
  expect(await found(first.secret)).toBeNull();
  expect(await found(second.secret)).toBe(id);
});

test.each([
  { name: 'a taken id', request: {}, code: 'taken' },
  { name: 'an id from the config', request: { id: 'from-config' as KeyId }, code: 'declared_in_config' },
  { name: 'an unknown workspace', request: { id: 'k' as KeyId, workspace: 'nowhere' as WorkspaceId }, code: 'unknown_workspace' },
  { name: 'an unknown workflow', request: { id: 'k' as KeyId, workflow: 'nothing' as WorkflowId }, code: 'unknown_workflow' },
])('a key is not issued for $name', async ({ request, code }) => {
  await create();
  await expect(create(request)).rejects.toMatchObject({ name: 'KeyRingError', code });
  expect(await open.keys.list()).toHaveLength(2);
});

test('two requests for one id at the same time give one key', async () => {
  const results = await Promise.allSettled([create(), create()]);
  expect(results.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected']);
});

test.each(['rotate', 'revoke'] as const)('what the ledger did not issue it does not %s', async (verb) => {
  const ask = (key: string) => open.keys[verb]({ id: key as KeyId, oldEndsAt: null, actor: 'cli' });
  await expect(ask('from-config')).rejects.toMatchObject({ code: 'declared_in_config' });
  await expect(ask('nobody')).rejects.toMatchObject({ code: 'unknown_key' });
});

test('keys from the config follow the config', async () => {
  expect(await found('tg_config_secret')).toBe('from-config');
  open.keys.declare({ ...declared, keys: [declaredKey('renamed', 'tg_new_secret')] });
  expect(await found('tg_config_secret')).toBeNull();
  expect(await found('tg_new_secret')).toBe('renamed');
});

test('the last use of a key is known at once, and on disk after the ledger closed', async () => {
  const { secret } = await create();
  expect((await open.keys.list()).find((k) => k.id === id)?.lastUsedAt).toBeNull();
  await found(secret, NOON + 123);
  expect((await open.keys.list()).find((k) => k.id === id)?.lastUsedAt).toBe(NOON + 123);
  await reopen();
  expect((await open.keys.list()).find((k) => k.id === id)?.lastUsedAt).toBe(NOON + 123);
});

test('no secret reaches a file: neither of issued keys, nor of the config, nor of the provider', async () => {
  const { secret } = await create();
  const { secret: second } = await open.keys.rotate({ id, oldEndsAt: null, actor: 'cli' });
  await found('tg_config_secret');
  await open.ledger.open(openEntry('req_1', { caller: caller() }));
  await open.ledger.settle(settlement('req_1'));
  const filesIn = (dir: string): Buffer[] => readdirSync(dir).map((name) => readFileSync(join(dir, name)));
  const whileOpen = filesIn(place.crashed().dir);
  await open.ledger.close();
  const all = Buffer.concat([...whileOpen, ...filesIn(place.dir)]);
  expect(all.includes(hashSecret(secret))).toBe(true);
  for (const hidden of [secret, secret.slice(10), second, second.slice(10), 'tg_config_secret', 'sk-ant-never-to-be-written']) expect(all.includes(hidden)).toBe(false);
  open = await place.open({ declared, clock });
});

test('every change of a key is a line in the audit log, and a line that is changed or taken out is found', async () => {
  await create();
  await open.keys.rotate({ id, oldEndsAt: null, actor: 'admin-token' });
  await expect(create()).rejects.toThrow();
  await open.keys.revoke({ id, actor: 'cli' });
  await open.ledger.audit({ at: NOON, actor: 'config', action: 'config.reload', subject: 'tollgate.yaml', detail: '{}' });
  expect(place.read('SELECT actor, action, subject FROM audit ORDER BY id')).toEqual([
    { actor: 'cli', action: 'key.create', subject: id }, { actor: 'admin-token', action: 'key.rotate', subject: id },
    { actor: 'cli', action: 'key.revoke', subject: id }, { actor: 'config', action: 'config.reload', subject: 'tollgate.yaml' },
  ]);
  await open.ledger.close();
  const db = new Database(place.file);
  expect(firstBrokenAudit(db)).toBeNull();
  expect(() => db.exec("UPDATE audit SET actor = 'nobody'")).toThrow(/append-only/);
  expect(() => db.exec('DELETE FROM audit')).toThrow(/append-only/);
  // Whoever owns the file can drop the trigger, but not mend the chain unseen.
  db.exec('DROP TRIGGER audit_no_delete');
  db.transaction(() => {
    db.exec('DELETE FROM audit WHERE id = 2');
    expect(firstBrokenAudit(db)).toBe(3);
  })();
  db.exec("DROP TRIGGER audit_no_update; UPDATE audit SET actor = 'nobody' WHERE id = 1");
  expect(firstBrokenAudit(db)).toBe(1);
  db.close();
  const log = logbook();
  open = await place.open({ declared, clock, log });
  expect(log.lines).toEqual([{ event: 'audit_log_broken', fields: { detail: expect.stringContaining('line 1 ') } }]);
});
