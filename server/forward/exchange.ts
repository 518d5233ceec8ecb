// server/forward/exchange.ts: one attempt at the provider: sends the call, relays the answer as it comes, hands the meter a copy.

import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Meter } from '../domain/meter.ts';
import type { Reading } from '../domain/usage.ts';
import type { UpstreamCredential } from '../domain/call.ts';
import { headerOf, responseHeaders } from './headers.ts';
import type { Stop } from './outcome.ts';
import type { Upstream } from './upstream.ts';

/** A JSON answer up to this size waits for its end, so that its cost can stand in a header; a larger one goes out as it comes. */
const HELD_ANSWER_BYTES = 8 * 1024 * 1024;
/** A client that takes nothing for this long is taken for gone. */
const WRITE_STALL_MS = 60_000;

export interface Outgoing {
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
  readonly monotonic: () => number;
  /** Opens the meter once the response headers are known; null for an answer that nobody meters. */
  readonly openMeter: (head: ResponseHead) => Meter | null;
  /** Headers of ours for the client. `reading` is null when the answer is relayed before it is whole. */
  readonly extraHeaders: (head: ResponseHead, reading: Reading | null) => readonly string[];
  /** Whether to read on when the client leaves, so that the usage is known exactly. */
  readonly drainAfterAbort: (head: ResponseHead | null) => boolean;
}

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
  /** Milliseconds on the monotonic clock; null when no headers came. */
  readonly headersAt: number | null;
  readonly lastByteAt: number;
}

/** A call on the wire, which can be told to stop. */
export interface Exchange {
  readonly result: Promise<ExchangeResult>;
  /** The gateway is going down and can wait no longer: a stream gets an error event, and the exchange ends. */
  drain(): void;
}

export function openExchange(outgoing: Outgoing, options: ExchangeOptions): Exchange {
  const exchange = new RunningExchange(outgoing, options);
  exchange.start();
  return exchange;
}

class RunningExchange implements Exchange {
  readonly result: Promise<ExchangeResult>;
  #resolve!: (result: ExchangeResult) => void;
  #controller: Dispatcher.DispatchController | null = null;
  #head: ResponseHead | null = null;
  #meter: Meter | null = null;
  /** Chunks of an answer that waits for its cost; null once bytes go straight through. */
  #waiting: Buffer[] | null = null;
  #waitingBytes = 0;
  #responseBytes = 0;
  #sent = false;
  #answered = false;
  #clientGone = false;
  #clientMissed = false;
  #stop: Stop | null = null;
  #settled = false;
  #headersAt: number | null = null;
  #stallTimer: NodeJS.Timeout | null = null;
  readonly #outgoing: Outgoing;
  readonly #options: ExchangeOptions;
  readonly #reply: ServerResponse;

  constructor(outgoing: Outgoing, options: ExchangeOptions) {
    this.#outgoing = outgoing;
    this.#options = options;
    this.#reply = options.reply;
    this.result = new Promise((resolve) => (this.#resolve = resolve));
  }

  start(): void {
    const { upstream } = this.#options;
    this.#reply.on('close', this.#onClientClose);
    this.#reply.on('drain', this.#onClientDrain);
    if (this.#reply.destroyed) this.#onClientClose();
    upstream.dispatch(
      {
        path: this.#outgoing.path,
        method: this.#outgoing.method as Dispatcher.HttpMethod,
        headers: this.#outgoing.headers,
        body: this.#outgoing.body,
        headersTimeout: this.#outgoing.headersTimeoutMs,
        bodyTimeout: upstream.settings.idleTimeoutMs,
      },
      {
        onRequestStart: (controller) => {
          this.#controller = controller;
          // The client left, or we are going down, while the call waited for a socket: it was never sent.
          if (this.#stop !== null) return controller.abort(new Error('stopped before it was sent'));
          this.#sent = true;
        },
        onResponseStart: (controller, status, _headers, statusMessage) => this.#onHead(controller, status, statusMessage ?? ''),
        onResponseData: (controller, chunk) => this.#onChunk(controller, chunk),
        onResponseEnd: () => void this.#onEnd(),
        onResponseError: (_controller, error) => void this.#onError(error),
      },
    );
  }

  drain(): void {
    if (this.#settled) return;
    if (this.#head?.streamed && !this.#reply.writableEnded && !this.#clientGone) {
      this.#reply.write(`event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'api_error', message: 'The gateway is shutting down; this stream was cut.' } })}\n\n`);
    }
    this.#abort('drained');
  }

  #onHead(controller: Dispatcher.DispatchController, status: number, statusMessage: string): void {
    if (status < 200) return; // Interim answers (1xx) end here: only the final one is the client's.
    this.#headersAt = this.#options.monotonic();
    const raw = decodeHeaders(controller.rawHeaders as Buffer[] | string[]);
    const type = (headerOf(raw, 'content-type') ?? '').toLowerCase();
    const streamed = type.startsWith('text/event-stream');
    const head: ResponseHead = { status, statusMessage, raw, streamed, jsonOrStream: streamed || type.includes('json') };
    this.#head = head;
    this.#meter = this.#options.openMeter(head);
    if (this.#meter !== null && !streamed && status < 400) {
      this.#waiting = [];
      return;
    }
    this.#sendHead(head, null);
    // The first byte must not wait for a body that may be a minute away.
    if (!this.#clientGone) this.#reply.flushHeaders();
  }

  #sendHead(head: ResponseHead, reading: Reading | null): void {
    if (this.#clientGone) return;
    const headers = responseHeaders(head.raw, this.#outgoing.credential);
    headers.push(...this.#options.extraHeaders(head, reading));
    this.#reply.sendDate = false;
    this.#reply.writeHead(head.status, head.statusMessage, headers);
    this.#answered = true;
  }

  #onChunk(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#responseBytes += chunk.length;
    if (this.#clientGone) this.#clientMissed = true;
    if (this.#waiting !== null) {
      this.#waiting.push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes > HELD_ANSWER_BYTES) this.#releaseWaiting(null);
    } else if (!this.#clientGone) {
      this.#write(controller, chunk);
    }
    this.#meter?.tap(chunk);
  }

  #write(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#reply.write(chunk)) return;
    controller.pause();
    this.#stallTimer = setTimeout(() => this.#reply.destroy(), WRITE_STALL_MS);
    this.#stallTimer.unref();
  }

  #releaseWaiting(reading: Reading | null): void {
    const chunks = this.#waiting ?? [];
    this.#waiting = null;
    if (this.#clientGone || this.#head === null) return;
    this.#sendHead(this.#head, reading);
    for (const chunk of chunks) this.#reply.write(chunk);
  }

  readonly #onClientDrain = (): void => {
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer);
    this.#stallTimer = null;
    this.#controller?.resume();
  };

  readonly #onClientClose = (): void => {
    if (this.#settled || this.#reply.writableFinished) return;
    this.#clientGone = true;
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer);
    if (this.#options.drainAfterAbort(this.#head)) this.#controller?.resume();
    else this.#abort('cut');
  };

  #abort(stop: Stop): void {
    if (this.#stop !== null) return;
    this.#stop = stop;
    // Without a controller the call waits for a socket, and ends when it gets one.
    this.#controller?.abort(new Error(stop));
  }

  async #onEnd(): Promise<void> {
    const lastByteAt = this.#options.monotonic();
    const reading = (await this.#meter?.close(true)) ?? null;
    if (this.#waiting !== null) this.#releaseWaiting(reading);
    if (!this.#clientGone) this.#reply.end();
    this.#finish('whole', reading, null, lastByteAt);
  }

  async #onError(error: Error & { code?: string }): Promise<void> {
    const lastByteAt = this.#options.monotonic();
    const reading = (await this.#meter?.close(false)) ?? null;
    const stop = this.#stop ?? stopOf(error, this.#sent);
    // What came goes to the client, and then the connection ends without a proper close: a broken answer must look broken.
    if (this.#waiting !== null && this.#waiting.length > 0) this.#releaseWaiting(null);
    this.#waiting = null;
    if (this.#answered && !this.#clientGone) {
      if (stop === 'idle_timeout' && this.#head?.streamed) {
        this.#reply.end(`event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'timeout_error', message: 'The provider sent nothing for too long; this stream was cut.' } })}\n\n`);
      } else if (stop === 'drained') this.#reply.end();
      else this.#breakOff();
    }
    this.#finish(stop, reading, this.#stop === null ? (error.code ?? error.name) : null, lastByteAt);
  }

  /** What was written still goes out; then the connection ends without the end that its framing promised. */
  #breakOff(): void {
    const { socket } = this.#reply;
    if (socket === null || socket.writableLength === 0) return void this.#reply.destroy();
    const stalled = setTimeout(() => this.#reply.destroy(), WRITE_STALL_MS);
    this.#reply.once('close', () => clearTimeout(stalled));
    socket.destroySoon();
  }

  #finish(stop: Stop, reading: Reading | null, errorCode: string | null, lastByteAt: number): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#reply.off('close', this.#onClientClose);
    this.#reply.off('drain', this.#onClientDrain);
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer);
    this.#resolve({
      stop,
      head: this.#head,
      reading,
      sent: this.#sent,
      answered: this.#answered,
      clientGone: this.#clientGone,
      clientMissed: this.#clientMissed,
      errorCode,
      responseBytes: this.#responseBytes,
      headersAt: this.#headersAt,
      lastByteAt,
    });
  }
}

function stopOf(error: Error & { code?: string }, sent: boolean): Stop {
  if (error.code === 'UND_ERR_HEADERS_TIMEOUT') return 'headers_timeout';
  if (error.code === 'UND_ERR_BODY_TIMEOUT') return 'idle_timeout';
  return sent ? 'reset' : 'connect_failed';
}

/** Header bytes are Latin-1 on the wire (RFC 9110 section 5.5); anything else would change them. */
function decodeHeaders(raw: readonly (Buffer | string)[]): string[] {
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
}
