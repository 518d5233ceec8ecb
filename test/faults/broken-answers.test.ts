// test/faults/broken-answers.test.ts: connections that fail, break, stall or never answer: what the client sees of it, and what is booked.

import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, expectAllCounted, openScene, type Row, type Scene, type Seen } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene.close());

const error = (seen: Seen): { type: string; message: string } => (JSON.parse(seen.body.toString()) as { error: { type: string; message: string } }).error;
const lastEvent = (seen: Seen): string => seen.body.toString().trimEnd().split(/\n{2,}/).at(-1) ?? '';
const usd = (row: Row): number => Number(row.cost_usd);

test.each([
  { name: 'a reset before the headers', fault: 'reset-before-headers', stream: false, status: 502, refusal: 'upstream_unreachable', type: 'api_error', outcome: 'upstream_reset' },
  { name: 'a reset before the headers of a stream', fault: 'reset-before-headers', stream: true, status: 502, refusal: 'upstream_unreachable', type: 'api_error', outcome: 'upstream_reset' },
  { name: 'no answer in time', fault: 'no-answer', stream: false, status: 504, refusal: 'upstream_timeout', type: 'timeout_error', outcome: 'upstream_timeout' },
  { name: 'no answer in time to a stream', fault: 'no-answer', stream: true, status: 504, refusal: 'upstream_timeout', type: 'timeout_error', outcome: 'upstream_timeout' },
  { name: 'response headers beyond 64 KB', fault: 'huge-headers:70000', stream: false, status: 502, refusal: 'upstream_unreachable', type: 'api_error', outcome: 'upstream_protocol' },
])('$name is told in the words of the API, is never tried again, and costs what its prompt may have cost', async ({ fault, stream, status, refusal, type, outcome }) => {
  const { seen, row } = await call(scene, { fault, stream });
  expect(seen).toMatchObject({ status, ending: 'complete', headers: { 'x-tollgate-refusal': refusal } });
  expect(error(seen).type).toBe(type);
  expect(JSON.parse(seen.body.toString())).toMatchObject({ type: 'error', request_id: row.id });
  expect(row).toMatchObject({ outcome, status, estimated: true, attempts: 1, tokens: { output: 0 } });
  expect(row.tokens.input).toBeGreaterThan(1);
  expect(usd(row)).toBeGreaterThan(0);
});

test.each([
  { name: 'a JSON answer that resets half-way', fault: 'reset-mid-json', estimated: true },
  // Its JSON is whole, usage and all.
  { name: 'a JSON answer shorter than its length', fault: 'content-length:10', estimated: false },
])('$name breaks off for the client at the same byte', async ({ fault, estimated }) => {
  const { seen, row, upstream } = await call(scene, { fault });
  expect(seen).toMatchObject({ status: 200, ending: 'cut' });
  expect(seen.body.equals(upstream!.response.body)).toBe(true);
  expect(row).toMatchObject({ outcome: 'upstream_reset', status: 200, estimated });
  expect(usd(row)).toBeGreaterThan(0);
});

test('a JSON answer longer than its length arrives as its length says', async () => {
  const { seen, row, upstream } = await call(scene, { fault: 'content-length:-10' });
  expect(seen).toMatchObject({ status: 200, ending: 'complete' });
  expect(seen.body.equals(upstream!.response.body.subarray(0, -10))).toBe(true);
  expect(row).toMatchObject({ outcome: 'upstream_protocol', estimated: true });
  expect(usd(row)).toBeGreaterThan(0);
});

test.each([
  { name: 'a reset', fault: 'reset-mid-sse:6', ending: 'cut' },
  { name: 'an end without message_stop', fault: 'end-early', ending: 'complete' },
  { name: 'a reset, compressed', fault: 'reset-mid-sse:6;encoding:gzip', ending: 'cut' },
  { name: 'an end without message_stop, compressed', fault: 'end-early:6;encoding:gzip', ending: 'complete' },
])('a stream that ends in $name ends so for the client, and is paid by its prompt and its text', async ({ fault, ending }) => {
  const { seen, row, upstream } = await call(scene, { fault, stream: true });
  expect(seen).toMatchObject({ status: 200, ending });
  expect(seen.headers['content-encoding']).toBe(fault.includes('gzip') ? 'gzip' : undefined);
  expect(seen.body.equals(upstream!.response.body)).toBe(true);
  expect(row).toMatchObject({ outcome: 'upstream_reset', status: 200, estimated: true });
  // Not from the bytes on the wire, which tell little of the text in them where they are compressed.
  expect(row['estimate_method']).toMatch(/^prompt (from message_start, output from streamed text|and output as last reported)$/);
  expect(row.tokens.input).toBe(upstream!.response.usage!.input_tokens);
  expect(row.tokens.output).toBeGreaterThanOrEqual(upstream!.response.usage!.output_tokens);
});

test('a stream that falls silent ends with an error event that is no part of the bytes before it', async () => {
  const { seen, row, upstream } = await call(scene, { fault: 'stall:6', stream: true });
  expect(seen).toMatchObject({ status: 200, ending: 'complete' });
  const { body } = upstream!.response;
  expect(seen.body.subarray(0, body.length).equals(body)).toBe(true);
  expect(lastEvent(seen)).toMatch(/^event: error\ndata: \{"type":"error","error":\{"type":"timeout_error",/);
  expect(row).toMatchObject({ outcome: 'upstream_timeout', status: 200, estimated: true });
  expect(row.tokens.input).toBe(upstream!.response.usage!.input_tokens);
});

test('a compressed stream that falls silent breaks off: nothing of ours can stand in it', async () => {
  const { seen, row, upstream } = await call(scene, { fault: 'stall:6;encoding:gzip', stream: true });
  expect(seen).toMatchObject({ status: 200, ending: 'cut' });
  expect(seen.body.equals(upstream!.response.body)).toBe(true);
  expect(row).toMatchObject({ outcome: 'upstream_timeout', estimated: true });
});

test('a stream that only sends pings is alive', async () => {
  const enough = (body: Buffer): boolean => body.toString().split('event: ping').length > 7;
  const { seen, row } = await call(scene, { fault: 'stall-pings:3,250', stream: true, leaveWhen: enough });
  expect(seen.ending).toBe('left');
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: true });
});

test('every call was counted once, and nothing is in flight', () => expectAllCounted(scene));

/** A server that takes connections and hangs up on them before it is spoken to, so that not even TLS comes about. */
async function hangsUp(): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return server;
}

test.each([
  { name: 'a refused connection', origin: () => 'http://127.0.0.1:9', code: 'ECONNREFUSED' },
  { name: 'a name that does not exist', origin: () => 'http://nowhere.invalid', code: /ENOTFOUND|EAI_AGAIN/ },
  { name: 'a failed TLS handshake', origin: (port: number) => `https://127.0.0.1:${port}`, code: /./ },
])('$name is tried once more, costs nothing, and is told at once', async ({ origin, code }) => {
  const broken = await hangsUp();
  const unreachable = await openScene({ origin: origin((broken.address() as AddressInfo).port) });
  try {
    const { seen, row, upstream } = await call(unreachable, {});
    expect(seen).toMatchObject({ status: 502, ending: 'complete', headers: { 'x-tollgate-refusal': 'upstream_unreachable' } });
    expect(error(seen).message).toMatch(code);
    expect(row).toMatchObject({ outcome: 'connect_failed', status: 502, estimated: false, cost_usd: '0.000000000', attempts: 2 });
    expect(Number(row['duration_ms'])).toBeLessThan(1_000);
    expect(upstream).toBeNull();
    await expectAllCounted(unreachable);
  } finally {
    await unreachable.close();
    broken.close();
  }
});

test('a provider that does not take the connection is given up once, and not asked again for as long', async () => {
  // It takes the bytes of a TLS handshake, and never says a word.
  const mute = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((listening) => mute.listen(0, '127.0.0.1', listening));
  const { port } = mute.address() as AddressInfo;
  const silent = await openScene({ origin: `https://127.0.0.1:${port}`, upstream: { connect_timeout: '1s' } });
  try {
    const { seen, row } = await call(silent, {});
    expect(seen).toMatchObject({ status: 502, headers: { 'x-tollgate-refusal': 'upstream_unreachable' } });
    expect(row).toMatchObject({ outcome: 'connect_failed', attempts: 1, cost_usd: '0.000000000' });
    expect(error(seen).message).toContain('UND_ERR_CONNECT_TIMEOUT');
  } finally {
    await silent.close();
    mute.close();
  }
});
