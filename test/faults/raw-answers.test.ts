// test/faults/raw-answers.test.ts: answers that no well-behaved server gives, byte by byte: none of them harms anything but its own call.

import { createServer, type AddressInfo, type Server } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, eventually, expectAllCounted, openScene, type Scene } from './scene.ts';

const MESSAGE = JSON.stringify({ id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-4-5', content: [{ type: 'text', text: 'Lamps.' }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 12, output_tokens: 4 } });
const EVENTS = `event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],"usage":{"input_tokens":12,"output_tokens":1}}}\n\nevent: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n`;

/** What is answered next, whatever is asked. */
let answer: Buffer;
let provider: Server;
let scene: Scene;
beforeAll(async () => {
  provider = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.end(answer)));
  await new Promise<void>((listening) => provider.listen(0, '127.0.0.1', listening));
  scene = await openScene({ origin: `http://127.0.0.1:${(provider.address() as AddressInfo).port}` });
});
afterAll(async () => {
  await scene.close();
  provider.close();
});

const answerWith = (head: string, body: Buffer | string = ''): void => void (answer = Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]));
const sized = (type: string, body: Buffer | string, more = ''): string => `content-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}connection: close\r\n\r\n`;

test.each([
  { name: 'a JSON answer', stream: false, body: MESSAGE, head: sized('application/json', MESSAGE) },
  { name: 'a compressed JSON answer', stream: false, body: gzipSync(MESSAGE), head: sized('application/json', gzipSync(MESSAGE), 'content-encoding: gzip\r\n') },
  { name: 'a stream', stream: true, body: EVENTS, head: sized('text/event-stream', EVENTS) },
])('a reason phrase that no status line can hold is left out of $name, and everything else arrives', async ({ stream, body, head }) => {
  for (const phrase of ['O\x01K', 'O\x7fK', '\x00']) {
    answerWith(`HTTP/1.1 200 ${phrase}\r\n${head}`, body);
    const { seen, row } = await call(scene, { stream, headers: { 'accept-encoding': 'gzip' } });
    expect(seen).toMatchObject({ status: 200, ending: 'complete' });
    expect(seen.body.equals(Buffer.from(body))).toBe(true);
    expect(row).toMatchObject({ outcome: 'ok', status: 200, estimated: false, tokens: { input: 12, output: 4 } });
  }
});

test('an error with such a phrase arrives as the error that it is', async () => {
  const body = JSON.stringify({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } });
  answerWith(`HTTP/1.1 529 \x02\r\n${sized('application/json', body)}`, body);
  const { seen, row } = await call(scene, {});
  expect(seen).toMatchObject({ status: 529, ending: 'complete' });
  expect(row).toMatchObject({ outcome: 'upstream_error', status: 529, cost_usd: '0.000000000' });
});

test.each([
  { name: 'no status line', head: 'SSH-2.0-OpenSSH_9.6\r\n\r\n' },
  { name: 'a NUL in a header', head: 'HTTP/1.1 200 OK\r\nx-odd: a\x00b\r\ncontent-length: 0\r\n\r\n' },
  { name: 'a DEL in a header', head: 'HTTP/1.1 200 OK\r\nx-odd: a\x7fb\r\ncontent-length: 0\r\n\r\n' },
  { name: 'a folded header', head: 'HTTP/1.1 200 OK\r\nx-odd: a\r\n b\r\ncontent-length: 0\r\n\r\n' },
])('$name is no HTTP: a 502 for the client, and a row that says so', async ({ head }) => {
  answerWith(head);
  const { seen, row } = await call(scene, {});
  expect(seen).toMatchObject({ status: 502, ending: 'complete', headers: { 'x-tollgate-refusal': 'upstream_unreachable' } });
  expect(row).toMatchObject({ outcome: 'upstream_protocol', status: 502, estimated: true });
});

test('a chunk whose length is none breaks off for the client where the answer did', async () => {
  answerWith('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n');
  const { seen, row } = await call(scene, { stream: true });
  expect(seen).toMatchObject({ status: 200, ending: 'cut' });
  expect(row).toMatchObject({ outcome: 'upstream_protocol', status: 200, estimated: true });
});

test('a head that breaks off is a connection that broke', async () => {
  answerWith('HTTP/1.1 200 OK\r\ncontent-le');
  const { seen, row } = await call(scene, {});
  expect(seen).toMatchObject({ status: 502, ending: 'complete' });
  expect(row).toMatchObject({ outcome: 'upstream_reset', status: 502, estimated: true });
});

test('a 304 that tells the length of what it does not send is whole', async () => {
  answerWith('HTTP/1.1 304 Not Modified\r\netag: "a"\r\ncontent-length: 512\r\nconnection: close\r\n\r\n');
  const { seen, row } = await call(scene, { path: '/v1/models', method: 'GET', headers: { 'if-none-match': '"a"' } });
  expect(seen).toMatchObject({ status: 304, ending: 'complete', body: Buffer.alloc(0) });
  expect(row).toMatchObject({ outcome: 'ok', status: 304, cost_usd: '0.000000000' });
});

test('the gateway is still there, and every call was counted once', async () => {
  expect(await eventually(async () => (await fetch(`${scene.gateway.dataUrl}/healthz`)).status, () => true)).toBe(200);
  await expectAllCounted(scene);
});
