// test/standin/wire.ts: puts an answer on the wire, with whatever is to go wrong with it, and writes down what was sent.

import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Answer, SseEvent } from './answer.ts';
import type { Chance } from './chance.ts';
import { encoderFor, type Encoder } from './encoding.ts';
import type { Faults } from './faults.ts';
import { BodyTape, type RecordedResponse } from './log.ts';
import { eventBytes, troubledBody, troubledEvents } from './trouble.ts';

/** How long answers take. */
export interface Pace {
  /** To the response headers, in ms: from, to. */
  readonly firstByteMs: readonly [number, number];
  readonly msPerToken: number;
}

export interface Sending {
  readonly res: ServerResponse;
  readonly record: RecordedResponse;
  readonly faults: Faults;
  readonly pace: Pace;
  readonly chance: Chance;
  /** A content-encoding that the client offered and the stand-in uses; null for none. */
  readonly encoding: string | null;
  readonly bodyBound: number;
  /** Fires when the client has gone or the stand-in closes. */
  readonly signal: AbortSignal;
}

/** Time for bytes that the kernel has taken to reach the other side, before a reset could overtake them. */
const RESET_GRACE_MS = 15;

/** Sends all of an answer, or as much of it as its faults let through. Rejects only when `signal` fires. */
export async function send(answer: Answer, sending: Sending): Promise<void> {
  const { res, record, faults, pace, chance, signal } = sending;
  const wait = pace.firstByteMs[0] + chance.next() * (pace.firstByteMs[1] - pace.firstByteMs[0]) + faults.number('slow-first-byte', 0);
  const streamed = !Buffer.isBuffer(answer.body);
  const thought = streamed ? 0 : pace.msPerToken * (answer.outputTokens ?? 0);
  if (wait + thought > 0) await sleep(wait + thought, undefined, { signal });
  answer.onBegin?.();
  record.model = answer.model;
  record.billed = answer.billed;
  record.items.push(...(answer.items ?? []));
  for (let n = faults.has('continue') ? faults.number('continue', 1) : 0; n > 0; n -= 1) res.writeContinue();
  if (faults.has('processing')) res.writeProcessing();
  for (let n = faults.has('early-hints') ? faults.number('early-hints', 1) : 0; n > 0; n -= 1) await new Promise<void>((done) => res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, done));

  const encoding = faults.has('encoding') ? faults.text('encoding', 'gzip') : faults.has('bomb') ? 'gzip' : sending.encoding;
  const wire = openWire(sending, encoderFor(encoding));
  const headers: Record<string, string> = { ...answer.headers, ...(encoding === null ? {} : { 'content-encoding': encoding }) };
  if (Buffer.isBuffer(answer.body)) await sendBody(answer.body, answer, headers, wire, sending);
  else await sendEvents(answer.body, answer, headers, wire, sending);
}

interface Wire {
  begin(status: number, headers: Readonly<Record<string, string>>): void;
  /** Encodes and writes; resolves when the socket has taken it. */
  write(bytes: Buffer): Promise<void>;
  encodeAll(bytes: Buffer): Promise<Buffer>;
  /** Bytes that are encoded already. */
  raw(bytes: Buffer): Promise<void>;
  end(): Promise<void>;
  reset(): Promise<void>;
}

function openWire({ res, record, faults, bodyBound, signal }: Sending, encoder: Encoder): Wire {
  const tape = new BodyTape(bodyBound);
  const sizes = faults.numbers('split');
  let write = 0;
  const note = (): void => {
    const { body, bytes, sha256 } = tape.read();
    Object.assign(record, { body, bodyBytes: bytes, sha256 });
  };
  const put = async (bytes: Buffer): Promise<void> => {
    if (bytes.length === 0) return;
    signal.throwIfAborted();
    tape.add(bytes);
    await new Promise<void>((done, fail) => {
      const gone = (): void => fail(new Error('the client has gone'));
      signal.addEventListener('abort', gone, { once: true });
      res.write(bytes, (error) => {
        // From Node 24 on, a write to a client that has gone can fail before the response is told that it is closed. That follows, and is what is acted on.
        if (error) return;
        signal.removeEventListener('abort', gone);
        done();
      });
    });
  };
  const raw = async (bytes: Buffer): Promise<void> => {
    if (!faults.has('split')) return put(bytes);
    for (let at = 0; at < bytes.length; ) {
      const size = Math.max(1, sizes[Math.min(write, sizes.length - 1)] ?? 1);
      await put(bytes.subarray(at, at + size));
      // One turn of the event loop, so that each write is a packet of its own.
      await new Promise((done) => setImmediate(done));
      at += size;
      write += 1;
    }
  };
  res.once('close', note);
  return {
    begin(status, headers) {
      record.status = status;
      record.headers = headers;
      if (faults.text('framing', '') === 'close') {
        res.useChunkedEncodingByDefault = false;
        res.shouldKeepAlive = false;
      }
      res.writeHead(status, headers);
      res.flushHeaders();
    },
    raw,
    async write(bytes) {
      await raw(await encoder.part(bytes));
    },
    encodeAll: async (bytes) => Buffer.concat([await encoder.part(bytes), await encoder.end()]),
    async end() {
      await raw(await encoder.end());
      if (faults.has('trailers')) res.addTrailers({ 'x-standin-trailer': 'the end' });
      note();
      record.ending = 'complete';
      await new Promise<void>((done) => res.end(done));
    },
    async reset() {
      note();
      record.ending = 'cut';
      await sleep(RESET_GRACE_MS);
      res.socket?.resetAndDestroy();
    },
  };
}

async function sendBody(whole: Buffer, answer: Answer, headers: Record<string, string>, wire: Wire, { res, record, faults }: Sending): Promise<void> {
  const plain = troubledBody(whole, faults);
  const bodiless = answer.status === 204 || answer.status === 304;
  const body = faults.has('bomb') ? Buffer.concat([gzipBomb(faults.number('bomb', 100_000_000)), await wire.encodeAll(plain)]) : await wire.encodeAll(plain);
  const framing = faults.text('framing', faults.has('trailers') ? 'chunked' : 'length');
  const wrongBy = faults.has('content-length') ? faults.number('content-length', 10) : 0;
  if (framing === 'length' && !bodiless) headers['content-length'] = String(body.length + wrongBy);
  if (faults.has('trailers')) headers['trailer'] = 'x-standin-trailer';
  wire.begin(answer.status, headers);
  if (bodiless) return wire.end();
  if (faults.has('reset-mid-json')) {
    await wire.raw(body.subarray(0, faults.number('reset-mid-json', Math.floor(body.length / 2))));
    return wire.reset();
  }
  record.usage = faults.has('no-usage') ? null : answer.usage;
  const { socket } = res;
  await wire.raw(body);
  await wire.end();
  // With a wrong length the connection cannot go on: what follows would be read as part of this body.
  if (wrongBy !== 0) socket?.destroySoon();
}

async function sendEvents(events: readonly SseEvent[], answer: Answer, headers: Record<string, string>, wire: Wire, sending: Sending): Promise<void> {
  const { record, faults, pace, signal } = sending;
  const troubled = troubledEvents(events, faults);
  const bytes = troubled.map((event) => eventBytes(event, faults));
  if (faults.text('framing', '') === 'length') {
    const whole = await wire.encodeAll(Buffer.concat(bytes));
    wire.begin(answer.status, { ...headers, 'content-length': String(whole.length) });
    record.usage = troubled.findLast((e) => e.tells)?.tells ?? null;
    await wire.raw(whole);
    return wire.end();
  }
  wire.begin(answer.status, { ...headers, ...(faults.has('trailers') ? { trailer: 'x-standin-trailer' } : {}) });
  const resetAt = faults.has('reset-mid-sse') ? faults.number('reset-mid-sse', 3) : Infinity;
  const stallAt = faults.has('stall') ? faults.number('stall', 3) : faults.has('stall-pings') ? faults.number('stall-pings', 3) : Infinity;
  for (const [at, event] of troubled.entries()) {
    if (at >= resetAt) return wire.reset();
    if (at >= stallAt) return stall(wire, faults, signal);
    const pause = faults.number('slow-events', 0) + pace.msPerToken * (event.tokens ?? 0);
    if (pause > 0) await sleep(pause, undefined, { signal });
    if (event.tells) record.usage = event.tells;
    await wire.write(bytes[at] ?? Buffer.alloc(0));
  }
  if (faults.has('endless-event')) await endlessEvent(wire, faults.number('endless-event', 64_000_000));
  if (faults.has('end-early')) {
    await wire.end();
    record.ending = 'cut';
    return;
  }
  await wire.end();
}

/** Until the client leaves. */
async function stall(wire: Wire, faults: Faults, signal: AbortSignal): Promise<void> {
  const every = faults.has('stall-pings') ? faults.number('stall-pings', 200, 1) : null;
  for (;;) {
    await sleep(every ?? 3_600_000, undefined, { signal, ref: false });
    if (every !== null) await wire.write(Buffer.from('event: ping\ndata: {"type": "ping"}\n\n'));
  }
}

async function endlessEvent(wire: Wire, bytes: number): Promise<void> {
  await wire.write(Buffer.from('event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'));
  const block = Buffer.alloc(65_536, 'a');
  for (let sent = 0; sent < bytes; sent += block.length) await wire.write(block.subarray(0, Math.min(block.length, bytes - sent)));
}

/** Gzip members of spaces, one after the other: legal gzip, and white space in front of a JSON body is legal too. */
function gzipBomb(bytes: number): Buffer {
  const member = gzipSync(Buffer.alloc(1_000_000, ' '), { level: 9 });
  return Buffer.concat(Array.from({ length: Math.ceil(bytes / 1_000_000) }, () => member));
}
