// server/store/sqlite/backup.ts: a whole, checked copy of the ledger while it is being written.

import { once } from 'node:events';
import { chmodSync, existsSync, linkSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { makeFolder } from './folder.ts';

export interface BackupDone {
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Copies the ledger that `db` has open to a file that must not exist yet; its directory is made if need be. The copy is made a
 * few pages at a time, between other work of the thread, and holds every change that was committed before the last of them. It
 * is checked, and only then gets its name: a file of that name is always a whole backup. Calls in flight are in it as open; a start from it ends them as crashed.
 * @throws Error when the file exists, cannot be written, or does not pass the check
 */
export async function backUp(db: Database.Database, file: string): Promise<BackupDone> {
  if (existsSync(file)) throw new Error(`${file} exists; a backup never overwrites a file`);
  const started = performance.now();
  makeFolder(dirname(file));
  const partial = `${file}.partial-${process.pid}`;
  try {
    await db.backup(partial);
    chmodSync(partial, 0o600);
    // One file, without a write-ahead log beside it, can be moved about safely.
    const copy = new Database(partial);
    copy.pragma('journal_mode = DELETE');
    copy.close();
    await verify(partial);
    // Unlike rename, link never replaces a file that came to be in the meantime.
    linkSync(partial, file);
    return { bytes: statSync(file).size, ms: Math.round(performance.now() - started) };
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(partial + end, { force: true });
  }
}

/** @throws Error with what is wrong with the copy */
async function verify(file: string): Promise<void> {
  const verifier = new Worker(new URL('./verifier.js', import.meta.url), { workerData: file });
  const [finding] = (await once(verifier, 'message')) as [string | null];
  if (finding !== null) throw new Error(`the backup is not whole: ${finding}`);
}
