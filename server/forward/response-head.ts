// server/forward/response-head.ts: the head of an answer, as the provider sent it.

import { headerOf } from './headers.ts';

export interface ResponseHead {
  readonly status: number;
  readonly statusMessage: string;
  /** Name, value, name, value…, as received. */
  readonly raw: readonly string[];
  /** True for `text/event-stream`. */
  readonly streamed: boolean;
  /** True for JSON, JSON lines and event streams: what an answer of the API looks like. */
  readonly jsonOrStream: boolean;
}

const ASCII = /^[\x00-\x7f]*$/;
/** What a reason phrase may hold (RFC 9112 section 4); the client library checks every part of a head but this. */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

/** @param statusMessage as the client library read it */
export function headOf(status: number, statusMessage: string, rawHeaders: readonly Buffer[]): ResponseHead {
  const raw = decodeHeaders(rawHeaders);
  const type = (headerOf(raw, 'content-type') ?? '').toLowerCase();
  const streamed = type.startsWith('text/event-stream');
  // Read as UTF-8 by the client below; as bytes it can stand on a status line again, whatever it holds.
  const message = ASCII.test(statusMessage) ? statusMessage : Buffer.from(statusMessage).toString('latin1');
  // Clients go by the number; a phrase that no status line can hold is left out.
  return { status, statusMessage: REASON.test(message) ? message : '', raw, streamed, jsonOrStream: streamed || type.includes('json') };
}

/** More than this apart, the first and the last header came in different pieces, or something else is between them. */
const HEAD_BYTES = 16 * 1024;

/**
 * Header bytes are Latin-1 on the wire (RFC 9110 section 5.5); anything else would change them. Nearly always they are views of one piece
 * that came from the socket: then that is decoded once and cut, as a call into native code for each of them costs ten times as much.
 */
function decodeHeaders(raw: readonly Buffer[]): string[] {
  const out: string[] = [];
  const first = raw[0];
  const last = raw.at(-1);
  if (first === undefined || last === undefined) return out;
  const { buffer, byteOffset: start } = first;
  const length = last.byteOffset + last.length - start;
  let together = length > 0 && length <= HEAD_BYTES;
  for (let i = 0; together && i < raw.length; i++) together = raw[i]!.buffer === buffer && raw[i]!.byteOffset >= start && raw[i]!.byteOffset + raw[i]!.length <= start + length;
  if (!together) {
    for (let i = 0; i < raw.length; i++) out.push(raw[i]!.toString('latin1'));
    return out;
  }
  const text = Buffer.from(buffer, start, length).toString('latin1');
  for (let i = 0; i < raw.length; i++) {
    const { byteOffset: at, length: long } = raw[i]!;
    out.push(text.slice(at - start, at - start + long));
  }
  return out;
}
