// server/store/sqlite/lock.ts: keeps a second gateway off a ledger that one already writes.

import Database from 'better-sqlite3';
import { LedgerRefused, refusalOf } from './refusal.ts';

/**
 * Takes the lock of a ledger, a file beside it, until `release` or the end of the process. The lock is the operating system's
 * (SQLite's write lock on that file), so it ends with its holder however that ends: there is no stale lock to break, and a
 * process id that was given to another program cannot be mistaken for the holder. The file names its holder for people.
 * @throws LedgerRefused `held`, naming the process that holds it
 */
export function lockLedger(file: string): { release: () => void } {
  const lockFile = `${file}.lock`;
  let db: Database.Database;
  try {
    db = new Database(lockFile, { timeout: 0 });
  } catch (error) {
    throw refusalOf(error, lockFile) ?? error;
  }
  try {
    // Kept in memory and never synced: what it says of its holder matters only while the holder lives.
    db.pragma('journal_mode = MEMORY');
    db.pragma('synchronous = OFF');
    db.exec('BEGIN IMMEDIATE');
    db.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL, since TEXT NOT NULL)');
    db.exec('DELETE FROM holder');
    db.prepare("INSERT INTO holder (pid, since) VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))").run(process.pid);
    db.exec('COMMIT');
    // A write lock keeps other writers out and lets them read who holds it. Whoever comes between the two loses nothing: one of us gets it.
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    const holder = holderOf(db);
    db.close();
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) {
      throw new LedgerRefused('held', `${file} is held by another gateway${holder === null ? '' : ` (process ${holder.pid}, since ${holder.since})`}. Stop it first, or give this one a data directory of its own.`);
    }
    throw refusalOf(error, lockFile) ?? error;
  }
  return { release: () => db.close() };
}

function holderOf(db: Database.Database): { pid: number; since: string } | null {
  try {
    return db.prepare<[], { pid: number; since: string }>('SELECT pid, since FROM holder').get() ?? null;
  } catch {
    return null; // Being written at this very moment, or damaged: the name of the holder is a courtesy.
  }
}
