// server/admit/rate-limit.ts: one bucket per limit, refilled continuously, in whole numbers only.

import { MINUTE_MS } from '../domain/durations.ts';

/**
 * A limit per minute as a bucket that holds one minute's worth: in any interval t no more than limit + limit × t / 1 min is
 * let through (the guarantee of GCRA, of which this is the other notation). One unit of the limit is 60,000 grains, and each
 * millisecond brings `limit` grains, so that no division ever rounds. Whole numbers stay exact up to a limit of 10^11.
 *
 * The level may be negative: a debt, from output or from a prompt that was larger than thought, that later calls wait for.
 */
export class TokenBucket {
  #limit: number;
  /** Grains. */
  #level: number;
  /** Whole milliseconds, monotonic. Time is floored, not what flows in between, so nothing is lost over many calls. */
  #filledAt: number;

  /** @param now milliseconds on a clock that only runs forward */
  constructor(limit: number, now: number) {
    this.#limit = limit;
    this.#level = limit * MINUTE_MS;
    this.#filledAt = Math.floor(now);
  }

  get limit(): number {
    return this.#limit;
  }

  /** What can be taken at once; negative in debt, and rounded down. */
  remaining(now: number): number {
    this.#refill(now);
    return Math.floor(this.#level / MINUTE_MS);
  }

  /**
   * Milliseconds until `amount` can be taken; 0 when it can be now. An amount larger than the whole bucket can be taken when
   * the bucket is full, as it would else never be; its debt then delays the calls after it.
   */
  waitMs(amount: number, now: number): number {
    this.#refill(now);
    const missing = Math.min(amount, this.#limit) * MINUTE_MS - this.#level;
    return missing <= 0 ? 0 : Math.ceil(missing / this.#limit);
  }

  /** True when nothing is used, which is how a new one begins. */
  full(now: number): boolean {
    this.#refill(now);
    return this.#level === this.#limit * MINUTE_MS;
  }

  /** Takes without asking; a negative amount gives back, at most to the full bucket. */
  take(amount: number, now: number): void {
    this.#refill(now);
    this.#level = Math.min(this.#level - amount * MINUTE_MS, this.#limit * MINUTE_MS);
  }

  /** A new limit; what is used stays used. */
  resize(limit: number, now: number): void {
    this.#refill(now);
    this.#level += (limit - this.#limit) * MINUTE_MS;
    this.#limit = limit;
  }

  #refill(now: number): void {
    const at = Math.floor(now);
    if (at <= this.#filledAt) return;
    const capacity = this.#limit * MINUTE_MS;
    // A long rest is cut at what the bucket lacks, so that the product below cannot leave the safe numbers.
    const elapsed = Math.min(at - this.#filledAt, Math.ceil((capacity - this.#level) / this.#limit));
    this.#level = Math.min(capacity, this.#level + elapsed * this.#limit);
    this.#filledAt = at;
  }
}
