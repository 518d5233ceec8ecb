// test/faults/leaving-clients.test.ts: clients that hang up: the provider is stopped or read to the end, and a cap is never evaded.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { messageDelta, messageStart, messageStop, text } from '../meter/streams.ts';
import { admin, call, eventually, expectAllCounted, heldUsd, newSession, openScene, question, rowOf, type Scene } from './scene.ts';

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

test('a client that takes nothing for a while holds up the provider, gets all of it, in order, and its row has that while in the time of the call and of its attempt', async () => {
  const events = [messageStart({ input_tokens: 12, output_tokens: 1 }), ...Array.from({ length: 48 }, () => text('x'.repeat(512 * 1024))), messageDelta({ output_tokens: 34 }), messageStop];
  const whole = Buffer.from(events.join(''));
  let sent = 0;
  const provider = createServer((request, answer) => {
    request.resume().on('end', async () => {
      answer.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of events) {
        if (!answer.write(event)) await once(answer, 'drain');
        sent += event.length;
      }
      answer.end();
    });
  });
  await new Promise<void>((listening) => provider.listen(0, '127.0.0.1', listening));
  const slow = await openScene({ origin: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`, upstream: { idle_timeout: '60s' } });
  try {
    const session = newSession();
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request(new URL('/v1/messages', slow.gateway.dataUrl), { method: 'POST', agent: false, headers: { 'x-api-key': 'sk-ant-client', 'anthropic-version': '2023-06-01', 'content-type': 'application/json', 'x-tollgate-session': session } }, resolve).on('error', reject).end(question({ stream: true }));
    });
    // Nothing is taken yet: what the buffers on the way hold is sent, and then no more.
    const began = performance.now();
    let before = -1;
    await eventually(async () => {
      const same = sent > 0 && sent === before;
      before = sent;
      await pause(250);
      return same;
    }, (same) => same);
    expect(sent).toBeLessThan(whole.length);
    const heldMs = performance.now() - began;
    const hash = createHash('sha256');
    for await (const chunk of answer) hash.update(chunk as Buffer);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(whole).digest('hex'));
    const row = await rowOf(slow, session);
    slow.outcomes.set('ok', 1);
    expect(row).toMatchObject({ outcome: 'ok', status: 200, estimated: false, tokens: { input: 12, output: 34 } });
    const { attempts } = await admin<{ attempts: { duration_ms: number; headers_ms: number; client_wait_ms: number }[] }>(slow, `/api/requests/${row.id}`);
    expect(attempts).toHaveLength(1);
    const { duration_ms: attemptMs, headers_ms: headersMs, client_wait_ms: clientMs } = attempts[0]!;
    expect(attemptMs - headersMs).toBeGreaterThan(heldMs * 0.9);
    // How long the provider took and how long the client did are told apart.
    expect(clientMs).toBeGreaterThan(heldMs * 0.9);
    expect(clientMs).toBeLessThanOrEqual(attemptMs);
    expect(Number(row['duration_ms'])).toBeGreaterThanOrEqual(attemptMs);
    // The wait for the client is no doing of ours.
    expect(Number(row['overhead_ms'])).toBeLessThan(heldMs);
    await expectAllCounted(slow);
  } finally {
    await slow.close();
    provider.close();
  }
});

test('every call was counted once, and nothing is in flight', async () => {
  await expectAllCounted(cut);
  await expectAllCounted(drain);
});
