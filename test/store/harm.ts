// test/store/harm.ts: breaks a ledger that nobody has open.

import { readFileSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';

/** Overwrites a page of rows: one that hangs from the root of the table of calls, so that neither the schema nor any other table is hurt. @throws where there are fewer calls than fill a page */
export function harmRows(file: string): void {
  const bytes = readFileSync(file);
  const db = new Database(file, { readonly: true });
  const { rootpage } = db.prepare<[], { rootpage: number }>("SELECT rootpage FROM sqlite_schema WHERE name = 'call'").get() as { rootpage: number };
  db.close();
  // An interior page of a table: the pointer of its first cell, see "B-tree Pages" in SQLite's file format.
  const root = (rootpage - 1) * 4096;
  if (bytes[root] !== 5) throw new Error('all calls are in one page');
  const leaf = bytes.readUInt32BE(root + bytes.readUInt16BE(root + 12));
  bytes.fill(0xa5, (leaf - 1) * 4096, leaf * 4096);
  writeFileSync(file, bytes);
}
