// server/http/data/framing.ts: refuses requests that two parsers could read in two ways (RFC 9112 sections 3.2 and 6).

import type { IncomingMessage, ServerResponse } from 'node:http';

const ZERO = 48;
/** A list, a path, a user: what some readers take for part of a host, and others for its end. */
const NO_HOST = /[\s,/\\@?#]/;

/** What is wrong with the framing, for the client; null when nothing is. Node's own parser has refused the rest. */
export function framingFault(request: IncomingMessage, reply: ServerResponse): string | null {
  if (request.httpVersionMajor !== 1 || request.httpVersionMinor > 1) return 'This port speaks HTTP/1.1.';
  let hosts = 0;
  let body = false;
  const raw = request.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.length === 4) {
      if (name.toLowerCase() !== 'host') continue;
      hosts++;
      if (NO_HOST.test(raw[i + 1]!)) return 'The Host header is not a host.';
    } else if (name.length === 14) {
      if (name.toLowerCase() !== 'content-length') continue;
      const length = raw[i + 1]!;
      // Octal to one reader, decimal to the next.
      if (length.length > 1 && length.charCodeAt(0) === ZERO) return 'A content-length with leading zeros is not accepted.';
      body = length !== '0';
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      if (raw[i + 1]!.toLowerCase() !== 'chunked') return 'A transfer-encoding other than "chunked" is not accepted.';
      if (request.httpVersionMinor === 0) return 'A transfer-encoding is not accepted with HTTP/1.0.';
      body = true;
    }
  }
  // RFC 9112 section 3.2; Node would say so itself, though without a word.
  if (hosts === 0 && request.httpVersionMinor === 1) return 'The Host header is missing.';
  if (hosts > 1) return 'More than one Host header was sent.';
  // It has no meaning there, and some servers take it for the next request (RFC 9110 section 9.3.1).
  if (body && request.method !== 'POST' && request.method !== 'PUT' && request.method !== 'PATCH') return `A body is not accepted with ${request.method}.`;
  // Answers go out in the order of the requests; what waits behind another would not notice its client leaving.
  if (reply.socket === null) return 'A request was sent before the answer to the one before it. Wait for it, or use another connection.';
  return null;
}
