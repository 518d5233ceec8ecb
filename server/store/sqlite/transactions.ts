// server/store/sqlite/transactions.ts: turns a batch of operations into one transaction, in which one that is refused does not hurt the others.

import type { Database } from 'better-sqlite3';
import { alertsTableOf, type AlertsTable } from './alerts-table.ts';
import { auditLogOf } from './audit-log.ts';
import type { Buckets } from './buckets.ts';
import { callsOf, OpRefused } from './calls.ts';
import { correctionsOf } from './corrections.ts';
import type { Folded } from './folded.ts';
import { grantsTableOf, type GrantsTable } from './grants-table.ts';
import { keysTableOf, type KeysTable } from './keys-table.ts';
import { batchesOf, type Batches } from './batches.ts';
import type { Batch, FromWriter, OpFailure } from './messages.ts';
import type { Names } from './names.ts';
import { OP, type Op } from './operations.ts';
import { rollupsOf } from './rollups.ts';
import { savingsTableOf, type SavingsTable } from './savings-table.ts';
import type { EpochMs } from '../../domain/ids.ts';

export interface Transactions {
  /** Commits a batch and says what came of it. Never throws: a store that cannot be written is an answer. */
  apply(batch: Batch): FromWriter;
  readonly keys: KeysTable;
  readonly alerts: AlertsTable;
  readonly grants: GrantsTable;
  readonly savings: Pick<SavingsTable, 'all'>;
  readonly batches: Pick<Batches, 'unfinished' | 'owners'>;
  /** Books items of a batch in a transaction of its own, all or none; see `BatchStore.book`. @throws when the store cannot be written */
  book(...[id, items, end]: Parameters<Batches['book']>): boolean[];
}

export function transactionsOf(db: Database, names: Names, bucketsAt: (at: EpochMs) => Buckets, folded: Folded): Transactions {
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollups = rollupsOf(db, bucketsAt, folded);
  const calls = callsOf(db, names, rollups);
  const batches = batchesOf(db, names, rollups, calls.priceId);
  const corrections = correctionsOf(db, rollups, calls.priceId);
  const audit = auditLogOf(db);
  const keys = keysTableOf(db, audit);
  const alerts = alertsTableOf(db);
  const grants = grantsTableOf(db, audit);
  const savings = savingsTableOf(db, audit);
  const probe = db.prepare("INSERT INTO meta (key, value) VALUES ('last_probe', ?) ON CONFLICT DO UPDATE SET value = excluded.value");

  const applyOne = (op: Op, again: boolean): void => {
    switch (op[0]) {
      case OP.open: return calls.open(op, again);
      case OP.attempt: return calls.attempt(op);
      case OP.settle: return calls.settle(op, again);
      case OP.refuse: return calls.refuse(op, again);
      case OP.correct: return corrections.correct(op);
      case OP.audit: return audit({ at: op[1], actor: op[2], action: op[3], subject: op[4], detail: op[5] });
      case OP.keyCreate: return keys.create(op);
      case OP.keyRotate: return keys.rotate(op);
      case OP.keyRevoke: return keys.revoke(op);
      case OP.keysUsed: return keys.used(op);
      case OP.alerts: return alerts.apply(op);
      case OP.grant: return grants.create(op);
      case OP.grantRevoke: return grants.revoke(op);
      case OP.saving: return savings.decide(op);
      case OP.batchPromise: return batches.promise(op);
      case OP.batchOpen: return batches.open(op);
      case OP.batchWithdraw: return batches.withdraw(op[1]);
      case OP.own: return batches.own(op);
      case OP.disown: return batches.disown(op[1]);
      case OP.probe: probe.run(String(op[1])); return;
    }
  };

  /** @param broken places of operations that threw in an earlier try; they are left out */
  const attempt = (ops: readonly Op[], again: number, broken: ReadonlyMap<number, OpFailure>): FromWriter => {
    const failed = [...broken.values()];
    const started = performance.now();
    begin.run();
    ops.forEach((op, index) => {
      if (broken.has(index)) return;
      try {
        applyOne(op, index < again);
      } catch (error) {
        // Refused before it wrote anything: the transaction is none the worse.
        if (error instanceof OpRefused) failed.push({ index, code: error.code, message: error.message });
        else throw Object.assign(error as Error, { index });
      }
    });
    rollups.flush();
    commit.run();
    calls.committed();
    const committedMs = performance.now() - started;
    return failed.length === 0 ? committedMs : { committedMs, failed };
  };

  return {
    keys,
    alerts,
    grants,
    savings,
    batches,
    book(id, items, end) {
      try {
        begin.run();
        const fresh = batches.book(id, items, end);
        rollups.flush();
        commit.run();
        return fresh;
      } catch (error) {
        forget();
        throw error;
      }
    },
    apply(batch) {
      const ops = JSON.parse(batch.ops) as Op[];
      const broken = new Map<number, OpFailure>();
      for (;;) {
        try {
          return attempt(ops, batch.again, broken);
        } catch (error) {
          const { code, message, index } = error as { code?: unknown; message: string; index?: number };
          forget();
          // What went wrong is the operation's own fault, e.g. a value of the wrong type: the batch goes again without it.
          if (index !== undefined && !isTroubleOfStore(code)) {
            broken.set(index, { index, code: 'unwritable', message });
            continue;
          }
          return { trouble: typeof code === 'string' ? `${code}: ${message}` : message };
        }
      }
    },
  };

  function forget(): void {
    try {
      if (db.inTransaction) db.exec('ROLLBACK');
    } catch {
      // A rollback fails only where SQLite rolled back by itself already; the next BEGIN tells if not.
    }
    names.forget();
    calls.forget();
    rollups.forget();
  }
}

const isTroubleOfStore = (code: unknown): boolean =>
  typeof code === 'string' && /^SQLITE_(FULL|IOERR|READONLY|BUSY|LOCKED|CANTOPEN|CORRUPT|NOTADB|NOMEM|PROTOCOL|PERM|AUTH|INTERRUPT|ABORT)/.test(code);
