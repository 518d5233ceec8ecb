// server/store/sqlite/audit-log.ts: the append-only log of who changed what, each line sealed to the one before.

import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';

export interface AuditLine {
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: string;
}

interface AuditRow extends AuditLine {
  readonly id: number;
  readonly hash: Uint8Array;
}

/** Appends a line; runs inside the writer's transactions. */
export function auditLogOf(db: Database): (line: AuditLine) => void {
  const last = db.prepare<[], { id: number; hash: Uint8Array }>('SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1');
  const insert = db.prepare('INSERT INTO audit (id, at, actor, action, subject, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)');
  return (line) => {
    const before = last.get();
    const id = (before?.id ?? 0) + 1;
    insert.run(id, line.at, line.actor, line.action, line.subject, line.detail, seal(before?.hash ?? null, id, line));
  };
}

/** The id of the first line that was changed, or that follows one taken out; null when the whole chain holds. */
export function firstBrokenAudit(db: Database): number | null {
  let before: AuditRow | null = null;
  for (const row of db.prepare<[], AuditRow>('SELECT id, at, actor, action, subject, detail, hash FROM audit ORDER BY id').iterate()) {
    if (row.id !== (before?.id ?? 0) + 1 || !seal(before?.hash ?? null, row.id, row).equals(row.hash)) return row.id;
    before = row;
  }
  return null;
}

const seal = (before: Uint8Array | null, id: number, line: AuditLine): Buffer =>
  createHash('sha256').update(before ?? '').update(JSON.stringify([id, line.at, line.actor, line.action, line.subject, line.detail])).digest();
