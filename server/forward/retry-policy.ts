// server/forward/retry-policy.ts: when a call may be tried again after the provider said no, and where. Pure.

import { headerOf } from './headers.ts';

/** As the SDKs have it: 0.5 s, doubled with each try up to 8 s, less up to a quarter. */
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 8_000;
/** Calls that were told the same second must not all come back in the same millisecond; never earlier than told. */
const SPREAD = 0.1;

/** What an answer says about coming back. */
export interface Advice {
  readonly status: number;
  /** Null where the provider named no time. */
  readonly retryAfterMs: number | null;
  /** `x-should-retry`; null where it was not sent. */
  readonly shouldRetry: boolean | null;
}

/**
 * When the place that answered so can be asked again, in milliseconds from now; Infinity: not for this call.
 * @param made tries of the call at any place so far
 * @param chance from 0 up to 1
 */
export function againAfterMs({ status, retryAfterMs, shouldRetry }: Advice, made: number, chance: number): number {
  if (shouldRetry === false) return Infinity;
  if (retryAfterMs !== null) return Math.ceil(retryAfterMs * (1 + SPREAD * chance));
  // A 429 without a time is a spend cap or the like, which no wait of ours outlasts.
  if (status === 429) return Infinity;
  return Math.ceil(Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (made - 1)) * (1 - 0.25 * chance));
}

/**
 * The place that can be asked soonest, the first of several; null when none can within `maxWaitMs`.
 * @param readyAt by place, milliseconds on one clock with `now`; Infinity: never
 */
export function soonest(readyAt: readonly number[], now: number, maxWaitMs: number): { readonly place: number; readonly waitMs: number } | null {
  let place = -1;
  let at = Infinity;
  for (let i = 0; i < readyAt.length; i++) {
    // What is past is all one: the order of the config decides.
    const ready = Math.max(readyAt[i]!, now);
    if (ready < at) [place, at] = [i, ready];
  }
  return place !== -1 && at - now <= maxWaitMs ? { place, waitMs: at - now } : null;
}

/** @param raw response headers: name, value, name, value… */
export function adviceOf(status: number, raw: readonly string[], now: number): Advice {
  const should = headerOf(raw, 'x-should-retry');
  return { status, retryAfterMs: retryAfterMs(headerOf(raw, 'retry-after-ms'), headerOf(raw, 'retry-after'), now), shouldRetry: should === 'true' ? true : should === 'false' ? false : null };
}

/** RFC 9110 section 10.2.3: seconds or a date. The header in milliseconds is what the SDKs read first. */
function retryAfterMs(millis: string | null, after: string | null, now: number): number | null {
  if (millis !== null && /^\d{1,10}(?:\.\d+)?$/.test(millis)) return Number(millis);
  if (after === null) return null;
  if (/^\d{1,8}(?:\.\d+)?$/.test(after)) return Number(after) * 1000;
  const at = Date.parse(after);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
