// server/meter/meter.ts: reads what a response says it used, from a copy of the bytes that go by.

import type { Endpoint } from '../domain/call.ts';
import type { Meter, MeterRequest, OpenMeter } from '../domain/meter.ts';
import type { Reading } from '../domain/usage.ts';
import { Account } from './account.ts';
import { Decoding, type Sink } from './decode.ts';
import { EventScanner, type EventReader } from './events.ts';
import { JsonBody } from './json-body.ts';
import { messagesReader } from './messages-stream.ts';
import { chatReader, completionReader } from './text-stream.ts';

/** Endpoints whose answers hold usage; of others only an error is read, since their bodies can be files. */
const METERED: ReadonlySet<Endpoint> = new Set(['messages', 'chat_completions', 'complete']);

/** See `Meter`. `onStart` and `onContent` must not throw: they are called from within `tap`. */
export const openMeter: OpenMeter = (request) => {
  const account = new Account(request.monotonic, request.onContent);
  if (!METERED.has(request.endpoint) && request.status < 400) return { tap: () => {}, close: () => account.reading() };
  const sink = new Body(request, account);
  const encoding = request.contentEncoding === null ? '' : request.contentEncoding.trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return new PlainMeter(sink, account);
  let wireBytes = 0;
  let failed = false;
  const decoding = new Decoding(encoding, sink, () => {
    failed = true;
    account.stuck('undecodable');
  });
  return {
    tap: (chunk) => {
      wireBytes += chunk.length;
      decoding.tap(chunk);
    },
    close: async () => {
      await decoding.end();
      // Compressed events are about as long as the text in them, the best guess there is at what could not be read.
      if (failed && request.status < 400) account.contentBytes = Math.max(account.contentBytes, wireBytes);
      return account.reading();
    },
  };
};

/** Of an answer that nobody compressed. */
class PlainMeter implements Meter {
  readonly #sink: Sink;
  readonly #account: Account;

  constructor(sink: Sink, account: Account) {
    this.#sink = sink;
    this.#account = account;
  }

  tap(chunk: Buffer): void {
    this.#sink.tap(chunk);
  }

  close(): Reading {
    this.#sink.end();
    return this.#account.reading();
  }
}

/** A decoded body: events or JSON, by its content type or, where that says neither, by its first byte. */
class Body implements Sink {
  readonly #request: MeterRequest;
  readonly #account: Account;
  #sink: Sink | null = null;

  constructor(request: MeterRequest, account: Account) {
    this.#request = request;
    this.#account = account;
  }

  tap(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#sink ??= this.#choose(chunk);
    this.#sink.tap(chunk);
  }

  end(): void {
    this.#sink?.end();
  }

  #choose(first: Buffer): Sink {
    const { endpoint, status, contentType } = this.#request;
    const type = (contentType ?? '').toLowerCase();
    const events = type.startsWith('text/event-stream') || (!type.includes('json') && looksLikeEvents(first));
    if (events && status < 400) return new EventScanner(readerFor(this.#request, this.#account));
    return new JsonBody(this.#account, endpoint, status >= 400);
  }
}

/** A field name, a comment or a byte order mark opens a stream of events; a brace opens JSON. */
const looksLikeEvents = (chunk: Buffer): boolean => /^(?:\xef\xbb\xbf)?(?::|event|data|id:|retry)/.test(chunk.toString('latin1', 0, 16));

function readerFor({ endpoint, onStart }: MeterRequest, account: Account): EventReader {
  if (endpoint === 'chat_completions') return chatReader(account);
  if (endpoint === 'complete') return completionReader(account);
  return messagesReader(account, onStart);
}
