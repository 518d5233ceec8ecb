// server/admit/scope-limits.ts: all limits of one scope: requests, input and output per minute, and calls at once.

import type { Bucket } from '../domain/admission.ts';
import type { Decision } from '../domain/call.ts';
import { refused, type Refusal } from '../domain/refusal.ts';
import type { Limits } from '../domain/settings.ts';
import { Places } from './concurrency.ts';
import { TokenBucket } from './rate-limit.ts';

/** When a place may come free is not known; this is how soon it is worth asking again. */
const RETRY_PLACE_SECONDS = 1;

const UNITS = { requests: 'requests', input_tokens: 'input tokens', output_tokens: 'output tokens', concurrent: 'calls at once' } as const satisfies Record<Bucket['dimension'], string>;

/** What limits are called in messages and lists, and which calls they are of. */
export interface Named {
  readonly words: string;
  readonly of: Bucket['of'];
}

/** `now` is milliseconds on the monotonic clock throughout. */
export class ScopeLimits {
  readonly scope: string;
  #named: Named;
  #dryRun = false;
  #requests: TokenBucket | null = null;
  #input: TokenBucket | null = null;
  #output: TokenBucket | null = null;
  #places: Places | null = null;
  #decisions: readonly Decision[] = [];

  /** @param scope `workspace`, `workspace/workflow`, or the id of a rule */
  constructor(scope: string, limits: Limits, now: number, named: Named) {
    this.scope = scope;
    this.#named = named;
    this.change(limits, now);
  }

  /** Puts new limits in force; what calls have used and hold stays. */
  change(limits: Limits, now: number, named = this.#named): void {
    this.#named = named;
    this.#dryRun = limits.dryRun === true;
    this.#requests = resized(this.#requests, limits.requestsPerMinute, now);
    this.#input = resized(this.#input, limits.inputTokensPerMinute, now);
    this.#output = resized(this.#output, limits.outputTokensPerMinute, now);
    if (limits.concurrent === null) this.#places = null;
    else if (this.#places === null) this.#places = new Places(limits.concurrent);
    else this.#places.resize(limits.concurrent);
    this.#decisions = this.buckets(now).map(({ dimension }) => ({ rule: this.#rule(dimension), verdict: 'allow', detail: null }));
  }

  /** True when these limits only rehearse. */
  get dryRun(): boolean {
    return this.#dryRun;
  }

  /** True when no call has used or holds anything of them: they are as good as new. */
  isUnused(now: number): boolean {
    return [this.#requests, this.#input, this.#output].every((bucket) => bucket === null || bucket.full(now)) && (this.#places === null || this.#places.remaining === this.#places.limit);
  }

  /** One per limit in force, for a call that all of them let through. */
  get decisions(): readonly Decision[] {
    return this.#decisions;
  }

  /**
   * The limit that stands in the way of a call, or null. Takes nothing.
   * @param inputTokens null: a call that uses no tokens, which only the limits on requests and places are for
   */
  obstacle(inputTokens: number | null, now: number): Refusal | null {
    if (this.#requests !== null) {
      const waitMs = this.#requests.waitMs(1, now);
      if (waitMs > 0) return this.#perMinute('requests', this.#requests, waitMs);
    }
    if (this.#input !== null && inputTokens !== null) {
      const waitMs = this.#input.waitMs(inputTokens, now);
      if (waitMs > 0) return this.#perMinute('input_tokens', this.#input, waitMs);
    }
    if (this.#output !== null && inputTokens !== null) {
      // How much will come is not known, so one token must be there; what comes is charged as it streams, and made exact at the end.
      const waitMs = this.#output.waitMs(1, now);
      if (waitMs > 0) return this.#perMinute('output_tokens', this.#output, waitMs);
    }
    if (this.#places !== null && this.#places.remaining <= 0) {
      const { limit } = this.#places;
      const message = `${this.#named.words} has ${limit} ${limit === 1 ? 'call' : 'calls'} in flight, as many as its limit for calls at once allows; the next may go when one of them ends`;
      return refused('rate_limited', message, { rule: this.#rule('concurrent'), retryAfterSeconds: RETRY_PLACE_SECONDS }).refusal;
    }
    return null;
  }

  /** Takes a call's place in every limit; its obstacles must have been asked for in the same tick. The result gives the place back. */
  take(inputTokens: number | null, now: number): LimitHold {
    this.#requests?.take(1, now);
    this.#input?.take(inputTokens ?? 0, now);
    this.#places?.take();
    return new LimitHold({ input: this.#input, output: this.#output, places: this.#places }, inputTokens ?? 0);
  }

  buckets(now: number): Bucket[] {
    const rows: Bucket[] = [];
    const add = (dimension: Bucket['dimension'], limit: number, remaining: number): void => {
      rows.push({ scope: this.#named.words, of: this.#named.of, dimension, limit, remaining: Math.max(remaining, 0) });
    };
    if (this.#requests !== null) add('requests', this.#requests.limit, this.#requests.remaining(now));
    if (this.#input !== null) add('input_tokens', this.#input.limit, this.#input.remaining(now));
    if (this.#output !== null) add('output_tokens', this.#output.limit, this.#output.remaining(now));
    if (this.#places !== null) add('concurrent', this.#places.limit, this.#places.remaining);
    return rows;
  }

  #perMinute(dimension: keyof typeof UNITS, bucket: TokenBucket, waitMs: number): Refusal {
    const retryAfterSeconds = Math.ceil(waitMs / 1000);
    const message = `${this.#named.words} has used its limit of ${bucket.limit} ${UNITS[dimension]} per minute; this call fits in ${retryAfterSeconds} s`;
    return refused('rate_limited', message, { rule: this.#rule(dimension), retryAfterSeconds }).refusal;
  }

  #rule(dimension: Bucket['dimension']): string {
    return `limit:${this.scope}/${dimension}`;
  }
}

/** What one call took from one scope's limits. Bound to the buckets it took from, whatever a reload does. */
export class LimitHold {
  readonly #taken: { readonly input: TokenBucket | null; readonly output: TokenBucket | null; readonly places: Places | null };
  #inputTokens: number;
  #outputTokens = 0;

  constructor(taken: { input: TokenBucket | null; output: TokenBucket | null; places: Places | null }, inputTokens: number) {
    this.#taken = taken;
    this.#inputTokens = inputTokens;
  }

  /** Replaces the guess at the prompt, or an earlier count, by a better one. */
  correctInput(tokens: number, now: number): void {
    this.#taken.input?.take(tokens - this.#inputTokens, now);
    this.#inputTokens = tokens;
  }

  get limitsOutput(): boolean {
    return this.#taken.output !== null;
  }

  /** All the output so far, as far as it is known: what was not charged yet is, and what was too much is given back. */
  correctOutput(tokens: number, now: number): void {
    if (tokens !== this.#outputTokens) this.#taken.output?.take(tokens - this.#outputTokens, now);
    this.#outputTokens = tokens;
  }

  /** Exactly once, at the end of the call. */
  leave(outputTokens: number, now: number): void {
    this.correctOutput(outputTokens, now);
    this.#taken.places?.leave();
  }
}

function resized(bucket: TokenBucket | null, limit: number | null, now: number): TokenBucket | null {
  if (limit === null) return null;
  if (bucket === null) return new TokenBucket(limit, now);
  bucket.resize(limit, now);
  return bucket;
}
