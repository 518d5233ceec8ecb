// server/store/sqlite/database.ts: opens the ledger's file for the one thread that writes it.

import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { inspect } from './inspection.ts';
import { migrate, SCHEMA_VERSION } from './migrations.ts';
import { corrupt, LedgerRefused, refusalOf } from './refusal.ts';

/**
 * Opens a ledger for writing, after looking at it closely; makes one where there is none.
 * @param durability `full` syncs every commit, so that it survives the loss of power; `normal` syncs checkpoints only, which survives any end of the process; see also `SyncEachSecond`
 * @param wholeBytes larger files are checked in part; `checked` is then false
 * @param upgrading told before a ledger of an earlier version is brought to this one, which takes seconds per million calls at worst
 * @throws LedgerRefused, with the file unchanged
 */
export function openForWriting(file: string, durability: 'full' | 'normal', wholeBytes?: number, upgrading?: (from: number, to: number) => void): { db: Database.Database; checked: boolean } {
  const found = inspect(file, wholeBytes);
  try {
    if (found === 'absent') create(file);
    const db = new Database(file, { timeout: 5_000, fileMustExist: true });
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${durability}`);
    // Measured over 150,000 calls of 2,000 users: 32 MB write no faster, and are kept for good once something large went through.
    db.pragma('cache_size = -4000');
    // The pages at the ends of the tables change in every commit; copied back once in 16 MiB of log they cost a quarter of what they do by default.
    db.pragma('wal_autocheckpoint = 4000');
    db.pragma('journal_size_limit = 67108864');
    db.pragma('foreign_keys = ON');
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version < SCHEMA_VERSION) upgrading?.(version, SCHEMA_VERSION);
    migrate(db);
    // A write that takes nothing back: a file that cannot be written must stop the start, not the first call.
    db.exec("BEGIN IMMEDIATE; INSERT INTO meta (key, value) VALUES ('last_start', datetime('now')) ON CONFLICT DO UPDATE SET value = excluded.value; COMMIT");
    return { db, checked: found !== 'checked_in_part' };
  } catch (error) {
    throw error instanceof LedgerRefused ? error : (refusalOf(error, file) ?? error);
  }
}

/** Made under another name and renamed when whole, so that a file of the ledger's name always is a ledger. */
function create(file: string): void {
  const draft = `${file}.new`;
  const remove = (): void => {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(draft + end, { force: true });
  };
  remove();
  try {
    const db = new Database(draft);
    chmodSync(draft, 0o600);
    // Must be set before the first table.
    db.pragma('auto_vacuum = INCREMENTAL');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    migrate(db);
    db.prepare("INSERT INTO meta (key, value) VALUES ('install_secret', ?), ('created_at', ?)").run(randomBytes(32).toString('hex'), new Date().toISOString());
    db.close();
    linkSync(draft, file);
  } finally {
    remove();
  }
}

/** A value of `meta` that every ledger has. @throws LedgerRefused when it is missing */
export function metaOf(db: Database.Database, key: string): string {
  const value = db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck().get(key);
  if (value === undefined) throw corrupt(db.name, `meta ${key} is missing`);
  return value;
}
