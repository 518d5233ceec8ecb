// server/domain/observer.ts: the contracts of those who watch: metrics, live views, provider headroom, the log.

import type { Endpoint } from './call.ts';
import type { EpochMs, WorkspaceId } from './ids.ts';
import type { LedgerEntry, RefusedEntry } from './ledger.ts';
import type { HeadroomDimension, ToldLimits } from './provider-limits.ts';
import type { QueueResult } from './provider-queue.ts';
import type { RefusalReason } from './refusal.ts';

/** Told of every call. Must be quick and must not throw: it runs on the data path. */
export interface Observer {
  /** A call was admitted and goes upstream. */
  started(workspace: WorkspaceId, endpoint: Endpoint): void;
  /** The same call ended and was handed to the ledger. */
  settled(entry: LedgerEntry): void;
  refused(entry: RefusedEntry): void;
  /** A request was refused before anyone knew whose it was (no key, no such path, malformed): counted, without a row in the ledger. */
  turnedAway(reason: RefusalReason, endpoint: Endpoint | null): void;
  /** A row could not be written and will not be tried again by this process; a settlement that is lost here is booked at what was held, at the next start. */
  lost?(record: 'settlement' | 'refusal'): void;
  /** A background call came out of the queue for room at the provider, after a wait or because there was no place; not told of those that passed at once. */
  queued?(workspace: WorkspaceId, result: QueueResult, waitedMs: number): void;
}

/**
 * What is given up under too much load, in this order: `close` lets a connection go after its answer; the next four refuse a new call,
 * named for what there is too much of; `accept` turns a new connection away unread.
 */
export const OVERLOAD_RUNGS = ['close', 'in_flight', 'held_bodies', 'journal', 'loop_lag', 'accept'] as const;
export type OverloadRung = (typeof OVERLOAD_RUNGS)[number];

/** What the provider's response headers said about its limits. */
export interface Headroom {
  /**
   * @param seen.raw the response's headers as received, name, value, name, value…; `model` is the one that was sent
   * @returns what they told
   */
  note(seen: { credential: string; model: string; at: EpochMs; status: number; raw: readonly string[] }): ToldLimits;
  rows(at: EpochMs): readonly HeadroomRow[];
}

export interface HeadroomRow {
  /** The name of the provider key; never the key. */
  readonly credential: string;
  /** Models that share one pool at the provider, e.g. `opus-4`, `haiku-4-5`. */
  readonly modelClass: string;
  readonly dimension: HeadroomDimension;
  readonly limit: number;
  readonly remaining: number;
  /** The least that was left in the past minute, as a part of the limit, 0 to 1: a dip between two looks is not missed. 1 where the limit is 0. */
  readonly lowestRatio: number;
  /** When the bucket is full again; null when the header was missing or unreadable. */
  readonly resetAt: EpochMs | null;
  readonly seenAt: EpochMs;
}

/** What may stand in a log line: an allow-list, so that neither a key nor a prompt can. Text is cut at 256 bytes. */
export interface LogFields {
  readonly call?: string;
  readonly workspace?: string;
  readonly workflow?: string;
  readonly key?: string;
  readonly endpoint?: string;
  readonly outcome?: string;
  readonly reason?: string;
  readonly status?: number;
  readonly code?: string;
  readonly ms?: number;
  readonly count?: number;
  readonly file?: string;
  readonly detail?: string;
}

/** One JSON line per problem, none per healthy call unless the level is `debug`. `event` is a fixed word, e.g. `upstream_reset`. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}
