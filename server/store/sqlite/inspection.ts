// server/store/sqlite/inspection.ts: looks at a ledger file before it is opened for writing, without changing a byte of it.

import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from './migrations.ts';
import { corrupt, LedgerRefused, readOnly, refusalOf } from './refusal.ts';

/** Files up to this size are checked whole (some 3 s); of larger ones, everything but the rows and attempts of calls, and what can be worked out anew. */
const CHECKED_WHOLE_BYTES = 1_000_000_000;
const LARGE_TABLES = ['call', 'attempt', 'fold'];

/**
 * Decides whether a file is a ledger that this program may write.
 * @returns `absent` when there is none and one may be made; else whether all of it was checked
 * @throws LedgerRefused for anything else; a broken file is never replaced by a fresh one
 */
export function inspect(file: string): 'absent' | 'checked' | 'checked_in_part' {
  if (!existsSync(file)) {
    if (existsSync(`${file}-wal`)) throw corrupt(file, 'it is missing, but its write-ahead log is there');
    return 'absent';
  }
  checkHeader(file);
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw readOnly(file, String((error as { code?: unknown }).code));
  }
  try {
    return checkContent(file);
  } catch (error) {
    throw error instanceof LedgerRefused ? error : (refusalOf(error, file) ?? error);
  }
}

/** The header tells foreign from damaged before SQLite touches the file. See "The Database Header" in SQLite's file format. */
function checkHeader(file: string): void {
  const header = Buffer.alloc(100);
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw refusalOf(error, file) ?? error;
  }
  const length = readSync(fd, header, 0, 100, 0);
  closeSync(fd);
  if (length < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') throw corrupt(file, statSync(file).size === 0 ? 'it is empty' : 'it is not a database');
  if (header.readUInt32BE(68) !== APPLICATION_ID) {
    throw new LedgerRefused('foreign', `${file} is a database of another program. Point the data directory somewhere else.`);
  }
}

function checkContent(file: string): 'checked' | 'checked_in_part' {
  const db = new Database(file, { readonly: true, timeout: 5_000 });
  try {
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version > SCHEMA_VERSION) {
      throw new LedgerRefused('newer', `${file} was written by a newer version (schema ${version}; this one knows ${SCHEMA_VERSION}). Start that version again, or put back the backup from before the upgrade.`);
    }
    const tables = tablesOf(db);
    if (version === SCHEMA_VERSION) {
      const expected = expectedTables();
      const strange = tables.find((table) => !expected.includes(table));
      if (strange !== undefined) throw new LedgerRefused('foreign', `${file} has a table that is not ours: ${strange}. Take it out, or point the data directory somewhere else.`);
      const missing = expected.find((table) => !tables.includes(table));
      if (missing !== undefined) throw corrupt(file, `table ${missing} is missing`);
    }
    const whole = statSync(file).size <= CHECKED_WHOLE_BYTES;
    const targets = whole ? [''] : tables.filter((table) => !LARGE_TABLES.includes(table)).map((table) => `('${table}')`);
    for (const target of targets) {
      const finding = db.pragma(`quick_check${target}`, { simple: true });
      if (finding !== 'ok') throw corrupt(file, String(finding).split('\n')[0] ?? '');
    }
    return whole ? 'checked' : 'checked_in_part';
  } finally {
    db.close();
  }
}

const tablesOf = (db: Database.Database): string[] =>
  db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name").pluck().all();

function expectedTables(): string[] {
  const fresh = new Database(':memory:');
  try {
    migrate(fresh);
    return tablesOf(fresh);
  } finally {
    fresh.close();
  }
}
