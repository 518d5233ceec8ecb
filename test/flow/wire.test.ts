// test/flow/wire.test.ts: what crosses the gateway, to the byte: bodies both ways, headers, broken answers, and what must stay behind.

import { brotliDecompressSync, gzipSync, gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecordedRequest } from '../standin/standin.ts';
import { ask, PROVIDER_KEY, SECRETS, apiHeaders, hello, latch, ledgerRows, rowOf, send, settled, sha256, startScene, type Scene, type Sent } from './scene.ts';

let scene: Scene;

beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

const messages = (): string => `${scene.gateway.dataUrl}/v1/messages`;
const seen = (): RecordedRequest => scene.standin.log.at(-1)!;

/** Sends a call, and checks that what arrived on either side is what left the other. */
async function sendAndCompare(body: string | Buffer | readonly Buffer[], fault: string | null = null, headers: Record<string, string> = {}): Promise<Sent> {
  if (fault !== null) scene.standin.next(fault);
  const answer = await send(messages(), { headers: { ...apiHeaders(SECRETS.support), ...headers }, body });
  await scene.standin.idle();
  const bytes = Array.isArray(body) ? Buffer.concat(body as Buffer[]) : Buffer.from(body as string | Buffer);
  expect(seen().sha256).toBe(sha256(bytes));
  expect(sha256(answer.body)).toBe(seen().response.sha256);
  expect(answer.status).toBe(seen().response.status);
  return answer;
}

/** Odd on purpose: white space, escapes, an unknown field, and the model last. */
const ODD = `\n{ "max_tokens" : 64,\t"messages":[{"role":"user","content":"Gr\\u00fc\\u00dfe \\ud83d\\ude00 <\u2028> 你好, briefly"}],\r\n "temperature":0.50, "x_unknown": {"model":"claude-opus-4-8","a":[1,  2]}, "model":"claude-haiku-4-5" }\n\n`;

test.each([
  { name: 'a plain call', body: hello() },
  { name: 'a plain stream', body: hello({ stream: true }) },
  { name: 'a call that is written oddly', body: ODD.replace('"x_unknown"', '"metadata"').replace('{"model":"claude-opus-4-8","a":[1,  2]}', '{ "user_id" : "u-1" }') },
  { name: 'a call of two megabytes', body: hello({ messages: [{ role: 'user', content: `${'The sea is salt. '.repeat(120_000)} Why, briefly?` }] }) },
])('$name arrives as it was sent, and so does its answer', async ({ body }) => {
  const answer = await sendAndCompare(body);
  expect(answer).toMatchObject({ status: 200, whole: true });
});

test('unknown fields reach the provider, and what it says of them reaches the client', async () => {
  const answer = await sendAndCompare(ODD);
  expect(seen().body.toString()).toBe(ODD);
  expect(answer.status).toBe(seen().response.status);
});

test('a call without /v1 is served as one with it', async () => {
  expect((await send(`${scene.gateway.dataUrl}/messages`, { headers: apiHeaders(SECRETS.support), body: hello() })).status).toBe(200);
  expect(seen().url).toBe('/v1/messages');
});

test.each([
  'line-ends:cr', 'line-ends:crlf', 'multi-line', 'comments', 'unknown-events', 'malformed-sse', 'invalid-utf8', 'trailers', 'early-hints:2',
  'framing:chunked', 'framing:length', 'framing:close', 'split:1', 'growing-input', 'iterations', 'refusal:mid', 'refusal:before', 'usage-start-only',
  'no-usage', 'error-event:4', 'end-early:5', 'encoding:gzip', 'encoding:br', 'encoding:deflate', 'encoding:zstd',
])('a stream with %s goes through byte for byte', async (fault) => {
  const answer = await sendAndCompare(hello({ stream: true }), fault);
  expect(answer.whole).toBe(true);
  expect(answer.body.length).toBeGreaterThan(100);
});

test.each(['encoding:gzip', 'encoding:br', 'encoding:deflate', 'encoding:zstd', 'framing:close', 'invalid-utf8', 'no-usage', 'early-hints', 'empty-200', 'no-content', 'html:502', 'redirect', 'rate-limit:7', 'spend-cap-429', 'spend-cap-400', 'status:529', 'status:413', 'status:500'])(
  'an answer with %s goes through byte for byte',
  async (fault) => {
    const answer = await sendAndCompare(hello(), fault);
    expect(answer.whole).toBe(true);
    const raw = Object.entries(seen().response.headers).filter(([name]) => /^(retry-after|x-should-retry|location|content-type|content-encoding|request-id)$/i.test(name));
    for (const [name, value] of raw) expect(answer.headers[name.toLowerCase()]).toBe(value);
    expect(answer.headers['x-tollgate-refusal']).toBeUndefined();
  },
);

test.each([
  { fault: 'reset-mid-sse:6', stream: true, outcome: 'upstream_reset' },
  { fault: 'reset-mid-json', stream: false, outcome: 'upstream_reset' },
])('an answer that breaks off with $fault breaks off for the client too, after the same bytes', async ({ fault, stream, outcome }) => {
  const answer = await sendAndCompare(hello({ stream }), fault);
  expect(answer.whole).toBe(false);
  expect(answer.body.length).toBeGreaterThan(0);
  expect(await rowOf(scene.gateway, answer.headers)).toMatchObject({ outcome, status: 200, estimated: true });
});

test('any cut of a request and of a stream into packets changes no byte of either, and no token of the bill', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 12 }), fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }), fc.string({ unit: 'grapheme', maxLength: 40 }), fc.boolean(), async (sizes, cuts, text, stream) => {
      const whole = Buffer.from(hello({ stream, messages: [{ role: 'user', content: `${text}, briefly?` }] }));
      const at = cuts.map((share) => Math.floor(share * whole.length)).sort((a, b) => a - b);
      const pieces = [0, ...at].map((from, n) => whole.subarray(from, at[n] ?? whole.length));
      const answer = await sendAndCompare(pieces, `split:${sizes.join(',')}`);
      const { usage } = seen().response;
      expect((await rowOf(scene.gateway, answer.headers)).tokens).toMatchObject({ input: usage!.input_tokens, output: usage!.output_tokens });
    }),
    { numRuns: 25 },
  );
});

test.each([
  { encoding: 'gzip', decode: gunzipSync },
  { encoding: 'br', decode: brotliDecompressSync },
])('a $encoding answer stays compressed on its way, and is metered all the same', async ({ encoding, decode }) => {
  for (const stream of [false, true]) {
    const answer = await sendAndCompare(hello({ stream }), `encoding:${encoding}`, { 'accept-encoding': encoding });
    expect(answer.headers['content-encoding']).toBe(encoding);
    expect(decode(answer.body).toString()).toContain('"output_tokens"');
    expect(await rowOf(scene.gateway, answer.headers)).toMatchObject({ outcome: 'ok', estimated: false, tokens: { output: seen().response.usage!.output_tokens } });
  }
});

test('a gzip request is read for its rules and goes up as it came', async () => {
  const body = gzipSync(hello());
  const answer = await sendAndCompare(body, null, { 'content-encoding': 'gzip' });
  expect(seen().body.equals(body)).toBe(true);
  expect(await rowOf(scene.gateway, answer.headers)).toMatchObject({ model_requested: 'claude-haiku-4-5', outcome: 'ok' });
});

test('an alias changes the bytes of the model and no other', async () => {
  const body = `{"messages":[{"role":"user","content":"\\"model\\":\\"fast\\", briefly"}],  "metadata":{"user_id":"fast"},\n"model" :\t"fast" ,"max_tokens":64}`;
  const answer = await send(messages(), { headers: apiHeaders(SECRETS.support), body });
  expect(answer.status).toBe(200);
  expect(seen().body.toString()).toBe(body.replace('"model" :\t"fast"', '"model" :\t"claude-haiku-4-5"'));
  expect(await rowOf(scene.gateway, answer.headers)).toMatchObject({ model_requested: 'fast', model_served: 'claude-haiku-4-5-20251001', user: 'fast' });
});

test('an alias in a gzip request goes up decoded, with nothing left that says gzip', async () => {
  const answer = await send(messages(), { headers: { ...apiHeaders(SECRETS.support), 'content-encoding': 'gzip' }, body: gzipSync(hello({ model: 'fast' })) });
  expect(answer.status).toBe(200);
  expect(seen().body.toString()).toBe(hello({ model: 'claude-haiku-4-5' }));
  expect(seen().rawHeaders.map((h) => h.toLowerCase())).not.toContain('content-encoding');
});

const pairsOf = (raw: readonly string[]): string[] => raw.flatMap((name, n) => (n % 2 === 0 ? [`${name}: ${raw[n + 1]}`] : []));

test('request headers go up in their order and spelling; credentials are replaced; what is ours or of the hop stays', async () => {
  const kept = { 'Anthropic-Version': '2023-06-01', 'content-type': 'application/json', 'anthropic-beta': 'interleaved-thinking-2025-05-14,context-management-2025-06-27', 'X-Unheard-Of': 'yes; a="b"', 'user-agent': 'an app/1.0', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'x-stainless-retry-count': '1', 'X-Claude-Code-Session-Id': 's-1' };
  const dropped = { 'x-tollgate-user': 'ada', 'x-tollgate-session': 's-2', 'x-tollgate-action': 'a-1', 'x-tollgate-tags': 'a=b', 'x-tollgate-priority': 'background', 'X-Tollgate-Made-Up': '1', cookie: 'a=b', 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9', via: '1.1 somewhere', te: 'trailers', 'x-hop': 'of the hop' };
  const answer = await send(messages(), { headers: { ...kept, ...dropped, 'X-Api-Key': SECRETS.support, connection: 'x-hop' }, body: hello() });
  expect(answer.status).toBe(200);
  const up = pairsOf(seen().rawHeaders).filter((pair) => !/^(host|connection|content-length|x-gateway-hop): /i.test(pair));
  expect(up).toEqual([...Object.entries(kept).map(([name, value]) => `${name}: ${value}`), `X-Api-Key: ${PROVIDER_KEY}`]);
  expect(seen().rawHeaders.join('\n')).not.toMatch(/tollgate|tg_/i);
  expect(await rowOf(scene.gateway, answer.headers)).toMatchObject({ user: 'ada', session: 's-2', action: 'a-1', tags: { a: 'b' }, client_retry: 1, trace_id: '4bf92f3577b34da6a3ce929d0e0e4736' });
  expect((await ledgerRows(scene.gateway, '&trace=4BF92F3577B34DA6A3CE929D0E0E4736')).map(({ user }) => user)).toEqual(['ada']);
});

test('response headers come down in their order and spelling, with ours added and the provider\'s key left out', async () => {
  scene.standin.next({ headers: { 'X-New-Header': 'as it is', 'x-echo': `Bearer ${PROVIDER_KEY}`, 'x-tollgate-workspace': 'somebody-else' } });
  const answer = await send(messages(), { headers: apiHeaders(SECRETS.triage), body: hello() });
  const down = pairsOf(answer.rawHeaders).filter((pair) => !/^(connection|keep-alive|transfer-encoding|content-length|date): /i.test(pair));
  const ours = down.filter((pair) => pair.startsWith('x-tollgate-'));
  const row = await rowOf(scene.gateway, answer.headers);
  expect(ours).toEqual([`x-tollgate-request-id: ${row.id}`, 'x-tollgate-workspace: support', 'x-tollgate-workflow: ticket-triage', `x-tollgate-cost-usd: ${row.cost_usd}`]);
  const sent = Object.entries(seen().response.headers).filter(([name]) => !/^(connection|keep-alive|transfer-encoding|content-length|date|x-echo|x-tollgate-workspace)$/i.test(name));
  expect(down.filter((pair) => !ours.includes(pair)).map((pair) => pair.toLowerCase()).sort()).toEqual(sent.map(([name, value]) => `${name}: ${String(value)}`.toLowerCase()).sort());
  expect(down).toContain('X-New-Header: as it is');
  expect(answer.body.toString() + answer.rawHeaders.join()).not.toContain(PROVIDER_KEY);
});

test('a stream tells its cost in the ledger and not in a header', async () => {
  const answer = await send(messages(), { headers: apiHeaders(SECRETS.support), body: hello({ stream: true }) });
  expect(answer.headers['x-tollgate-cost-usd']).toBeUndefined();
  expect(Number((await rowOf(scene.gateway, answer.headers)).cost_usd)).toBeGreaterThan(0);
});

test('in an open gateway without a provider key the caller\'s own goes up, in the header that it came in', async () => {
  const open = await startScene({ access: 'open', upstream: { origin: scene.standin.url }, workspaces: [], keys: [] });
  try {
    for (const headers of [{ 'x-api-key': PROVIDER_KEY }, { authorization: `Bearer ${PROVIDER_KEY}` }] as Record<string, string>[]) {
      const answer = await send(`${open.gateway.dataUrl}/w/any-app/any-use/v1/messages`, { headers: { ...headers, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' }, body: hello() });
      expect(answer).toMatchObject({ status: 200, headers: { 'x-tollgate-workspace': 'any-app', 'x-tollgate-workflow': 'any-use' } });
      expect(pairsOf(seen().rawHeaders)).toContain(pairsOf(Object.entries(headers).flat())[0]);
    }
  } finally {
    await open.close();
  }
});

test.each([['HEAD', '/'], ['GET', '/api/hello'], ['HEAD', '/api/hello'], ['GET', '/healthz'], ['GET', '/healthz?from=balancer'], ['HEAD', '/w/support/ticket-triage'], ['HEAD', '/w/support/ticket-triage/api/hello'], ['GET', '/w/support/api/hello']])('%s %s answers without a key and without the provider', async (method, path) => {
  const before = scene.standin.requests();
  expect((await send(scene.gateway.dataUrl + path, { method })).status).toBe(200);
  expect(scene.standin.requests()).toBe(before);
});

test('a client that leaves a stream ends it at the provider too, and pays an estimate of what came', async () => {
  scene.standin.next({ fault: 'stall:6' });
  const leaving = new AbortController();
  const answer = await fetch(messages(), { method: 'POST', headers: apiHeaders(SECRETS.support), body: hello({ stream: true }), signal: leaving.signal });
  const reader = answer.body!.getReader();
  let text = '';
  while (!text.includes('content_block_delta')) text += Buffer.from((await reader.read()).value!).toString();
  leaving.abort();
  await scene.standin.idle();
  expect(seen().response.ending).toBe('client_gone');
  await settled(scene.gateway);
  const [row] = await ledgerRows(scene.gateway);
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: true });
  expect(Number(row!.cost_usd)).toBeGreaterThan(0);
});

test('a client that leaves before a JSON answer is done is billed what the answer says', async () => {
  const hold = latch();
  scene.standin.next({ until: hold.opened });
  const leaving = new AbortController();
  const before = scene.standin.requests();
  const left = send(messages(), { headers: apiHeaders(SECRETS.support), body: hello(), signal: leaving.signal }).catch(() => 'left');
  while (scene.standin.requests() === before) await new Promise((resolve) => setImmediate(resolve));
  leaving.abort();
  expect(await left).toBe('left');
  // Answered after the hang-up reached it: from here on the gateway knows.
  await ask(scene.gateway, '/api/status');
  hold.open();
  await scene.standin.idle();
  await settled(scene.gateway);
  const [row] = await ledgerRows(scene.gateway);
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: false, tokens: { output: seen().response.usage!.output_tokens } });
});
