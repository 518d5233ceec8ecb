// test/http/uploads.test.ts: bodies at the limit, beyond it, all at once, and files that go through unread.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ask, eventually, heldUsd, metric, openScene, rowOf, type Scene } from '../faults/scene.ts';
import { BODY, message, say } from './raw.ts';

const LIMIT = 100 * 1024;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ config: { body: { messages: '100KB', batches: '100KB', files: '3MB', held: '250KB' } }, upstream: { headers_timeout: '10s' } });
});
beforeEach(() => scene.standin.forget());
afterAll(() => scene.close());

/** A call of exactly so many bytes. */
const sized = (bytes: number): string => BODY.replace('{', `{${' '.repeat(bytes - BODY.length)}`);
const chunked = (body: string): string => `${message({ headers: ['Transfer-Encoding: chunked'], length: null, body: '' })}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

test.each([
  { name: 'with a length, at the limit', bytes: message({ body: sized(LIMIT) }), status: 200 },
  { name: 'with a length, one byte beyond', bytes: message({ body: sized(LIMIT + 1) }), status: 413 },
  { name: 'in chunks, at the limit', bytes: chunked(sized(LIMIT)), status: 200 },
  { name: 'in chunks, one byte beyond', bytes: chunked(sized(LIMIT + 1)), status: 413 },
])('a body $name is a $status', async ({ bytes, status }) => {
  const heard = await say(scene.gateway.dataUrl, bytes, { answers: 1 });
  expect(heard.statuses).toEqual([status]);
  expect(scene.standin.log.map((r) => r.bodyBytes)).toEqual(status === 200 ? [LIMIT] : []);
});

test('a body that is too large by its length is refused before a byte of it came', async () => {
  const heard = await say(scene.gateway.dataUrl, message({ length: String(500 * 1024 * 1024), body: '' }), { answers: 1 });
  expect(heard.statuses).toEqual([413]);
  expect(heard.text).toMatch(/x-tollgate-refusal: too_large[\s\S]*connection: close/i);
});

test('bodies that do not fit beside each other are refused, and the room comes back', async () => {
  const { hostname, port } = new URL(scene.gateway.dataUrl);
  // Two that never come to their end hold 200 of 250 KB.
  const holders = [1, 2].map(() => connect(Number(port), hostname).on('error', () => undefined));
  for (const socket of holders) socket.write(message({ length: String(LIMIT), body: '{' }));
  const third = await eventually(() => say(scene.gateway.dataUrl, message({ body: sized(LIMIT) }), { answers: 1 }), (heard) => heard.statuses[0] === 503);
  expect(third.text).toMatch(/x-tollgate-refusal: overloaded/);
  expect(await metric(scene, 'tollgate_overload_total', { rung: 'held_bodies' })).toBeGreaterThan(0);
  for (const socket of holders) socket.destroy();
  await eventually(() => say(scene.gateway.dataUrl, message({ body: sized(LIMIT) }), { answers: 1 }), (heard) => heard.statuses[0] === 200);
});

const FORM = 'multipart/form-data; boundary=a-boundary-as-long-as-clients-make-them';
const form = (content: Buffer): Buffer => Buffer.concat([Buffer.from('--a-boundary-as-long-as-clients-make-them\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\ncontent-type: application/octet-stream\r\n\r\n'), content, Buffer.from('\r\n--a-boundary-as-long-as-clients-make-them--\r\n')]);

test('a file goes through byte for byte, with the length that its client told', async () => {
  const body = form(randomBytes(2 * 1024 * 1024));
  const seen = await ask(scene.gateway.dataUrl, { path: '/v1/files', body, headers: { 'content-type': FORM, 'anthropic-beta': 'files-api-2025-04-14' } });
  expect(seen.status, seen.body.toString()).toBe(200);
  expect(scene.standin.log[0]).toMatchObject({ bodyBytes: body.length, sha256: createHash('sha256').update(body).digest('hex') });
  expect(scene.standin.log[0]!.rawHeaders.join('\n').toLowerCase()).toContain(`content-length\n${body.length}`);
});

test('a file that is larger than files may be is refused by its length, and nothing of it reaches the provider', async () => {
  const seen = await ask(scene.gateway.dataUrl, { path: '/v1/files', body: Buffer.alloc(3 * 1024 * 1024 + 1), headers: { 'content-type': FORM } });
  expect(seen).toMatchObject({ status: 413, ending: 'complete', headers: { 'x-tollgate-refusal': 'too_large' } });
  expect(JSON.parse(seen.body.toString())).toMatchObject({ error: { type: 'request_too_large' } });
  expect(scene.standin.log).toEqual([]);
});

test('a file in chunks that grows past what files may be is stopped there: a 413, a row at no cost, and the provider never has it whole', async () => {
  const piece = Buffer.alloc(1024 * 1024);
  const head = `POST /v1/files HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-tollgate-session: grows\r\ncontent-type: ${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const chunks = Array.from({ length: 4 }, () => [Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]).flat();
  const heard = await say(scene.gateway.dataUrl, Buffer.concat([Buffer.from(head), ...chunks, Buffer.from('0\r\n\r\n')]), { answers: 1 });
  expect(heard.statuses).toEqual([413]);
  expect(heard.text).toMatch(/x-tollgate-refusal: too_large/);
  expect(scene.standin.log.every((request) => !request.bodyComplete)).toBe(true);
  expect(await rowOf(scene, 'grows')).toMatchObject({ outcome: 'client_error', status: 413, cost_usd: '0.000000000', attempts: 1 });
  expect((await ask(scene.gateway.dataUrl, {})).status).toBe(200);
});

test('an answer that comes before the upload has ended reaches the client, and the upload stops', async () => {
  const body = form(Buffer.alloc(2 * 1024 * 1024));
  const seen = await ask(scene.gateway.dataUrl, { path: '/v1/files', body, fault: 'early-answer:413', headers: { 'content-type': FORM } });
  expect(seen).toMatchObject({ status: 413, ending: 'complete' });
  expect(JSON.parse(seen.body.toString())).toMatchObject({ error: { type: 'request_too_large' } });
  // The connection to the provider is not used again: what it has not read would be the next request.
  expect((await ask(scene.gateway.dataUrl, {})).status).toBe(200);
});

test('a file whose upload breaks off never becomes a complete request', async () => {
  const { hostname, port } = new URL(scene.gateway.dataUrl);
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  socket.write(`POST /v1/files HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-tollgate-session: breaks-off\r\ncontent-type: ${FORM}\r\nContent-Length: 1000000\r\n\r\n`);
  socket.write(Buffer.alloc(100_000));
  await eventually(() => scene.standin.log.length, (n) => n === 1);
  socket.destroy();
  await eventually(() => scene.standin.log[0]!.response.ending, (ending) => ending === 'client_gone');
  expect(scene.standin.log[0]!.bodyComplete).toBe(false);
  // It closed its side, and may still have read the other: it was told.
  expect(await rowOf(scene, 'breaks-off')).toMatchObject({ outcome: 'client_abort', status: 400, endpoint: 'files', estimated: false, cost_usd: '0.000000000', attempts: 1 });
  expect(await heldUsd(scene)).toBe('0.000000000');
});

test('a file with a bad chunk is a 400, and the provider never has it whole', async () => {
  const heard = await say(scene.gateway.dataUrl, `POST /v1/files HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-tollgate-session: bad-chunk\r\ncontent-type: ${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`, { waitMs: 4_000 });
  expect(heard.statuses).toEqual([400]);
  expect(heard.closed).toBe(true);
  expect(heard.text).toMatch(/x-tollgate-refusal: malformed/);
  expect(scene.standin.log.every((request) => !request.bodyComplete)).toBe(true);
  expect(await rowOf(scene, 'bad-chunk')).toMatchObject({ outcome: 'client_abort', endpoint: 'files', estimated: false, cost_usd: '0.000000000' });
});

test('a file whose chunks go bad on the way is a 400, in its row too, and the provider never has it whole', async () => {
  const { hostname, port } = new URL(scene.gateway.dataUrl);
  let heard = '';
  const socket = connect(Number(port), hostname).on('error', () => undefined).on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
  const closed = once(socket, 'close');
  socket.write(`POST /v1/files HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-tollgate-session: goes-bad\r\ncontent-type: ${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
  await eventually(() => scene.standin.log.length, (n) => n === 1);
  socket.write('zz\r\n');
  await closed;
  expect(heard).toMatch(/^HTTP\/1\.1 400 [\s\S]*x-tollgate-refusal: malformed[\s\S]*connection: close/i);
  await eventually(() => scene.standin.log[0]!.response.ending, (ending) => ending === 'client_gone');
  expect(scene.standin.log[0]!.bodyComplete).toBe(false);
  expect(await rowOf(scene, 'goes-bad')).toMatchObject({ outcome: 'client_abort', status: 400, endpoint: 'files', estimated: false, cost_usd: '0.000000000', attempts: 1 });
  expect(await heldUsd(scene)).toBe('0.000000000');
});
