// test/cli/gateway.test.ts: the verbs that ask a running gateway, against a real one in a process of its own.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BackupAnswer, GrantAnswer, KeysAnswer, UsageAnswer } from '../../server/http/admin/wire.ts';
import { start, tollgate, type Ended } from './tollgate.ts';

const TOKEN = 'an-admin-token-of-some-length';
let folder: string;
let config: string;
let apps: string;
let admin: string;
let gateway: ReturnType<typeof start>;
let said = '';

/** A port that nothing listens on: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tollgate-cli-'));
  config = join(folder, 'tollgate.yaml');
  writeFileSync(
    config,
    `access: keys
admin: { token: "\${TOLLGATE_ADMIN_TOKEN}" }
upstream: { origin: "http://127.0.0.1:${await closedPort()}", keys: { default: "\${PROVIDER_KEY}" } }
workspaces:
  - { id: support, workflows: [{ id: triage }, { id: tight }] }
budgets:
  - { id: support-month, scope: { workspace: support }, limit_usd: 400, period: month }
  - { id: tight-year, scope: { workspace: support, workflow: tight }, limit_usd: 0.000001, period: year }
alerts: { channels: { here: { type: webhook, url: "http://127.0.0.1:9/hook", min_severity: critical } } }
`,
  );
  gateway = start(['serve', '--config', config, '--data-dir', join(folder, 'data'), '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'], { TOLLGATE_ADMIN_TOKEN: TOKEN, PROVIDER_KEY: 'sk-provider' });
  gateway.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  for await (const line of createInterface({ input: gateway.stdout })) {
    said += `${line}\n`;
    if (line === 'tollgate ready') break;
  }
  apps = /base URL for apps\s+(\S+)/.exec(said)?.[1] ?? '';
  admin = /dashboard\s+(\S+)/.exec(said)?.[1] ?? '';
  expect(said).toContain('tollgate ready');
});

afterAll(async () => {
  if (gateway.exitCode === null) {
    const ended = new Promise((resolve) => gateway.once('exit', resolve));
    gateway.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

const ask = (...args: string[]): Promise<Ended> => tollgate([...args, '--url', admin], { TOLLGATE_ADMIN_TOKEN: TOKEN });
const call = (secret: string): Promise<Response> =>
  fetch(`${apps}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': secret, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 16, messages: [{ role: 'user', content: 'Hello' }] }),
  });

test('what cannot do what it is there for is said at the start, as by check', async () => {
  const warning = 'channel here gets no alerts: its address is on this machine or in a private network';
  await expect.poll(() => said).toContain(warning);
  expect(await tollgate(['check', config], { TOLLGATE_ADMIN_TOKEN: TOKEN, PROVIDER_KEY: 'sk-provider' })).toMatchObject({ code: 0, err: expect.stringContaining(`warning: ${warning}`) });
});

test('a key is issued, listed without its secret, rotated and revoked; what it lets through follows', async () => {
  const created = await ask('keys', 'create', 'ci', '--workspace', 'support', '--workflow', 'triage', '--expires', '90d');
  expect(created).toMatchObject({ code: 0, out: expect.stringMatching(/^tg_\S{40,}\n$/), err: expect.stringContaining('Key ci of workspace support, workflow triage') });
  const first = created.out.trim();
  // The provider cannot be reached: a call that is let in gets as far as that.
  expect((await call(first)).status).toBe(502);

  const listed = await ask('keys', 'list');
  expect(listed.out).toMatch(/^id +workspace +workflow +state/);
  expect(listed.out).toMatch(/ci +support +triage +active +issued/);
  expect(listed.out).not.toContain(first);

  const rotated = await ask('keys', 'rotate', 'ci');
  expect(rotated).toMatchObject({ code: 0, err: expect.stringContaining('The old secret has stopped working.') });
  expect((await call(first)).status).toBe(401);
  expect((await call(rotated.out.trim())).status).toBe(502);

  expect(await ask('keys', 'revoke', 'ci')).toMatchObject({ code: 0, out: 'Key ci is revoked.\n' });
  expect((await call(rotated.out.trim())).status).toBe(401);
  const rows = (JSON.parse((await ask('keys', 'list', '--json')).out) as KeysAnswer).rows;
  expect(rows.map(({ id, state }) => ({ id, state }))).toContainEqual({ id: 'ci', state: 'revoked' });
  expect(await ask('keys', 'create', 'ci', '--workspace', 'support')).toMatchObject({ code: 1, out: '', err: 'key ci was revoked; its name stays taken in the ledger, choose another\n' });
});

test.each([
  { name: 'a taken id', args: ['keys', 'create', 'taken', '--workspace', 'support'], err: /taken/ },
  { name: 'a workspace that is not there', args: ['keys', 'create', 'other', '--workspace', 'suport'], err: /no workspace suport in the config; it has support\n/ },
  { name: 'a workflow that is not there', args: ['keys', 'create', 'other', '--workspace', 'support', '--workflow', 'trage'], err: /no workflow trage; it has triage, tight\n/ },
  { name: 'a name that is none', args: ['keys', 'create', 'Other!', '--workspace', 'support'], err: /^id: expected 1 to 64 lower-case letters, .*, found "Other!"\n/ },
  { name: 'a comparison without the key for it', args: ['reconcile'], err: /no `reconciliation\.admin_key`/ },
  { name: 'a key that is not there', args: ['keys', 'revoke', 'nobody'], err: /nobody/ },
  { name: 'a report of a workspace that is not there', args: ['report', '--workspace', 'suport'], err: /^no workspace suport; nearest: support\n$/ },
  { name: 'a report of workspaces of which one is not there', args: ['report', '--workspace', 'support', '--workspace', 'xyz', '--json'], err: /^no workspace xyz; there is support\n$/ },
  { name: 'an export of a workspace that is not there', args: ['export', 'usage', '--workspace', 'suport'], err: /^no workspace suport; nearest: support\n$/ },
  { name: 'the calls of a workspace that is not there', args: ['export', 'requests', '--workspace', 'suport'], err: /^no workspace suport; nearest: support\n$/ },
  { name: 'the savings of a workspace that is not there', args: ['export', 'savings', '--workspace', 'suport'], err: /^no workspace suport; nearest: support\n$/ },
  { name: 'a statement of a workspace that is not there', args: ['export', 'statement', '--workspace', 'suport'], err: /^There is no workspace "suport"; did you mean support\?\n$/ },
  { name: 'a time that is none', args: ['report', '--from', 'yesterday'], err: /yesterday/ },
])('the gateway\'s no to $name ends with 1 and its reason', async ({ args, err }) => {
  if (args.includes('taken')) await ask(...args);
  expect(await ask(...args)).toMatchObject({ code: 1, out: '', err: expect.stringMatching(err) });
});

test('budgets are listed with what is spent and left', async () => {
  const { code, out } = await ask('budgets', 'list');
  expect(code).toBe(0);
  expect(out).toMatch(/support-month +workspace support +hard +\$400\.0000\/month +\$0\.0000 +\$0\.0000 +\$400\.0000/);
  // A millionth is there to be spent: shown as left, it must not become a hundredth of a cent.
  expect(out).toMatch(/tight-year +workspace support, workflow tight +hard +\$0\.000001\/year +\$0\.0000 +\$0\.0000 +\$0\.0000 /);
});

test('a grant raises a budget for the next call, until its end or until it is revoked, and the audit has its reason', async () => {
  const secret = (await ask('keys', 'create', 'tight', '--workspace', 'support', '--workflow', 'tight')).out.trim();
  expect((await call(secret)).status).toBe(429);
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const { grant } = JSON.parse((await ask('budgets', 'grant', 'tight-year', '--usd', '5', '--until', until, '--reason', 'launch week', '--json')).out) as GrantAnswer;
  expect(grant).toMatchObject({ budget: 'tight-year', amount_usd: '5.000000000', until, reason: 'launch week' });
  // The provider cannot be reached: a call that is let in gets as far as that.
  expect((await call(secret)).status).toBe(502);
  expect((await ask('budgets', 'list')).out).toMatch(new RegExp(`tight-year .*\\$5\\.0000 to ${until.slice(0, 10)}`));
  const audit = (await (await fetch(`${admin}/api/audit`, { headers: { authorization: `Bearer ${TOKEN}` } })).text());
  expect(audit).toContain('launch week');

  expect(await ask('budgets', 'revoke', 'tight-year', grant.id)).toMatchObject({ code: 0, out: `Grant ${grant.id} of budget tight-year is over.\n` });
  expect((await call(secret)).status).toBe(429);
  expect(await ask('budgets', 'grant', 'tight-year', '--usd', '5', '--until', '1h', '--reason', 'again')).toMatchObject({ code: 0, out: expect.stringMatching(/^Budget tight-year has \$5\.0000 more until .* End it early with `npx tollgate budgets revoke tight-year grant_\w+`\.\n$/) });
  expect((await call(secret)).status).toBe(502);
});

test('a report counts the calls, by what was asked for, and the JSON is the answer of the API', async () => {
  const secret = (await ask('keys', 'create', 'reported', '--workspace', 'support', '--workflow', 'triage')).out.trim();
  await call(secret);
  const report = await ask('report', '--by', 'key,workflow', '--key', 'reported');
  expect(report.code).toBe(0);
  expect(report.out).toMatch(/key +workflow +requests +refused +errors/);
  expect(report.out).toMatch(/reported +triage +1 +0 +1 /);
  expect(report.out).toMatch(/total +1 /);
  const answer = JSON.parse((await ask('report', '--by', 'key', '--key', 'reported', '--json')).out) as UsageAnswer;
  expect(answer.rows).toMatchObject([{ key: 'reported', requests: 1, errors: 1 }]);
});

test('an export is whole under its name, and the same on standard output', async () => {
  const file = join(folder, 'requests.csv');
  const range = ['--from', 'now-1h', '--to', new Date().toISOString()];
  const written = await ask('export', 'requests', ...range, '--output', file, '--json');
  expect(written.code).toBe(0);
  const text = readFileSync(file, 'utf8');
  expect(JSON.parse(written.out)).toEqual({ file, bytes: Buffer.byteLength(text) });
  expect(existsSync(`${file}.part`)).toBe(false);
  expect(text).toMatch(/^\uFEFF?id,admitted_at,/);
  expect((await ask('export', 'requests', ...range)).out).toBe(text);
  expect((await ask('export', 'usage', '--by', 'workspace')).out).toMatch(/workspace,/);
});

test('an export that cannot be written says so and leaves nothing', async () => {
  const file = join(folder, 'no-such-folder', 'requests.csv');
  expect(await ask('export', 'requests', '--output', file)).toMatchObject({ code: 1, out: '', err: `${file} cannot be written: ENOENT\n` });
});

test('a backup is a copy of the ledger, where it is asked for, and never over another file', async () => {
  const file = join(folder, 'copy.db');
  expect(await ask('backup', file)).toMatchObject({ code: 0, out: expect.stringMatching(/copy\.db: \d+ bytes in \d+ ms\n$/) });
  expect(readFileSync(file).subarray(0, 15).toString()).toBe('SQLite format 3');
  expect(await ask('backup', file)).toMatchObject({ code: 1, err: expect.stringContaining('never overwrites') });
  expect(await ask('backup', join(folder, 'nowhere', 'copy.db'))).toMatchObject({ code: 1, err: expect.stringContaining('ENOENT); nothing was copied') });
  // One copy, where it was asked for; those that name no place stay with the gateway.
  const kept = join(folder, 'data', 'backups');
  expect(readdirSync(kept)).toEqual([]);
  const { file: named } = JSON.parse((await ask('backup', '--json')).out) as BackupAnswer;
  expect(readdirSync(kept).map((name) => join(kept, name))).toEqual([named]);
});

test('a wrong token, or none, ends with 1 and says where the token is', async () => {
  for (const args of [['keys', 'list', '--url', admin], ['keys', 'list', '--url', admin, '--token', 'wrong']]) {
    expect(await tollgate(args)).toMatchObject({ code: 1, out: '', err: expect.stringContaining('The token is admin.token in the config; give it with --token, or set TOLLGATE_ADMIN_TOKEN.') });
  }
});

test('the config says where the gateway is; variables that only the gateway needs may be missing', async () => {
  const mine = join(folder, 'client.yaml');
  writeFileSync(mine, `admin: { listen: "127.0.0.1:${new URL(admin).port}", token: "\${TOLLGATE_ADMIN_TOKEN}" }\nupstream: { keys: { default: "\${PROVIDER_KEY}" } }\n`);
  expect(await tollgate(['budgets', 'list', '--config', mine], { TOLLGATE_ADMIN_TOKEN: TOKEN })).toMatchObject({ code: 0, err: '' });
  expect(await tollgate(['budgets', 'list', '--config', mine])).toMatchObject({ code: 1, err: expect.stringContaining(`${mine}:1:44: the environment lacks the variable of the admin token`) });
  expect(await tollgate(['budgets', 'list', '--config', mine, '--token', TOKEN])).toMatchObject({ code: 0, err: '' });
});

test('the token of the config goes to the gateway of the config only', async () => {
  const mine = join(folder, 'other.yaml');
  writeFileSync(mine, `admin: { token: ${TOKEN} }\n`);
  expect(await tollgate(['keys', 'list', '--config', mine, '--url', admin])).toMatchObject({ code: 1, err: expect.stringContaining('TOLLGATE_ADMIN_TOKEN') });
});

test.each([
  { name: 'a budget', args: ['budgets', 'grant', 'suport-month', '--usd', '5', '--until', '1d', '--reason', 'launch'], said: 'There is no budget "suport-month" in the config; did you mean support-month?' },
  { name: 'a budget like no other', args: ['budgets', 'grant', 'xyz', '--usd', '5', '--until', '1d', '--reason', 'launch'], said: 'There is no budget "xyz" in the config; there is support-month, tight-year.' },
  { name: 'a channel', args: ['alerts', 'test', '--channel', 'ops'], said: 'There is no channel "ops" in the config; there is here.' },
  { name: 'a silence', args: ['alerts', 'unsilence', 'silence_0'], said: 'There is no silence "silence_0"; there are none.' },
  { name: 'an alert', args: ['alerts', 'ack', 'budget:x'], said: 'There is no alert that fires "budget:x"; ' },
  { name: 'a key', args: ['keys', 'rotate', 'nope'], said: 'there is no key nope; `tollgate keys list` shows those there are' },
  { name: 'a workflow', args: ['keys', 'create', 'ci', '--workspace', 'support', '--workflow', 'triag'], said: 'workspace support has no workflow triag; it has triage' },
  { name: 'a reason of nothing', args: ['budgets', 'grant', 'support-month', '--usd', '5', '--until', '1d', '--reason', ' '], said: 'reason: expected a reason, found " "' },
])('$name that there is not is answered with what there is', async ({ args, said }) => {
  expect(await tollgate([...args, '--url', admin], { TOLLGATE_ADMIN_TOKEN: TOKEN })).toMatchObject({ code: 1, out: '', err: expect.stringContaining(said) });
});
