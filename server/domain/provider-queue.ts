// server/domain/provider-queue.ts: the contract of the queue in which background calls wait while the provider has little room left.

import type { WorkspaceId } from './ids.ts';
import type { Refusal } from './refusal.ts';

export interface ProviderQueue {
  /**
   * Whether any of the provider's pools has so little left that background calls are counted, or made to wait. While it is false nobody
   * has to `enter`: the one look that a call costs where there is room.
   */
  readonly watches: boolean;
  /** Waits, where it must, until it is the call's turn, its time is up, its client leaves or the gateway drains. Never rejects. */
  enter(call: QueuedCall): Turn | Promise<Turn>;
  /** Every pool that the provider told of, those without a line included. */
  rows(): readonly ProviderQueueRow[];
}

export interface QueuedCall {
  /** Who it is fair to. */
  readonly workspace: WorkspaceId;
  /** The name of the provider key. */
  readonly credential: string;
  /** As sent. */
  readonly model: string;
  readonly need: Need;
  /** What the call holds in memory while it waits. */
  readonly bodyBytes: number;
  /** Fires when the client leaves; only asked for by a call that has to wait. */
  readonly signal: AbortSignal;
}

/** What one call takes of a pool besides a request. */
export interface Need {
  /** Those that the provider counts: writes to the cache do, reads do not. A guess before the call. */
  readonly inputTokens: number;
  /** At most; null when the call sets no bound. */
  readonly maxOutputTokens: number | null;
}

/** How waits end: `expired` at the deadline, `full` without a place, `left` by the client, `drained` at a shutdown. Bounded, so it may be a label. */
export const QUEUE_RESULTS = ['passed', 'expired', 'full', 'left', 'drained'] as const;
export type QueueResult = (typeof QUEUE_RESULTS)[number];

/** How a call came out of the queue. `rule`: by the name of the provider key. */
export type Turn = { readonly waitedMs: number } & (
  | {
      readonly result: 'passed';
      /** Null when the pool is not one that is counted. */
      readonly passage: Passage | null;
      /** For the call's record; null when it did not wait. */
      readonly detail: string | null;
      readonly rule: string;
    }
  | { readonly result: 'left'; readonly detail: string; readonly rule: string }
  | { readonly result: 'expired' | 'full' | 'drained'; readonly refusal: Refusal }
);

/** What a call that was let go takes of its pool, until the provider's own figures hold it. The first that ends it counts. */
export interface Passage {
  /** The response headers are here, and what they told is known: the provider has counted the request and its input. */
  answered(): void;
  /** The call was sent, and ended however it did. @param outputTokens what it wrote */
  ended(outputTokens: number): void;
  /** Nothing of the call was sent. */
  unused(): void;
}

export interface ProviderQueueRow {
  /** The name of the provider key; never the key. */
  readonly credential: string;
  readonly modelClass: string;
  readonly waiting: number;
  /** 0 when nobody waits. */
  readonly oldestWaitMs: number;
  /** Those that wait, most of them first; none at 0. */
  readonly workspaces: readonly { readonly workspace: string; readonly waiting: number }[];
}
