// server/forward/interim.ts: takes `100 Continue` out of what the provider sends, because the HTTP client under us takes it for an error.

import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/**
 * A server may send `100 Continue` unasked, any number of times, before its final answer (RFC 9110 section 15.2: a client must be able
 * to parse it, even if it does not expect one). undici reads 102 and 103 past, but ends the connection on 100. So the bytes of it are
 * taken out on their way from the socket to its parser, and only where an answer can begin: after a request head was written.
 */
const CONTINUE = Buffer.from('HTTP/1.1 100');
const HEAD_END = Buffer.from('\r\n\r\n');
/** Longer than any interim head that means no harm; what goes on longer is left to the parser to refuse. */
const INTERIM_BYTES = 8_192;

/** Null once the answer has begun; until then, what came of a head that is not yet known for a 100. */
const waiting = new WeakMap<Socket, { held: Buffer | null }>();
const guarded = new WeakSet<Socket>();

subscribe('undici:client:sendHeaders', (message) => {
  const { socket } = message as { socket: Socket };
  // The same channel tells of requests that others make with undici; theirs are not our sockets.
  if (guarded.has(socket)) waiting.set(socket, { held: null });
});

/** Makes `read` of a socket to the provider leave out every 100 in front of an answer. */
export function withoutContinue(socket: Socket): Socket {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  guarded.add(socket);
  socket.read = (size?: number): Buffer | null => {
    const chunk = read(size);
    const state = waiting.get(socket);
    if (state === undefined || chunk === null) return chunk;
    const bytes = state.held === null ? chunk : Buffer.concat([state.held, chunk]);
    const rest = afterContinues(bytes);
    if (rest === null) state.held = bytes;
    else if (rest.length === 0) state.held = null;
    else {
      waiting.delete(socket);
      return rest;
    }
    return null;
  };
  return socket;
}

/** What stands behind all the 100s at the front; empty when that is nothing yet, null when the front may still become a 100. */
export function afterContinues(bytes: Buffer): Buffer | null {
  let at = 0;
  while (at < bytes.length) {
    const seen = Math.min(CONTINUE.length, bytes.length - at);
    if (bytes.compare(CONTINUE, 0, seen, at, at + seen) !== 0) return bytes.subarray(at);
    const end = bytes.indexOf(HEAD_END, at);
    if (end === -1) return bytes.length - at > INTERIM_BYTES ? bytes.subarray(at) : null;
    at = end + HEAD_END.length;
  }
  return bytes.subarray(at);
}
