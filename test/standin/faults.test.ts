// test/standin/faults.test.ts: each fault of the stand-in does what it says, seen from a raw socket.

import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { createParser } from 'eventsource-parser';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FAULTS, Faults } from './faults.ts';
import { startStandin, type Standin } from './standin.ts';

let standin: Standin;
beforeAll(async () => {
  standin = await startStandin({ seed: 'faults' });
});
beforeEach(() => standin.forget());
afterAll(() => standin.close());

interface Heard {
  readonly raw: Buffer;
  readonly head: string;
  readonly body: Buffer;
  /** How the connection ended: by the other side, by a reset, or by us because the answer was whole or time was up. */
  readonly end: 'closed' | 'reset' | 'still open';
}

/** One request over a socket of its own. `until` sees all bytes so far and says when it has heard enough. */
function talk(body: string | Buffer, options: { stream?: boolean; fault?: string; headers?: string[]; until?: (raw: Buffer) => boolean } = {}): Promise<Heard> {
  return new Promise((done) => {
    const chunks: Buffer[] = [];
    const socket = connect(standin.port, '127.0.0.1');
    const bytes = Buffer.from(body);
    const finish = (end: Heard['end']): void => {
      socket.destroy();
      const raw = Buffer.concat(chunks);
      const at = raw.indexOf('\r\n\r\n');
      const head = raw.subarray(0, at === -1 ? raw.length : at).toString('latin1');
      const rest = at === -1 ? Buffer.alloc(0) : raw.subarray(at + 4);
      done({ raw, head, body: /transfer-encoding: chunked/i.test(head) ? unchunked(rest) : rest, end });
    };
    socket.on('data', (chunk) => {
      chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk));
      if (options.until?.(Buffer.concat(chunks))) finish('still open');
    });
    socket.on('end', () => finish('closed'));
    socket.on('error', () => finish('reset'));
    const headers = ['host: standin', 'x-api-key: sk-ant-raw', 'anthropic-version: 2023-06-01', 'connection: close', `content-length: ${bytes.length}`, ...(options.fault ? [`x-standin-fault: ${options.fault}`] : []), ...(options.headers ?? [])];
    socket.write(`POST /v1/messages HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
    socket.write(bytes);
  });
}

function unchunked(bytes: Buffer): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf('\r\n', at);
    const size = line === -1 ? 0 : Number.parseInt(bytes.toString('latin1', at, line), 16);
    if (!size) return Buffer.concat(out);
    out.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

const json = JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 300, messages: [{ role: 'user', content: 'Tell me about lamps.' }] });
const sse = JSON.stringify({ ...JSON.parse(json), stream: true });
const eventsOf = (body: Buffer): string[] => {
  const names: string[] = [];
  // The last line feed lets the parser know that a CR at the end was a line end of its own.
  createParser({ onEvent: (event) => names.push(event.event ?? '') }).feed(`${body.toString()}\n`);
  return names;
};

test('a reset before the headers leaves nothing but the reset', async () => {
  const heard = await talk(json, { fault: 'reset-before-headers' });
  expect(heard).toMatchObject({ end: 'reset', raw: Buffer.alloc(0) });
  expect(standin.log.at(-1)).toMatchObject({ bodyComplete: true, response: { status: null, ending: 'cut' } });
});

test('a reset in the middle of a JSON body comes after as many bytes as asked for', async () => {
  const heard = await talk(json, { fault: 'reset-mid-json:50' });
  expect(heard.end).toBe('reset');
  expect(heard.body).toHaveLength(50);
  expect(Number(/content-length: (\d+)/i.exec(heard.head)?.[1])).toBeGreaterThan(50);
  expect(standin.log.at(-1)?.response).toMatchObject({ ending: 'cut', usage: null, bodyBytes: 50 });
});

test('a reset in the middle of a stream comes after n events; the log knows the placeholder that was told and the bill that was not', async () => {
  const heard = await talk(sse, { fault: 'reset-mid-sse:4' });
  expect(heard.end).toBe('reset');
  expect(eventsOf(heard.body)).toHaveLength(4);
  const { usage, billed } = standin.log.at(-1)!.response;
  expect(usage!.output_tokens).toBeLessThanOrEqual(5);
  expect(billed!.output_tokens).toBeGreaterThan(5);
});

test('a stream that ends early ends cleanly, without message_stop', async () => {
  const heard = await talk(sse, { fault: 'end-early' });
  expect(heard.end).toBe('closed');
  expect(heard.raw.toString().endsWith('0\r\n\r\n')).toBe(true);
  expect(eventsOf(heard.body).at(-1)).toBe('message_delta');
});

test.each([
  { fault: 'stall:3', sees: 'content_block_start' },
  { fault: 'stall-pings:2,5', sees: 'event: ping' },
])('$fault leaves the connection open, and a client that leaves is noted', async ({ fault, sees }) => {
  const heard = await talk(sse, { fault, until: (raw) => raw.includes(sees) });
  expect(heard.end).toBe('still open');
  await standin.idle();
  expect(standin.log.at(-1)?.response.ending).toBe('client_gone');
  expect(standin.log.at(-1)?.response.body.toString()).not.toContain('message_stop');
});

test('no answer is silence: the request is read and nothing comes', async () => {
  const abort = new AbortController();
  const waiting = fetch(`${standin.url}/v1/messages`, { method: 'POST', body: json, headers: { 'x-api-key': 'sk-ant-raw', 'anthropic-version': '2023-06-01', 'x-standin-fault': 'no-answer' }, signal: abort.signal }).catch((cause: Error) => cause.name);
  while (standin.log.at(-1)?.bodyComplete !== true) await new Promise((turn) => setImmediate(turn));
  abort.abort();
  expect(await waiting).toBe('AbortError');
  await standin.idle();
  expect(standin.log.at(-1)?.response).toMatchObject({ status: null, ending: 'client_gone' });
});

test.each([
  { fault: 'rate-limit:7', status: 429, has: 'retry-after: 7', body: 'rate_limit_error' },
  { fault: 'rate-limit-bare', status: 429, lacks: 'retry-after', body: 'rate_limit_error' },
  { fault: 'spend-cap-429', status: 429, lacks: 'retry-after', body: 'enforced_spend_limit_reached' },
  { fault: 'spend-cap-400', status: 400, body: 'You have reached your specified API usage limits' },
  { fault: 'status:500', status: 500, body: 'api_error' },
  { fault: 'status:503', status: 503, body: 'api_error' },
  { fault: 'status:504', status: 504, body: 'timeout_error' },
  { fault: 'status:529', status: 529, body: 'overloaded_error' },
  { fault: 'status:403,permission_error', status: 403, body: 'permission_error' },
  { fault: 'html', status: 502, has: 'content-type: text/html', body: '<html>' },
  { fault: 'empty-200', status: 200, has: 'content-length: 0', body: '' },
  { fault: 'no-content', status: 204, lacks: 'content-length', body: '' },
  { fault: 'redirect:302,http://elsewhere.example/', status: 302, has: 'location: http://elsewhere.example/', body: '' },
  { fault: 'early-answer', status: 413, body: 'request_too_large' },
])('$fault answers $status', async ({ fault, status, has, lacks, body }) => {
  const heard = await talk(json, { fault });
  expect(heard.head).toContain(`HTTP/1.1 ${status} `);
  if (has) expect(heard.head.toLowerCase()).toContain(has);
  if (lacks) expect(heard.head.toLowerCase()).not.toContain(lacks);
  expect(heard.body.toString()).toContain(body);
});

test('an early answer comes while the upload is still under way', async () => {
  const socket = connect(standin.port, '127.0.0.1');
  socket.write('POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-standin-fault: early-answer:401\r\ncontent-length: 1000000\r\n\r\n{"model"');
  const first = await new Promise<Buffer>((done) => socket.once('data', done));
  expect(first.toString()).toContain('HTTP/1.1 401');
  socket.destroy();
});

test('an error event comes after a 200, in the place asked for, and is the last', async () => {
  const heard = await talk(sse, { fault: 'error-event:3,api_error' });
  expect(heard.head).toContain('200 OK');
  expect(eventsOf(heard.body)).toEqual(['message_start', 'content_block_start', 'ping', 'error']);
  expect(heard.body.toString()).toContain('"type":"api_error"');
});

test.each([
  { fault: 'line-ends:cr', holds: (text: string) => !text.includes('\n') && text.includes('\r\r') },
  { fault: 'line-ends:crlf', holds: (text: string) => text.includes('\r\n\r\n') && !/[^\r]\n/.test(text) },
  { fault: 'multi-line', holds: (text: string) => /data: \{\ndata: +"type"/.test(text) },
  { fault: 'comments', holds: (text: string) => text.startsWith(': a comment') },
  { fault: 'unknown-events', holds: (text: string) => text.includes('event: session_hint') },
  { fault: 'malformed-sse', holds: (text: string) => text.includes('no colon at all') },
])('$fault changes how the stream is written, and not what it says', async ({ fault, holds }) => {
  const heard = await talk(sse, { fault });
  expect(holds(heard.body.toString())).toBe(true);
  const known = eventsOf(heard.body).filter((name) => name.startsWith('message_'));
  expect(known).toEqual(['message_start', 'message_delta', 'message_stop']);
});

test('invalid UTF-8 is on the wire as it is in the log, in both kinds of answer', async () => {
  for (const body of [json, sse]) {
    const heard = await talk(body, { fault: 'invalid-utf8' });
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(heard.body)).toThrow();
    expect(heard.body.equals(standin.log.at(-1)!.response.body)).toBe(true);
  }
});

test('split cuts the body into writes of the sizes asked for', async () => {
  const heard = await talk(sse, { fault: 'split:1,2,500' });
  const sizes = [...heard.raw.toString('latin1').matchAll(/\r\n([0-9a-f]+)\r\n/g)].slice(0, 3).map((m) => Number.parseInt(m[1]!, 16));
  expect(sizes.slice(0, 2)).toEqual([1, 2]);
  expect(eventsOf(heard.body).at(-1)).toBe('message_stop');
});

test.each([
  { fault: 'no-usage', start: false, delta: false },
  { fault: 'usage-start-only', start: true, delta: false },
])('$fault leaves usage out', async ({ fault, start, delta }) => {
  const text = (await talk(sse, { fault })).body.toString();
  expect(/event: message_start\n.*"usage"/.test(text)).toBe(start);
  expect(/event: message_delta\n.*"usage"/.test(text)).toBe(delta);
  if (!start) expect((await talk(json, { fault })).body.toString()).not.toContain('"usage"');
  expect(standin.log.at(-1)?.response.billed).not.toBeNull();
});

test('growing input tells more at the end than at the start, and iterations add a turn that the top level leaves out', async () => {
  const text = (await talk(sse, { fault: 'growing-input:8003;iterations:advisor_message,claude-opus-5' })).body.toString();
  const [start, end] = [...text.matchAll(/"input_tokens":(\d+),"cache_creation_input_tokens"/g)].map((m) => Number(m[1]));
  expect(end! - start!).toBe(8_003);
  expect(text).toContain('"iterations":[{"type":"advisor_message","model":"claude-opus-5"');
});

test.each([
  { name: 'before any output is not billed', fault: 'refusal:before', billed: false },
  { name: 'in the middle of it is billed', fault: 'refusal:mid', billed: true },
])('a refusal $name', async ({ fault, billed }) => {
  const heard = await talk(sse, { fault });
  expect(heard.body.toString()).toContain('"stop_reason":"refusal"');
  expect(standin.log.at(-1)?.response.billed === null).toBe(!billed);
});

test.each([
  { delta: 10, end: 'closed' },
  { delta: -10, end: 'closed' },
])('a content-length that is wrong by $delta ends the connection', async ({ delta, end }) => {
  const heard = await talk(json, { fault: `content-length:${delta}` });
  expect(Number(/content-length: (\d+)/i.exec(heard.head)?.[1]) - heard.body.length).toBe(delta);
  expect(heard.end).toBe(end);
});

test.each([
  { fault: 'framing:length', of: sse, has: 'content-length', lacks: 'transfer-encoding' },
  { fault: 'framing:chunked', of: json, has: 'transfer-encoding: chunked', lacks: 'content-length' },
  { fault: 'framing:close', of: sse, has: 'connection: close', lacks: 'transfer-encoding' },
  { fault: 'trailers', of: json, has: 'trailer: x-standin-trailer', lacks: 'content-length' },
])('$fault tells the end of the body that way', async ({ fault, of, has, lacks }) => {
  const heard = await talk(of, { fault });
  expect(heard.head.toLowerCase()).toContain(has);
  expect(heard.head.toLowerCase()).not.toContain(lacks);
  expect(heard.body.equals(standin.log.at(-1)!.response.body)).toBe(true);
  if (fault === 'trailers') expect(heard.raw.toString()).toContain('x-standin-trailer: the end');
});

test.each([
  { encoding: 'gzip', decode: gunzipSync },
  { encoding: 'br', decode: brotliDecompressSync },
  { encoding: 'deflate', decode: inflateSync },
])('bodies and streams come in $encoding', async ({ encoding, decode }) => {
  for (const body of [json, sse]) {
    const heard = await talk(body, { fault: `encoding:${encoding}` });
    expect(heard.head.toLowerCase()).toContain(`content-encoding: ${encoding}`);
    expect(decode(heard.body).toString()).toContain('"output_tokens"');
    expect(heard.body.equals(standin.log.at(-1)!.response.body)).toBe(true);
  }
});

test('zstd comes as stored blocks, an unknown encoding as a mere label', async () => {
  expect((await talk(json, { fault: 'encoding:zstd' })).body.readUInt32LE(0)).toBe(0xfd2fb528);
  const heard = await talk(json, { fault: 'encoding:rot13' });
  expect(heard.head.toLowerCase()).toContain('content-encoding: rot13');
  expect(JSON.parse(heard.body.toString())).toMatchObject({ type: 'message' });
});

test('a bomb is small on the wire and large inside', async () => {
  const heard = await talk(json, { fault: 'bomb:20000000' });
  expect(heard.body.length).toBeLessThan(100_000);
  const inside = gunzipSync(heard.body);
  expect(inside.length).toBeGreaterThan(20_000_000);
  expect(JSON.parse(inside.toString())).toMatchObject({ type: 'message' });
});

test('huge headers and early hints come before the answer', async () => {
  expect((await talk(json, { fault: 'huge-headers:65536' })).head.length).toBeGreaterThan(65_536);
  const hinted = await talk(json, { fault: 'early-hints:2' });
  expect(hinted.raw.toString().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 103', 'HTTP/1.1 103', 'HTTP/1.1 200']);
});

test('an endless event goes on without a line end', async () => {
  const heard = await talk(sse, { fault: 'endless-event:200000' });
  expect(heard.body.length).toBeGreaterThan(200_000);
  expect(heard.body.subarray(-150_000).includes('\n')).toBe(false);
});

test('a slow first byte and slow events arrive complete', async () => {
  const heard = await talk(sse, { fault: 'slow-first-byte:20;slow-events:1' });
  expect(eventsOf(heard.body).at(-1)).toBe('message_stop');
});

test('a gzip request body is decoded for the answer and kept as received in the log', async () => {
  const packed = gzipSync(json);
  const heard = await talk(packed, { headers: ['content-encoding: gzip'] });
  expect(JSON.parse(heard.body.toString())).toMatchObject({ type: 'message' });
  expect(standin.log.at(-1)?.body.equals(packed)).toBe(true);
});

test('an upload that is cut short is noted as such', async () => {
  const socket = connect(standin.port, '127.0.0.1');
  socket.write('POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"model"');
  while (standin.log.length === 0) await new Promise((turn) => setImmediate(turn));
  socket.destroy();
  await standin.idle();
  expect(standin.log[0]).toMatchObject({ bodyComplete: false, bodyBytes: 8 });
});

test('the fast path answers with the size and the number of events asked for, outside the log', async () => {
  expect((await talk('{}', { headers: ['x-standin-fixed: 2048'] })).body).toHaveLength(2048);
  const heard = await talk('{}', { headers: ['x-standin-sse: events=50,bytes=120,every=0'] });
  expect(eventsOf(heard.body).filter((name) => name === 'content_block_delta')).toHaveLength(50);
  expect(heard.body.toString().split('\n\n').filter((e) => e.includes('text_delta'))[0]).toHaveLength(118);
  expect(standin.log).toHaveLength(0);
});

test('the log keeps no more than it is told to, and the digests of all', async () => {
  const small = await startStandin({ log: { requests: 2, bodyBytes: 10 } });
  for (let n = 0; n < 3; n += 1) await (await fetch(`${small.url}/v1/messages`, { method: 'POST', body: json, headers: { 'x-api-key': 'sk-ant-raw', 'anthropic-version': '2023-06-01' } })).text();
  await small.idle();
  expect(small.log.map((r) => r.number)).toEqual([2, 3]);
  expect(small.log[0]).toMatchObject({ body: Buffer.from(json.slice(0, 10)), bodyBytes: json.length });
  expect(small.log[0]?.response.body).toHaveLength(10);
  expect(small.log[0]?.response.bodyBytes).toBeGreaterThan(10);
  await small.close();
});

test.each(Object.keys(FAULTS))('%s is a fault that a header can name', (name) => {
  expect(new Faults(`${name};split:1`).has(name as keyof typeof FAULTS)).toBe(true);
});
