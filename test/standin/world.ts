// test/standin/world.ts: what the routes share (one stand-in), and what one request brings along.

import type { IncomingHttpHeaders } from 'node:http';
import type { FileMetadata } from '@anthropic-ai/sdk/resources/files.js';
import type { MessageBatchIndividualResponse } from '@anthropic-ai/sdk/resources/messages/batches.js';
import type { Usage } from '@anthropic-ai/sdk/resources/messages/messages.js';
import type { PromptCache } from './cache.ts';
import type { Chance } from './chance.ts';
import type { Faults } from './faults.ts';
import type { BilledOn } from './usage-reports.ts';
import type { RateLimits } from './limits.ts';
import type { ApiVersion } from './validate.ts';

/** What a test fixes about one answer. Absent fields are left to the seed. */
export interface Plan {
  /** As in `x-standin-fault`. */
  readonly fault?: string;
  /** The plan waits for a request whose path is this; without it, it takes the next request of any path. */
  readonly path?: string;
  /** What the model says. */
  readonly text?: string;
  /** So many output tokens of text, within `max_tokens`. */
  readonly outputTokens?: number;
  readonly searches?: number;
  /** The model that serves the call, whatever was asked for; may be one that nobody knows. */
  readonly served?: string;
  /** Laid over the final usage. */
  readonly usage?: Partial<Usage> & Readonly<Record<string, unknown>>;
  /** Laid over the usage of `message_start`. */
  readonly startUsage?: Partial<Usage> & Readonly<Record<string, unknown>>;
  /** Added to the response's headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Waits for this before the response headers. */
  readonly until?: Promise<unknown>;
}

export interface World {
  readonly now: () => number;
  readonly cache: PromptCache;
  readonly limits: RateLimits;
  /** Scheme, host and port that clients reach the stand-in by. */
  readonly origin: () => string;
  /** How long after its creation a batch ends, in ms on the clock. */
  readonly batchMs: number;
  readonly batches: Map<string, StoredBatch>;
  readonly files: Map<string, StoredFile>;
  /** What the Admin API tells; null where it is closed. */
  readonly reports: { readonly adminKey: string; readonly billedOn: BilledOn; /** Days in one page at most, so that there is more than one. */ readonly pageDays: number } | null;
}

/** One batch: its items are answered when it is created, and shown when it has ended. */
export interface StoredBatch {
  readonly id: string;
  readonly workspace: string;
  readonly createdAt: number;
  readonly results: readonly MessageBatchIndividualResponse[];
  cancelledAt: number | null;
}

export interface StoredFile {
  readonly workspace: string;
  readonly metadata: FileMetadata;
  readonly bytes: Buffer;
}

export interface Visit {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Decoded. */
  readonly body: Buffer;
  readonly requestId: string;
  readonly workspace: string;
  readonly version: ApiVersion;
  readonly betas: readonly string[];
  readonly chance: Chance;
  readonly faults: Faults;
  readonly plan: Plan;
}
