// server/domain/provider-limits.ts: what the provider limits, and what the headers of one answer told of it.

import type { EpochMs } from './ids.ts';

/** What the provider limits per minute. `tokens` stands where it does not tell input and output apart, or sums the two. */
export const HEADROOM_DIMENSIONS = ['requests', 'tokens', 'input_tokens', 'output_tokens'] as const;
export type HeadroomDimension = (typeof HEADROOM_DIMENSIONS)[number];

/** One limit, as an answer told it. */
export interface ToldLimit {
  readonly dimension: HeadroomDimension;
  readonly limit: number;
  readonly remaining: number;
  /** When the bucket is full again; null when the header was missing or unreadable. */
  readonly resetAt: EpochMs | null;
}

/** What the headers of one answer told. */
export interface ToldLimits {
  /** In the order of `HEADROOM_DIMENSIONS`; empty where it told of none. */
  readonly limits: readonly ToldLimit[];
  /** How long the provider asked to be left alone; null where it did not, or in no number of seconds. */
  readonly retryAfterSeconds: number | null;
}
