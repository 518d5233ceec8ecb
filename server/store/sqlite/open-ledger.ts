// server/store/sqlite/open-ledger.ts: opens the SQLite ledger: the lock, the writing thread, recovery, and the contracts it serves.

import { dirname } from 'node:path';
import type { SavingDecisions } from '../../domain/advice.ts';
import type { AlertsKept, AlertStore } from '../../domain/alert.ts';
import type { BatchStore } from '../../domain/batch.ts';
import type { Clock } from '../../domain/ids.ts';
import type { Ledger, OpenEntry, Recovery, Settlement } from '../../domain/ledger.ts';
import { nanodollars } from '../../domain/money.ts';
import type { Log } from '../../domain/observer.ts';
import type { BackupDone } from './backup.ts';
import { checkBeside } from './check-beside.ts';
import { makeFolder } from './folder.ts';
import { SqliteGrants } from './grants.ts';
import { CHECKED_WHOLE_BYTES } from './inspection.ts';
import { SqliteKeyRing, type Declared } from './key-ring.ts';
import { lockLedger } from './lock.ts';
import { batchStoreOf } from './batch-store.ts';
import { auditOp, correctOp, OP, openOp, refuseOp, settleOp, type PriceRefOf } from './operations.ts';
import { refusalOf } from './refusal.ts';
import { savingDecisionsOf } from './savings.ts';
import { priceContent } from './stored-price.ts';
import { WriterClient } from './writer-client.ts';

export { LedgerRefused } from './refusal.ts';
export type { Declared } from './key-ring.ts';

export interface LedgerOptions {
  /** Absolute; its directory is made if need be. */
  readonly file: string;
  /** The compiled `writer.js`. */
  readonly workerEntry: URL;
  /** IANA; cuts the roll-ups. */
  readonly timezone: string;
  readonly durability: 'full' | 'normal';
  readonly retentionDays: number;
  readonly declared: Declared;
  readonly log: Log;
  readonly clock: Clock;
  /** Told once when the writing thread ended by itself: the process has to be started anew. */
  readonly onDeath?: (trouble: string) => void;
  /** Told, with a sentence for the operator, when damage was found in a ledger that was too large to be checked before it was opened. */
  readonly onDamage?: (trouble: string) => void;
  /** Larger files are checked beside the calls. */
  readonly wholeBytes?: number;
}

export interface OpenLedger {
  readonly ledger: Ledger;
  readonly keys: SqliteKeyRing;
  readonly alerts: AlertStore;
  readonly grants: SqliteGrants;
  readonly savings: SavingDecisions;
  readonly batches: BatchStore;
  readonly recovery: Recovery;
  /** 256 bits in hex, made with the ledger: a seed for what must stay the same over restarts, e.g. signing sessions. */
  readonly installSecret: string;
  /** Copies the ledger to a file that must not exist yet, and checks the copy. @throws Error with a sentence for the operator */
  readonly backup: (file: string) => Promise<BackupDone>;
  /** Takes up a new number of days to keep rows, and deletes what is too old now. */
  retain(days: number): Promise<void>;
  /** `told` hears how long every commit took from now on, in milliseconds. */
  onCommit(told: (ms: number) => void): void;
  /** Limits the file to so many pages of 4 KiB, to rehearse a full disk. */
  limitPages(pages: number): Promise<void>;
}

/**
 * Opens the ledger, or makes one where there is none. When it resolves, calls that a crash left open are settled.
 * @throws LedgerRefused when the file is damaged, not ours, newer, not writable or in use; it is left as it was
 */
export async function openLedger(options: LedgerOptions): Promise<OpenLedger> {
  const { file, log } = options;
  try {
    makeFolder(dirname(file));
  } catch (error) {
    throw refusalOf(error, file) ?? error;
  }
  const lock = lockLedger(file);
  try {
    const { timezone, durability, retentionDays, clock, wholeBytes = CHECKED_WHOLE_BYTES } = options;
    const { client, opened } = await WriterClient.start(options.workerEntry, { file, timezone, durability, retentionDays, wholeBytes, now: clock.now() }, log, options.onDeath);
    const keys = new SqliteKeyRing(client, opened.keys, options.declared, clock);
    const grants = await SqliteGrants.open(client, clock);
    const recovery = { crashed: opened.crashed, crashedCost: nanodollars(opened.crashedCost) };
    if (recovery.crashed > 0) log.warn('calls_crashed', { count: recovery.crashed });
    const priceRef: PriceRefOf = (row) => [row.version, client.knowsPrice(row.version) ? null : priceContent(row)];
    const stopCheck = opened.checked ? null : checkBeside(new URL('check-thread.js', options.workerEntry), file, log, (trouble) => options.onDamage?.(trouble));
    return {
      ledger: ledgerOf(client, priceRef, keys, async () => {
        await stopCheck?.();
        lock.release();
      }),
      keys,
      alerts: {
        load: () => client.ask<AlertsKept>({ kind: 'alerts' }),
        save: (changes) => client.write([OP.alerts, JSON.stringify(changes), clock.now()]),
      },
      grants,
      savings: savingDecisionsOf(client),
      batches: batchStoreOf(client, priceRef),
      recovery,
      installSecret: opened.installSecret,
      backup: (to) => client.ask<BackupDone>({ kind: 'backup', file: to }),
      retain: (days) => client.ask<void>({ kind: 'retention', days, now: clock.now() }),
      onCommit: (told) => void (client.onCommit = told),
      limitPages: (pages) => client.ask<void>({ kind: 'max_pages', pages }),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function ledgerOf(client: WriterClient, priceRef: PriceRefOf, keys: SqliteKeyRing, release: () => Promise<void>): Ledger {
  const open = (entry: OpenEntry) => openOp(entry, priceRef);
  const settle = (settlement: Settlement) => settleOp(settlement, priceRef);
  return {
    open: (entry) => client.writeOf(OP.open, open, entry),
    journal: (entry) => client.journal(openOp(entry, priceRef)),
    attempt: (id, number, startedAt) => client.write([OP.attempt, id, number, startedAt]),
    settle: (settlement) => client.writeOf(OP.settle, settle, settlement),
    refuse: (entry) => client.writeOf(OP.refuse, refuseOp, entry),
    correct: (correction) => client.write(correctOp(correction, priceRef)),
    audit: (entry) => client.write(auditOp(entry)),
    spent: async (scope, from, to) => nanodollars(await client.askInOrder<bigint>({ kind: 'spent', scope, from, to })),
    health: () => client.health(),
    async close() {
      await keys.close();
      await client.close();
      await release();
    },
  };
}

