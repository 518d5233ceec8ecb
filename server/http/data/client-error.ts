// server/http/data/client-error.ts: answers what Node's parser refuses, and methods that are none of ours, in the API's shape and with a closed socket.

import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { epochMs } from '../../domain/ids.ts';
import { REFUSALS } from '../../domain/refusal.ts';
import { newCallId } from './call-id.ts';
import { BodyFault, failBody, type Connections } from './connections.ts';

/** For `clientError`: the bytes of a request could not be read. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, connections: Connections): void {
  if (!socket.writable) return void socket.destroy();
  const busy = connections.busyWith(socket as Socket);
  if (busy !== null) {
    const { request, reply } = busy;
    if (!request.complete && !reply.headersSent) {
      if (!failBody(request, new BodyFault('The request body is not what its framing says.'))) answerRaw(socket, 400, 'Bad Request');
      return;
    }
    // What came behind a request that is being answered: the answer still belongs to its client, and is the last on this socket.
    reply.shouldKeepAlive = false;
    reply.once('finish', () => (socket as Socket).destroySoon());
    return;
  }
  // More bytes behind a request that was to be the last: that request has had its answer, and a second one would belong to nobody.
  if (error.code === 'HPE_CLOSED_CONNECTION') return (socket as Socket).destroySoon();
  if (error.code === 'HPE_HEADER_OVERFLOW') return answerRaw(socket, 431, 'Request Header Fields Too Large');
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return answerRaw(socket, 408, 'Request Timeout');
  answerRaw(socket, 400, 'Bad Request');
}

/** A client has this long to take its answer and close its side: nobody reads from it any more, so that it would keep its place for ever. */
const CLOSING_MS = 2_000;

/** Writes an answer to a socket that has no reply, and closes it. */
export function answerRaw(socket: Duplex, status: number, reason: string): void {
  const id = newCallId(epochMs(Date.now()));
  const body = JSON.stringify({ type: 'error', error: { type: REFUSALS.malformed.type, message: `${reason}: this is not a request that the gateway takes.` }, request_id: id });
  socket.on('error', () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), CLOSING_MS).unref();
  socket.once('close', () => clearTimeout(timer));
  // What still comes is thrown away: an end that nobody reads is never seen.
  socket.resume();
  socket.end(`HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nrequest-id: ${id}\r\nx-tollgate-request-id: ${id}\r\nx-tollgate-refusal: malformed\r\nx-should-retry: false\r\nconnection: close\r\n\r\n${body}`);
}
