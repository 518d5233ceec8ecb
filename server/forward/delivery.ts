// server/forward/delivery.ts: the client's side of an answer: hands bytes over at the client's pace, and ends so that a broken answer looks broken.

import type { ServerResponse } from 'node:http';
import { lingerOn } from './linger.ts';

export interface DeliveryListener {
  /** There is room again after a `write` that returned false. */
  onRoom(): void;
  /** The client left before the end of the answer. */
  onGone(): void;
}

/** A last piece up to this size goes out in one write with its head: as text, since Node joins only text to a head. */
const JOINED_BYTES = 16 * 1024;

const LF = 10;
const CR = 13;

export class Delivery {
  /** True once the client has the head of the answer, so that it is too late for one of our own. */
  begun = false;
  gone = false;
  #closed = false;
  /** True for events in plain text, into which an event of ours can be put. */
  #speakable = false;
  #lastByte = LF;
  /** Whether `#onDrain` listens, which few answers need. */
  #listens = false;
  readonly #reply: ServerResponse;
  readonly #writeStallMs: number;
  readonly #listener: DeliveryListener;

  /** @param writeStallMs a client that takes nothing for this long is taken for gone */
  constructor(reply: ServerResponse, writeStallMs: number, listener: DeliveryListener) {
    this.#reply = reply;
    this.#writeStallMs = writeStallMs;
    this.#listener = listener;
    this.gone = reply.destroyed;
    reply.on('close', this.#onClose);
  }

  /** @param plainEvents whether the body is an event stream without a content-encoding */
  begin(status: number, statusMessage: string, headers: string[], plainEvents: boolean): void {
    if (this.gone) return;
    this.#reply.sendDate = false;
    // An upload that nobody reads to its end would be taken for the next request.
    if (!this.#reply.req.complete) headers.push('connection', 'close');
    this.#reply.writeHead(status, statusMessage, headers);
    this.begun = true;
    this.#speakable = plainEvents;
  }

  /** The first byte must not wait for a body that may be a minute away. */
  flush(): void {
    if (!this.gone) this.#reply.flushHeaders();
  }

  /** False when the client is slower than the provider: nothing more should come until `onRoom`. */
  write(chunk: Buffer): boolean {
    if (this.gone || chunk.length === 0) return true;
    this.#lastByte = chunk[chunk.length - 1]!;
    if (this.#reply.write(chunk)) return true;
    if (!this.#listens) {
      this.#listens = true;
      this.#reply.on('drain', this.#onDrain);
    }
    this.#watchForStall();
    return false;
  }

  /** The answer is whole. @param last its last piece, where that was not written */
  end(last: Buffer | null = null): void {
    if (this.gone) return;
    if (!this.#reply.req.complete) {
      if (last !== null) this.#reply.write(last);
      lingerOn(this.#reply);
    } else if (last === null) this.#reply.end();
    else if (last.length <= JOINED_BYTES) this.#reply.end(last.toString('latin1'), 'latin1');
    else this.#reply.end(last);
    // Until Node sets its own for the next request on the connection.
    if (this.#reply.writableLength > 0) this.#watchForStall();
  }

  /** The answer stays unfinished. A stream says why, where the client can read it; anything else just breaks off. */
  breakOff(why: { type: string; message: string } | null): void {
    if (this.gone || !this.begun) return;
    this.#watchForStall();
    // In the middle of a line our words would become part of the provider's.
    const betweenLines = this.#lastByte === LF || this.#lastByte === CR;
    if (why !== null && this.#speakable && betweenLines) {
      this.#reply.end(`\nevent: error\ndata: ${JSON.stringify({ type: 'error', error: why })}\n\n`);
      return;
    }
    // What was written still goes out; then the connection ends without the end that its framing promised.
    const { socket } = this.#reply;
    if (socket === null) this.#reply.destroy();
    else socket.destroySoon();
  }

  /** Nothing more will be done here; what was written goes out by itself. */
  release(): void {
    this.#closed = true;
    this.#reply.off('close', this.#onClose);
    if (this.#listens) this.#reply.off('drain', this.#onDrain);
  }

  /** Node's socket timeout counts from the last byte that the kernel took, and destroys the socket; see `net.Socket.setTimeout`. */
  #watchForStall(): void {
    this.#reply.socket?.setTimeout(this.#writeStallMs);
  }

  readonly #onDrain = (): void => {
    // While the provider is silent, the client has nothing to take.
    this.#reply.socket?.setTimeout(0);
    this.#listener.onRoom();
  };

  readonly #onClose = (): void => {
    if (this.#closed || this.#reply.writableFinished) return;
    this.gone = true;
    this.#listener.onGone();
  };
}
