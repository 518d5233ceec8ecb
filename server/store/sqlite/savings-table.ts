// server/store/sqlite/savings-table.ts: what people decided about findings of the savings advisor. Runs inside the writer's transactions.

import type { Database } from 'better-sqlite3';
import type { AuditLine } from './audit-log.ts';
import type { SavingOp } from './operations.ts';

/** As it is stored: times in milliseconds, the baseline as JSON. */
export interface StoredSaving {
  readonly id: string;
  readonly state: string;
  readonly at: number;
  readonly actor: string;
  readonly owner: string | null;
  readonly reason: string | null;
  readonly baseline: string | null;
}

export interface SavingsTable {
  all(): StoredSaving[];
  decide(op: SavingOp): void;
}

export function savingsTableOf(db: Database, audit: (line: AuditLine) => void): SavingsTable {
  const select = db.prepare<[], StoredSaving>('SELECT id, state, at, actor, owner, reason, baseline FROM saving ORDER BY at, id');
  const upsert = db.prepare(`
    INSERT INTO saving (id, state, at, actor, owner, reason, baseline) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET state = excluded.state, at = excluded.at, actor = excluded.actor, owner = excluded.owner, reason = excluded.reason, baseline = excluded.baseline`);

  return {
    all: () => select.all(),
    decide([, id, state, at, actor, owner, reason, baseline]) {
      upsert.run(id, state, at, actor, owner, reason, baseline);
      audit({ at, actor, action: 'saving.decide', subject: id, detail: JSON.stringify({ state, owner, reason }) });
    },
  };
}
