// server/http/admin/session.ts: signing in: who holds the admin token, by bearer or by a session cookie, and how wrong guesses are slowed down.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { HOUR_MS, MINUTE_MS } from '../../domain/durations.ts';
import { epochMs, type Clock, type EpochMs } from '../../domain/ids.ts';
import { AdminError } from './errors.ts';

export const COOKIE = 'tollgate_session';
export const SESSION_MS = 12 * HOUR_MS;
const MOST_SESSIONS = 1_000;
const MOST_ADDRESSES = 10_000;
const FREE_FAILURES = 5;
const LONGEST_WAIT_MS = 15 * MINUTE_MS;

export interface Session {
  /** For the audit log; says nothing about the secret. */
  readonly name: string;
  readonly expiresAt: EpochMs;
  /** Of the token that it was opened with: another token in the config ends it. */
  readonly tokenDigest: Buffer;
}

export interface Sessions {
  /** A new secret at every sign-in, so that a planted cookie is worth nothing. */
  open(token: string): { readonly secret: string; readonly session: Session };
  /** Null for an unknown or expired session, or one of a former token. */
  find(secret: string, token: string): Session | null;
  close(secret: string): void;
  /** Compares in constant time, whatever the lengths. */
  same(given: string, token: string): boolean;
  digest(text: string): Buffer;
}

export function createSessions(clock: Clock): Sessions {
  // Keyed with a secret of this process: what is kept in memory cannot be tried against a word list later.
  const pepper = randomBytes(32);
  const digest = (text: string): Buffer => createHmac('sha256', pepper).update(text).digest();
  const sessions = new Map<string, Session>();
  const id = (secret: string): string => digest(secret).toString('hex');
  return {
    digest,
    same: (given, token) => timingSafeEqual(digest(given), digest(token)),
    open(token) {
      const now = clock.now();
      for (const [key, session] of sessions) if (session.expiresAt <= now || sessions.size >= MOST_SESSIONS) sessions.delete(key);
      const secret = randomBytes(32).toString('base64url');
      const session = { name: `session:${id(secret).slice(0, 8)}`, expiresAt: epochMs(now + SESSION_MS), tokenDigest: digest(token) };
      sessions.set(id(secret), session);
      return { secret, session };
    },
    find(secret, token) {
      const session = sessions.get(id(secret));
      if (!session || session.expiresAt <= clock.now() || !timingSafeEqual(session.tokenDigest, digest(token))) return null;
      return session;
    },
    close: (secret) => void sessions.delete(id(secret)),
  };
}

interface Trouble {
  failures: number;
  /** On the monotonic clock, milliseconds. */
  until: number;
  /** The latest failure, likewise. */
  lastAt: number;
  /** The latest wrong secrets, as digests. */
  readonly seen: string[];
}

export interface Throttle {
  /** @throws AdminError 429 while the address has to wait */
  check(address: string): void;
  /** `repeats`: whether the same wrong secret counts again; for a scraper with an old token it does not. */
  failed(address: string, digest: Buffer, repeats: boolean): void;
  succeeded(address: string): void;
}

/** After five wrong guesses an address waits a second, then twice as long each time, up to a quarter of an hour; a quarter of an hour of quiet is forgiven. Others do not wait. */
export function createThrottle(clock: Clock): Throttle {
  const troubles = new Map<string, Trouble>();
  return {
    check(address) {
      const waitMs = (troubles.get(network(address))?.until ?? 0) - clock.monotonic();
      if (waitMs <= 0) return;
      const seconds = Math.ceil(waitMs / 1000);
      throw new AdminError(429, 'too_many_attempts', `Too many wrong tokens from this address. Try again in ${seconds} s.`, seconds);
    },
    failed(address, digest, repeats) {
      const key = network(address);
      const known = troubles.get(key);
      const trouble = known && clock.monotonic() - Math.max(known.lastAt, known.until) <= LONGEST_WAIT_MS ? known : { failures: 0, until: 0, lastAt: 0, seen: [] };
      const hex = digest.toString('hex');
      if (!repeats && trouble.seen.includes(hex)) return;
      trouble.seen.push(hex);
      if (trouble.seen.length > 8) trouble.seen.shift();
      trouble.failures++;
      trouble.lastAt = clock.monotonic();
      if (trouble.failures >= FREE_FAILURES) trouble.until = clock.monotonic() + Math.min(LONGEST_WAIT_MS, 1000 * 2 ** (trouble.failures - FREE_FAILURES));
      // Set anew, so that the address in trouble longest ago is the first to be forgotten.
      troubles.delete(key);
      troubles.set(key, trouble);
      const oldest = troubles.keys().next();
      if (troubles.size > MOST_ADDRESSES && !oldest.done) troubles.delete(oldest.value);
    },
    succeeded: (address) => void troubles.delete(network(address)),
  };
}

/** An IPv6 customer owns 2^64 addresses, so those are one. */
export function network(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? left : [...left, ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0'), ...right];
  return groups.slice(0, 4).join(':');
}

/** The value of our cookie; null when it was not sent. */
export function sessionCookie(header: string | undefined): string | null {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === COOKIE) return pair.slice(at + 1).trim();
  }
  return null;
}
