// test/http/hostile.test.ts: requests that two parsers could read in two ways, targets that lead elsewhere, and methods that are none of ours.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, metric, openScene, PROVIDER_KEY, rowOf, type Scene } from '../faults/scene.ts';
import { BODY, message, say } from './raw.ts';

let scene: Scene;
let canary: Server;
let hits = 0;
let trap = '';
beforeAll(async () => {
  canary = createServer((socket) => {
    hits++;
    socket.destroy();
  });
  await new Promise<void>((listening) => canary.listen(0, '127.0.0.1', listening));
  trap = `127.0.0.1:${(canary.address() as AddressInfo).port}`;
  scene = await openScene();
});
beforeEach(() => scene.standin.forget());
afterAll(async () => {
  await scene.close();
  canary.close();
});

const seen = (): string[] => scene.standin.log.map((r) => `${r.method} ${r.url}`);
/** Of the table, as the provider sees them. */
const LISTED = /^(GET|POST|DELETE) \/v1\/(messages(\/count_tokens|\/batches(\/[\w.:@-]+(\/cancel|\/results)?)?)?|chat\/completions|complete|models(\/[\w.:@-]+)?|files(\/[\w.:@-]+(\/content)?)?|skills.*)(\?.*)?$/;

const chunked = (chunks: string): string => `${message({ headers: ['Transfer-Encoding: chunked'], length: null, body: '' })}${chunks}`;
const smuggled = 'GET /v1/models/smuggled HTTP/1.1\r\nHost: gateway\r\nx-api-key: k\r\n\r\n';

test.each([
  { name: 'two Hosts', bytes: () => message({ headers: ['Host: elsewhere'] }) },
  { name: 'the same Host twice', bytes: () => message({ headers: ['Host: gateway'] }) },
  { name: 'no Host', bytes: () => message({ host: null }) },
  { name: 'two lengths that differ', bytes: () => message({ headers: ['Content-Length: 5'] }) },
  { name: 'the same length twice', bytes: () => message({ headers: [`Content-Length: ${BODY.length}`] }) },
  { name: 'a list of lengths', bytes: () => message({ length: `${BODY.length}, ${BODY.length}` }) },
  { name: 'a length with a plus', bytes: () => message({ length: `+${BODY.length}` }) },
  { name: 'a negative length', bytes: () => message({ length: '-1' }) },
  { name: 'a length in hex', bytes: () => message({ length: '0x40' }) },
  { name: 'a length beyond 64 bits', bytes: () => message({ length: '184467440737095516160' }) },
  { name: 'a length with a space in it', bytes: () => message({ length: '8 8' }) },
  { name: 'a length and chunks', bytes: () => `${message({ headers: ['Transfer-Encoding: chunked'] })}0\r\n\r\n${smuggled}` },
  { name: 'chunks and a length', bytes: () => `POST /v1/messages HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${smuggled}` },
  { name: 'gzip and chunked', bytes: () => message({ headers: ['Transfer-Encoding: gzip, chunked'], length: null, body: '0\r\n\r\n' }) },
  { name: 'chunked, then gzip', bytes: () => message({ headers: ['Transfer-Encoding: chunked, gzip'], length: null, body: '0\r\n\r\n' }) },
  { name: 'chunked twice', bytes: () => message({ headers: ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], length: null, body: '0\r\n\r\n' }) },
  { name: 'identity', bytes: () => message({ headers: ['Transfer-Encoding: identity'] }) },
  { name: 'a coding that only looks like chunked', bytes: () => message({ headers: ['Transfer-Encoding: xchunked'], length: null, body: '0\r\n\r\n' }) },
  { name: 'a vertical tab before chunked', bytes: () => message({ headers: ['Transfer-Encoding: \x0bchunked'], length: null, body: '0\r\n\r\n' }) },
  { name: 'chunks on HTTP/1.0', bytes: () => message({ line: 'POST /v1/messages HTTP/1.0', headers: ['Transfer-Encoding: chunked'], length: null, body: '0\r\n\r\n' }) },
  { name: 'a space before a colon', bytes: () => message({ headers: ['Transfer-Encoding : chunked'], length: null, body: '0\r\n\r\n' }) },
  { name: 'a folded header', bytes: () => message({ headers: ['x-a: b\r\n c: d'] }) },
  { name: 'a line without a colon', bytes: () => message({ headers: ['nonsense'] }) },
  { name: 'a header without a name', bytes: () => message({ headers: [': value'] }) },
  { name: 'bare line feeds', bytes: () => message().replaceAll('\r\n', '\n') },
  { name: 'a bare carriage return in a value', bytes: () => message({ headers: ['x-a: b\rc: d'] }) },
  { name: 'a NUL in a value', bytes: () => message({ headers: ['x-a: b\0c'] }) },
  { name: 'a NUL in a name', bytes: () => message({ headers: ['x-\0a: b'] }) },
  { name: 'bytes beyond ASCII in a name', bytes: () => message({ headers: ['x-\xe4: b'] }) },
  { name: 'a chunk size that is none', bytes: () => chunked('zz\r\nhello\r\n0\r\n\r\n') },
  { name: 'a negative chunk size', bytes: () => chunked('-5\r\nhello\r\n0\r\n\r\n') },
  { name: 'a chunk size in 0x', bytes: () => chunked('0x5\r\nhello\r\n0\r\n\r\n') },
  { name: 'a chunk size beyond 64 bits', bytes: () => chunked('fffffffffffffffff\r\nhello\r\n0\r\n\r\n') },
  { name: 'a chunk longer than its size', bytes: () => chunked('3\r\nhello\r\n0\r\n\r\n') },
  { name: 'chunks with bare line feeds', bytes: () => chunked('5\nhello\n0\n\n') },
  { name: 'a bare carriage return behind a chunk size', bytes: () => chunked('5\rhello\r\n0\r\n\r\n') },
  { name: 'a body on GET', bytes: () => `GET /v1/models HTTP/1.1\r\nHost: gateway\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}` },
  { name: 'chunks on GET', bytes: () => 'GET /v1/models HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' },
  { name: 'a body on DELETE', bytes: () => `DELETE /v1/files/f HTTP/1.1\r\nHost: gateway\r\nContent-Length: 5\r\n\r\nhello` },
  { name: 'an absolute target', bytes: () => message({ line: `POST http://${trap}/v1/messages HTTP/1.1` }) },
  { name: 'an absolute target whose host is the Host', bytes: () => message({ line: 'POST http://gateway/v1/messages HTTP/1.1' }) },
  { name: 'a target of two slashes and a host', bytes: () => message({ line: `POST //${trap}/v1/messages HTTP/1.1` }) },
  { name: 'an asterisk', bytes: () => message({ line: 'POST * HTTP/1.1' }) },
  { name: 'no target', bytes: () => message({ line: 'POST HTTP/1.1' }) },
  { name: 'a space in the target', bytes: () => message({ line: 'POST /v1/mess ages HTTP/1.1' }) },
  { name: 'a tab in front of the target', bytes: () => message({ line: 'POST \t/v1/messages HTTP/1.1' }) },
  { name: 'HTTP/0.9', bytes: () => 'GET /v1/models\r\n\r\n' },
  { name: 'HTTP/2.0 on the line', bytes: () => message({ line: 'POST /v1/messages HTTP/2.0' }) },
  { name: 'the preface of HTTP/2', bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { name: 'a lower-case version', bytes: () => message({ line: 'POST /v1/messages http/1.1' }) },
  { name: 'a TLS hello', bytes: () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
  { name: 'headers beyond 32 KB', bytes: () => message({ headers: [`x-a: ${'a'.repeat(40_000)}`] }) },
])('$name is refused, the connection closed, and the provider sees none of it', async ({ bytes }) => {
  const heard = await say(scene.gateway.dataUrl, bytes(), { waitMs: 4_000 });
  expect(heard.closed).toBe(true);
  expect(heard.statuses.length).toBeLessThanOrEqual(1);
  for (const status of heard.statuses) expect([400, 405, 408, 413, 431, 505]).toContain(status);
  expect(seen()).toEqual([]);
  expect(hits).toBe(0);
});

test.each([
  { name: 'two Hosts', bytes: 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' },
  { name: 'a body', bytes: 'GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello' },
  { name: 'a body that never comes', bytes: 'HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n' },
  { name: 'two transfer codings', bytes: 'GET /api/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n' },
])('whoever only asks whether anybody is there is not believed any more: $name is a 400, and the connection closes', async ({ bytes }) => {
  const heard = await say(scene.gateway.dataUrl, bytes);
  expect(heard.statuses).toEqual([400]);
  expect(heard.closed).toBe(true);
});

test.each([
  { name: 'a method that is none of ours', bytes: message({ line: 'TRACE /v1/messages HTTP/1.1', length: null, body: '' }), status: 405 },
  { name: 'a tunnel', bytes: 'CONNECT api.anthropic.com:443 HTTP/1.1\r\nHost: a\r\n\r\n', status: 405 },
  { name: 'no request at all', bytes: 'GARBAGE\r\n\r\n', status: 400 },
  { name: 'headers beyond 32 KB', bytes: message({ headers: [`x-long: ${'a'.repeat(40_000)}`] }), status: 431 },
  { name: 'no Host', bytes: message({ host: null }), status: 400 },
])('what is refused before it is a call has the shape of every no: $name', async ({ bytes, status }) => {
  const heard = await say(scene.gateway.dataUrl, bytes);
  expect(heard.statuses).toEqual([status]);
  const id = /^request-id: (\S+)/im.exec(heard.text)?.[1];
  expect(id).toMatch(/^req_/);
  for (const header of ['x-tollgate-refusal: malformed', 'x-should-retry: false']) expect(heard.text.toLowerCase()).toContain(header);
  expect(JSON.parse(heard.text.slice(heard.text.indexOf('\r\n\r\n') + 4))).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' }, request_id: id });
});

test('what comes behind a request on the same connection is not answered out of turn', async () => {
  const heard = await say(scene.gateway.dataUrl, message({ headers: ['x-standin-fault: slow-first-byte:150'] }) + smuggled);
  expect(heard.statuses).toEqual([200, 400]);
  expect(heard.closed).toBe(true);
  expect(seen()).toEqual(['POST /v1/messages']);
});

test('nonsense behind a request does not take its answer away', async () => {
  const heard = await say(scene.gateway.dataUrl, `${message({ headers: ['x-standin-fault: slow-first-byte:150'] })}\x00\x01 nonsense\r\n\r\n`);
  expect(heard.statuses).toEqual([200]);
  expect(heard.closed).toBe(true);
});

test('what comes behind a request that was to be the last gets no answer of its own', async () => {
  const heard = await say(scene.gateway.dataUrl, 'GET /v1/nowhere HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n{"a body":"without a length"}');
  expect(heard.statuses).toEqual([404]);
  expect(heard.closed).toBe(true);
});

test('one connection serves one call after the other', async () => {
  const first = await say(scene.gateway.dataUrl, message(), { answers: 1 });
  expect(first).toMatchObject({ statuses: [200], closed: false });
});

test.each([
  { name: 'CONNECT', bytes: () => `CONNECT ${trap} HTTP/1.1\r\nHost: ${trap}\r\n\r\n`, status: 405 },
  { name: 'TRACE', bytes: () => 'TRACE /v1/messages HTTP/1.1\r\nHost: gateway\r\nx-api-key: sk-ant-client\r\n\r\n', status: 405 },
  { name: 'an expectation that nobody knows', bytes: () => message({ headers: ['Expect: a-miracle'] }), status: 417 },
  { name: 'a method that is not in the table', bytes: () => message({ line: 'PATCH /v1/messages HTTP/1.1' }), status: 404 },
])('$name is a $status', async ({ bytes, status }) => {
  const heard = await say(scene.gateway.dataUrl, bytes(), { answers: 1 });
  expect(heard.statuses).toEqual([status]);
  expect(heard.text).not.toContain('sk-ant-client');
  expect(seen()).toEqual([]);
  expect(hits).toBe(0);
});

test('an upgrade is not taken up: the call is served as it is, and the provider hears nothing of it', async () => {
  const heard = await say(scene.gateway.dataUrl, message({ headers: ['Connection: Upgrade, HTTP2-Settings, x-private', 'Connection: x-other', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk', 'x-private: 1', 'x-other: 1', 'TE: trailers'] }), { answers: 1 });
  expect(heard.statuses).toEqual([200]);
  const names = scene.standin.log[0]!.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  for (const name of ['upgrade', 'http2-settings', 'x-private', 'x-other', 'te', 'trailer', 'transfer-encoding']) expect(names).not.toContain(name);
});

test('trailers of a request are read past', async () => {
  const heard = await say(scene.gateway.dataUrl, `${message({ headers: ['Transfer-Encoding: chunked', 'Trailer: x-late'], length: null, body: '' })}${BODY.length.toString(16)};ext=1\r\n${BODY}\r\n0\r\nx-late: 1\r\nx-api-key: other\r\n\r\n`, { answers: 1 });
  expect(heard.statuses).toEqual([200]);
  expect(scene.standin.log[0]!.rawHeaders.join('\n')).not.toMatch(/x-late|trailer/i);
});

/** A provider that writes down every byte of one request, gives this answer when the end of the request has come, and hangs up. */
async function taping(answer: string): Promise<{ origin: string; tape: () => string; close(): void }> {
  let tape = '';
  const server = createServer((socket) => {
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => {
      tape += chunk.toString('latin1');
      if (tape.includes('\r\n0\r\n')) socket.end(answer);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tape: () => tape, close: () => server.close() };
}

test('on the wire of an upload that goes through as it comes, nothing is left of trailers, neither of the request nor of the answer', async () => {
  const provider = await taping('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\ntrailer: x-upstream-late\r\nconnection: close\r\n\r\nf\r\n{"id":"file_1"}\r\n0\r\nx-upstream-late: 1\r\nx-tollgate-cost-usd: 7\r\n\r\n');
  const taped = await openScene({ origin: provider.origin, upstream: { headers_timeout: '30s' } });
  try {
    const { hostname, port } = new URL(taped.gateway.dataUrl);
    let heard = '';
    const socket = connect(Number(port), hostname).on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
    socket.write('POST /v1/files HTTP/1.1\r\nHost: gateway\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\ncontent-type: multipart/form-data; boundary=b\r\nTE: trailers\r\nTrailer: x-late\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    // Else the whole of it would be known by now, and go up with its length.
    await eventually(provider.tape, (tape) => tape.includes('hello'));
    socket.write('0\r\nx-late: 1\r\nx-api-key: other\r\n\r\n');
    await once(socket, 'close');
    expect(heard).toMatch(/^HTTP\/1\.1 200 [\s\S]*\{"id":"file_1"\}$/);
    expect(heard).not.toMatch(/x-upstream-late|^trailer:|cost-usd: 7/im);
    expect(provider.tape()).toMatch(/\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
    expect(provider.tape()).not.toMatch(/x-late|^trailer:|^te:|sk-ant-client|: other/im);
  } finally {
    await taped.close();
    provider.close();
  }
});

test.each([
  { name: 'a stream', stream: true, ends: /"message_stop"\}\s+0\r\n/ },
  { name: 'a JSON answer', stream: false, ends: /\}(\r\n0\r\n.*)?$/s },
])('trailers of $name are not passed on, and the connection is right for the next call', async ({ stream, ends }) => {
  const body = stream ? BODY.replace('{', '{"stream":true,') : BODY;
  const one = message({ headers: ['x-standin-fault: trailers', 'TE: trailers'], body });
  const heard = await say(scene.gateway.dataUrl, one, { next: { ends, bytes: message({ headers: ['Connection: close'] }) } });
  expect(heard).toMatchObject({ statuses: [200, 200], closed: true });
  expect(scene.standin.log[0]!.response.headers).toHaveProperty('trailer');
  expect(heard.text).not.toMatch(/x-standin-trailer|^trailer:/im);
});

test('a client that waits for 100 gets it when its body is wanted, and never when it is not', async () => {
  expect((await say(scene.gateway.dataUrl, message({ headers: ['Expect: 100-continue'] }), { answers: 1 })).statuses).toEqual([100, 200]);
  const tooLarge = await say(scene.gateway.dataUrl, message({ headers: ['Expect: 100-continue'], length: '99999999', body: '' }), { answers: 1 });
  expect(tooLarge.statuses).toEqual([413]);
});

const at = (target: string): string => message({ line: `POST ${target} HTTP/1.1` });
test('no target and no header makes the gateway call another host', async () => {
  const escapes = [
    ...['//TRAP/v1/messages', '/\\TRAP/v1/messages', '\\\\TRAP\\v1', 'http://TRAP/v1/messages', 'HTTP://TRAP/', 'https://TRAP/v1/messages', 'ftp://TRAP/', '@TRAP/v1/messages', '/@TRAP/v1/messages', ':@TRAP/', 'TRAP/v1/messages', '/v1/messages@TRAP', '/v1//TRAP/messages', '/http://TRAP/v1/messages', '/v1/messages/../../TRAP', '/%2f%2fTRAP/v1/messages', '/%5cTRAP', '///TRAP', '/.//TRAP/v1/messages', '/v1/messages#@TRAP/', '?@TRAP', '/v1/messages;@TRAP', '/\tTRAP', '/%00TRAP', '/v1/messages%20@TRAP', '//user:pass@TRAP/v1', '/w/TRAP/v1/messages'].map(at),
    ...['X-Forwarded-Host: TRAP', 'X-Forwarded-Server: TRAP', 'Forwarded: host=TRAP', 'X-Host: TRAP', 'X-Original-URL: http://TRAP/', 'X-Rewrite-URL: http://TRAP/', 'x-portkey-custom-host: http://TRAP', 'x-tollgate-custom-host: http://TRAP', 'x-litellm-api-base: http://TRAP', 'anthropic-base-url: http://TRAP', 'Referer: http://TRAP/', 'Origin: http://TRAP'].map((header) => message({ headers: [header] })),
    message({ host: 'TRAP' }),
    message({ body: BODY.replace('{', '{"api_base":"http://TRAP","base_url":"http://TRAP",') }),
  ].map((bytes) => bytes.replaceAll('TRAP', trap));
  expect(escapes.length).toBeGreaterThanOrEqual(40);
  // The length of a body changes with the trap's port.
  const fixed = escapes.map((bytes) => bytes.replace(/Content-Length: \d+/, `Content-Length: ${Buffer.byteLength(bytes.slice(bytes.indexOf('\r\n\r\n') + 4))}`));
  await Promise.all(fixed.map((bytes) => say(scene.gateway.dataUrl, bytes, { answers: 1 })));
  expect(hits).toBe(0);
  // Most of the headers are no obstacle to a call.
  expect(seen().length).toBeGreaterThan(10);
  for (const request of seen()) expect(request).toMatch(LISTED);
});

test('200 ways to write a path: the provider only ever sees paths of the table', async () => {
  const bases = ['/v1/messages', '/v1/organizations/me', '/v1/messages/batches/b1/results', '/w/support/v1/messages', '/admin', '/metrics'];
  const twists = [
    (p: string) => p.replace('/v1', '/v1/..'), (p: string) => p.replace('/v1', '/v1/.'), (p: string) => `${p}/`, (p: string) => `${p}//`, (p: string) => `/${p}`,
    (p: string) => p.replaceAll('/', '%2f'), (p: string) => p.replace('/v1/', '/v1%2f'), (p: string) => p.replace('/v1/', '/v1/%2e%2e/'), (p: string) => p.replace('/v1/', '/v1/%2E/'), (p: string) => p.replace('/v1/', '/v1/..%2f'),
    (p: string) => p.toUpperCase(), (p: string) => p.replace('m', 'M'), (p: string) => `${p};x=1`, (p: string) => p.replace('/v1', '/v1;x'), (p: string) => `${p}%00`, (p: string) => `${p}%0d%0aX-A:1`, (p: string) => `${p}\x01`,
    (p: string) => p.replace('s', '%73'), (p: string) => p.replaceAll('/', '\\'), (p: string) => p.replaceAll('/', '%5c'), (p: string) => `${p}?x=/../../admin`, (p: string) => `${p}?%2e%2e`, (p: string) => `${p}%20`, (p: string) => `${p}.json`,
    (p: string) => p.replace('/v1', '/V1'), (p: string) => p.replace('/v1', '/v1/v1'), (p: string) => p.replace('/v1', ''), (p: string) => `/..${p}`, (p: string) => `/%2e%2e${p}`, (p: string) => `${p}/..`, (p: string) => `${p}/%2e%2e`, (p: string) => `${p}\xe4`, (p: string) => `${p}%c0%af`, (p: string) => `${p}#`,
  ];
  const targets = bases.flatMap((base) => twists.map((twist) => twist(base)));
  expect(targets.length).toBeGreaterThanOrEqual(200);
  const heard: string[] = [];
  for (let i = 0; i < targets.length; i += 20) heard.push(...(await Promise.all(targets.slice(i, i + 20).map(async (target) => `${(await say(scene.gateway.dataUrl, at(target), { answers: 1 })).statuses.join()} ${target}`))));
  // A query is the provider's own business, a path may leave its v1 out, and a workflow may be named v1. Every other twist is a no.
  expect(heard.filter((line) => !/^(400|404) /.test(line))).toEqual([
    '/v1/messages?x=/../../admin', '/v1/messages?%2e%2e', '/messages', '/w/support/v1/messages?x=/../../admin', '/w/support/v1/messages?%2e%2e', '/w/support/v1/v1/messages', '/w/support/messages',
  ].map((target) => `200 ${target}`));
  expect(seen().map((request) => request.split('?')[0])).toEqual(Array(7).fill('POST /v1/messages'));
});

test('a gateway whose upstream is itself says so once', async () => {
  const port = await freePort();
  const loop = await openScene({ origin: `http://127.0.0.1:${port}`, listen: `127.0.0.1:${port}` });
  try {
    const heard = await say(loop.gateway.dataUrl, message(), { answers: 1, waitMs: 5_000 });
    expect(heard.statuses).toEqual([508]);
    expect(heard.text).not.toContain(PROVIDER_KEY);
    const rows = await fetch(new URL('/api/requests', loop.gateway.adminUrl)).then((r) => r.json() as Promise<{ rows: unknown[] }>);
    expect(rows.rows).toHaveLength(1);
  } finally {
    await loop.close();
  }
});

test('a call that has passed two gateways already is the end of a chain: a 508, without a row, and the provider sees nothing of it', async () => {
  const before = await metric(scene, 'tollgate_turned_away_total', { reason: 'loop' });
  for (const headers of [['x-gateway-hop: one, two'], ['x-gateway-hop: one', 'x-gateway-hop: two'], ['x-gateway-hop: a,b,c']]) {
    const heard = await say(scene.gateway.dataUrl, message({ headers: [...headers, 'x-tollgate-session: hops'] }), { answers: 1 });
    expect(heard.statuses).toEqual([508]);
    expect(heard.text).toMatch(/x-tollgate-refusal: loop/);
    expect(heard.text).toMatch(/x-should-retry: false/);
  }
  expect(seen()).toEqual([]);
  await eventually(() => metric(scene, 'tollgate_turned_away_total', { reason: 'loop' }), (n) => n === before + 3);
  // One gateway in front of this one is none too many, and the next learns of both.
  const heard = await say(scene.gateway.dataUrl, message({ headers: ['x-gateway-hop: one', 'x-tollgate-session: hops', 'x-standin-output: 20'] }), { answers: 1 });
  expect(heard.statuses).toEqual([200]);
  const { rawHeaders } = scene.standin.log[0]!;
  expect(rawHeaders[rawHeaders.indexOf('x-gateway-hop') + 1]).toMatch(/^one, [0-9a-f]{16}$/);
  // One row: of the one that was served.
  expect(await rowOf(scene, 'hops')).toMatchObject({ outcome: 'ok', status: 200 });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((closed) => server.close(() => closed()));
  return port;
}

test.each([
  { name: 'a carriage return and a line feed, encoded', value: 'a%0d%0aX-Injected: 1' },
  { name: 'U+2028 in UTF-8', value: Buffer.from('a\u2028b').toString('latin1') },
  { name: 'bytes that are no UTF-8', value: 'a\xff\xfeb' },
  { name: 'an escape sequence of terminals, encoded', value: '\\u001b[31mred' },
  { name: '8 KB', value: 'x'.repeat(8_192) },
  { name: 'a prototype', value: '__proto__' },
])('a tag that holds $name makes no new header and no new log line', async ({ value }) => {
  for (const header of ['x-tollgate-user', 'x-tollgate-workflow', 'x-tollgate-session', 'x-tollgate-action', 'x-tollgate-tags', 'x-tollgate-workspace']) {
    const heard = await say(scene.gateway.dataUrl, message({ headers: [`${header}: ${header === 'x-tollgate-tags' ? `k=${value}` : value}`] }), { answers: 1 });
    expect(heard.text).not.toMatch(/^x-injected/im);
    expect([200, 400, 403]).toContain(heard.statuses[0]);
  }
  for (const { rawHeaders } of scene.standin.log) expect(rawHeaders.join('\n')).not.toMatch(/x-tollgate|x-injected/i);
  const lines = scene.gateway.output().split('tollgate ready\n')[1]!.split('\n').filter((line) => line !== '');
  for (const line of lines) expect(JSON.parse(line)).toBeTypeOf('object');
});
