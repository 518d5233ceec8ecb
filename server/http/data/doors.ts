// server/http/data/doors.ts: further handles on the socket that the data port listens on, so that a busy event loop takes in more than one connection per round.

import { spawn } from 'node:child_process';
import type { Server } from 'node:net';
import type { Log } from '../../domain/observer.ts';

/**
 * The event loop accepts one connection per listening handle and round (libuv since 1.45). Rounds of 20 ms then let 50 new connections
 * in per second, and all others wait, even to be refused; with eight handles more it was 400 (measured). At four times the calls that
 * can be served, the slowest hundredth of refusals came after 10 s without, after 4.5 s with seven and after 2.8 s with this many more.
 */
const MORE = 31;

/**
 * Node cannot copy a handle within a process, but a handle that goes to a child and comes back is a copy: a child that lives for a
 * tenth of a second sends it back so many times. Where that fails, the port works as any other.
 */
const CHILD = `process.once('message', (count, server) => { for (let n = 0; n < count; n++) process.send('copy', server); process.send('all', () => process.exit()); })`;

export class Doors {
  readonly #server: Server;
  readonly #log: Log;
  readonly #copies: Server[] = [];
  #opened = false;
  #closed = false;

  constructor(server: Server, log: Log) {
    this.#server = server;
    this.#log = log;
  }

  /** Handles beside the server's own. */
  get copies(): number {
    return this.#copies.length;
  }

  /** Makes the copies, beside the calls; once, whoever asks how often. They stay: a loop that was late once will be again. */
  open(): void {
    if (this.#opened || this.#closed || !this.#server.listening) return;
    this.#opened = true;
    this.#copy();
  }

  /** Accepts no more through the copies. */
  close(): void {
    this.#closed = true;
    for (const copy of this.#copies) copy.close();
  }

  #copy(): void {
    const server = this.#server;
    // It needs nothing of ours, and no secret is in its environment.
    const child = spawn(process.execPath, ['-e', CHILD], { env: {}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    child.unref();
    child.channel?.unref();
    const fail = (code: string): void => this.#log.warn('one_connection_per_round', { code });
    child.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.name));
    child.on('exit', (code) => {
      if (code !== 0 && !this.#closed) fail(`exit ${code}`);
    });
    child.on('message', (_message, copy) => {
      if (copy === undefined) return;
      const door = copy as Server & { allowHalfOpen: boolean };
      if (this.#closed) return void door.close();
      // As the HTTP server has it: a client that closes its side still gets its answer.
      door.allowHalfOpen = true;
      door.on('connection', (socket) => {
        socket.setNoDelay(true);
        server.emit('connection', socket);
      });
      this.#copies.push(door);
    });
    child.send(MORE, server, (error) => {
      if (error !== null) child.kill();
    });
  }
}
