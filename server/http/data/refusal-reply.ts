// server/http/data/refusal-reply.ts: puts our own no on the wire, in the shape of the API's errors.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { exhaustedHeaders, isClaudeCode } from '../../admit/claude-code.ts';
import { REFUSALS, type Refusal } from '../../domain/refusal.ts';
import { lingerOn } from '../../forward/linger.ts';

/**
 * Longer waits than this are not for a client to sit out: some SDKs would sleep as long as they are told, others take a longer
 * `retry-after` for nonsense and come back after half a second. Source: the retry rules of the SDKs, measured.
 */
const LONGEST_WAIT_SECONDS = 60;

/** A body up to this size is sooner read and thrown away than its client has a new connection, which costs both far more than a refusal. */
const THROWN_AWAY_BYTES = 64 * 1024;

/** Whether a body is still to come that nobody wants: the connection ends with the answer, as the rest would be taken for the next request. */
function isUnread({ headers, complete }: IncomingMessage, keepsAlive: boolean): boolean {
  if (complete) return false;
  if (headers['transfer-encoding'] !== undefined) return true;
  const length = headers['content-length'];
  // One that waits to be asked for may come or not. Where the connection ends anyway, bytes that come after its end would reset it, and
  // the client might never read why.
  return length !== undefined && (!keepsAlive || Number(length) > THROWN_AWAY_BYTES || headers.expect !== undefined);
}

/**
 * Answers with a refusal. Clients read `error.message`, `request-id`, `retry-after` and `x-should-retry`; a retry-after that
 * is long never leaves without `x-should-retry: false`, because some SDKs would wait for days.
 */
export function sendRefusal(reply: ServerResponse, refusal: Refusal, requestId: string, tags: readonly string[]): void {
  if (reply.headersSent || reply.destroyed) return void reply.destroy();
  const kind = REFUSALS[refusal.reason];
  const body = JSON.stringify({ type: 'error', error: { type: kind.type, message: refusal.message }, request_id: requestId });
  const headers = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), 'request-id', requestId, 'x-tollgate-request-id', requestId, 'x-tollgate-refusal', refusal.reason, ...tags];
  if (kind.retry === 'never' || (refusal.retryAfterSeconds ?? 0) > LONGEST_WAIT_SECONDS) headers.push('x-should-retry', 'false');
  if (refusal.retryAfterSeconds !== null) headers.push('retry-after', String(refusal.retryAfterSeconds));
  if (refusal.budget !== undefined && isClaudeCode(reply.req.headers)) headers.push(...exhaustedHeaders(refusal.budget));
  const unread = isUnread(reply.req, reply.shouldKeepAlive);
  if (unread) headers.push('connection', 'close');
  reply.writeHead(kind.status, headers);
  if (!unread) return void reply.end(reply.req.method === 'HEAD' ? undefined : body);
  reply.write(body);
  lingerOn(reply);
}
