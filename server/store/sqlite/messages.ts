// server/store/sqlite/messages.ts: what goes between the main thread and the writing thread, besides the operations themselves.

import type { AlertsKept } from '../../domain/alert.ts';
import type { Scope } from '../../domain/budget.ts';
import type { BackupDone } from './backup.ts';
import type { StoredBatch } from './batches.ts';
import type { StoredGrant } from './grants-table.ts';
import type { StoredKey } from './keys-table.ts';
import type { BookItem } from './operations.ts';
import type { LedgerRefusalCode } from './refusal.ts';
import type { StoredSaving } from './savings-table.ts';

export interface WriterSettings {
  readonly file: string;
  readonly timezone: string;
  readonly durability: 'full' | 'normal';
  readonly retentionDays: number;
  /** Larger files are checked in part before they are opened. */
  readonly wholeBytes: number;
  /** The gateway's wall clock at the start, in milliseconds. */
  readonly now: number;
}

/** One transaction's worth; at most one is under way. `again`: the first so many were tried before and may have been written. */
export interface Batch {
  readonly again: number;
  /** JSON of `Op[]`. */
  readonly ops: string;
}

export interface Ask {
  readonly ask: number;
  readonly what:
    | { readonly kind: 'spent'; readonly scope: Scope; readonly from: number; readonly to: number }
    | { readonly kind: 'backup'; readonly file: string }
    | { readonly kind: 'keys' }
    | { readonly kind: 'alerts' }
    | { readonly kind: 'grants'; readonly since: number }
    | { readonly kind: 'savings' }
    | { readonly kind: 'retention'; readonly days: number; readonly now: number }
    /** A maximum size of the file, to rehearse a full disk. */
    | { readonly kind: 'max_pages'; readonly pages: number }
    | { readonly kind: 'book'; readonly batch: string; readonly items: readonly BookItem[]; readonly end: string | null }
    | { readonly kind: 'batches' }
    | { readonly kind: 'owners'; readonly ids: readonly string[] }
    | { readonly kind: 'close' };
}

export type ToWriter = Batch | Ask;

/** What one operation came to, where it was refused: its place in the batch, and why. */
export interface OpFailure {
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

export interface Opened {
  /** False where large tables are still to be checked. */
  readonly checked: boolean;
  readonly crashed: number;
  readonly crashedCost: bigint;
  readonly keys: readonly StoredKey[];
  readonly installSecret: string;
}

export type FromWriter =
  /** The batch is committed; the number is the milliseconds that took. */
  | number
  | { readonly committedMs: number; readonly failed: readonly OpFailure[] }
  /** Nothing of the batch was written. */
  | { readonly trouble: string }
  | { readonly answer: number; readonly value: bigint | BackupDone | readonly StoredKey[] | readonly boolean[] | readonly StoredBatch[] | readonly (readonly [id: string, workspace: string])[] | AlertsKept | readonly StoredGrant[] | readonly StoredSaving[] | null }
  | { readonly answer: number; readonly error: string }
  | { readonly opened: Opened }
  | { readonly refused: { readonly code: LedgerRefusalCode | 'failed'; readonly message: string } }
  | { readonly log: { readonly level: 'info' | 'warn'; readonly event: string; readonly count?: number; readonly ms?: number; readonly detail?: string } };
