// server/store/sqlite/inspection.ts: looks at a ledger file before it is opened for writing, without changing a byte of it.

import { accessSync, closeSync, constants, existsSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from './migrations.ts';
import { corrupt, LedgerRefused, readOnly, refusalOf } from './refusal.ts';

/** Files up to this size are checked whole before the start, in about a second; of larger ones only the small tables, and the rest beside the calls. */
export const CHECKED_WHOLE_BYTES = 300_000_000;
const LARGE_TABLES = ['call', 'attempt', 'rollup', 'correction', 'fold', 'verdict'];

/** Lies beside a ledger in which damage was found while it served: the next start looks at all of it first, however long that takes. */
export const suspicionOf = (file: string): string => `${file}.damaged`;

/**
 * Decides whether a file is a ledger that this program may write.
 * @param wholeBytes larger files are checked in part, unless one was suspected before
 * @returns `absent` when there is none and one may be made; else whether all of it was checked
 * @throws LedgerRefused for anything else; a broken file is never replaced by a fresh one
 */
export function inspect(file: string, wholeBytes: number = CHECKED_WHOLE_BYTES): 'absent' | 'checked' | 'checked_in_part' {
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
    return checkContent(file, wholeBytes);
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
  if (length === 0) throw new LedgerRefused('corrupt', `${file} is damaged (it is empty). It was left as it is. Put a backup in its place, or delete it if there never was anything in it.`);
  if (length < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') throw corrupt(file, 'it is not a database');
  if (header.readUInt32BE(68) !== APPLICATION_ID) {
    throw new LedgerRefused('foreign', `${file} is a database of another program. Point the data directory somewhere else.`);
  }
}

function checkContent(file: string, wholeBytes: number): 'checked' | 'checked_in_part' {
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
    const suspected = existsSync(suspicionOf(file));
    const whole = suspected || statSync(file).size <= wholeBytes;
    const finding = whole ? findingIn(db, null) : tables.filter((table) => !LARGE_TABLES.includes(table)).map((table) => findingIn(db, table)).find((one) => one !== null);
    if (finding != null) throw corrupt(file, finding);
    // Put right, or replaced by a backup.
    if (suspected) rmSync(suspicionOf(file), { force: true });
    return whole ? 'checked' : 'checked_in_part';
  } finally {
    db.close();
  }
}

/** What SQLite finds wrong with a table, or with all of the file; null where nothing is. */
function findingIn(db: Database.Database, table: string | null): string | null {
  const finding = db.pragma(`quick_check${table === null ? '' : `('${table}')`}`, { simple: true });
  return finding === 'ok' ? null : (String(finding).split('\n')[0] ?? '');
}

/** What is wrong with the tables that a start leaves out where they are large, looked for one after the other; null where nothing is. */
export function findingInLargeTables(file: string): string | null {
  const db = new Database(file, { readonly: true, timeout: 5_000 });
  try {
    return LARGE_TABLES.map((table) => findingIn(db, table)).find((one) => one !== null) ?? null;
  } catch (error) {
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(String((error as { code?: unknown }).code))) return String((error as Error).message);
    throw error;
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
