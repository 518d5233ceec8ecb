// test/flow/reload.test.ts: a new config holds for the next call while calls go on; one with a mistake changes nothing.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { createParser } from 'eventsource-parser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { AuditAnswer, PoliciesAnswer, StatusAnswer } from '../../server/http/admin/wire.ts';
import { tollgate } from '../cli/tollgate.ts';
import { startGateway } from './gateway.ts';
import { startStandin } from '../standin/standin.ts';
import { PROVIDER_KEY, SECRETS, apiHeaders, ask, baseConfig, budgetsOf, count, eventually, hello, latch, nanos, rowOf, scrape, send, settled, startScene, type Scene } from './scene.ts';

let scene: Scene;

beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

type Config = ReturnType<typeof baseConfig>;
const config = (more: Config = {}): Config => ({ ...baseConfig(scene.standin.url), ...more });
const denying = (model: string): Config => ({ workspaces: [{ id: 'support', models: { deny: [model] }, workflows: [{ id: 'ticket-triage' }, { id: 'reply-draft' }] }, { id: 'engineering', open_workflows: true }] });
const status = (): Promise<StatusAnswer> => ask<StatusAnswer>(scene.gateway, '/api/status');
const call = (body = hello(), secret: string = SECRETS.support) => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(secret), body });
const write = (text: string): void => writeFileSync(scene.gateway.configFile, text);

/** Puts a config into the file, tells the gateway to read it, and waits until it has. */
async function reload(text: string | Config): Promise<StatusAnswer> {
  const { config: before } = await status();
  write(typeof text === 'string' ? text : stringify(text));
  process.kill(scene.gateway.pid, 'SIGHUP');
  return eventually('the config was read', async () => {
    const now = await status();
    return now.config.last_reload !== null && now.config.last_reload.at !== before.last_reload?.at ? now : null;
  });
}

test('a saved file is in force without a signal, also when another file is moved over it', async () => {
  const before = (await status()).config.digest;
  write(stringify(config(denying('claude-opus-*'))));
  const saved = await eventually('the saved file is in force', async () => ((await status()).config.digest === before ? null : await status()));
  expect(saved.config.last_reload).toMatchObject({ ok: true, error: null });
  expect((await call(hello({ model: 'claude-opus-4-8' }))).status).toBe(403);

  const beside = `${scene.gateway.configFile}.new`;
  writeFileSync(beside, stringify(config()));
  renameSync(beside, scene.gateway.configFile);
  await eventually('the moved file is in force', async () => ((await status()).config.digest === saved.config.digest ? null : true));
  expect((await call(hello({ model: 'claude-opus-4-8' }))).status).toBe(200);
});

test('open pages hear of other prices, and of a reload that brought none', async () => {
  const copy = join(dirname(scene.gateway.configFile), 'prices-of-another-day.yaml');
  writeFileSync(copy, `# another day\n${readFileSync(new URL('../../config/prices.yaml', import.meta.url), 'utf8')}`);
  const leaving = new AbortController();
  const stream = await fetch(`${scene.gateway.adminUrl}/api/live`, { signal: leaving.signal });
  const heard: string[] = [];
  const parser = createParser({ onEvent: ({ event = '' }) => void (event === 'tick' ? null : heard.push(event)) });
  const ended = (async () => {
    for await (const chunk of stream.body ?? []) parser.feed(Buffer.from(chunk).toString());
  })().catch(() => {});
  await reload(config(denying('claude-opus-*')));
  await reload(config({ prices: { file: copy } }));
  await eventually('the page has heard of both', async () => (heard.length >= 3 ? true : null));
  expect(heard).toEqual(['config', 'config', 'price']);
  leaving.abort();
  await ended;
  await reload(config());
});

test('on SIGHUP new rules hold for the next call, and a stream that is under way finishes by the old ones', async () => {
  const held = latch();
  const before = scene.standin.requests();
  scene.standin.next({ until: held.opened, outputTokens: 60 });
  const stream = call(hello({ stream: true }));
  await eventually('the stream is at the provider', async () => (scene.standin.requests() === before + 1 ? true : null));

  const { config: now } = await reload(config({ ...denying('claude-haiku-*'), budgets: [{ id: 'support-year', scope: { workspace: 'support' }, limit_usd: 3, period: 'year' }] }));
  expect(now.last_reload).toMatchObject({ ok: true });
  const refused = await call();
  expect(refused).toMatchObject({ status: 403, headers: { 'x-tollgate-refusal': 'model_not_allowed' } });
  const policies = await ask<PoliciesAnswer>(scene.gateway, '/api/policies');
  expect(policies.config_digest).toBe(now.digest);

  held.open();
  const whole = await stream;
  expect(whole).toMatchObject({ status: 200, whole: true });
  expect(whole.body.toString().trimEnd()).toMatch(/message_stop"}$/);
  expect(await rowOf(scene.gateway, whole.headers)).toMatchObject({ outcome: 'ok', estimated: false });
});

test('a budget that is new knows what was spent before it, and a raised one helps at once', async () => {
  await reload(config());
  expect((await call()).status).toBe(200);
  await settled(scene.gateway);
  await reload(config({ budgets: [{ id: 'support-year', scope: { workspace: 'support' }, limit_usd: 0.0001, period: 'year' }] }));
  const [small] = (await budgetsOf(scene.gateway)).rows;
  expect(Number(small!.spent_usd)).toBeGreaterThan(0);
  expect(await call()).toMatchObject({ status: 429, headers: { 'x-tollgate-refusal': 'budget_exhausted' } });
  await reload(config({ budgets: [{ id: 'support-year', scope: { workspace: 'support' }, limit_usd: 10, period: 'year' }] }));
  expect((await call()).status).toBe(200);
});

test('a key that the config drops stops working, one that it adds works', async () => {
  const added = 'tg_added-0123456789abcdef';
  const keys = config()['keys'] as { id: string }[];
  await reload(config({ keys: [...keys.filter((key) => key.id !== 'engineering-any'), { id: 'added', workspace: 'engineering', secret: added }] }));
  expect([(await call(hello(), SECRETS.engineering)).status, (await call(hello(), added)).status]).toEqual([401, 200]);
  await reload(config());
  expect([(await call(hello(), SECRETS.engineering)).status, (await call(hello(), added)).status]).toEqual([200, 401]);
});

test('a key and a model that the config drops while a stream uses them: the stream finishes and is booked as it was admitted, the next call is refused, and what was spent stays', async () => {
  const budgets = [{ id: 'engineering-year', scope: { workspace: 'engineering' }, limit_usd: 10, period: 'year' }];
  await reload(config({ budgets }));
  const spent = async (): Promise<bigint> => nanos((await budgetsOf(scene.gateway)).rows[0]!.spent_usd);
  const before = await spent();
  const held = latch();
  const requests = scene.standin.requests();
  scene.standin.next({ until: held.opened });
  const stream = call(hello({ stream: true }), SECRETS.engineering);
  await eventually('the stream is at the provider', async () => (scene.standin.requests() === requests + 1 ? true : null));
  const keys = (config()['keys'] as { id: string }[]).filter(({ id }) => id !== 'engineering-any');
  await reload(config({ budgets, keys, ...denying('claude-haiku-*') }));
  expect([(await call(hello(), SECRETS.engineering)).status, (await call()).status]).toEqual([401, 403]);
  held.open();
  const whole = await stream;
  expect(whole).toMatchObject({ status: 200, whole: true });
  const row = await rowOf(scene.gateway, whole.headers);
  expect(row).toMatchObject({ outcome: 'ok', estimated: false, workspace: 'engineering', key_id: 'engineering-any' });
  expect(await spent()).toBe(before + nanos(row.cost_usd));
  expect((await budgetsOf(scene.gateway)).rows[0]!.held_usd).toBe('0.000000000');
  expect(count(await scrape(scene.gateway), 'tollgate_open_holds')).toBe(0);
  await reload(config());
});

test('calls go to a new origin from the next one on, while the old one finishes what it began', async () => {
  const other = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Other' } });
  const held = latch();
  try {
    const before = scene.standin.requests();
    scene.standin.next({ until: held.opened });
    const old = call();
    await eventually('the call is at the old origin', async () => (scene.standin.requests() === before + 1 ? true : null));
    await reload(config({ upstream: { origin: other.url, keys: { default: PROVIDER_KEY } } }));
    expect((await call()).headers['anthropic-workspace-id']).toBe('wrkspc_01Other');
    held.open();
    expect((await old).headers['anthropic-workspace-id']).toBe('wrkspc_01Provider');
  } finally {
    held.open();
    await reload(config());
    await other.close();
  }
});

test.each([
  { name: 'an unknown key', text: () => `${stringify(config())}budget: []\n`, says: /tollgate\.yaml:\d+:1: .*budget/ },
  { name: 'YAML that is none', text: () => `${stringify(config())}keys: [\n`, says: /tollgate\.yaml:\d+:\d+: / },
  { name: 'a variable that is missing', text: () => stringify(config({ timezone: '${NO_SUCH_ZONE}' })), says: /NO_SUCH_ZONE/ },
  { name: 'a price file that is not there', text: () => stringify(config({ prices: { file: '/no/such/prices.yaml' } })), says: /\/no\/such\/prices\.yaml/ },
  { name: 'nothing in it', text: () => '', says: /tollgate\.yaml:1:1: the file says nothing/ },
])('a file with $name changes nothing and is told to everyone who asks', async ({ text, says }) => {
  const { config: good } = await reload(config());
  const { config: now } = await reload(text());
  expect(now).toMatchObject({ digest: good.digest, loaded_at: good.loaded_at, last_reload: { ok: false, error: expect.stringMatching(says) } });
  expect((await call()).status).toBe(200);
  const checked = await tollgate(['check', scene.gateway.configFile]);
  expect({ code: checked.code, said: checked.out + checked.err }).toEqual({ code: 1, said: expect.stringMatching(says) });

  await reload(config());
  expect(await tollgate(['check', scene.gateway.configFile])).toMatchObject({ code: 0 });
});

test('the audit says what each new config says differently, and never a secret', async () => {
  const written = (concurrent: number, secret: string, more: Config = {}): Config => config({
    workspaces: [{ id: 'support', limits: { concurrent }, models: { allow: ['claude-haiku-*', 'claude-opus-4-8'] }, workflows: [{ id: 'ticket-triage' }, { id: 'reply-draft' }] }, { id: 'engineering', open_workflows: true }],
    alerts: { channels: { ops: { type: 'webhook', url: `https://example.com/hooks/${secret}`, secret: `${secret}-signs-deliveries` } } },
    ...more,
  });
  const newest = async () => {
    const { digest } = (await status()).config;
    return eventually('the audit has the config in force', async () => (await ask<AuditAnswer>(scene.gateway, '/api/audit?limit=1')).rows.find(({ detail }) => (detail as { digest?: string } | null)?.digest === digest) ?? null);
  };
  await reload(written(50, 'hush-one'));
  await reload(written(80, 'hush-two', { on_abort: 'drain' }));
  expect(await newest()).toMatchObject({
    actor: 'config', action: 'config.reload', subject: scene.gateway.configFile,
    detail: {
      digest: (await status()).config.digest,
      file_written_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      changes: [
        { place: 'workspaces.support.limits.concurrent', before: '50', after: '80' },
        { place: 'alerts.channels.ops.url', before: '(hidden)', after: '(hidden)' },
        { place: 'alerts.channels.ops.secret', before: '(hidden)', after: '(hidden)' },
        { place: 'on_abort', before: null, after: 'drain' },
      ],
    },
  });
  await reload(config());
  const { detail } = await newest();
  expect(detail).toMatchObject({ changes: expect.arrayContaining([{ place: 'on_abort', before: 'drain', after: null }, { place: 'alerts.channels.ops.secret', before: '(hidden)', after: null }]) });
  // What is kept for the next start, and the whole audit, name no secret.
  const kept = readFileSync(join(scene.gateway.dataDir, 'config-in-force.json'), 'utf8');
  const audit = JSON.stringify(await ask<AuditAnswer>(scene.gateway, '/api/audit?limit=200'));
  for (const secret of ['hush-', PROVIDER_KEY, ...Object.values(SECRETS)]) for (const text of [kept, audit]) expect(text).not.toContain(secret);
});

test('a config that changed while nothing ran is in the audit of the next start', async () => {
  const before = await startGateway({ config: config() });
  try {
    await before.stop();
    const after = await startGateway({ config: config({ on_abort: 'drain' }), dataDir: before.dataDir });
    try {
      const { rows } = await ask<AuditAnswer>(after, '/api/audit');
      expect(rows.filter((row) => row.action.startsWith('config.'))).toMatchObject([{ action: 'config.start', detail: { changes: [{ place: 'on_abort', before: null, after: 'drain' }] } }]);
    } finally {
      await after.close();
    }
  } finally {
    await before.close();
  }
});

test('the metrics say whether the file that is there is the one in force', async () => {
  const told = (value: number) => eventually(`the metric is ${value}`, async () => (count(await scrape(scene.gateway), 'tollgate_config_last_reload_successful') === value ? true : null));
  await reload('nonsense: true\n');
  await told(0);
  await reload(config());
  await told(1);
});

test('nothing of a config that is wrong is half in force: its good parts wait for the rest', async () => {
  await reload(config());
  await reload(`${stringify(config(denying('claude-haiku-*')))}nonsense: true\n`);
  expect((await call()).status).toBe(200);
  await reload(config(denying('claude-haiku-*')));
  expect((await call()).status).toBe(403);
});

test('rows are kept for as many days as the config says now, also when it says again what it said at the start', async () => {
  const own = await startScene({ retention: { requests_days: 30 } });
  const database = new Database(join(own.gateway.dataDir, 'tollgate.db'));
  try {
    const days = async (kept: number): Promise<void> => {
      const before = (await ask<StatusAnswer>(own.gateway, '/api/status')).config.digest;
      writeFileSync(own.gateway.configFile, stringify({ ...baseConfig(own.standin.url), retention: { requests_days: kept } }));
      process.kill(own.gateway.pid, 'SIGHUP');
      await eventually('the config is in force', async () => ((await ask<StatusAnswer>(own.gateway, '/api/status')).config.digest === before ? null : true));
    };
    await days(60);
    await send(`${own.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello() });
    await settled(own.gateway);
    database.prepare('UPDATE call SET admitted_at = admitted_at - ?').run(45 * 86_400_000);
    const rows = database.prepare('SELECT count(*) FROM call').pluck();
    await days(50);
    expect(rows.get()).toBe(1);
    await days(30);
    await eventually('the row is gone', async () => (rows.get() === 0 ? true : null));
  } finally {
    database.close();
    await own.close();
  }
});
