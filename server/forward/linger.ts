// server/forward/linger.ts: ends an answer that came before its request had been read to the end.

import type { ServerResponse } from 'node:http';

const LINGER_MS = 2_000;

/**
 * Ends a reply whose body has been written, throwing away what the client still sends, for two seconds at most. To close at once would
 * make the kernel answer the rest of the upload with a reset, which can overtake the answer (RFC 9112 section 9.6). The head must carry
 * `connection: close` and tell the body's length, so that the client knows the answer to be whole; a chunked one is ended at once, for
 * the last chunk is what tells.
 */
export function lingerOn(reply: ServerResponse): void {
  if (reply.chunkedEncoding) return void reply.end();
  const { req } = reply;
  const finish = (): void => {
    clearTimeout(timer);
    req.off('end', finish).off('close', finish);
    reply.end();
  };
  const timer = setTimeout(finish, LINGER_MS);
  req.on('end', finish).on('close', finish);
  req.resume();
}
