// server/store/sqlite/grants-table.ts: the rows of temporary raises of budgets. Runs inside the writer's transactions.

import type { Database } from 'better-sqlite3';
import type { AuditLine } from './audit-log.ts';
import { OpRefused } from './calls.ts';
import type { GrantOp, GrantRevokeOp } from './operations.ts';

/** A grant as it is stored: money in whole nano-dollars, times in milliseconds. */
export interface StoredGrant {
  readonly id: string;
  readonly budget: string;
  readonly amount: bigint;
  readonly createdAt: number;
  readonly until: number;
  readonly reason: string;
  readonly actor: string;
  readonly revokedAt: number | null;
}

export interface GrantsTable {
  /** Those whose end is at `since` or later, oldest first. */
  all(since: number): StoredGrant[];
  create(op: GrantOp): void;
  revoke(op: GrantRevokeOp): void;
}

export function grantsTableOf(db: Database, audit: (line: AuditLine) => void): GrantsTable {
  // Amounts leave as text, since a number would round those above nine million dollars.
  const select = db.prepare<[number], Omit<StoredGrant, 'amount'> & { readonly amount: string }>(
    'SELECT id, budget, CAST(amount AS TEXT) AS amount, created_at AS createdAt, until, reason, actor, revoked_at AS revokedAt FROM budget_grant WHERE until >= ? ORDER BY created_at, id',
  );
  const insert = db.prepare('INSERT INTO budget_grant (id, budget, amount, created_at, until, reason, actor) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const find = db.prepare<[string, string], { revokedAt: number | null }>('SELECT revoked_at AS revokedAt FROM budget_grant WHERE id = ? AND budget = ?');
  const end = db.prepare('UPDATE budget_grant SET revoked_at = ? WHERE id = ?');

  return {
    all: (since) => select.all(since).map((row) => ({ ...row, amount: BigInt(row.amount) })),
    create([, id, budget, amount, at, until, reason, actor]) {
      // A batch that is written again brings the same grant.
      if (insert.run(id, budget, BigInt(amount), at, until, reason, actor).changes === 0) return;
      audit({ at, actor, action: 'budget.grant', subject: budget, detail: JSON.stringify({ id, nanodollars: amount, until, reason }) });
    },
    revoke([, id, budget, at, actor]) {
      const known = find.get(id, budget);
      if (known === undefined) throw new OpRefused('unknown_grant', `budget ${budget} has no grant ${id}`);
      if (known.revokedAt !== null) return;
      end.run(at, id);
      audit({ at, actor, action: 'budget.grant.revoke', subject: budget, detail: JSON.stringify({ id }) });
    },
  };
}
