// test/standin/trouble.ts: what faults do to the events of a stream: leave some out, add some, and write them down in unusual ways.

import type { SseEvent } from './answer.ts';
import { PING } from './events.ts';
import type { Faults } from './faults.ts';

/** A continuation byte without a start, and the first two bytes of three. */
const LONE_BYTES = Buffer.from([0x80, 0xe2, 0x82]);

/** The events as they will be sent. */
export function troubledEvents(events: readonly SseEvent[], faults: Faults): readonly SseEvent[] {
  let out = [...events];
  if (faults.has('no-usage')) out = out.map(withoutUsage);
  if (faults.has('usage-start-only')) out = out.map((e) => (e.name === 'message_start' ? e : withoutUsage(e)));
  if (faults.has('unknown-events')) out = out.flatMap((e, at) => (at === 0 ? [e, unknown('session_hint'), unknown('content_block_preview')] : at % 7 === 0 ? [unknown('telemetry'), e] : [e]));
  if (faults.has('refusal') && faults.text('refusal', 'mid') === 'mid') out = out.filter((e, at) => e.name !== 'content_block_delta' || at < 6);
  if (faults.has('end-early')) out = out.slice(0, faults.number('end-early', out.length - 1));
  if (faults.has('error-event')) {
    const error = { type: 'error', error: { type: faults.text('error-event', 'overloaded_error', 1), message: 'Overloaded' } };
    out = [...out.slice(0, faults.number('error-event', 4)), { name: 'error', data: JSON.stringify(error) }];
  }
  // The endless event takes the place of the rest.
  if (faults.has('endless-event')) out = out.slice(0, 3);
  return out;
}

/** A JSON body as it will be sent. */
export function troubledBody(body: Buffer, faults: Faults): Buffer {
  let out = body;
  if (faults.has('no-usage') && body[0] === 0x7b) {
    const { usage: _usage, ...rest } = JSON.parse(body.toString()) as Record<string, unknown>;
    out = Buffer.from(JSON.stringify(rest));
  }
  // In front of the first full stop: inside a text, wherever there is one.
  const at = faults.has('invalid-utf8') ? out.indexOf('. ') : -1;
  return at === -1 ? out : Buffer.concat([out.subarray(0, at), LONE_BYTES, out.subarray(at)]);
}

function withoutUsage(event: SseEvent): SseEvent {
  const { tells: _told, ...rest } = event;
  if (event.name !== 'message_start' && event.name !== 'message_delta' && event.name !== null) return rest;
  const data = event.data.startsWith('{') ? (JSON.parse(event.data) as Record<string, unknown>) : null;
  if (data === null) return rest;
  delete data['usage'];
  if (typeof data['message'] === 'object' && data['message'] !== null) delete (data['message'] as Record<string, unknown>)['usage'];
  return { ...rest, data: JSON.stringify(data) };
}

const unknown = (name: string): SseEvent => ({ name, data: JSON.stringify({ type: name, usage: 'not what you think', note: 'newer than every client' }) });

/** The bytes of one event, blank line included. */
export function eventBytes(event: SseEvent, faults: Faults): Buffer {
  const end = { cr: '\r', crlf: '\r\n' }[faults.text('line-ends', '')] ?? '\n';
  const lines: string[] = [];
  if (faults.has('comments')) lines.push(': a comment before the event');
  if (event.name !== null) lines.push(`event: ${event.name}`);
  if (faults.has('comments')) lines.push(':', ': data: {"type":"message_delta","usage":{"output_tokens":1}}');
  // JSON may be cut wherever white space may stand; the receiver joins the lines with a line feed.
  const data = faults.has('multi-line') && event.data.startsWith('{') ? JSON.stringify(JSON.parse(event.data), null, 1).split('\n') : [event.data];
  lines.push(...data.map((line) => `data: ${line}`), '', '');
  const text = lines.join(end);
  const before = faults.has('malformed-sse') && event.name !== PING.name ? `data\nid\nretry: soon\nevent\n\ndata: {"type":"content_block_delta",\n\nno colon at all${end}${end}` : '';
  return faults.has('invalid-utf8') && event.name === 'content_block_delta' ? spoiled(before + text) : Buffer.from(before + text);
}

/** Puts them before the last quote of the data. */
function spoiled(text: string): Buffer {
  const bytes = Buffer.from(text);
  const at = bytes.lastIndexOf(0x22);
  return Buffer.concat([bytes.subarray(0, at), LONE_BYTES, bytes.subarray(at)]);
}
