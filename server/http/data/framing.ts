// server/http/data/framing.ts: refuses requests that two parsers could read in two ways (RFC 9112 sections 3.2 and 6).

import type { IncomingMessage } from 'node:http';

/** What is wrong with the framing or the target, for the client; null when nothing is. Node's own parser has refused the rest. */
export function framingFault(request: IncomingMessage): string | null {
  let hosts = 0;
  const raw = request.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      if (raw[i + 1]!.toLowerCase() !== 'chunked') return 'A transfer-encoding other than "chunked" is not accepted.';
      if (request.httpVersionMinor === 0) return 'A transfer-encoding is not accepted with HTTP/1.0.';
    }
  }
  if (hosts > 1) return 'More than one Host header was sent.';
  return null;
}
