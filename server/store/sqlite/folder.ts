// server/store/sqlite/folder.ts: the folder that a file is to stand in, made where it is not there, for its owner alone.

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { LedgerRefused } from './refusal.ts';

/**
 * Not by mkdir's own recursion, which tries for ever in a folder that takes no others, as /proc does.
 * @throws LedgerRefused where a file stands in its place; the system's error where it cannot be made
 */
export function makeFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found !== undefined) {
    if (!found.isDirectory()) throw new LedgerRefused('unusable', `${folder} is no folder, and so cannot hold the ledger.`);
    return;
  }
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process may have been quicker.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
