// server/domain/verify.ts: the ledger checked against itself: what was worked out anew, and what came out otherwise.

import type { EpochMs } from './ids.ts';
import type { Nanodollars } from './money.ts';

/** One figure that is not what it should be. */
export interface Drift {
  /** `cost`: a call's cost against its stored usage and prices; `rollup`: sums against rows; `budget`: a budget's sum in memory against rows. */
  readonly kind: 'cost' | 'rollup' | 'budget';
  /** The call, the grain and bucket, or the budget. */
  readonly subject: string;
  /** The figure, e.g. `cost`, `calls`, `output`. */
  readonly figure: string;
  /** As worked out anew. Money in nano-dollars, counts as they are. */
  readonly expected: bigint;
  readonly found: bigint;
}

/** A check, as it stands. */
export interface Verification {
  readonly state: 'running' | 'done' | 'failed';
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs | null;
  readonly reachedAt: EpochMs;
  readonly calls: number;
  /** What those calls cost. */
  readonly cost: Nanodollars;
  /** The part of it that is estimated. */
  readonly estimatedCost: Nanodollars;
  /** Calls booked at what was held for them, because a crash or a batch without results took their usage. */
  readonly atHold: number;
  /** Days whose roll-ups were compared. */
  readonly days: number;
  readonly budgets: number;
  readonly drift: number;
  /** The first hundred. */
  readonly examples: readonly Drift[];
  readonly error: string | null;
}
