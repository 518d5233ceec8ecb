// test/standin/limits.ts: the API's rate limits: token buckets that refill continuously, per model family, told in headers.

import { ApiError } from './errors.ts';

/** Per minute. */
export interface StandinLimits {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The `Scale` tier of the API, as published in August 2026. */
export const SCALE_TIER: StandinLimits = { requests: 10_000, inputTokens: 10_000_000, outputTokens: 2_000_000 };

interface Bucket {
  readonly limit: number;
  level: number;
  at: number;
}

export interface RateLimits {
  /** Takes one request. @throws ApiError 429 when a bucket is empty and limits are enforced */
  take(family: string): void;
  /** Draws tokens; cache reads are free of it. May overdraw: the next `take` then waits. */
  draw(family: string, inputTokens: number, outputTokens: number): void;
  headers(family: string): Record<string, string>;
}

const KINDS = ['requests', 'inputTokens', 'outputTokens'] as const;
const HEADER = { requests: 'requests', inputTokens: 'input-tokens', outputTokens: 'output-tokens' } as const;

/** @param enforce false: the headers move, nobody is refused */
export function openRateLimits(limits: StandinLimits, enforce: boolean, now: () => number): RateLimits {
  const families = new Map<string, Record<(typeof KINDS)[number], Bucket>>();
  const bucketsOf = (family: string) => {
    let buckets = families.get(family);
    if (!buckets) {
      const full = (limit: number): Bucket => ({ limit, level: limit, at: now() });
      buckets = { requests: full(limits.requests), inputTokens: full(limits.inputTokens), outputTokens: full(limits.outputTokens) };
      families.set(family, buckets);
    }
    for (const kind of KINDS) refill(buckets[kind], now());
    return buckets;
  };

  return {
    take(family) {
      const buckets = bucketsOf(family);
      const empty = KINDS.find((kind) => buckets[kind].level < 1);
      if (empty && enforce) {
        const bucket = buckets[empty];
        const seconds = Math.max(1, Math.ceil(((1 - bucket.level) / bucket.limit) * 60));
        const what = empty === 'requests' ? 'requests' : empty === 'inputTokens' ? 'input tokens' : 'output tokens';
        throw new ApiError('rate_limit_error', `This request would exceed your organization's rate limit of ${bucket.limit.toLocaleString('en')} ${what} per minute. Please reduce the prompt length or the maximum tokens requested, or try again later.`, { headers: { ...this.headers(family), 'retry-after': String(seconds) } });
      }
      buckets.requests.level -= 1;
    },
    draw(family, inputTokens, outputTokens) {
      const buckets = bucketsOf(family);
      buckets.inputTokens.level -= inputTokens;
      buckets.outputTokens.level -= outputTokens;
    },
    headers(family) {
      const buckets = bucketsOf(family);
      const out: Record<string, string> = {};
      const put = (name: string, bucket: Bucket, step: number): void => {
        out[`anthropic-ratelimit-${name}-limit`] = String(bucket.limit);
        // Token figures are rounded to thousands on the real wire.
        out[`anthropic-ratelimit-${name}-remaining`] = String(Math.max(0, Math.floor(bucket.level / step) * step));
        out[`anthropic-ratelimit-${name}-reset`] = new Date(now() + ((bucket.limit - bucket.level) / bucket.limit) * 60_000).toISOString().replace(/\.\d+Z$/, 'Z');
      };
      for (const kind of KINDS) put(HEADER[kind], buckets[kind], kind === 'requests' || buckets[kind].limit < 10_000 ? 1 : 1_000);
      const tightest = buckets.inputTokens.level / buckets.inputTokens.limit <= buckets.outputTokens.level / buckets.outputTokens.limit ? buckets.inputTokens : buckets.outputTokens;
      put('tokens', tightest, tightest.limit < 10_000 ? 1 : 1_000);
      return out;
    },
  };
}

function refill(bucket: Bucket, at: number): void {
  // A clock that steps back refills nothing.
  const passed = Math.max(0, at - bucket.at);
  bucket.level = Math.min(bucket.limit, bucket.level + (passed / 60_000) * bucket.limit);
  bucket.at = at;
}
