// test/flow/retries.test.ts: calls that are tried again, by a real gateway in front of one stand-in or two.

import Anthropic from '@anthropic-ai/sdk';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { LimitsAnswer, RequestAnswer } from '../../server/http/admin/wire.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { startGateway } from './gateway.ts';
import { apiHeaders, ask, baseConfig, budgetsOf, count, eventually, hello, latch, ledgerRows, nanos, PROVIDER_KEY, rowOf, scrape, SECRETS, send, settled, startScene, type Scene, type Sent } from './scene.ts';

const SECOND_KEY = 'sk-ant-api03-a-second-key-of-the-provider';
const post = (scene: Pick<Scene, 'gateway'>, more: { body?: string; headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<Sent> =>
  send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.triage), ...more.headers }, body: more.body ?? hello(), ...(more.signal ? { signal: more.signal } : {}) });
const detail = async (scene: Pick<Scene, 'gateway'>, answer: Sent): Promise<RequestAnswer> => {
  await settled(scene.gateway);
  return ask<RequestAnswer>(scene.gateway, `/api/requests/${String(answer.headers['x-tollgate-request-id'])}`);
};
/** A gateway that tries again as `retry` says. */
async function openScene(retry: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<Scene> {
  const standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' } });
  const gateway = await startGateway({ config: { ...baseConfig(standin.url), upstream: { origin: standin.url, keys: { default: PROVIDER_KEY }, retry }, ...more } });
  return { standin, gateway, close: async () => void (await gateway.close(), await standin.close()) };
}
const BUDGET = { budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 1, period: 'day' }] };
const heldNow = async (scene: Scene): Promise<bigint> => nanos((await budgetsOf(scene.gateway)).rows[0]!.held_usd);

describe('with nothing configured', () => {
  let scene: Scene;
  beforeAll(async () => void (scene = await startScene()));
  afterAll(() => scene.close());

  test.each(['status:529', 'rate-limit:1', 'status:503', 'status:500'])('%s goes to the client as it came, after one try', async (fault) => {
    scene.standin.forget();
    const before = scene.standin.requests();
    scene.standin.next(fault);
    const answer = await post(scene);
    expect(answer.status).toBe(scene.standin.log[0]!.response.status);
    expect(answer.body).toEqual(scene.standin.log[0]!.response.body);
    expect(scene.standin.requests() - before).toBe(1);
    expect((await rowOf(scene.gateway, answer.headers)).attempts).toBe(1);
  });
});

describe('with 429 and 529 to be tried again', () => {
  let scene: Scene;
  beforeAll(async () => void (scene = await openScene({ on: [429, 529], budget: '100%', max_wait: '5s' }, BUDGET)));
  afterAll(() => scene.close());
  afterEach(() => scene.standin.forget());

  test('a 529 and then a 200: one answer, one bill, two rows of tries, one hold', async () => {
    scene.standin.next('status:529', { outputTokens: 20 });
    const answer = await post(scene);
    expect(answer.status).toBe(200);
    expect(scene.standin.log.map(({ response }) => response.status)).toEqual([529, 200]);
    expect(answer.body).toEqual(scene.standin.log[1]!.response.body);
    const { request, attempts } = await detail(scene, answer);
    expect(attempts).toMatchObject([
      { number: 1, status: 529, outcome: 'upstream_error', error_type: 'overloaded_error', upstream_request_id: scene.standin.log[0]!.id, failover: null },
      { number: 2, status: 200, outcome: 'ok', error_type: null, upstream_request_id: scene.standin.log[1]!.id, failover: null },
    ]);
    const { usage } = scene.standin.log[1]!.response;
    expect(request).toMatchObject({ outcome: 'ok', attempts: 2, estimated: false, tokens: { input: usage!.input_tokens, output: usage!.output_tokens }, upstream_request_id: scene.standin.log[1]!.id });
    expect(request.cost_usd).toBe(answer.headers['x-tollgate-cost-usd']);
    // The wait for the provider is not the gateway's own time.
    expect(request.duration_ms).toBeGreaterThanOrEqual(375);
    expect(request.overhead_ms).toBeLessThan(request.duration_ms! - 300);
    expect(await heldNow(scene)).toBe(0n);
  });

  test('the held money is that of one call while it waits, and a stream is tried again as well', async () => {
    scene.standin.next('rate-limit:1', { outputTokens: 5 });
    const streamed = post(scene, { body: hello({ stream: true }) });
    const held = await eventually('the call waits for its second try', async () => (scene.standin.log[0]?.response.ending === 'complete' ? heldNow(scene) : null));
    expect(held).toBeGreaterThan(0n);
    const answer = await streamed;
    expect(answer.body).toEqual(scene.standin.log[1]!.response.body);
    const { request, attempts } = await detail(scene, answer);
    expect(attempts.map(({ status, error_type }) => [status, error_type])).toEqual([[429, 'rate_limit_error'], [200, null]]);
    // Each try has the limits of its own answer.
    expect(attempts[0]!.limits).toMatchObject({ retry_after_s: 1 });
    const { headers } = scene.standin.log[1]!.response;
    expect(attempts[1]!.limits).toEqual({
      rows: ['requests', 'tokens', 'input-tokens', 'output-tokens'].map((name) => ({
        dimension: name.replace('-', '_'), limit: Number(headers[`anthropic-ratelimit-${name}-limit`]), remaining: Number(headers[`anthropic-ratelimit-${name}-remaining`]),
        reset_at: new Date(String(headers[`anthropic-ratelimit-${name}-reset`])).toISOString(),
      })),
      retry_after_s: null,
    });
    expect(held).toBe(nanos(request.held_usd));
    // retry-after was honoured: the second try began a second after the first had its answer, not earlier.
    expect(scene.standin.log[1]!.at - scene.standin.log[0]!.at).toBeGreaterThanOrEqual(1_000);
    expect(await heldNow(scene)).toBe(0n);
  });

  test('three no\'s in a row: the last one goes to the client, byte for byte, at no cost', async () => {
    scene.standin.next('status:529', 'status:529', 'status:529');
    const answer = await post(scene);
    expect(answer.status).toBe(529);
    expect(answer.body).toEqual(scene.standin.log[2]!.response.body);
    expect(answer.headers['request-id']).toBe(scene.standin.log[2]!.id);
    const { request, attempts } = await detail(scene, answer);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['upstream_error', 'upstream_error', 'upstream_error']);
    expect(request).toMatchObject({ outcome: 'upstream_error', status: 529, cost_usd: '0.000000000', estimated: false });
  });

  test.each<{ name: string; fault: string; headers: Record<string, string> }>([
    { name: 'a wait that is too long', fault: 'rate-limit:6', headers: {} },
    { name: 'a spend cap', fault: 'spend-cap-429', headers: {} },
    { name: 'a client that is trying again itself', fault: 'status:529', headers: { 'x-stainless-retry-count': '1' } },
    { name: 'an error that may have been served', fault: 'status:500', headers: {} },
    { name: 'a reset after the call was sent', fault: 'reset-before-headers', headers: {} },
  ])('$name is not waited for', async ({ fault, headers }) => {
    scene.standin.next(fault);
    const answer = await post(scene, { headers });
    expect(scene.standin.log).toHaveLength(1);
    expect((await rowOf(scene.gateway, answer.headers)).attempts).toBe(1);
  });

  test('a client that leaves during the wait ends it: no second try, no cost, no hold', async () => {
    scene.standin.next('rate-limit:4');
    const leaving = new AbortController();
    const gone = post(scene, { signal: leaving.signal }).catch(() => null);
    await eventually('the first try is answered', async () => (scene.standin.log[0]?.response.ending === 'complete' ? true : null));
    leaving.abort();
    await gone;
    await settled(scene.gateway);
    const [row] = await ledgerRows(scene.gateway, '', 1);
    expect(row).toMatchObject({ outcome: 'client_abort', status: null, attempts: 1, cost_usd: '0.000000000' });
    expect(scene.standin.log).toHaveLength(1);
    expect(await heldNow(scene)).toBe(0n);
  });

  test('each further try is counted by its reason', async () => {
    const before = await scrape(scene.gateway);
    const retries = (samples: typeof before, reason: string): number => count(samples, 'tollgate_retries_total', { source: 'proxy', reason });
    scene.standin.next('status:529', { outputTokens: 1 });
    await post(scene);
    await settled(scene.gateway);
    const after = await eventually('a scrape that is newer', async () => {
      const samples = await scrape(scene.gateway);
      return retries(samples, 'overloaded') > retries(before, 'overloaded') ? samples : null;
    });
    expect(retries(after, 'overloaded') - retries(before, 'overloaded')).toBe(1);
    expect(retries(after, 'rate_limited')).toBe(retries(before, 'rate_limited'));
    const limits = await ask<LimitsAnswer>(scene.gateway, '/api/limits');
    expect(limits.retries).toMatchObject({ on: [429, 529], rows: [{ credential: 'default' }] });
  });
});

test('a gateway that goes down during the wait sends what the provider said', async () => {
  const { standin, gateway, close } = await openScene({ on: [429], max_wait: '60s' }, { drain: '100ms' });
  try {
    standin.next('rate-limit:30');
    const answer = post({ gateway });
    await eventually('the first try is answered', async () => (standin.log[0]?.response.ending === 'complete' ? true : null));
    expect(await gateway.stop('SIGTERM')).toBe(0);
    expect((await answer).status).toBe(429);
    expect((await answer).body).toEqual(standin.log[0]!.response.body);
  } finally {
    await close();
  }
});

test.each([
  { name: 'nothing more', on: [], most: 0 },
  { name: 'a tenth more at most, where it is to be tried again', on: [529], most: 0.1 },
])('a provider that says 529 to everybody sees what the clients send, and $name', async ({ on, most }) => {
  const { standin, gateway, close } = await openScene({ on });
  const calls = 100;
  try {
    standin.script(() => 'status:529');
    const started = Date.now();
    let sent = 0;
    const counted: typeof fetch = (...request) => ((sent += 1), fetch(...request));
    const client = new Anthropic({ baseURL: gateway.dataUrl, apiKey: SECRETS.triage, fetch: counted });
    const errors = await Promise.all(Array.from({ length: calls }, () => client.messages.create({ model: 'claude-haiku-4-5', max_tokens: 8, messages: [{ role: 'user', content: 'Hi' }] }).then(() => null, (error: unknown) => (error as { status?: number }).status)));
    expect(errors).toEqual(Array.from({ length: calls }, () => 529));
    expect(sent).toBe(calls * 3);
    const extra = standin.requests() - sent;
    expect(extra > 0).toBe(most > 0);
    expect(extra).toBeLessThanOrEqual(most === 0 ? 0 : 10 + sent * most + (Date.now() - started) / 10_000);
    await settled(gateway);
    const rows = await ledgerRows(gateway);
    expect(rows).toHaveLength(sent);
    expect(rows.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(standin.requests());
    expect([0, 1, 2, 3].map((retry) => rows.filter(({ client_retry }) => client_retry === retry).length)).toEqual([calls, calls, calls, 0]);
    expect(new Set(rows.map(({ cost_usd }) => cost_usd))).toEqual(new Set(['0.000000000']));
  } finally {
    await close();
  }
});

describe('with a second key and a second origin', () => {
  let first: Standin;
  let other: Standin;
  let scene: Scene;
  const config = (origin: string): Record<string, unknown> => ({
    ...baseConfig(origin),
    upstream: {
      origin, keys: { default: PROVIDER_KEY }, connect_timeout: '2s', retry: { on: [429], budget: '100%', max_wait: '1s' },
      failover: [{ id: 'spare-key', keys: { default: SECOND_KEY } }, { id: 'eu', origin: other.url, keys: { default: 'sk-ant-api03-a-key-for-the-other-origin' } }],
    },
  });
  beforeAll(async () => {
    first = await startStandin({ keys: { [PROVIDER_KEY]: 'w1', [SECOND_KEY]: 'w2' } });
    other = await startStandin({ keys: { 'sk-ant-api03-a-key-for-the-other-origin': 'w3' } });
    const gateway = await startGateway({ config: config(first.url) });
    scene = { standin: first, gateway, close: async () => void (await gateway.close(), await first.close(), await other.close()) };
  });
  afterAll(() => scene.close());
  afterEach(() => (first.forget(), other.forget()));
  const keyOf = (standin: Standin, at = 0): string => standin.log[at]!.rawHeaders[standin.log[at]!.rawHeaders.findIndex((name) => name.toLowerCase() === 'x-api-key') + 1]!;

  test('a 429 goes to the second key at once, and later calls of that model go there first', async () => {
    first.next('rate-limit:30', { outputTokens: 3 });
    const answer = await post(scene);
    expect(answer.status).toBe(200);
    expect([keyOf(first), keyOf(first, 1)]).toEqual([PROVIDER_KEY, SECOND_KEY]);
    const { attempts, request } = await detail(scene, answer);
    expect(attempts.map(({ status, failover }) => [status, failover])).toEqual([[429, null], [200, 'spare-key']]);
    expect(request.outcome).toBe('ok');
    const next = await post(scene);
    expect(keyOf(first, 2)).toBe(SECOND_KEY);
    expect((await detail(scene, next)).attempts).toMatchObject([{ number: 1, status: 200, failover: 'spare-key' }]);
    await post(scene, { body: hello({ model: 'claude-sonnet-4-6' }) });
    expect(keyOf(first, 3)).toBe(PROVIDER_KEY);
    expect(other.log).toHaveLength(0);
  });

  test('what belongs to one key stays with it', async () => {
    const before = first.requests();
    await send(`${scene.gateway.dataUrl}/v1/models`, { method: 'GET', headers: apiHeaders(SECRETS.triage) });
    const listed = await send(`${scene.gateway.dataUrl}/v1/files`, { method: 'GET', headers: { ...apiHeaders(SECRETS.triage), 'anthropic-beta': 'files-api-2025-04-14' } });
    expect(listed.status).toBe(200);
    expect(first.requests() - before).toBeGreaterThanOrEqual(2);
    for (let at = 0; at < first.log.length; at++) expect(keyOf(first, at)).toBe(PROVIDER_KEY);
  });

  test('an origin that cannot be reached is left for the other, whose key is its own', async () => {
    const nobody = await unusedPort();
    const gateway = await startGateway({ config: config(`http://127.0.0.1:${nobody}`) });
    try {
      const answer = await post({ gateway });
      expect(answer.status).toBe(200);
      expect(keyOf(other)).toBe('sk-ant-api03-a-key-for-the-other-origin');
      const { attempts } = await detail({ gateway }, answer);
      expect(attempts).toMatchObject([{ outcome: 'connect_failed', error_type: 'ECONNREFUSED', failover: null }, { outcome: 'ok', status: 200, failover: 'eu' }]);
      // The next ones do not even try, for a while.
      const next = await post({ gateway });
      expect((await detail({ gateway }, next)).attempts).toMatchObject([{ outcome: 'ok', failover: 'eu' }]);
      const samples = await scrape(gateway);
      expect(count(samples, 'tollgate_failover_attempts_total', { failover: 'eu' })).toBe(2);
      expect(count(samples, 'tollgate_retries_total', { source: 'proxy', reason: 'connect' })).toBe(1);
    } finally {
      await gateway.close();
    }
  });
});

test('a key goes to the origin that it was written for, also where the config changes while its call is under way', async () => {
  const oldHome = await startStandin({ keys: { [PROVIDER_KEY]: 'w' } });
  const newHome = await startStandin({ keys: { [SECOND_KEY]: 'w' } });
  const config = (origin: string, key: string): Record<string, unknown> => ({ ...baseConfig(origin), upstream: { origin, keys: { default: key } } });
  const gateway = await startGateway({ config: config(oldHome.url, PROVIDER_KEY) });
  try {
    const body = Buffer.from(hello());
    const half = latch();
    // The call is identified by its head; its body ends after the reload.
    const slow = slowly(`${gateway.dataUrl}/v1/messages`, apiHeaders(SECRETS.triage), body, half.opened);
    await eventually('the call is in', async () => ((await ask<{ in_flight: number }>(gateway, '/api/status')).in_flight === 1 ? true : null));
    writeFileSync(gateway.configFile, stringify(config(newHome.url, SECOND_KEY)));
    await eventually('the new config is in force', async () => (gateway.output().includes('config_reloaded') ? true : null));
    half.open();
    const answer = await slow;
    expect(newHome.requests()).toBe(0);
    expect(answer.status).toBe(502);
    expect(answer.body.toString()).toContain('ORIGIN_CHANGED');
    expect((await post({ gateway })).status).toBe(200);
    expect(newHome.log).toHaveLength(1);
  } finally {
    await gateway.close();
    await oldHome.close();
    await newHome.close();
  }
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Sends half of a body, and the rest when told. */
function slowly(url: string, headers: Record<string, string>, body: Buffer, rest: Promise<void>): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const out = request(url, { method: 'POST', headers: { ...headers, 'content-length': String(body.length) } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve({ status: answer.statusCode!, body: Buffer.concat(chunks) }));
    });
    out.on('error', reject);
    out.write(body.subarray(0, body.length / 2));
    void rest.then(() => out.end(body.subarray(body.length / 2)));
  });
}
