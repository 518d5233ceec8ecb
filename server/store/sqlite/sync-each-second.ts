// server/store/sqlite/sync-each-second.ts: what `durability: normal` promises over a loss of power: at most the last second.

import { closeSync, fdatasync, openSync } from 'node:fs';

const EVERY_MS = 1_000;

/**
 * Syncs the write-ahead log a second after a commit, beside SQLite, which in this mode syncs checkpoints alone. By another descriptor:
 * SQLite keeps no lock on that file that closing one would take away. A ledger without commits costs nothing.
 */
export class SyncEachSecond {
  readonly #fd: number;
  readonly #onFailure: (error: Error) => void;
  #timer: NodeJS.Timeout | null = null;

  /** @param wal exists as long as the ledger is open */
  constructor(wal: string, onFailure: (error: Error) => void) {
    this.#fd = openSync(wal, 'r');
    this.#onFailure = onFailure;
  }

  /** Something was committed. */
  committed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      fdatasync(this.#fd, (error) => {
        if (error !== null) this.#onFailure(error);
      });
    }, EVERY_MS);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    closeSync(this.#fd);
  }
}
