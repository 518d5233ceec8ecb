// test/flow/limits.test.ts: limits that hold without refusing anybody who has room: agents under a small budget, keys, classes of models, loops of tools, cheaper sessions.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BudgetsAnswer, LimitsAnswer, RequestAnswer, RequestRow } from '../../server/http/admin/wire.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { PROVIDER_KEY, SECRETS, apiHeaders, ask, baseConfig, budgetsOf, eventually, hello, latch, ledgerRows, nanos, send, settled, startScene, type Scene, type Sent } from './scene.ts';

describe('twenty agents with 150,000 tokens of cached context under 25 dollars at 5 % tolerance', () => {
  const AGENTS = 20;
  /** About 150,000 tokens, in a block that the cache keeps. */
  const MANUAL = 'The manual says what to do. '.repeat(19_300);
  const body = (agent: string): string => JSON.stringify({
    model: 'claude-sonnet-4-6', max_tokens: 32_000, stream: true,
    system: [{ type: 'text', text: MANUAL, cache_control: { type: 'ephemeral' } }],
    messages: [{ role: 'user', content: `What is next for ${agent}?` }],
  });
  const budgets = [
    { id: 'agents', scope: { workspace: 'support' }, limit_usd: 25, tolerance: '5%', period: 'year' },
    { id: 'agents-expected', scope: { workspace: 'engineering' }, limit_usd: 25, tolerance: '5%', hold: 'expected', overshoot: '150%', period: 'year' },
  ];
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({ budgets });
  });
  afterAll(() => scene.close());

  async function round(secret: string, firstByteMs: number): Promise<Sent[]> {
    scene.standin.script(() => ({ outputTokens: 800, fault: `slow-first-byte:${firstByteMs}` }));
    return Promise.all(Array.from({ length: AGENTS }, (_, n) => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(secret), body: body(`agent ${n}`) })));
  }

  async function rounds(secret: string, workspace: string, budget: string, count: number, firstByteMs: number): Promise<RequestRow[]> {
    const answers: Sent[] = [];
    for (let n = 0; n < count; n++) answers.push(...(await round(secret, firstByteMs)));
    expect(answers.filter(({ status, whole }) => status !== 200 || !whole).map(({ status, headers }) => [status, headers['x-tollgate-refusal']])).toEqual([]);
    await settled(scene.gateway);
    const row = (await budgetsOf(scene.gateway)).rows.find(({ id }) => id === budget)!;
    expect(nanos(row.spent_usd)).toBeLessThanOrEqual(nanos(row.limit_usd));
    expect(row).toMatchObject({ held_usd: '0.000000000', at_risk_usd: '0.000000000' });
    return (await ledgerRows(scene.gateway, `&workspace=${workspace}`)).slice(0, answers.length);
  }

  test('nobody is refused, nobody waits longer than two seconds, and nothing is overspent', async () => {
    scene.standin.next({ outputTokens: 100 });
    expect((await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: body('the first one') })).status).toBe(200);
    const rows = await rounds(SECRETS.support, 'support', 'agents', 3, 200);
    expect(rows.every(({ outcome, tokens }) => outcome === 'ok' && tokens.cache_read > 140_000)).toBe(true);
    // What they cost is three thousandths of what was held for them at first: two dollars and a half each, fifty together.
    expect(rows.reduce((sum, { held_usd }) => sum + nanos(held_usd), 0n) / BigInt(rows.length)).toBeGreaterThan(nanos('2.400000000'));
    expect(rows.reduce((sum, { cost_usd }) => sum + nanos(cost_usd), 0n)).toBeLessThan(nanos('6.000000000'));
    expect(Math.max(...rows.map(({ overhead_ms }) => overhead_ms ?? 0))).toBeLessThan(2_000);
  });

  test('a hold is the worst case until the answer begins, then what the prompt costs and max_tokens, and nothing once it has ended', async () => {
    const held = async (): Promise<string> => (await budgetsOf(scene.gateway)).rows.find(({ id }) => id === 'agents')!.held_usd;
    const begun = latch();
    scene.standin.next({ until: begun.opened, fault: 'stall:3', startUsage: { input_tokens: 1_000, cache_read_input_tokens: 149_000, cache_creation_input_tokens: 0 } });
    const leaving = new AbortController();
    const answer = send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: body('the one who stays'), signal: leaving.signal }).catch(() => null);
    const first = await eventually('it is held', async () => ((now) => (nanos(now) > 0n ? now : null))(await held()));
    expect(nanos(first)).toBeGreaterThan(nanos('2.400000000'));
    begun.open();
    // 1,000 tokens at 3 dollars a million, 149,000 from the cache at 0.30, and 32,000 to come at 15.
    await eventually('the hold has shrunk', async () => ((await held()) === '0.527700000' ? true : null));
    leaving.abort();
    await answer;
    await settled(scene.gateway);
    expect(await held()).toBe('0.000000000');
  });

  test('where it is known what they cost, they pass at once, however slowly the provider begins', async () => {
    for (let learned = 0; learned < AGENTS; ) learned += (await round(SECRETS.engineering, 0)).filter(({ status }) => status === 200).length;
    const rows = await rounds(SECRETS.engineering, 'engineering', 'agents-expected', 1, 2_500);
    expect(rows.every(({ outcome }) => outcome === 'ok')).toBe(true);
    expect(Math.max(...rows.map(({ overhead_ms }) => overhead_ms ?? 0))).toBeLessThan(1_000);
    const { decisions } = await ask<RequestAnswer>(scene.gateway, `/api/requests/${rows[0]!.id}`);
    expect(decisions.find(({ rule }) => rule === 'budget:agents-expected')).toMatchObject({ verdict: 'allow', detail: expect.stringMatching(/^held 2\.\d+ of 25\.000000000, counted as 0\.\d+$/) });
  });

  test('what they cost is known after kill -9 too', async () => {
    await scene.gateway.stop('SIGKILL');
    const again = await startGateway({ config: { ...baseConfig(scene.standin.url), budgets }, dataDir: scene.gateway.dataDir });
    const before = scene;
    scene = { ...before, gateway: again, close: () => again.close().then(before.close) };
    const [, row] = await rounds(SECRETS.engineering, 'engineering', 'agents-expected', 1, 2_500);
    const { decisions } = await ask<RequestAnswer>(again, `/api/requests/${row!.id}`);
    expect(decisions.find(({ rule }) => rule === 'budget:agents-expected')).toMatchObject({ detail: expect.stringMatching(/counted as 0\.\d+$/) });
  });
});

describe('limits by key and by class of models', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({
      limits: [
        { id: 'triage', scope: { key: 'triage-prod' }, requests_per_minute: 1 },
        { id: 'pools', each: 'model_class', concurrent: 1 },
        { id: 'words', scope: { workspace: 'engineering' }, output_tokens_per_minute: 1_000 },
      ],
    });
  });
  afterAll(() => scene.close());
  const call = (secret: string, more: Record<string, unknown> = {}): Promise<Sent> => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(secret), body: hello(more) });
  const own = async () => (await ask<LimitsAnswer>(scene.gateway, '/api/limits')).own;

  test('hold for the key and the class, say so, and are shown', async () => {
    expect((await call(SECRETS.triage)).status).toBe(200);
    const refused = await call(SECRETS.triage);
    expect(refused).toMatchObject({ status: 429, headers: { 'x-tollgate-refusal': 'rate_limited' } });
    expect(JSON.parse(refused.body.toString())).toMatchObject({ error: { type: 'rate_limit_error', message: expect.stringMatching(/^triage \(key triage-prod\) has used its limit of 1 requests per minute; this call fits in \d+ s/) } });
    expect((await call(SECRETS.support)).status).toBe(200);
    expect(await own()).toContainEqual({ scope: 'triage (key triage-prod)', dimension: 'requests', limit: 1, remaining: 0 });

    const held = latch();
    const before = scene.standin.requests();
    scene.standin.next({ until: held.opened });
    const first = call(SECRETS.support, { model: 'claude-opus-4-8' });
    await eventually('it is at the provider', async () => (scene.standin.requests() === before + 1 ? true : null));
    expect(await own()).toContainEqual({ scope: 'pools (model class opus-4)', dimension: 'concurrent', limit: 1, remaining: 0 });
    expect((await call(SECRETS.support, { model: 'claude-opus-4-5' })).headers['x-tollgate-refusal']).toBe('rate_limited');
    expect((await call(SECRETS.support)).status).toBe(200);
    held.open();
    expect((await first).status).toBe(200);
  });

  test('output is charged while it streams, before the call has ended', async () => {
    scene.standin.next({ outputTokens: 4_000, fault: 'stall:300' });
    const leaving = new AbortController();
    const streamed = send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.engineering), body: hello({ stream: true, max_tokens: 8_000 }), signal: leaving.signal }).catch(() => null);
    const words = async (): Promise<number> => (await own()).find(({ scope }) => scope === 'words (workspace engineering)')?.remaining ?? 1_000;
    // Three hundred events are some hundreds of tokens; then the stream goes on, silent.
    await eventually('the stream was charged for', async () => ((await words()) < 900 ? true : null));
    expect((await ledgerRows(scene.gateway, '&workspace=engineering')).filter(({ ended_at }) => ended_at !== null)).toEqual([]);
    leaving.abort();
    await streamed;
  });
});

describe('loops of server tools', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({
      workspaces: [
        { id: 'support', workflows: [{ id: 'ticket-triage' }, { id: 'reply-draft', unbounded_hold_usd: 0.1 }] }, { id: 'engineering', open_workflows: true },
      ],
      budgets: [{ id: 'small', scope: { workspace: 'support' }, limit_usd: 1, period: 'year' }],
    });
  });
  afterAll(() => scene.close());
  const search = (workflow: string, tool: Record<string, unknown>): Promise<Sent> =>
    send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.support), 'x-tollgate-workflow': workflow }, body: hello({ tools: [{ type: 'web_search_20250305', name: 'web_search', ...tool }] }) });

  test('hold a context window for each time that the model may be asked, so that a hard budget cannot be passed by them', async () => {
    const before = scene.standin.requests();
    const unlimited = await search('ticket-triage', {});
    // Ten windows of 200,000 tokens, perhaps written to the cache: 2.50 dollars, and ten searches.
    expect(unlimited).toMatchObject({ status: 429, headers: { 'x-tollgate-refusal': 'budget_exhausted' } });
    expect(JSON.parse(unlimited.body.toString()).error.message).toMatch(/has too little left for this call: 0\.000000000 USD of 1\.000000000 USD for this year is spent, and this call can cost up to 2\.603200000 USD/);
    expect((await search('ticket-triage', { max_uses: 3 })).status).toBe(429);
    expect(scene.standin.requests()).toBe(before);

    scene.standin.next({ searches: 2, fault: 'growing-input:390000' });
    expect((await search('ticket-triage', { max_uses: 2 })).status).toBe(200);
    await settled(scene.gateway);
    const [row] = await ledgerRows(scene.gateway, '&workflow=ticket-triage');
    expect(row!.held_usd).toBe('0.770960000');
    expect(nanos(row!.cost_usd)).toBeGreaterThan(nanos('0.390000000'));
    expect(nanos(row!.cost_usd)).toBeLessThanOrEqual(nanos(row!.held_usd));
  });

  test('may hold a flat amount instead where the config says so', async () => {
    expect((await search('reply-draft', {})).status).toBe(200);
    await settled(scene.gateway);
    const [row] = await ledgerRows(scene.gateway, '&workflow=reply-draft');
    expect(nanos(row!.held_usd)).toBeGreaterThan(nanos('0.200000000'));
    expect(nanos(row!.held_usd)).toBeLessThan(nanos('0.210000000'));
  });
});

describe('a workflow that goes to a cheaper model', () => {
  const HAIKU = 'claude-haiku-4-5';
  const SONNET = 'claude-sonnet-4-6';
  let standin: Standin;
  let dataDir: string;
  let gateway: RunningGateway;
  const start = (limit: number): Promise<RunningGateway> => startGateway({
    config: {
      ...baseConfig(standin.url),
      workspaces: [{ id: 'support', workflows: [{ id: 'ticket-triage', cheaper_models: { budget: 'soft', models: { 'claude-sonnet-*': HAIKU } } }, { id: 'reply-draft' }] }, { id: 'engineering' }],
      budgets: [{ id: 'soft', scope: { workspace: 'support' }, limit_usd: limit, mode: 'soft', period: 'year' }],
    },
    dataDir,
  });
  beforeAll(async () => {
    standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' } });
    dataDir = mkdtempSync(join(tmpdir(), 'tollgate-cheaper-'));
    gateway = await start(0.0001);
  });
  afterAll(async () => {
    await gateway.close();
    await standin.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const turn = async (session: string, messages: readonly object[] = [{ role: 'user', content: 'Hello' }]) => {
    const answer = await send(`${gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.triage), 'x-tollgate-session': session }, body: hello({ model: SONNET, messages }) });
    await settled(gateway);
    return { answered: (JSON.parse(answer.body.toString()) as { model: string }).model, headers: answer.headers };
  };
  const later = [{ role: 'user', content: 'Hello' }, { role: 'assistant', content: 'Hello.' }, { role: 'user', content: 'And now?' }];

  test('does so when a session begins, says so, and never on its way, also after kill -9', async () => {
    expect((await turn('early')).headers).not.toHaveProperty('x-tollgate-model');
    const { answered, headers } = await turn('late');
    expect(answered).toContain(HAIKU);
    expect(headers).toMatchObject({ 'x-tollgate-model': HAIKU, 'x-tollgate-model-instead-of': SONNET });
    expect((await turn('early', later)).answered).toContain(SONNET);
    const [row] = await ledgerRows(gateway, '&session=late');
    expect(row).toMatchObject({ model_requested: SONNET, model_served: expect.stringContaining(HAIKU) });

    // With a higher limit a session that begins now would stay: what it goes on with can only have been remembered.
    await gateway.stop('SIGKILL');
    gateway = await start(1_000);
    expect((await turn('late', later)).headers).toMatchObject({ 'x-tollgate-model': HAIKU });
    expect((await turn('early', later)).headers).not.toHaveProperty('x-tollgate-model');
    expect((await turn('new')).headers).not.toHaveProperty('x-tollgate-model');
  });

  test('an SDK reads the answer as any other, and can ask which model it got', async () => {
    const client = new Anthropic({ baseURL: gateway.dataUrl, apiKey: SECRETS.triage, maxRetries: 0 });
    const { data, response } = await client.messages.create({ model: SONNET, max_tokens: 64, messages: later as Anthropic.MessageParam[] }, { headers: { 'x-tollgate-session': 'late' } }).withResponse();
    expect(data.model).toContain(HAIKU);
    expect(response.headers.get('x-tollgate-model-instead-of')).toBe(SONNET);
  });

  test('the budget that it looks at is shown as any other', async () => {
    expect((await ask<BudgetsAnswer>(gateway, '/api/budgets')).rows).toMatchObject([{ id: 'soft', mode: 'soft', hold: 'worst_case' }]);
  });
});
