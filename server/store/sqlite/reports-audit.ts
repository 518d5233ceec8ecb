// server/store/sqlite/reports-audit.ts: the audit log in pages, newest first.

import { epochMs } from '../../domain/ids.ts';
import type { AuditEntry } from '../../domain/ledger.ts';
import { BadQuery, type Page } from '../../domain/reports.ts';
import type { Source } from './reports-source.ts';

/** @throws BadQuery for a cursor that is not one of ours */
export function audit(source: Source, { limit, cursor, action = [], actor = [] }: { limit: number; cursor: string | null; action?: readonly string[]; actor?: readonly string[] }): Page<AuditEntry & { readonly id: number }> {
  const before = cursor === null ? Number.MAX_SAFE_INTEGER : idIn(cursor);
  const oneOf = (column: string, values: readonly string[]): string => (values.length === 0 ? '' : ` AND ${column} IN (${values.map(() => '?').join(', ')})`);
  const found = source.all(`SELECT id, at, actor, action, subject, detail FROM audit WHERE id < ?${oneOf('action', action)}${oneOf('actor', actor)} ORDER BY id DESC LIMIT ?`, [before, ...action, ...actor, limit + 1]);
  const rows = found.slice(0, limit).map(([id, at, actor, action, subject, detail]) => ({
    id: Number(id),
    at: epochMs(Number(at)),
    actor: actor as string,
    action: action as string,
    subject: subject as string,
    detail: detail as string,
  }));
  const last = found.length > limit ? rows.at(-1) : undefined;
  return { rows, nextCursor: last === undefined ? null : Buffer.from(`audit.1.${last.id}`).toString('base64url') };
}

function idIn(cursor: string): number {
  const match = /^audit\.1\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (match === null) throw new BadQuery('the cursor is not one that this list gave');
  return Number(match[1]);
}
