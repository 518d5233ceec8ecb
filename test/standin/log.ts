// test/standin/log.ts: what came in and what went out, to the byte: the independent witness that tests compare the gateway with.

import { createHash, type Hash } from 'node:crypto';
import type { Usage } from '@anthropic-ai/sdk/resources/messages/messages.js';

/** What one answer reported, or what one item of a batch did. */
export interface ReportedUsage {
  readonly customId: string | null;
  readonly model: string;
  readonly usage: Usage;
}

export interface RecordedResponse {
  /** Null until the response has begun. */
  status: number | null;
  headers: Readonly<Record<string, string | readonly string[]>>;
  /** The body as sent, content-encoding included, without transfer framing. Cut at the log's `bodyBytes`. */
  body: Buffer;
  bodyBytes: number;
  /** Of the whole body, in hex, even where `body` is cut. */
  sha256: string;
  model: string | null;
  /** As far as it was sent: after `message_start` its placeholder, after `message_delta` the final count. Null when none was told. */
  usage: Usage | null;
  /** What the API would put on the bill for this call, told or not. Null when nothing is billed. */
  billed: Usage | null;
  /** One per succeeded item of a batch's results. */
  readonly items: ReportedUsage[];
  /** `cut`: a fault ended it before its end. `client_gone`: the other side closed before the end. */
  ending: 'open' | 'complete' | 'cut' | 'client_gone';
  /** On the clock of the stand-in; null while it is open. */
  endedAt: number | null;
}

export interface RecordedRequest {
  /** The `request-id` of the answer. */
  readonly id: string;
  /** From 1, in order of arrival; counts requests that the bounded log has dropped too. */
  readonly number: number;
  readonly at: number;
  readonly method: string;
  /** As on the request line. */
  readonly url: string;
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
  /** As received, content-encoding included. Cut at the log's `bodyBytes`. */
  body: Buffer;
  bodyBytes: number;
  sha256: string;
  /** False when the client never finished its upload. */
  bodyComplete: boolean;
  readonly response: RecordedResponse;
}

export interface LogBounds {
  /** Requests kept, the oldest dropped first; unbounded by default. */
  readonly requests?: number;
  /** Bytes kept of each body; unbounded by default. */
  readonly bodyBytes?: number;
}

/** Collects a body up to a bound, and the digest of all of it. */
export class BodyTape {
  readonly #hash: Hash = createHash('sha256');
  readonly #kept: Buffer[] = [];
  readonly #bound: number;
  bytes = 0;

  constructor(bound: number) {
    this.#bound = bound;
  }

  add(chunk: Buffer): void {
    this.#hash.update(chunk);
    if (this.bytes < this.#bound) this.#kept.push(this.bytes + chunk.length > this.#bound ? chunk.subarray(0, this.#bound - this.bytes) : chunk);
    this.bytes += chunk.length;
  }

  /** May be asked at any time: what went by so far. */
  read(): { body: Buffer; bytes: number; sha256: string } {
    return { body: Buffer.concat(this.#kept), bytes: this.bytes, sha256: this.#hash.copy().digest('hex') };
  }
}

export function openResponse(): RecordedResponse {
  return { status: null, headers: {}, body: Buffer.alloc(0), bodyBytes: 0, sha256: '', model: null, usage: null, billed: null, items: [], ending: 'open', endedAt: null };
}
