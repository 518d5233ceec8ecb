// test/long/open-loop.ts: more calls than a gateway can serve, sent at fixed times whatever its answers do, and a provider that costs next to nothing. Both speak bare sockets, so that they have room to spare where the gateway has none.

import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');

/** A provider that answers each call with the same pieces, one at every tick; the first with the head. */
export interface Provider {
  readonly url: string;
  /** Calls that reached it. */
  readonly seen: () => number;
  close(): Promise<void>;
}

/** @param pieces each sent as one write, `everyMs` apart; all at once where there is one */
export async function startProvider(pieces: readonly Buffer[], everyMs: number): Promise<Provider> {
  let seen = 0;
  const sockets = new Set<Socket>();
  const streaming = new Map<Socket, number>();
  const tick = setInterval(() => {
    for (const [socket, at] of streaming) {
      socket.write(pieces[at]!);
      if (at + 1 === pieces.length) streaming.delete(socket);
      else streaming.set(socket, at + 1);
    }
  }, everyMs);
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      streaming.delete(socket);
    });
    socket.on('error', () => undefined);
    const request = new MessageReader(() => {
      seen++;
      socket.write(pieces[0]!);
      if (pieces.length > 1) streaming.set(socket, 1);
    });
    socket.on('data', (chunk: Buffer) => request.take(chunk));
  }).listen(0, '127.0.0.1', 4_096);
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: () => seen,
    async close() {
      clearInterval(tick);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Finds the ends of messages that follow one another on a connection: with a `content-length`, or in chunks whose last one ends a write. */
class MessageReader {
  #head: Buffer | null = null;
  /** Bytes of the body that are still to come; -1 where it comes in chunks, -2 between two messages. */
  #left = -2;
  #status = 0;
  #closes = false;
  readonly #onEnd: (status: number, closes: boolean) => void;

  constructor(onEnd: (status: number, closes: boolean) => void) {
    this.#onEnd = onEnd;
  }

  take(chunk: Buffer): void {
    let rest = chunk;
    if (this.#left === -2) {
      const all = this.#head === null ? chunk : Buffer.concat([this.#head, chunk]);
      const end = all.indexOf(HEAD_END);
      if (end < 0) return void (this.#head = all);
      this.#head = null;
      const head = all.toString('latin1', 0, end);
      this.#status = Number(head.slice(9, 12));
      this.#closes = /\r\nconnection: close/i.test(head);
      const length = /\r\ncontent-length: (\d+)/i.exec(head);
      this.#left = length !== null ? Number(length[1]) : /\r\ntransfer-encoding: chunked/i.test(head) ? -1 : 0;
      rest = all.subarray(end + 4);
    }
    if (this.#left === -1) {
      if (!(rest.length >= 5 && rest.toString('latin1', rest.length - 5) === '0\r\n\r\n')) return;
    } else {
      this.#left -= rest.length;
      if (this.#left > 0) return;
    }
    this.#left = -2;
    this.#onEnd(this.#status, this.#closes);
  }
}

/** What became of the calls of a run. */
export interface Tally {
  offered: number;
  /** Answered with 200, whole, within the deadline. */
  good: number;
  /** As good, but too late. */
  late: number;
  refused: number;
  /** Given up by the client, which had no connection free within the deadline. */
  unsent: number;
  /** Neither an answer nor a refusal: a broken connection. */
  broken: number;
  /** Every call that was not answered yet when the run was looked at. */
  open: number;
  /** Of refusals, in ms. */
  readonly refusalMs: number[];
  readonly goodMs: number[];
}

const none = (): Tally => ({ offered: 0, good: 0, late: 0, refused: 0, unsent: 0, broken: 0, open: 0, refusalMs: [], goodMs: [] });

/** Clients of one gateway, on connections that they keep for as long as it lets them; with a bound, as every client has. */
export class Clients {
  readonly #port: number;
  readonly #message: Buffer;
  readonly #deadlineMs: number;
  readonly #mostConnections: number;
  readonly #idle: Connection[] = [];
  /** Calls that wait for a connection, oldest first. */
  #waiting: Waiting[] = [];
  readonly #all = new Set<Socket>();
  /** Connections opened so far. */
  opened = 0;
  tally = none();

  constructor(url: string, message: Buffer, { deadlineMs, mostConnections }: { deadlineMs: number; mostConnections: number }) {
    this.#port = Number(new URL(url).port);
    this.#message = message;
    this.#deadlineMs = deadlineMs;
    this.#mostConnections = mostConnections;
  }

  /** Sends one call; resolves with its end, however it ends. */
  send(): Promise<void> {
    const { tally } = this;
    tally.offered++;
    tally.open++;
    const call = { at: performance.now(), tally };
    return new Promise((resolve) => {
      const waiting: Waiting = { ...call, resolve };
      const connection = this.#idle.pop() ?? (this.#all.size < this.#mostConnections ? this.#connect() : null);
      if (connection === null) this.#waiting.push(waiting);
      else this.#sendOn(connection, waiting);
    });
  }

  #sendOn(connection: Connection, { at, tally, resolve }: Waiting): void {
    connection.ended = (status, closes) => {
      const ms = performance.now() - at;
      tally.open--;
      if (status === 200 && ms <= this.#deadlineMs) {
        tally.good++;
        tally.goodMs.push(ms);
      } else if (status === 200) tally.late++;
      else if (status === 503) {
        tally.refused++;
        tally.refusalMs.push(ms);
      } else tally.broken++;
      connection.ended = null;
      if (status <= 0 || closes) connection.socket.destroy();
      else this.#free(connection);
      resolve();
    };
    connection.socket.write(this.#message);
  }

  #free(connection: Connection): void {
    const now = performance.now();
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) return void this.#idle.push(connection);
      if (now - next.at <= this.#deadlineMs) return this.#sendOn(connection, next);
      next.tally.open--;
      next.tally.unsent++;
      next.resolve();
    }
  }

  /** As many calls at once as told, each followed by another, for so long. */
  async closedLoop(atOnce: number, ms: number): Promise<Tally> {
    this.tally = none();
    const { tally } = this;
    const until = performance.now() + ms;
    const again = async (): Promise<void> => {
      while (performance.now() < until) await this.send();
    };
    await Promise.all(Array.from({ length: atOnce }, again));
    return tally;
  }

  /** Calls at a fixed rate for so long; resolves at the end of that time, with what is known by then. Those still open are told apart. */
  async openLoop(perSecond: number, ms: number): Promise<Tally> {
    this.tally = none();
    const start = performance.now();
    const total = Math.round((perSecond * ms) / 1_000);
    for (let sent = 0; sent < total; ) {
      const due = Math.min(total, Math.floor(((performance.now() - start) / 1_000) * perSecond) + 1);
      for (; sent < due; sent++) void this.send();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return this.tally;
  }

  /** Resolves when every call has its end. */
  async allEnded(): Promise<void> {
    while (this.tally.open > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  close(): void {
    for (const socket of this.#all) socket.destroy();
  }

  #connect(): Connection {
    this.opened++;
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    const connection: Connection = { socket, ended: null };
    this.#all.add(socket);
    const reader = new MessageReader((status, closes) => connection.ended?.(status, closes));
    socket.on('data', (chunk: Buffer) => reader.take(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#all.delete(socket);
      const idle = this.#idle.indexOf(connection);
      if (idle >= 0) this.#idle.splice(idle, 1);
      connection.ended?.(0, true);
    });
    return connection;
  }
}

interface Waiting {
  readonly at: number;
  readonly tally: Tally;
  readonly resolve: () => void;
}

interface Connection {
  readonly socket: Socket;
  ended: ((status: number, closes: boolean) => void) | null;
}
