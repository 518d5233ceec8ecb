// server/domain/ledger.ts: the contract of the ledger. One row per call, written before the first byte goes upstream and settled once.

import type { Attempt, Intent, Outcome } from './call.ts';
import type { Scope } from './budget.ts';
import type { CallId, EpochMs } from './ids.ts';
import type { Nanodollars } from './money.ts';
import type { Cost, PriceRow } from './price.ts';
import type { RefusalReason } from './refusal.ts';
import type { Reading } from './usage.ts';

/** An intent with what is held for it. A crash turns it into a `crashed` entry at `held`: the cautious cost, flagged as estimated. */
export interface OpenEntry extends Intent {
  /** The model that goes upstream, aliases resolved; null where the endpoint has none. */
  readonly modelSent: string | null;
  readonly held: Nanodollars;
  /** The row that the call was quoted with, kept so that the entry can be explained and priced again; null for free endpoints. */
  readonly price: PriceRow | null;
}

/** How a call ended. Written once per call; a second settlement of the same id is an error. */
export interface Settlement {
  readonly id: CallId;
  readonly endedAt: EpochMs;
  readonly outcome: Outcome;
  /** The HTTP status that the client got; null when it left before one. */
  readonly status: number | null;
  readonly cost: Cost;
  /** Milliseconds from the call's arrival; null when no content was relayed. */
  readonly timeToFirstTokenMs: number | null;
  readonly durationMs: number;
  /** The part of the duration that was ours: everything but waiting for the provider and for the client. */
  readonly overheadMs: number;
  /** The part of `overheadMs` before the call left; the rest came after the provider's last byte. Absent where nobody measured the two apart. */
  readonly overheadRequestMs?: number;
  /** How long a background call waited for room at the provider: part of the other times but for `overheadMs`. For those who watch; no row keeps it. Absent: it did not wait. */
  readonly queuedMs?: number;
  readonly attempts: readonly Attempt[];
  /** The `id` of the answer, for those who watch; no row keeps it. Absent or null: it named none. */
  readonly messageId?: string | null;
  readonly stopReason: string | null;
  readonly upstreamRequestId: string | null;
  readonly errorType: string | null;
  /** `error.details.error_code` of the provider, for those who watch; no row keeps it. Absent or null: there was none. */
  readonly errorCode?: string | null;
  /** What kept the answer from being read to its end, for those who watch; no row keeps it. Absent or null: nothing did. */
  readonly obstacle?: Reading['obstacle'];
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Keyed hashes of the prompt's prefixes with their lengths (`promptMarks`), for the savings advisor. Null or absent where none were taken. */
  readonly prompt?: string | null;
}

/** A call that we refused: a row of its own, with no hold, no attempt and no cost. */
export interface RefusedEntry extends Intent {
  readonly endedAt: EpochMs;
  readonly refusal: RefusalReason;
  readonly status: number;
  readonly durationMs: number;
}

/** A change of what a settled call costs, as a row of its own: the call's row stays as it was. Sums of every kind count it. */
export interface Correction {
  readonly call: CallId;
  readonly at: EpochMs;
  /** What made it; a call is corrected at most once per run. */
  readonly run: string;
  readonly reason: 'reprice';
  /** As in the audit log. */
  readonly actor: string;
  /** What the call cost until now, earlier corrections included; where that is not so any more, nothing is written. */
  readonly before: Nanodollars;
  /** What holds from now on. */
  readonly cost: Nanodollars;
  readonly cacheSavings: Nanodollars;
  readonly estimated: boolean;
  readonly estimateMethod: string | null;
  readonly basis: Cost['basis'];
  /** The call's own first. */
  readonly prices: readonly [PriceRow, ...PriceRow[]];
}

/** What `settle` made of it, for metrics, alerts and live views: the row as it now stands. */
export interface LedgerEntry {
  readonly opened: OpenEntry;
  readonly settlement: Settlement;
}

/** How recovery went, at the start. */
export interface Recovery {
  /** Intents without a settlement that became `crashed` entries. */
  readonly crashed: number;
  readonly crashedCost: Nanodollars;
}

/**
 * The ledger. Every method resolves when the change is durable (committed by the one thread that writes) and rejects with a
 * `LedgerUnavailable` when it could not be written; a rejected `open` or `attempt` has left nothing behind.
 */
export interface Ledger {
  open(entry: OpenEntry): Promise<void>;
  /**
   * For a call that no hard budget covers, while the store is unwritable: the entry waits in memory and is written when the store is
   * writable again. A crash until then loses it. False when there is no room for more.
   */
  journal(entry: OpenEntry): boolean;
  /** A further try of an open call, durable before its first byte goes upstream. The first try needs none: the intent is its record. */
  attempt(id: CallId, number: number, startedAt: EpochMs): Promise<void>;
  /** Entry, child rows and roll-ups in one transaction. Kept in memory and tried again while the store is unwritable: a settlement is never dropped. */
  settle(settlement: Settlement): Promise<void>;
  /** Kept in memory while the store is unwritable, as long as there is room. */
  refuse(entry: RefusedEntry): Promise<void>;
  /** Correction and roll-ups in one transaction. Rejects, writing nothing, when the call costs something else than `before` by now. */
  correct(correction: Correction): Promise<void>;
  /** The exact sum of settled rows admitted in [from, to) under a scope, for the budgets at start and after an edit. */
  spent(scope: Scope, from: EpochMs, to: EpochMs): Promise<Nanodollars>;
  /** One line in the append-only audit log. `detail` is JSON without secrets. */
  audit(entry: AuditEntry): Promise<void>;
  health(): LedgerHealth;
  /** Waits for everything written so far, then closes. */
  close(): Promise<void>;
}

export interface AuditEntry {
  readonly at: EpochMs;
  /** `config`, `cli`, `admin-token` or a session's name. */
  readonly actor: string;
  /** e.g. `key.create`, `config.reload`. */
  readonly action: string;
  readonly subject: string;
  readonly detail: string;
}

export interface LedgerHealth {
  readonly writable: boolean;
  /** Changes waiting for a commit. */
  readonly queued: number;
  readonly lastCommitMs: number | null;
  /** Names the trouble in words for the operator; null when there is none. */
  readonly trouble: string | null;
}

export class LedgerUnavailable extends Error {
  override readonly name = 'LedgerUnavailable';
}
