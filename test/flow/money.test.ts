// test/flow/money.test.ts: what moves money and is seldom asked for, through the whole gateway: whose bill it is, code that runs, searches in batches, answers without usage.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RequestAnswer, UsageAnswer } from '../../server/http/admin/wire.ts';
import { tollgate } from '../cli/tollgate.ts';
import { oracleNanos, ORACLE_MODELS } from '../price/oracle.ts';
import { LATELY, SECRETS, apiHeaders, ask, budgetsOf, eventually, hello, ledgerRows, nanos, rowOf, send, startScene, verified, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene({ batches: { poll: '100ms' }, budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 100, period: 'year' }] }, { batchMs: 300 });
});
afterAll(() => scene.close());

const post = (path: string, body: string, more: Record<string, string> = {}) => send(scene.gateway.dataUrl + path, { headers: { ...apiHeaders(SECRETS.engineering), ...more }, body });

test('uses of a server tool that nobody here has a price for are not passed off as paid: the cost says what it leaves out', async () => {
  const known = { web_search_requests: 0, web_fetch_requests: 1, tool_search_requests: 2 };
  for (const stream of [false, true]) {
    scene.standin.next({ usage: { server_tool_use: { ...known, quantum_search_requests: 3 } as never } });
    const row = await rowOf(scene.gateway, (await post('/v1/messages', hello({ stream }))).headers);
    expect(row).toMatchObject({ outcome: 'ok', estimated: true, estimate_method: 'without the uses of a server tool whose price is not known' });
    expect(nanos(row.cost_usd)).toBe(BigInt(row.tokens.input) * 1_000n + BigInt(row.tokens.output) * 5_000n);
    scene.standin.next({ usage: { server_tool_use: known as never } });
    expect(await rowOf(scene.gateway, (await post('/v1/messages', hello({ stream }))).headers)).toMatchObject({ outcome: 'ok', estimated: false });
  }
  expect(await verified(scene.gateway)).toMatchObject({ state: 'done', drift: 0 });
});

test('a call that another organization pays for is not our cost, and holds nothing, though its tokens are known', async () => {
  const answer = await post('/v1/messages', hello({ billing_policy: { bill_to: 'user_profile' } }), { 'anthropic-beta': 'user-profiles-billing-2026-08-18', 'anthropic-user-profile-id': 'uprof_01' });
  expect({ status: answer.status, cost: answer.headers['x-tollgate-cost-usd'] }).toEqual({ status: 200, cost: '0.000000000' });
  const row = await rowOf(scene.gateway, answer.headers);
  expect(row).toMatchObject({ outcome: 'ok', cost_usd: '0.000000000', held_usd: '0.000000000', estimated: false, price_version: null });
  expect(row.tokens.input).toBeGreaterThan(0);
});

test('without a profile to charge, the same words in a body charge us', async () => {
  const row = await rowOf(scene.gateway, (await post('/v1/messages', hello({ billing_policy: { bill_to: 'user_profile' } }))).headers);
  expect(nanos(row.cost_usd)).toBe(BigInt(row.tokens.input) * 1_000n + BigInt(row.tokens.output) * 5_000n);
  expect(nanos(row.cost_usd)).toBeGreaterThan(0n);
});

test.each([{ stream: false }, { stream: true }])('a refusal without content costs nothing, whatever its counters say, and the check of the ledger agrees; stream: $stream', async ({ stream }) => {
  scene.standin.next({ fault: 'refusal:before', usage: { output_tokens: 4 } });
  const row = await rowOf(scene.gateway, (await post('/v1/messages', hello({ stream }))).headers);
  expect(row).toMatchObject({ outcome: 'ok', stop_reason: 'refusal', cost_usd: '0.000000000', estimated: false, tokens: { output: 4 } });
  expect(await verified(scene.gateway)).toMatchObject({ state: 'done', drift: 0 });
});

test.each([{ stream: false }, { stream: true }])('code that ran is a line of the bill and makes the call an estimate; stream: $stream', async ({ stream }) => {
  scene.standin.next({ usage: { server_tool_use: { web_search_requests: 0, web_fetch_requests: 0, code_execution_requests: 2 } as never } });
  const answer = await post('/v1/messages', hello({ stream, tools: [{ type: 'code_execution_20250825', name: 'code_execution' }] }));
  const { id, tokens, cost_usd, ...row } = await rowOf(scene.gateway, answer.headers);
  expect(row).toMatchObject({ outcome: 'ok', estimated: true, estimate_method: 'container time of code execution, taken to be the least that is billed', server_tools: { code_execution: 2 } });
  // Haiku 4.5 at one and five dollars a million, and five minutes at five cents an hour, rounded up once.
  expect(nanos(cost_usd)).toBe(BigInt(tokens.input) * 1_000n + BigInt(tokens.output) * 5_000n + 4_166_667n);
  const told = await ask<RequestAnswer>(scene.gateway, `/api/requests/${id}`);
  expect(told.cost_note).toBeNull();
  expect(told.cost_lines.map(({ kind }) => kind)).toEqual(['input', 'output', 'code_execution']);
  const shown = await tollgate(['explain', id, '--url', scene.gateway.adminUrl]);
  expect(shown.out).toMatch(/code_execution|code execution/i);
  expect(shown.out).toContain(`cost $${cost_usd}, an estimate: container time of code execution`);
});

test.each([{ stream: false }, { stream: true }])('text completion, which tells no usage, is an estimate above zero; stream: $stream', async ({ stream }) => {
  const answer = await post('/v1/complete', JSON.stringify({ model: 'claude-haiku-4-5', prompt: '\n\nHuman: Say hello, briefly.\n\nAssistant:', max_tokens_to_sample: 64, stream }));
  expect(answer.status).toBe(200);
  const row = await rowOf(scene.gateway, answer.headers);
  expect(row).toMatchObject({ endpoint: 'complete', outcome: 'ok', estimated: true, estimate_method: 'prompt from bytes sent, output from bytes received' });
  expect(row.tokens.output).toBeGreaterThan(0);
  expect(nanos(row.cost_usd)).toBe(BigInt(row.tokens.input) * 1_000n + BigInt(row.tokens.output) * 5_000n);
});

test('searches of a batch cost their fee in full, beside tokens at half price', async () => {
  const params = { model: 'claude-haiku-4-5', max_tokens: 64, tools: [{ type: 'web_search_20250305', name: 'web_search' }], messages: [{ role: 'user', content: 'Search the latest news, briefly.' }] };
  const created = JSON.parse((await post('/v1/messages/batches', JSON.stringify({ requests: [{ custom_id: 'a', params }, { custom_id: 'b', params }] }))).body.toString()) as { id: string };
  const rows = await eventually('both items are booked', async () => {
    const items = (await ledgerRows(scene.gateway)).filter((row) => row.batch_id === created.id && row.custom_id !== null);
    return items.length === 2 ? items : null;
  });
  const model = ORACLE_MODELS.find(({ id, aliases }) => id === params.model || aliases.includes(params.model))!.id;
  for (const { tokens, server_tools: tools, cost_usd, estimated } of rows) {
    expect(tools.web_search).toBeGreaterThan(0);
    const turns = [{ model, input_tokens: tokens.input, write_5m: tokens.cache_write_5m, write_1h: tokens.cache_write_1h, read: tokens.cache_read, output_tokens: tokens.output }];
    expect({ estimated, cost: nanos(cost_usd) }).toEqual({ estimated: false, cost: oracleNanos({ turns, searches: tools.web_search, batch: true, fast: false, us: false }) });
  }
  expect((await budgetsOf(scene.gateway)).rows[0]!.held_usd).toBe('0.000000000');
});

test.each([
  { name: 'costs the least container time', tools: [{ type: 'code_execution_20250825', name: 'code_execution' }], fee: 4_166_667n },
  { name: 'is free beside a web tool that makes it so', tools: [{ type: 'code_execution_20250825', name: 'code_execution' }, { type: 'web_search_20260209', name: 'web_search' }], fee: 0n },
])('code that an item of a batch ran $name', async ({ tools, fee }) => {
  scene.standin.next({ usage: { server_tool_use: { web_search_requests: 0, web_fetch_requests: 0, code_execution_requests: 1 } as never } });
  const params = { model: 'claude-haiku-4-5', max_tokens: 64, tools, messages: [{ role: 'user', content: 'Work it out.' }] };
  const created = JSON.parse((await post('/v1/messages/batches', JSON.stringify({ requests: [{ custom_id: 'a', params }] }))).body.toString()) as { id: string };
  const [row] = await eventually('the item is booked', async () => {
    const items = (await ledgerRows(scene.gateway)).filter((each) => each.batch_id === created.id && each.custom_id !== null);
    return items.length === 1 ? items : null;
  });
  const { tokens, cost_usd, estimated } = row!;
  expect({ cost: nanos(cost_usd), estimated }).toEqual({ cost: BigInt(tokens.input) * 500n + BigInt(tokens.output) * 2_500n + fee, estimated: fee > 0n });
});

test('the report has all of it, and says which part is estimated', async () => {
  const rows = await ledgerRows(scene.gateway);
  const sum = (of: typeof rows): bigint => of.reduce((all, row) => all + nanos(row.cost_usd), 0n);
  const { total } = await ask<UsageAnswer>(scene.gateway, `/api/usage?${LATELY}`);
  expect({ cost: nanos(total.cost_usd), estimated: nanos(total.estimated_cost_usd) }).toEqual({ cost: sum(rows), estimated: sum(rows.filter((row) => row.estimated)) });
  expect(nanos((await budgetsOf(scene.gateway)).rows[0]!.spent_usd)).toBe(sum(rows));
});
