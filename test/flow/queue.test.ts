// test/flow/queue.test.ts: while the provider has little room left, background calls wait for it and interactive ones pass.

import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { LimitsAnswer, RequestAnswer, StatusAnswer } from '../../server/http/admin/wire.ts';
import { PROVIDER_KEY, SECRETS, apiHeaders, ask, baseConfig, budgetsOf, count, eventually, hello, ledgerRows, rowOf, scrape, send, settled, startScene, type Scene, type Sent } from './scene.ts';

let scene: Scene;

/** Answers of the stand-in from now on tell that so many requests of 1,000 are left, refilled in a minute. */
function provider(remaining: number): void {
  const headers = { 'anthropic-ratelimit-requests-limit': '1000', 'anthropic-ratelimit-requests-remaining': String(remaining), 'anthropic-ratelimit-requests-reset': new Date(Date.now() + 60_000 * (1 - remaining / 1000)).toISOString() };
  scene.standin.script(() => ({ headers, outputTokens: 3 }));
}
const call = (secret: string, more: { headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<Sent> =>
  send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(secret), ...more.headers }, body: hello(), ...(more.signal ? { signal: more.signal } : {}) });
const BACKGROUND = { 'x-tollgate-priority': 'background' };
const background = (secret: string = SECRETS.engineering, signal?: AbortSignal): Promise<Sent> => call(secret, { headers: BACKGROUND, ...(signal ? { signal } : {}) });
/** Tells the gateway what the provider has left. */
async function interactive(): Promise<void> {
  expect((await call(SECRETS.support)).status).toBe(200);
}
const queue = async (): Promise<LimitsAnswer['queue']> => (await ask<LimitsAnswer>(scene.gateway, '/api/limits')).queue;
const waiting = (calls: number): Promise<LimitsAnswer['queue']> => eventually(`${calls} calls wait`, async () => ((now) => (now.waiting === calls ? now : null))(await queue()));

// What is left refills within a minute whatever happens; with nine tenths kept for interactive calls no test is as slow as that.
const config = (origin: string, more: object = {}): Record<string, unknown> => ({ ...baseConfig(origin), upstream: { origin, keys: { default: PROVIDER_KEY }, queue: { below: '90%', max_wait: '10m', ...more } } });

describe('a background call, while little is left', () => {
  const budgets = [{ id: 'engineering-year', scope: { workspace: 'engineering' }, limit_usd: 100, period: 'year' }, { id: 'nothing', scope: { workflow: 'reply-draft' }, limit_usd: 0.000001, period: 'year' }];
  beforeAll(async () => {
    scene = await startScene((origin) => ({ ...config(origin), budgets }));
  });
  afterAll(() => scene.close());

  test('waits while interactive ones pass, is shown, and goes when there is room', async () => {
    provider(20);
    await interactive();
    const seen = scene.standin.requests();
    const answered = background();
    const { rows, below, max_wait_ms } = await waiting(1);
    expect({ below, max_wait_ms }).toEqual({ below: 0.9, max_wait_ms: 600_000 });
    expect(rows).toMatchObject([{ credential: 'default', model_class: 'haiku-4-5', waiting: 1, workspaces: [{ workspace: 'engineering', waiting: 1 }] }]);
    const samples = await scrape(scene.gateway);
    expect(count(samples, 'tollgate_upstream_queue_length', { credential: 'default', model_class: 'haiku-4-5' })).toBe(1);
    expect(count(samples, 'tollgate_upstream_queue_calls_total')).toBe(0);
    await interactive();
    expect(scene.standin.requests()).toBe(seen + 1);
    // Nothing is held for it, and it has no row.
    expect((await budgetsOf(scene.gateway)).rows.map(({ id, held_usd }) => [id, held_usd])).toEqual([['engineering-year', '0.000000000'], ['nothing', '0.000000000']]);
    expect(await ledgerRows(scene.gateway, '&workspace=engineering')).toEqual([]);

    provider(1_000);
    await interactive();
    const answer = await answered;
    expect(answer.status).toBe(200);
    const row = await rowOf(scene.gateway, answer.headers);
    expect(row.outcome).toBe('ok');
    expect(row.duration_ms! - row.overhead_ms!).toBeGreaterThan(0);
    const { decisions } = await ask<RequestAnswer>(scene.gateway, `/api/requests/${row.id}`);
    expect(decisions).toContainEqual({ rule: 'headroom:default', verdict: 'allow', detail: expect.stringMatching(/^waited \d+\.\d s behind 0 others for room at the provider: haiku-4-5 had 100 % of its requests left when it went$/) });
    expect((await queue()).waiting).toBe(0);
  });

  test('whose client leaves gives its place up at once, and has a row that says so', async () => {
    provider(20);
    await interactive();
    const seen = scene.standin.requests();
    const leaving = new AbortController();
    const answered = background(SECRETS.engineering, leaving.signal).catch(() => null);
    await waiting(1);
    leaving.abort();
    expect(await answered).toBeNull();
    await waiting(0);
    await settled(scene.gateway);
    const [row] = await ledgerRows(scene.gateway, '&workspace=engineering');
    expect(row).toMatchObject({ outcome: 'client_abort', status: null, cost_usd: '0.000000000', held_usd: '0.000000000', estimated: false, attempts: 0 });
    expect((await ask<RequestAnswer>(scene.gateway, `/api/requests/${row!.id}`)).decisions).toContainEqual({ rule: 'headroom:default', verdict: 'allow', detail: expect.stringMatching(/^waited \d+\.\d s for room at the provider, then the client left$/) });
    expect(scene.standin.requests()).toBe(seen);
  });

  test('that there is no money for hears so at once', async () => {
    provider(20);
    await interactive();
    const poor = await call(SECRETS.support, { headers: { ...BACKGROUND, 'x-tollgate-workflow': 'reply-draft' } });
    expect(poor).toMatchObject({ status: 429, headers: { 'x-tollgate-refusal': 'budget_exhausted' } });
  });

  test('is asked everything again after its wait: a key that was taken away meanwhile opens no door', async () => {
    provider(20);
    await interactive();
    const answered = background();
    await waiting(1);
    const { keys, ...rest } = config(scene.standin.url) as { keys: { id: string }[] };
    writeFileSync(scene.gateway.configFile, stringify({ ...rest, keys: keys.filter(({ id }) => id !== 'engineering-any') }));
    await eventually('the config is in force', async () => ((await ask<StatusAnswer>(scene.gateway, '/api/status')).config.last_reload?.ok === true ? true : null));
    provider(1_000);
    await interactive();
    const seen = scene.standin.requests();
    expect(await answered).toMatchObject({ status: 401, headers: { 'x-tollgate-refusal': 'unauthenticated' } });
    expect(scene.standin.requests()).toBe(seen);
  });

  test('ends every wait at a shutdown, at once and with a word', async () => {
    provider(20);
    await interactive();
    const answered = background(SECRETS.triage);
    await waiting(1);
    const ended = scene.gateway.stop('SIGTERM');
    expect(await answered).toMatchObject({ status: 503, headers: { 'x-tollgate-refusal': 'draining', 'retry-after': '1' } });
    expect(await ended).toBe(0);
  });
});

describe('a queue with one place, and not much time', () => {
  beforeAll(async () => {
    scene = await startScene((origin) => ({
      ...config(origin, { length: 1, max_wait: '5s' }),
      workspaces: [{ id: 'support', workflows: [{ id: 'ticket-triage', priority: 'background' }] }, { id: 'engineering', open_workflows: true, priority: 'background' }],
    }));
    // Nothing is left, whatever is refilled: a wait for room can only end in time.
    scene.standin.script(() => ({ headers: { 'anthropic-ratelimit-requests-limit': '1000', 'anthropic-ratelimit-requests-remaining': '0', 'retry-after': '60' }, fault: 'status:529' }));
    expect((await call(SECRETS.support)).status).toBe(529);
  });
  afterAll(() => scene.close());

  test('refuses who finds it full, and who waits too long, with a time to come back; the config says who is background, and a header wins', async () => {
    const seen = scene.standin.requests();
    const first = call(SECRETS.triage);
    await waiting(1);
    const second = await call(SECRETS.triage);
    expect(second).toMatchObject({ status: 429, headers: { 'x-tollgate-refusal': 'rate_limited', 'retry-after': '60' } });
    expect(JSON.parse(second.body.toString())).toMatchObject({ error: { type: 'rate_limit_error', message: expect.stringMatching(/^This background call gives way to interactive ones: the provider asked to wait, and below 90 % background calls wait\. 1 calls wait already, as many as the config lets\. Try again in 60 s\.$/) } });
    const late = await first;
    expect(late).toMatchObject({ status: 429, headers: { 'x-tollgate-refusal': 'rate_limited', 'retry-after': expect.stringMatching(/^5\d$/) } });
    expect(JSON.parse(late.body.toString()).error.message).toContain('It waited 5.0 s, as long as the config lets it');
    expect(scene.standin.requests()).toBe(seen);
    expect((await call(SECRETS.triage, { headers: { 'x-tollgate-priority': 'interactive' } })).status).toBe(529);
    expect(await call(SECRETS.triage, { headers: { 'x-tollgate-priority': 'urgent' } })).toMatchObject({ status: 400, headers: { 'x-tollgate-refusal': 'malformed' } });
    const row = await rowOf(scene.gateway, late.headers);
    expect(row).toMatchObject({ outcome: 'refused', refusal: 'rate_limited', cost_usd: '0.000000000', attempts: 0 });
    await eventually('the metrics tell of both', async () => {
      const samples = await scrape(scene.gateway);
      const results = (result: string): number => count(samples, 'tollgate_upstream_queue_calls_total', { workspace: 'support', result });
      return results('expired') === 1 && results('full') === 1 && count(samples, 'tollgate_upstream_queue_wait_seconds_count') === 2 ? true : null;
    });
  });
});
