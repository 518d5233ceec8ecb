// test/store/scratch.ts: ledgers in directories of their own, and a look at their tables from outside.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openLedger, type LedgerOptions, type OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { clockAt, logbook, NOON, writerEntry } from './samples.ts';

export interface Scratch {
  readonly dir: string;
  readonly file: string;
  open(more?: Partial<LedgerOptions>): Promise<OpenLedger>;
  /** The files as a crash would leave them at this moment, opened elsewhere. */
  crashed(): Scratch;
  /** Rows as anybody's SQLite would read them. */
  read<Row>(sql: string, ...values: (string | number)[]): Row[];
  remove(): void;
}

export function scratch(dir: string = mkdtempSync(join(tmpdir(), 'tollgate-store-'))): Scratch {
  const file = join(dir, 'ledger.db');
  const crashes: Scratch[] = [];
  return {
    dir,
    file,
    open: (more = {}) =>
      openLedger({
        file, workerEntry: writerEntry, timezone: 'Europe/Berlin', durability: 'normal', retentionDays: 36_500,
        declared: { keys: [], workspaces: new Map() }, log: logbook(), clock: clockAt(NOON), ...more,
      }),
    crashed() {
      const copy = scratch();
      cpSync(dir, copy.dir, { recursive: true });
      crashes.push(copy);
      return copy;
    },
    read<Row>(sql: string, ...values: (string | number)[]): Row[] {
      const db = new Database(file, { readonly: true });
      try {
        return db.prepare<unknown[], Row>(sql).all(...values);
      } finally {
        db.close();
      }
    },
    remove() {
      for (const copy of crashes) copy.remove();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
