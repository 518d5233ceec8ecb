// test/flow/unknown.test.ts: what the provider may bring out tomorrow passes unchanged, is never free, and is flagged where its price had to be guessed.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RequestAnswer, RequestRow } from '../../server/http/admin/wire.ts';
import { tollgate } from '../cli/tollgate.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { apiHeaders, ask, baseConfig, hello, LATELY, nanos, rowOf, SECRETS, send, verified } from './scene.ts';

/** 1,000 tokens in and 100 out, at the dearest rates of the shipped book: ten dollars a million in, fifty out. */
const DEAREST = 1_000n * 10_000n + 100n * 50_000n;
const KNOWN = 1_000n * 1_000n + 100n * 5_000n;
const usage = { input_tokens: 1_000, output_tokens: 100 };
const message = (more: object) => ({ id: 'msg_01', type: 'message', role: 'assistant', content: [{ type: 'text', text: 'Hello' }], stop_reason: 'end_turn', stop_sequence: null, usage, ...more });
const events = (...all: object[]): string => all.map((event) => `event: ${(event as { type: string }).type}\ndata: ${JSON.stringify(event)}\n\n`).join('');

let next = '';
let seen: IncomingMessage['headers'] = {};
let provider: Server;
let gateway: RunningGateway;
beforeAll(async () => {
  provider = createServer((request, reply) => {
    seen = request.headers;
    request.resume().on('end', () => reply.writeHead(200, { 'content-type': next.startsWith('{') ? 'application/json' : 'text/event-stream' }).end(next));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => provider.once('listening', resolve));
  gateway = await startGateway({ config: baseConfig(`http://127.0.0.1:${(provider.address() as AddressInfo).port}`) });
});
afterAll(async () => {
  await gateway.close();
  provider.closeAllConnections();
  provider.close();
});

/** Makes a call that the provider answers so; the row that came of it. */
async function answeredWith(answer: string, asked: Record<string, unknown> = {}, headers: Record<string, string> = {}): Promise<RequestRow> {
  next = answer;
  const got = await send(`${gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.triage), ...headers }, body: hello(asked) });
  expect(got.status).toBe(200);
  expect(got.body.toString()).toBe(answer);
  return rowOf(gateway, got.headers);
}

const stream = (model: string, between: object[] = [], more: object = {}): string =>
  events(
    { type: 'message_start', message: message({ model, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1, ...more } }) },
    ...between,
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 100, ...more } },
    { type: 'message_stop' },
  );

test.each([
  { name: 'asked for, in one piece', answer: JSON.stringify(message({ model: 'claude-tomorrow-1' })), asked: { model: 'claude-tomorrow-1' }, ofRow: 'claude-tomorrow-1' },
  { name: 'asked for, as a stream', answer: stream('claude-tomorrow-1'), asked: { model: 'claude-tomorrow-1', stream: true }, ofRow: 'claude-tomorrow-1' },
  { name: 'that answers in place of a known one, in one piece', answer: JSON.stringify(message({ model: 'claude-tomorrow-1' })), asked: {}, ofRow: 'claude-haiku-4-5' },
  { name: 'that answers in place of a known one, as a stream', answer: stream('claude-tomorrow-1'), asked: { stream: true }, ofRow: 'claude-haiku-4-5' },
])('a model that the book does not know, $name, costs the dearest rates, and everything says so', async ({ answer, asked, ofRow }) => {
  const row = await answeredWith(answer, asked);
  expect(row).toMatchObject({ model_requested: ofRow, model_served: 'claude-tomorrow-1', outcome: 'ok', estimated: true, price_kind: 'ceiling', estimate_method: expect.stringContaining('dearest listed rates') });
  expect(nanos(row.cost_usd)).toBe(DEAREST);

  const { request, cost_lines: lines, cost_note: note } = await ask<RequestAnswer>(gateway, `/api/requests/${row.id}`);
  expect(request.price_kind).toBe('ceiling');
  expect(lines.map((line) => [line.kind, line.model, line.quantity, line.price_kind])).toEqual([['input', 'claude-tomorrow-1', 1_000, 'ceiling'], ['output', 'claude-tomorrow-1', 100, 'ceiling']]);
  expect(note).toBeNull();
  const explained = await tollgate(['explain', row.id, '--url', gateway.adminUrl]);
  expect(explained.out).toContain('no price of its own: the dearest known rates');
  expect(explained.out).toMatch(/cost \$\S+, an estimate: dearest listed rates/);

  const csv = (await (await fetch(`${gateway.adminUrl}/api/export/requests.csv?${LATELY}`)).text()).split('\r\n');
  const column = csv[0]!.split(',').indexOf('price_kind');
  expect(csv.find((line) => line.includes(row.id))!.split(',')[column]).toBe('ceiling');
});

test('a usage field that nobody knows passes, and what is known is priced', async () => {
  const more = { ...usage, thought_tokens: 700, cache_creation: { ephemeral_1w_input_tokens: 0 } };
  for (const answer of [JSON.stringify(message({ model: 'claude-haiku-4-5', usage: more })), stream('claude-haiku-4-5', [], { thought_tokens: 700 })]) {
    const row = await answeredWith(answer, answer.startsWith('{') ? {} : { stream: true });
    expect(row).toMatchObject({ outcome: 'ok', estimated: false, price_kind: 'list', tokens: { input: 1_000, output: 100 } });
    expect(nanos(row.cost_usd)).toBe(KNOWN);
  }
});

test('an event and a content block that nobody knows pass, and the call costs what it costs', async () => {
  const strange = [{ type: 'content_block_start', index: 0, content_block: { type: 'hologram', data: 'AAAA' } }, { type: 'weather', sky: 'blue' }, { type: 'content_block_delta', index: 0, delta: { type: 'hologram_delta', data: 'BBBB' } }, { type: 'content_block_stop', index: 0 }];
  const row = await answeredWith(stream('claude-haiku-4-5', strange), { stream: true });
  expect(row).toMatchObject({ outcome: 'ok', estimated: false });
  expect(nanos(row.cost_usd)).toBe(KNOWN);
});

test('a beta and a field of the body that nobody knows reach the provider', async () => {
  const row = await answeredWith(JSON.stringify(message({ model: 'claude-haiku-4-5' })), { telepathy: { enabled: true } }, { 'anthropic-beta': 'telepathy-2031-01-01' });
  expect(seen['anthropic-beta']).toBe('telepathy-2031-01-01');
  expect(row).toMatchObject({ outcome: 'ok', estimated: false });
});

test('the check of the whole ledger finds every cost as it was booked', async () => {
  const run = await verified(gateway);
  expect(run).toMatchObject({ drift: 0, error: null });
  expect(run.calls).toBeGreaterThanOrEqual(8);
});
