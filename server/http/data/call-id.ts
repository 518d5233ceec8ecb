// server/http/data/call-id.ts: names for calls that sort by time.

import { randomFillSync } from 'node:crypto';
import type { CallId } from '../../domain/ids.ts';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const pool = Buffer.alloc(16 * 256);
let used = pool.length;
const ALPHABET = Buffer.from(CROCKFORD);
const room = Buffer.alloc(16);
/** The ten characters of the millisecond, kept while it lasts. */
let stamp = '';
let stampedAt = -1;

/** `req_` and a ULID: 48 bits of milliseconds, 80 random bits, in Crockford's base 32. Two calls of one millisecond are in no order. */
export function newCallId(now: number): CallId {
  if (used + 16 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  if (now !== stampedAt) {
    stamp = 'req_';
    for (let shift = 45; shift >= 0; shift -= 5) stamp += CROCKFORD[Math.floor(now / 2 ** shift) % 32];
    stampedAt = now;
  }
  // One random byte gives one character; its upper three bits go unused.
  for (let i = 0; i < 16; i++) room[i] = ALPHABET[pool[used++]! & 31]!;
  return (stamp + room.toString('latin1')) as CallId;
}
