// server/http/data/refusal-reply.ts: puts our own no on the wire, in the shape of the API's errors.

import type { ServerResponse } from 'node:http';
import { exhaustedHeaders, isClaudeCode } from '../../admit/claude-code.ts';
import { REFUSALS, type Refusal } from '../../domain/refusal.ts';
import { lingerOn } from '../../forward/linger.ts';

/**
 * Longer waits than this are not for a client to sit out: some SDKs would sleep as long as they are told, others take a longer
 * `retry-after` for nonsense and come back after half a second. Source: the retry rules of the SDKs, measured.
 */
const LONGEST_WAIT_SECONDS = 60;

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
  // What was sent of a body that we will not read would be taken for the next request.
  const { headers: asked, complete } = reply.req;
  const unread = !complete && (asked['content-length'] !== undefined || asked['transfer-encoding'] !== undefined);
  if (unread) headers.push('connection', 'close');
  reply.writeHead(kind.status, headers);
  if (!unread) return void reply.end(reply.req.method === 'HEAD' ? undefined : body);
  reply.write(body);
  lingerOn(reply);
}
