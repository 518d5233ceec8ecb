// server/store/sqlite/commit-pace.ts: when the next commit starts: at once, or after a wait for more callers to share it.

import { performance } from 'node:perf_hooks';

/**
 * A commit costs some 80 µs of CPU, most of it for the sync, however much it holds. So after one for at least this many callers,
 * more are likely to come, and the next waits for as many as the last one had, but not longer than the time below.
 */
const CROWD = 3;
const GATHER_MS = 2;
/**
 * Where the main thread has no time left, calls wait for it far longer than for a commit, and get through sooner the fewer commits there
 * are. So from this share of its time on, commits wait longer, up to so much longer where it has no rest at all, however few were in the last.
 */
const BUSY = 0.75;
const BUSY_GATHER_MS = 10;
/** How often that share is taken. */
const LOOK_EVERY_MS = 100;

export class CommitPace {
  readonly #busyShare: () => number;
  /** How many callers the last commit was for. */
  #lastCallers = 0;
  #lastSentAt = -Infinity;
  #lookedAt = -Infinity;
  /** How long a commit may wait for more on account of a busy main thread, in milliseconds; 0 where it has time. */
  #busyMs = 0;

  /** @param busyShare how much of its time the main thread was busy since this was last asked, 0 to 1 */
  constructor(busyShare: () => number = busyShareOfThisThread()) {
    this.#busyShare = busyShare;
  }

  /**
   * How much longer a commit waits for others to share it, in milliseconds; 0 or less: it starts.
   * @param callers who wait for it
   * @param now milliseconds on the monotonic clock
   */
  waitMs(callers: number, now: number): number {
    if (now - this.#lookedAt >= LOOK_EVERY_MS) {
      const share = this.#busyShare();
      this.#lookedAt = now;
      this.#busyMs = share <= BUSY ? 0 : ((share - BUSY) / (1 - BUSY)) * BUSY_GATHER_MS;
    }
    const enough = this.#busyMs === 0 && (callers >= this.#lastCallers || this.#lastCallers < CROWD);
    return enough ? 0 : Math.max(GATHER_MS, this.#busyMs) - (now - this.#lastSentAt);
  }

  /** A commit for so many callers started. */
  started(callers: number, now: number): void {
    this.#lastCallers = callers;
    this.#lastSentAt = now;
  }
}

function busyShareOfThisThread(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
