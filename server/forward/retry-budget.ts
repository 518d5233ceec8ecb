// server/forward/retry-budget.ts: keeps further tries a small part of the calls, so that a provider in trouble is not asked more and more.

/** What is saved up in quiet times, so that a few calls in trouble can be helped at once. */
const MOST_SAVED = 10;
/** Who makes few calls can try again now and then, too. */
const ONE_EVERY_MS = 10_000;
/** Whole numbers only: one try is a million grains. */
const TRY = 1_000_000;

/** In any time t, further tries are at most `MOST_SAVED` + share × calls + t / `ONE_EVERY_MS`. */
export class RetryBudget {
  #grains = MOST_SAVED * TRY;
  #filledAt: number;

  /** @param now whole milliseconds on a clock that only runs forward, here and below */
  constructor(now: number) {
    this.#filledAt = now;
  }

  /** A call was made. @param share of a try, 0 to 1 */
  earn(share: number): void {
    this.#grains = Math.min(MOST_SAVED * TRY, this.#grains + Math.round(share * TRY));
  }

  /** True when there was one, which is spent now. */
  take(now: number): boolean {
    if (this.left(now) < 1) return false;
    this.#grains -= TRY;
    return true;
  }

  /** Whole tries. */
  left(now: number): number {
    const since = Math.max(0, Math.floor(now) - this.#filledAt);
    this.#filledAt += since;
    this.#grains = Math.min(MOST_SAVED * TRY, this.#grains + since * (TRY / ONE_EVERY_MS));
    return Math.floor(this.#grains / TRY);
  }
}
