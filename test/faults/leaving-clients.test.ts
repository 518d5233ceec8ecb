// test/faults/leaving-clients.test.ts: clients that hang up: the provider is stopped or read to the end, and a cap is never evaded.

import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, call, eventually, expectAllCounted, heldUsd, newSession, openScene, question, rowOf, type Scene } from './scene.ts';

let cut: Scene;
let drain: Scene;
beforeAll(async () => {
  [cut, drain] = await Promise.all([openScene({ upstream: { headers_timeout: '10s', stream_headers_timeout: '10s' } }), openScene({ config: { on_abort: 'drain' } })]);
});
afterAll(() => Promise.all([cut.close(), drain.close()]));

/** Resolves when the provider has a request of this number. */
const reached = (scene: Scene, number: number): Promise<unknown> => eventually(() => scene.standin.log.find((r) => r.number === number && r.bodyComplete), (r) => r !== undefined);

test('a stream whose client leaves before the headers is stopped upstream, and its prompt is booked', async () => {
  const number = cut.standin.requests() + 1;
  const { row, upstream } = await call(cut, { fault: 'no-answer', stream: true, leaveAfter: reached(cut, number) });
  expect(row).toMatchObject({ outcome: 'client_abort', status: null, estimated: true, tokens: { output: 0 } });
  expect(Number(row.cost_usd)).toBeGreaterThan(0);
  await eventually(() => upstream!.response.ending, (ending) => ending === 'client_gone', 1_000);
});

test('a call that is no stream is read to its end when its client leaves before the headers, and is exact', async () => {
  const number = cut.standin.requests() + 1;
  const { row, upstream } = await call(cut, { fault: 'slow-first-byte:300', leaveAfter: reached(cut, number) });
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: false, tokens: { input: upstream!.response.billed!.input_tokens, output: upstream!.response.billed!.output_tokens } });
  expect(upstream!.response.ending).toBe('complete');
});

test('a stream whose client leaves half-way is stopped upstream: prompt exact, output at least what was sent', async () => {
  const { seen, row, upstream } = await call(cut, { fault: 'slow-events:20', stream: true, leaveWhen: (body) => body.includes('content_block_delta') });
  expect(seen.ending).toBe('left');
  await eventually(() => upstream!.response.ending, (ending) => ending === 'client_gone', 1_000);
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: true });
  expect(row.tokens.input).toBe(upstream!.response.usage!.input_tokens);
  expect(row.tokens.output).toBeGreaterThan(0);
  expect(row.tokens.output).toBeLessThanOrEqual(1_000);
});

test('with on_abort: drain a stream is read to its end, and is exact', async () => {
  const { row, upstream } = await call(drain, { fault: 'slow-events:20', stream: true, leaveWhen: (body) => body.includes('content_block_delta') });
  expect(upstream!.response.ending).toBe('complete');
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: false, tokens: { output: upstream!.response.billed!.output_tokens } });
});

test('with on_abort: drain so is a stream whose client leaves before the headers', async () => {
  const number = drain.standin.requests() + 1;
  const { row, upstream } = await call(drain, { fault: 'slow-first-byte:300', stream: true, leaveAfter: reached(drain, number) });
  expect(upstream!.response.ending).toBe('complete');
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: false, tokens: { input: upstream!.response.billed!.input_tokens, output: upstream!.response.billed!.output_tokens } });
});

test.each([
  { name: 'a stream', stream: true },
  { name: 'a JSON answer', stream: false },
])('$name whose client leaves after the last byte is complete', async ({ stream }) => {
  const { row, upstream } = await call(cut, { stream, leaveWhen: (body) => (stream ? body.includes('event: message_stop\n') : body.includes('"usage"') && body.at(-1) === 0x7d) });
  expect(row).toMatchObject({ outcome: 'ok', status: 200, estimated: false, tokens: { output: upstream!.response.billed!.output_tokens } });
});

/** A request on a bare socket, of which only so much is sent; resolves with what came back when the other side closes. */
function talk(scene: Scene, head: readonly string[], body: string | Buffer, then: 'wait' | 'hang up'): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(scene.gateway.dataUrl);
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => {
      socket.write(`${['POST /v1/messages HTTP/1.1', 'host: gateway', 'x-api-key: sk-ant-client', 'anthropic-version: 2023-06-01', ...head].join('\r\n')}\r\n\r\n`);
      socket.write(body);
      if (then === 'hang up') setTimeout(() => socket.destroy(), 50);
    });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

test('an upload that is cut short never reaches the provider', async () => {
  const session = newSession();
  const before = cut.standin.requests();
  await talk(cut, [`x-tollgate-session: ${session}`, 'content-length: 5000'], question(), 'hang up');
  const row = await rowOf(cut, session);
  cut.outcomes.set('refused', (cut.outcomes.get('refused') ?? 0) + 1);
  expect(row).toMatchObject({ outcome: 'refused', refusal: 'malformed', cost_usd: '0.000000000' });
  expect(cut.standin.requests()).toBe(before);
  expect(await heldUsd(cut)).toBe('0.000000000');
});

test('a bad chunk in the middle of an upload is a 400 and the end of the connection', async () => {
  const session = newSession();
  const before = cut.standin.requests();
  const answer = await talk(cut, [`x-tollgate-session: ${session}`, 'transfer-encoding: chunked'], '5\r\n{"mod\r\nzz\r\nel"', 'wait');
  expect(answer).toMatch(/^HTTP\/1\.1 400 .*x-tollgate-refusal: malformed.*connection: close/is);
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  const row = await rowOf(cut, session);
  cut.outcomes.set('refused', (cut.outcomes.get('refused') ?? 0) + 1);
  expect(row).toMatchObject({ outcome: 'refused', refusal: 'malformed', status: 400 });
  expect(cut.standin.requests()).toBe(before);
});

test('a slow client gets all of it, in order', async () => {
  const seen = await ask(cut.gateway.dataUrl, { stream: true, fault: 'slow-events:5' });
  cut.outcomes.set('ok', (cut.outcomes.get('ok') ?? 0) + 1);
  expect(seen.ending).toBe('complete');
  await eventually(() => cut.standin.log.at(-1)!.response.ending, (ending) => ending === 'complete');
  expect(seen.body.equals(cut.standin.log.at(-1)!.response.body)).toBe(true);
});

test('every call was counted once, and nothing is in flight', async () => {
  await expectAllCounted(cut);
  await expectAllCounted(drain);
});
