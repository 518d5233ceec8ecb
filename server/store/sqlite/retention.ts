// server/store/sqlite/retention.ts: deletes rows that are too old, a little at a time. Roll-ups, prices, keys and the audit log stay.

import type { Database } from 'better-sqlite3';
import { periodAt } from '../../domain/calendar.ts';
import { DAY_MS } from '../../domain/durations.ts';
import { epochMs } from '../../domain/ids.ts';
import { deleteVerdicts } from './verdicts-table.ts';

const ROWS_AT_ONCE = 500;
/** Freed pages given back to the file system per chunk; 500 rows are some 60 pages. */
const PAGES_AT_ONCE = 128;

/**
 * Deletes one chunk of calls admitted before the local day that began `days` days ago, each with its attempts, corrections and what rules said of it.
 * @returns how many calls went; 0 when nothing is left to do
 */
export function deleteOldRows(db: Database, { now, days, zone }: { now: number; days: number; zone: string }): number {
  const cut = periodAt('day', epochMs(now - days * DAY_MS), zone).from;
  const deleted = db.transaction(() => {
    // A call in flight is never old; should a clock say so, it stays until it ends. Rows of a batch stay until all of it is booked:
    // they are what keeps its items from being booked twice.
    const old = db.prepare<[number, number], { n: number; at: number }>(`SELECT n, admitted_at AS at FROM call WHERE admitted_at < ? AND outcome IS NOT NULL AND (batch IS NULL OR batch NOT IN (SELECT n FROM batch WHERE state = 'open')) ORDER BY admitted_at LIMIT ?`).all(cut, ROWS_AT_ONCE);
    if (old.length === 0) {
      db.prepare(`DELETE FROM batch WHERE state <> 'open' AND created_at < ? AND NOT EXISTS (SELECT 1 FROM call WHERE call.batch = batch.n)`).run(cut);
      return 0;
    }
    db.prepare(`INSERT INTO meta (key, value) VALUES ('rows_from', ?) ON CONFLICT DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))`).run(String(cut));
    const deleteAttempts = db.prepare('DELETE FROM attempt WHERE call = ?');
    const deleteCorrections = db.prepare('DELETE FROM correction WHERE call = ?');
    const deleteCall = db.prepare('DELETE FROM call WHERE n = ?');
    for (const { n } of old) {
      deleteAttempts.run(n);
      deleteCorrections.run(n);
      deleteCall.run(n);
    }
    deleteVerdicts(db, old);
    return old.length;
  }).immediate();
  if (deleted > 0) db.pragma(`incremental_vacuum(${PAGES_AT_ONCE})`);
  return deleted;
}
