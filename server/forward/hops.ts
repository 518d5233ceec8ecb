// server/forward/hops.ts: keeps a gateway whose upstream leads back to itself from calling itself for ever.

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/**
 * Names the gateways that a call has passed, as `Via` would (RFC 9110 section 7.6.3), which some servers take as a reason to switch off
 * compression. The provider itself gets none: no loop leads through it.
 */
export const HOP_HEADER = 'x-gateway-hop';
const PROVIDER = 'https://api.anthropic.com';
const INSTANCE = randomBytes(8).toString('hex');

/** True when the call was here before, or has passed a gateway behind a gateway. */
export function loops(request: IncomingMessage): boolean {
  const hops = hopsOf(request);
  if (hops === undefined) return false;
  const passed = hops.split(',').map((hop) => hop.trim());
  return passed.includes(INSTANCE) || passed.length > 1;
}

/** The header for the next hop, as name and value; empty towards the provider. */
export function hopHeader(request: IncomingMessage, origin: string): readonly string[] {
  if (origin === PROVIDER) return [];
  const hops = hopsOf(request);
  return [HOP_HEADER, hops === undefined ? INSTANCE : `${hops}, ${INSTANCE}`];
}

/** Node joins repeated ones with a comma. */
const hopsOf = (request: IncomingMessage): string | undefined => request.headers[HOP_HEADER] as string | undefined;
