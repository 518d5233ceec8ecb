// server/forward/exchange.ts: one attempt at the provider: sends the call, relays the answer as it comes, hands the meter a copy.

import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { errors, type Dispatcher } from 'undici';
import type { Meter } from '../domain/meter.ts';
import type { Reading } from '../domain/usage.ts';
import type { UpstreamCredential } from '../domain/call.ts';
import { LONG_ANSWER_BYTES, pieceWentBy } from './dead-pieces.ts';
import { Delivery, type DeliveryListener } from './delivery.ts';
import type { Drain } from './drains.ts';
import { decoded, EDITED_ANSWER_BYTES, withLength } from './edited-answer.ts';
import { headerOf, responseHeaders, withoutFamily } from './headers.ts';
import type { Stop } from './outcome.ts';
import { headOf, type ResponseHead } from './response-head.ts';
import type { Upstream } from './upstream.ts';

/** A JSON answer up to this size waits for its end, so that its cost can stand in a header; a larger one goes out as it comes. */
const HELD_ANSWER_BYTES = 8 * 1024 * 1024;
/** All that wait together; past this, an answer goes out as it comes once it has had its share. The API's own are a few KB each. */
const ALL_HELD_ANSWERS_BYTES = 32 * 1024 * 1024;
const FAIR_SHARE_BYTES = 64 * 1024;
/** An error that is kept back, as another try will follow. */
const KEPT_BACK_BYTES = 64 * 1024;

export interface Outgoing {
  /** The one that the credential belongs to. */
  readonly origin: string;
  readonly method: string;
  readonly path: string;
  readonly headers: string[];
  readonly body: Buffer | Readable | null;
  readonly credential: UpstreamCredential;
  readonly headersTimeoutMs: number;
}

export interface ExchangeOptions {
  readonly upstream: Upstream;
  readonly reply: ServerResponse;
  /** A client that takes nothing for this long is taken for gone. */
  readonly writeStallMs: number;
  monotonic(): number;
  /** Opens the meter once the response headers are known; null for an answer that nobody meters. */
  openMeter(head: ResponseHead, outgoing: Outgoing): Meter | null;
  /** Headers of ours for the client. `reading` is null when the answer is relayed before it is whole. */
  extraHeaders(head: ResponseHead, reading: Reading | null): readonly string[];
  /** A prefix of names: the provider's headers of that family stay behind, as `extraHeaders` has its own. Null: all pass. */
  replaces(head: ResponseHead): string | null;
  /** Changes a whole answer before the client gets it; null leaves it alone. A throw is an answer that must not go out: the provider's own fault. */
  editor(head: ResponseHead): ((body: Buffer) => Promise<Buffer>) | null;
  /** Asked of an error: true keeps it from the client, since another try will follow. */
  keepsBack(head: ResponseHead): boolean;
  /** Leave to read on when the client leaves, so that the usage is known exactly; null ends it. */
  drainAfterAbort(head: ResponseHead | null): Drain | null;
}

export interface ExchangeResult {
  readonly stop: Stop;
  readonly head: ResponseHead | null;
  /** Null when the answer had no meter. */
  readonly reading: Reading | null;
  /** False when nothing of the request can have reached the provider. */
  readonly sent: boolean;
  /** True when something of the answer reached the client, so that it is too late for one of our own. */
  readonly answered: boolean;
  readonly clientGone: boolean;
  /** True when more of the answer came after the client had left. */
  readonly clientMissed: boolean;
  /** e.g. `ECONNREFUSED`; null when it went well. */
  readonly errorCode: string | null;
  readonly responseBytes: number;
  /** For how long the answer stood still because the client took no more of it. */
  readonly clientWaitMs: number;
  /** Milliseconds on the monotonic clock; null when no headers came. */
  readonly headersAt: number | null;
  readonly lastByteAt: number;
  /** Of a whole answer that was kept back: sends it after all, and is the result then. Absent otherwise. */
  readonly release?: () => ExchangeResult;
}

/** A call on the wire, or between two tries of it, which can be told to stop. */
export interface OnTheWire {
  /** The gateway is going down and can wait no longer: a stream gets an error event, and the exchange ends. */
  drain(): void;
}

export interface Exchange extends OnTheWire {
  readonly result: Promise<ExchangeResult>;
}

export function openExchange(outgoing: Outgoing, options: ExchangeOptions): Exchange {
  const exchange = new RunningExchange(outgoing, options);
  exchange.start();
  return exchange;
}

/** Is the client library's handler itself, in that library's leaner notation: it builds no header object and no controller for it. */
class RunningExchange implements Exchange, Dispatcher.DispatchHandler, DeliveryListener {
  readonly result: Promise<ExchangeResult>;
  #resolve!: (result: ExchangeResult) => void;
  #reject!: (error: unknown) => void;
  /** Ends the request at the provider; null until it has a socket. */
  #abortRequest: ((error: Error) => void) | null = null;
  /** Reads on after a pause; null until there is a head. */
  #resume: (() => void) | null = null;
  #head: ResponseHead | null = null;
  #meter: Meter | null = null;
  /** Chunks of an answer that waits for its cost; null once bytes go straight through. */
  #waiting: Buffer[] | null = null;
  #waitingBytes = 0;
  #keptBack = false;
  #edit: ((body: Buffer) => Promise<Buffer>) | null = null;
  #responseBytes = 0;
  #sent = false;
  #clientMissed = false;
  #stop: Stop | null = null;
  #settled = false;
  #headersAt: number | null = null;
  #clientWaitMs = 0;
  /** Since when nothing is read, as the client takes no more; null while it does. */
  #fullSince: number | null = null;
  /** Once the client has left and the answer is read on. */
  #drain: Drain | null = null;
  #drainTimer: NodeJS.Timeout | null = null;
  readonly #outgoing: Outgoing;
  readonly #options: ExchangeOptions;
  readonly #delivery: Delivery;

  constructor(outgoing: Outgoing, options: ExchangeOptions) {
    this.#outgoing = outgoing;
    this.#options = options;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#delivery = new Delivery(options.reply, options.writeStallMs, this);
  }

  start(): void {
    const { upstream } = this.#options;
    // A client that left while its call was admitted asks for nothing any more.
    if (this.#delivery.gone) return this.#finish('cut', null, null, this.#options.monotonic());
    const connections = upstream.to(this.#outgoing.origin);
    if (connections === null) return this.#finish('connect_failed', null, 'ORIGIN_CHANGED', this.#options.monotonic());
    connections.dispatch(
      {
        path: this.#outgoing.path,
        method: this.#outgoing.method as Dispatcher.HttpMethod,
        headers: this.#outgoing.headers,
        body: this.#outgoing.body,
        headersTimeout: this.#outgoing.headersTimeoutMs,
        bodyTimeout: upstream.settings.idleTimeoutMs,
      },
      this,
    );
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abortRequest = abort;
    // The client left, or we are going down, while the call waited for a socket: it was never sent.
    if (this.#stop !== null) return abort(new Error('stopped before it was sent'));
    this.#sent = true;
  }

  onComplete(): void {
    const lastByteAt = this.#options.monotonic();
    const reading = this.#meter === null ? null : this.#meter.close(true);
    // What is not foreseen is heard by whoever waits for the result: here nobody would.
    if (reading instanceof Promise) reading.then((read) => this.#onEnd(read, lastByteAt)).catch(this.#fail);
    else this.#onEnd(reading, lastByteAt);
  }

  onError(error: Error & { code?: string }): void {
    // A 304 may tell the length of what it does not send (RFC 9110 section 8.6); the client library takes it for an answer that was cut.
    if (this.#head?.status === 304 && this.#responseBytes === 0 && error.code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return this.onComplete();
    const lastByteAt = this.#options.monotonic();
    const reading = this.#meter === null ? null : this.#meter.close(false);
    if (reading instanceof Promise) reading.then((read) => this.#onBreak(error, read, lastByteAt)).catch(this.#fail);
    else this.#onBreak(error, reading, lastByteAt);
  }

  onRoom(): void {
    this.#countClientWait();
    this.#resume?.();
  }

  #countClientWait(): void {
    if (this.#fullSince === null) return;
    this.#clientWaitMs += this.#options.monotonic() - this.#fullSince;
    this.#fullSince = null;
  }

  drain(): void {
    this.#abort('drained');
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, statusMessage: string): boolean {
    if (status < 200) return true; // Interim answers (1xx) end here: only the final one is the client's.
    this.#resume = resume;
    this.#headersAt = this.#options.monotonic();
    const head = headOf(status, statusMessage, rawHeaders);
    this.#head = head;
    this.#meter = this.#options.openMeter(head, this.#outgoing);
    if (status >= 400 && this.#options.keepsBack(head)) {
      this.#keptBack = true;
      this.#waiting = [];
      return true;
    }
    this.#edit = this.#options.editor(head);
    if (this.#edit !== null || (this.#meter !== null && !head.streamed && status < 400)) {
      this.#waiting = [];
      return true;
    }
    this.#sendHead(head, null);
    this.#delivery.flush();
    return true;
  }

  #sendHead(head: ResponseHead, reading: Reading | null, editedBytes: number | null = null): void {
    const all = responseHeaders(head.raw, this.#outgoing.credential);
    const family = this.#options.replaces(head);
    const passed = family === null ? all : withoutFamily(all, family);
    const headers = editedBytes === null ? passed : withLength(passed, editedBytes);
    headers.push(...this.#options.extraHeaders(head, reading));
    this.#delivery.begin(head.status, head.statusMessage, headers, head.streamed && headerOf(head.raw, 'content-encoding') === null);
  }

  /** False where nothing more should be read until `#resume`. */
  onData(chunk: Buffer): boolean {
    this.#responseBytes += chunk.length;
    if (this.#delivery.gone) this.#clientMissed = true;
    const room = this.#waiting !== null ? this.#wait(chunk) : this.#delivery.write(chunk);
    this.#meter?.tap(chunk);
    if (this.#responseBytes > LONG_ANSWER_BYTES) pieceWentBy(chunk.length);
    if (!room) this.#fullSince ??= this.#options.monotonic();
    return room;
  }

  #wait(chunk: Buffer): boolean {
    this.#waiting?.push(chunk);
    this.#waitingBytes += chunk.length;
    const { waiting } = this.#options.upstream;
    waiting.bytes += chunk.length;
    if (this.#keptBack) {
      // An error that long is none that the API gives: it is relayed, and not tried again.
      if (this.#waitingBytes <= KEPT_BACK_BYTES) return true;
      this.#keptBack = false;
    }
    if (this.#edit !== null) {
      if (this.#waitingBytes > EDITED_ANSWER_BYTES) this.#abortRequest?.(Object.assign(new Error('too long to be edited'), { code: 'EMSGSIZE' }));
      return true;
    }
    const crowded = waiting.bytes > ALL_HELD_ANSWERS_BYTES && this.#waitingBytes > FAIR_SHARE_BYTES;
    return this.#waitingBytes > HELD_ANSWER_BYTES || crowded ? this.#releaseWaiting(null) : true;
  }

  /** Sends what waited, head first. False when the client cannot take more yet. */
  #releaseWaiting(reading: Reading | null): boolean {
    const chunks = this.#dropWaiting();
    if (this.#head === null || this.#delivery.gone) return true;
    this.#sendHead(this.#head, reading);
    let room = true;
    for (const chunk of chunks) room = this.#delivery.write(chunk);
    return room;
  }

  /** A whole answer that waited: its head and its bytes, in one write where they are few. */
  #endWithWaiting(head: ResponseHead, reading: Reading | null): void {
    const chunks = this.#dropWaiting();
    if (this.#delivery.gone) return;
    this.#sendHead(head, reading);
    for (let i = 0; i + 1 < chunks.length; i++) this.#delivery.write(chunks[i]!);
    this.#delivery.end(chunks.at(-1) ?? null);
  }

  #dropWaiting(): readonly Buffer[] {
    const chunks = this.#waiting ?? [];
    this.#waiting = null;
    this.#options.upstream.waiting.bytes -= this.#waitingBytes;
    this.#waitingBytes = 0;
    return chunks;
  }

  async #sendEdited(head: ResponseHead, edit: (body: Buffer) => Promise<Buffer>, reading: Reading | null): Promise<void> {
    const edited = await edit(decoded(Buffer.concat(this.#dropWaiting()), headerOf(head.raw, 'content-encoding')));
    if (this.#delivery.gone) return;
    this.#sendHead(head, reading, edited.length);
    this.#delivery.write(edited);
  }

  onGone(): void {
    if (this.#settled) return;
    this.#drain = this.#options.drainAfterAbort(this.#head);
    if (this.#drain === null) return this.#abort('cut');
    this.#countClientWait();
    this.#drainTimer = setTimeout(() => this.#abort('cut'), this.#drain.forMs).unref();
    this.#resume?.();
  }

  #abort(stop: Stop): void {
    if (this.#stop !== null || this.#settled) return;
    this.#stop = stop;
    if (this.#abortRequest !== null) this.#abortRequest(new Error(stop));
    // It still waits for a socket; `onConnect` turns it back when it gets one.
    else this.#finish(stop, null, null, this.#options.monotonic());
  }

  #onEnd(reading: Reading | null, lastByteAt: number): void {
    if (this.#keptBack) return this.#finish('whole', reading, null, lastByteAt, this.#dropWaiting());
    if (this.#edit !== null) return void this.#endEdited(this.#edit, reading, lastByteAt);
    if (this.#waiting !== null) this.#endWithWaiting(this.#head!, reading);
    else this.#delivery.end();
    this.#finish('whole', reading, null, lastByteAt);
  }

  async #endEdited(edit: (body: Buffer) => Promise<Buffer>, reading: Reading | null, lastByteAt: number): Promise<void> {
    try {
      await this.#sendEdited(this.#head!, edit, reading);
    } catch (error) {
      const { code, name } = error as Error & { code?: string };
      return this.#finish('reset', reading, code ?? name, lastByteAt);
    }
    this.#delivery.end();
    this.#finish('whole', reading, null, lastByteAt);
  }

  #onBreak(error: Error & { code?: string }, reading: Reading | null, lastByteAt: number): void {
    const stop = this.#stop ?? stopOf(error, this.#sent);
    // Of a broken answer the client gets what came. Where we gave up ourselves and nothing was relayed yet, our own words say more.
    // Half of an answer that was to be changed stays here.
    if (this.#edit === null && (stop === 'reset' || stop === 'garbled') && this.#waitingBytes > 0) this.#releaseWaiting(null);
    this.#delivery.breakOff(LAST_WORDS[stop] ?? null);
    this.#finish(stop, reading, this.#stop === null ? (error.code ?? error.name) : null, lastByteAt);
  }

  #finish(stop: Stop, reading: Reading | null, errorCode: string | null, lastByteAt: number, keptBack: readonly Buffer[] | null = null): void {
    if (this.#settled) return;
    this.#letGo();
    this.#countClientWait();
    const result: ExchangeResult = {
      stop,
      head: this.#head,
      reading,
      sent: this.#sent,
      answered: this.#delivery.begun,
      clientGone: this.#delivery.gone,
      clientMissed: this.#clientMissed,
      errorCode,
      responseBytes: this.#responseBytes,
      clientWaitMs: this.#clientWaitMs,
      headersAt: this.#headersAt,
      lastByteAt,
    };
    this.#resolve(keptBack === null ? result : { ...result, release: () => this.#sendAfterAll(result, keptBack) });
  }

  /** Of what nobody foresaw. */
  readonly #fail = (error: unknown): void => {
    if (!this.#settled) this.#letGo();
    this.#reject(error);
  };

  /** What it holds of what all calls share. */
  #letGo(): void {
    this.#settled = true;
    if (this.#drainTimer !== null) clearTimeout(this.#drainTimer);
    this.#drain?.end();
    this.#dropWaiting();
    this.#delivery.release();
  }

  #sendAfterAll(result: ExchangeResult, chunks: readonly Buffer[]): ExchangeResult {
    if (this.#options.reply.destroyed) return { ...result, clientGone: true };
    this.#sendHead(result.head!, result.reading);
    for (const chunk of chunks) this.#delivery.write(chunk);
    this.#delivery.end();
    return { ...result, answered: true };
  }
}

/** What a stream that we end ourselves says last. */
const LAST_WORDS: Partial<Record<Stop, { type: string; message: string }>> = {
  idle_timeout: { type: 'timeout_error', message: 'The provider sent nothing for too long; this stream was cut.' },
  drained: { type: 'api_error', message: 'The gateway is shutting down; this stream was cut.' },
};

function stopOf(error: Error & { code?: string }, sent: boolean): Stop {
  if (error.code === 'UND_ERR_HEADERS_TIMEOUT') return 'headers_timeout';
  if (error.code === 'UND_ERR_BODY_TIMEOUT') return 'idle_timeout';
  if (error.code === 'UPLOAD_CUT') return 'upload_cut';
  if (error.code === 'UPLOAD_TOO_LARGE') return 'upload_too_large';
  if (!sent) return 'connect_failed';
  return error.code === 'UND_ERR_HEADERS_OVERFLOW' || isNoHttp(error) ? 'garbled' : 'reset';
}

/** The client library's parser names no code for what it found. One that misses the rest says so too; that is a connection that broke. */
const isNoHttp = (error: Error): boolean => error instanceof errors.HTTPParserError && !error.message.includes('EOF');
