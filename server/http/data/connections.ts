// server/http/data/connections.ts: the sockets of clients: how many there are, what each is busy with, and which of them are too slow to keep.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { refused, type Refusal } from '../../domain/refusal.ts';

/** Why no more of a request body is waited for, as the client is told. */
export class BodyFault extends Error {
  override readonly name = 'BodyFault';
  readonly refusal: Refusal;

  /** @param why the refusal, or what is wrong with the body in words */
  constructor(why: Refusal | string) {
    super(typeof why === 'string' ? why : why.message);
    this.refusal = typeof why === 'string' ? refused('malformed', why).refusal : why;
  }
}

/** How often slow bodies are looked for. */
export const SWEEP_MS = 5_000;
/** A body has this long before its rate counts. */
const GRACE_MS = 10_000;

interface Line {
  readonly address: string;
  request: IncomingMessage | null;
  reply: ServerResponse | null;
  since: number;
  /** Of the socket, at the latest sweep. */
  bytesThen: number;
}

export interface ConnectionLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number | null;
  readonly bodyBytesPerSecond: number;
}

export class Connections {
  readonly #lines = new Map<Socket, Line>();
  readonly #byAddress = new Map<string, number>();
  readonly #limits: () => ConnectionLimits;
  readonly #monotonic: () => number;

  constructor(limits: () => ConnectionLimits, monotonic: () => number) {
    this.#limits = limits;
    this.#monotonic = monotonic;
  }

  get open(): number {
    return this.#lines.size;
  }

  /** Takes a new socket in; false when its address has as many as it may. */
  opened(socket: Socket): boolean {
    const address = socket.remoteAddress ?? '';
    const ofAddress = this.#byAddress.get(address) ?? 0;
    const { connectionsPerAddress } = this.#limits();
    if (connectionsPerAddress !== null && ofAddress >= connectionsPerAddress) return false;
    this.#byAddress.set(address, ofAddress + 1);
    this.#lines.set(socket, { address, request: null, reply: null, since: 0, bytesThen: 0 });
    socket.once('close', () => {
      this.#lines.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
    return true;
  }

  /** A request has begun on its socket. */
  began(request: IncomingMessage, reply: ServerResponse): void {
    const line = this.#lines.get(request.socket);
    if (line === undefined) return;
    line.request = request;
    line.reply = reply;
    line.since = this.#monotonic();
    line.bytesThen = request.socket.bytesRead;
  }

  /** The request on a socket that is not yet answered to its end; null when there is none. */
  busyWith(socket: Socket): { request: IncomingMessage; reply: ServerResponse } | null {
    const line = this.#lines.get(socket);
    if (!line?.request || !line.reply || line.reply.writableFinished) return null;
    return { request: line.request, reply: line.reply };
  }

  /**
   * Ends the bodies that came at less than the least rate since the sweep before. One that we hold back ourselves, because the provider
   * takes it slowly, is not slow.
   */
  sweep(sinceMs: number): void {
    const now = this.#monotonic();
    const least = (this.#limits().bodyBytesPerSecond * sinceMs) / 1_000;
    for (const [socket, line] of this.#lines) {
      const { request } = line;
      // Also one that was answered before it had all come, and of which the rest is thrown away.
      if (request === null || request.complete) continue;
      const came = socket.bytesRead - line.bytesThen;
      line.bytesThen = socket.bytesRead;
      if (now - line.since < GRACE_MS + sinceMs || came >= least || request.isPaused()) continue;
      if (!failBody(request, new BodyFault('The request body came too slowly, or not at all.'))) socket.destroy();
    }
  }

  /** Closes those that wait for their next request. Node's own function also closes those whose client has yet to read the end of its answer. */
  closeIdle(): void {
    for (const [socket, { request, reply }] of this.#lines) if (request?.complete === true && reply?.writableFinished === true) socket.destroy();
  }

  /** Ends the wait for all bodies that somebody still reads. */
  failBodies(why: Refusal): void {
    for (const { request } of this.#lines.values()) if (request !== null && !request.complete) failBody(request, new BodyFault(why));
  }

  /** Resolves when no answer that has begun is still on its way to its client, after `withinMs` at the latest. */
  async delivered(withinMs: number): Promise<void> {
    const onTheirWay = [...this.#lines.values()].flatMap(({ reply }) => (reply === null || !reply.headersSent || reply.writableFinished || reply.destroyed ? [] : [reply]));
    if (onTheirWay.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, withinMs)));
    await Promise.race([late, Promise.all(onTheirWay.map((reply) => new Promise<void>((resolve) => reply.once('close', resolve))))]);
    clearTimeout(timer);
  }
}

/**
 * Tells whoever reads a body that no more of it will come, the way a stream does, without taking the socket away: the answer needs it.
 * False when nobody reads it yet.
 */
export function failBody(request: IncomingMessage, fault: BodyFault): boolean {
  if (request.listenerCount('error') === 0) return false;
  request.emit('error', fault);
  return true;
}
