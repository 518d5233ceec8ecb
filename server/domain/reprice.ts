// server/domain/reprice.ts: pricing settled calls again: how a run goes, and what it changed.

import type { EpochMs } from './ids.ts';
import type { Nanodollars } from './money.ts';

/** One model's part of a run; calls are filed under the model that was sent. */
export interface RepricedModel {
  readonly model: string;
  readonly calls: number;
  readonly changed: number;
  readonly before: Nanodollars;
  readonly after: Nanodollars;
  /** Of calls that changed. */
  readonly priceVersions: readonly string[];
}

/** A run over the settled calls of a time, as it stands. */
export interface Reprice {
  readonly run: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly dryRun: boolean;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs | null;
  /** Of the calls up to here all is known. */
  readonly reachedAt: EpochMs;
  /** Calls that were looked at. */
  readonly calls: number;
  readonly changed: number;
  /** Calls whose model the book does not know now either; they keep the dearest known rates. */
  readonly unpriced: number;
  /** Calls whose stored usage does not give the cost they have, e.g. what a crash left at its hold; they keep it. */
  readonly unexplained: number;
  readonly before: Nanodollars;
  readonly after: Nanodollars;
  /** By what changed most. */
  readonly models: readonly RepricedModel[];
  /** Why it failed; what it had corrected by then stays, and a further run does the rest. */
  readonly error: string | null;
}
