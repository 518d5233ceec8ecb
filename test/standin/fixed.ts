// test/standin/fixed.ts: the fast path: answers computed once, so that in a benchmark the stand-in is not what is measured.

import type { IncomingMessage, ServerResponse } from 'node:http';

interface Stream {
  readonly whole: Buffer;
  readonly events: readonly Buffer[];
  readonly everyMs: number;
}

const bodies = new Map<string, Buffer>();
const streams = new Map<string, Stream>();

const USAGE = { input_tokens: 400, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 }, service_tier: 'standard', inference_geo: 'not_available', speed: 'standard' };
const MESSAGE = { id: 'msg_01StandinFixedAnswer', type: 'message', role: 'assistant', model: 'claude-haiku-4-5-20251001', stop_sequence: null };

/**
 * `x-standin-fixed: 2048`: one JSON message of about that many bytes. `x-standin-sse: events=1000,bytes=120,every=0`: a stream of
 * text deltas of about `bytes` bytes each, one per `every` ms, or all at once for 0. Neither is logged, and keys are not looked at.
 */
export function answerFixed(req: IncomingMessage, res: ServerResponse): void {
  const fixed = req.headers['x-standin-fixed'];
  const stream = req.headers['x-standin-sse'];
  req.resume();
  req.once('end', () => {
    if (typeof fixed === 'string') sendBody(res, bodyOf(fixed));
    else if (typeof stream === 'string') sendStream(res, streamOf(stream));
  });
}

function sendBody(res: ServerResponse, body: Buffer): void {
  res.writeHead(200, { 'content-type': 'application/json', 'request-id': 'req_011StandinFixed', 'content-length': body.length });
  res.end(body);
}

function sendStream(res: ServerResponse, stream: Stream): void {
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'request-id': 'req_011StandinFixed' });
  if (stream.everyMs === 0) return void res.end(stream.whole);
  let at = 0;
  const timer = setInterval(() => {
    const event = stream.events[at];
    at += 1;
    if (event !== undefined) res.write(event);
    if (at < stream.events.length) return;
    clearInterval(timer);
    res.end();
  }, stream.everyMs);
  res.once('close', () => clearInterval(timer));
}

function bodyOf(size: string): Buffer {
  let body = bodies.get(size);
  if (!body) {
    const make = (text: string) => Buffer.from(JSON.stringify({ ...MESSAGE, content: [{ type: 'text', text }], stop_reason: 'end_turn', usage: { ...USAGE, output_tokens: 350 } }));
    body = make('x'.repeat(Math.max(0, Number(size) - make('').length)));
    bodies.set(size, body);
  }
  return body;
}

function streamOf(spec: string): Stream {
  let stream = streams.get(spec);
  if (!stream) {
    const given = new Map(spec.split(',').map((part) => part.split('=') as [string, string]));
    const number = (name: string, otherwise: number): number => Number(given.get(name) ?? otherwise);
    const line = (event: { type: string }): Buffer => Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    const delta = (text: string) => line({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } } as { type: string });
    const one = delta('x'.repeat(Math.max(1, number('bytes', 120) - delta('').length)));
    const message = { ...MESSAGE, content: [], stop_reason: null, usage: { ...USAGE, output_tokens: 2 } };
    const events = [
      line({ type: 'message_start', message } as { type: string }),
      line({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as { type: string }),
      ...Array.from({ length: number('events', 1_000) }, () => one),
      line({ type: 'content_block_stop', index: 0 } as { type: string }),
      line({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: number('events', 1_000) } } as { type: string }),
      line({ type: 'message_stop' }),
    ];
    stream = { whole: Buffer.concat(events), events, everyMs: number('every', 0) };
    streams.set(spec, stream);
  }
  return stream;
}
