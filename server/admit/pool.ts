// server/admit/pool.ts: one pool of the provider's rate limits, as it probably stands between two of the answers that tell it.

import { MINUTE_MS } from '../domain/durations.ts';
import { HEADROOM_DIMENSIONS, type HeadroomDimension } from '../domain/provider-limits.ts';
import type { Need, Passage } from '../domain/provider-queue.ts';

interface Level {
  readonly limit: number;
  /** Below 0 where the bucket is overdrawn. */
  readonly remaining: number;
  /** When it was told, in milliseconds on the monotonic clock. */
  readonly at: number;
  /** Units per millisecond. */
  readonly refill: number;
}

/** Before any call of a pool has ended, one is taken to write so much. */
const FIRST_GUESS_OUTPUT = 500;
/**
 * Never more than this share of a limit is waited for: a call's input is guessed from its bytes, and what it reads from the cache,
 * which is nearly all of a long conversation, costs nothing of the limit.
 */
const MOST_OF_A_LIMIT = 0.25;
/** How fast the guess follows: the share of the newest call. */
const LEARNING = 0.1;

/** Time is milliseconds on the monotonic clock throughout. */
export class Pool {
  readonly credential: string;
  readonly modelClass: string;
  readonly #levels = new Map<HeadroomDimension, Level>();
  /** What calls that were let go take, until the provider's own figures count it. */
  readonly #taken: Record<HeadroomDimension, number> = { requests: 0, tokens: 0, input_tokens: 0, output_tokens: 0 };
  /** Figures told so far. */
  #told = 0;
  #outputGuess = FIRST_GUESS_OUTPUT;
  /** Until when the provider asked to be left alone. */
  #restsUntil = -Infinity;

  constructor(credential: string, modelClass: string) {
    this.credential = credential;
    this.modelClass = modelClass;
  }

  /**
   * The provider told what is left. It refills steadily, so the time to full says how fast, or, where nothing is left and it takes more
   * than a minute, how far below nothing it stands. More than one whole limit below is not believed, as a reset far in the future, by
   * error or by a clock that is off, would close the pool for good.
   * @param fullInMs null where the answer did not say
   */
  told(dimension: HeadroomDimension, limit: number, remaining: number, fullInMs: number | null, now: number): void {
    if (limit <= 0) return void this.#levels.delete(dimension);
    this.#told++;
    // Limits are per minute, so an empty bucket is full again after one.
    const steady = limit / MINUTE_MS;
    const refill = fullInMs === null || fullInMs <= 0 ? steady : Math.max(steady, (limit - remaining) / fullInMs);
    const below = remaining > 0 || fullInMs === null ? 0 : steady * Math.max(0, Math.min(fullInMs, 2 * MINUTE_MS) - MINUTE_MS);
    this.#levels.set(dimension, { limit, remaining: remaining - below, at: now, refill });
  }

  /** The provider said no, and for how long. */
  rest(ms: number, now: number): void {
    this.#restsUntil = Math.max(this.#restsUntil, now + Math.min(ms, MINUTE_MS));
  }

  isResting(now: number): boolean {
    return now < this.#restsUntil;
  }

  /** The tightest dimension as it is now, and its share left, 0 to 1; null when none was told. */
  tightest(now: number): { readonly dimension: HeadroomDimension; readonly left: number } | null {
    let tightest: { dimension: HeadroomDimension; left: number } | null = null;
    for (const [dimension, level] of this.#levels) {
      const left = Math.max(0, roomOf(level, now)) / level.limit;
      if (tightest === null || left < tightest.left) tightest = { dimension, left };
    }
    return tightest;
  }

  /** What a call of this need is taken to use. */
  shareOf({ inputTokens, maxOutputTokens }: Need): Share {
    const input = Math.min(inputTokens, this.#most('input_tokens'));
    const output = Math.min(maxOutputTokens ?? Infinity, this.#outputGuess, this.#most('output_tokens'));
    return { requests: 1, input_tokens: input, output_tokens: output, tokens: Math.min(input + output, this.#most('tokens')) };
  }

  #most(dimension: HeadroomDimension): number {
    return (this.#levels.get(dimension)?.limit ?? Infinity) * MOST_OF_A_LIMIT;
  }

  /** A share as a part of the pool, by the dimension that it takes most of; above 0. */
  costOf(share: Share): number {
    let cost = Number.EPSILON;
    for (const [dimension, { limit }] of this.#counted()) cost = Math.max(cost, Math.min(1, share[dimension] / limit));
    return cost;
  }

  /**
   * Milliseconds until a share fits above a floor by refilling alone, 0 when it does now; Infinity when only the answers of calls that
   * were let go can tell.
   * @param floor the share of every limit that stays for others, 0 to 1. A share that is larger than the rest fits when the pool is full
   */
  fitsIn(share: Share, floor: number, now: number): number {
    let wait = Math.max(0, this.#restsUntil - now);
    for (const [dimension, level] of this.#counted()) {
      const kept = floor * level.limit;
      const most = level.limit - kept;
      const missing = Math.min(share[dimension], most) + kept + this.#taken[dimension] - roomOf(level, now);
      // A millionth of a unit is noise of the arithmetic.
      if (missing <= 1e-6) continue;
      if (Math.min(share[dimension], most) + kept + this.#taken[dimension] > level.limit + 1e-6) return Infinity;
      wait = Math.max(wait, missing / level.refill);
    }
    return wait;
  }

  /** Milliseconds until so much, of several calls, is refilled above a floor, calls that are out left aside: an estimate for a client. */
  refillsIn(sum: Share, floor: number, now: number): number {
    let wait = Math.max(0, this.#restsUntil - now);
    for (const [dimension, level] of this.#counted()) wait = Math.max(wait, (sum[dimension] + floor * level.limit - roomOf(level, now)) / level.refill);
    return wait;
  }

  /** Lets a call go with its share. @param onFreed told when some of it is free again */
  take(share: Share, now: () => number, onFreed: () => void): Passage {
    for (const dimension of HEADROOM_DIMENSIONS) this.#taken[dimension] += share[dimension];
    const toldBefore = this.#told;
    return new OpenPassage(share, {
      free: (part) => {
        for (const dimension of HEADROOM_DIMENSIONS) this.#taken[dimension] -= part[dimension];
        onFreed();
      },
      // An answer that tells no figures has been counted by the provider all the same.
      count: (part) => {
        if (this.#told === toldBefore) this.#spend(part, now());
      },
      learn: (output) => (this.#outputGuess += (output - this.#outputGuess) * LEARNING),
    });
  }

  #spend(part: Share, now: number): void {
    for (const [dimension, level] of this.#levels) this.#levels.set(dimension, { ...level, remaining: roomOf(level, now) - part[dimension], at: now });
  }

  /** `tokens` repeats the tightest of the other two where those are told. */
  *#counted(): Generator<[HeadroomDimension, Level]> {
    for (const entry of this.#levels) if (entry[0] !== 'tokens' || !(this.#levels.has('input_tokens') || this.#levels.has('output_tokens'))) yield entry;
  }
}

export type Share = Readonly<Record<HeadroomDimension, number>>;

interface Account {
  readonly free: (part: Share) => void;
  readonly count: (part: Share) => void;
  readonly learn: (outputTokens: number) => void;
}

class OpenPassage implements Passage {
  readonly #input: Share;
  readonly #output: Share;
  readonly #pool: Account;
  #state: 'out' | 'answered' | 'ended' = 'out';

  constructor(share: Share, pool: Account) {
    const inputOfAll = Math.min(share.input_tokens, share.tokens);
    this.#input = { ...share, output_tokens: 0, tokens: inputOfAll };
    this.#output = { requests: 0, input_tokens: 0, output_tokens: share.output_tokens, tokens: share.tokens - inputOfAll };
    this.#pool = pool;
  }

  answered(): void {
    if (this.#state !== 'out') return;
    this.#state = 'answered';
    this.#pool.count(this.#input);
    this.#pool.free(this.#input);
  }

  ended(outputTokens: number): void {
    if (this.#state === 'ended') return;
    this.answered();
    this.#state = 'ended';
    this.#pool.learn(outputTokens);
    this.#pool.free(this.#output);
  }

  unused(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'out') this.#pool.free(this.#input);
    this.#state = 'ended';
    this.#pool.free(this.#output);
  }
}

const roomOf = ({ limit, remaining, at, refill }: Level, now: number): number => Math.min(limit, remaining + refill * Math.max(0, now - at));
