// server/store/sqlite/folded.ts: which stretches of time stand folded, kept true in the transactions that change what they sum.

import type { Database } from 'better-sqlite3';
import { FOLD_GRAIN } from './fold-views.ts';

export interface Folded {
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly blocks: ReadonlySet<number>;
  /** Sums of an hour or a day change: its fold and those that hold it stand no more. Inside the transaction that changes them. */
  change(kind: 'hour' | 'day', bucket: number): void;
  /** Inside a transaction: from now on a fold stands. */
  stands(grain: 'hour' | 'day' | 'block', bucket: number, until: number): void;
  /** After a rollback: what was noted did not happen. */
  forget(): void;
  /** Told of every change, so that a fold that is being made can be made anew. */
  onChange: (bucket: number) => void;
}

export function foldedOf(db: Database): Folded {
  const all = db.prepare<[number], number>('SELECT bucket FROM fold_done WHERE grain = ?').pluck();
  const remove = db.prepare<[number, number]>('DELETE FROM fold_done WHERE grain = ? AND bucket = ?');
  const removeAround = db.prepare<[number, number], number>(`DELETE FROM fold_done WHERE grain = ${FOLD_GRAIN.block} AND bucket <= ? AND until > ? RETURNING bucket`).pluck();
  const insert = db.prepare('INSERT INTO fold_done (grain, bucket, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
  const load = (grain: number): Set<number> => new Set(all.all(grain));
  let sets = { hour: load(FOLD_GRAIN.hour), day: load(FOLD_GRAIN.day), block: load(FOLD_GRAIN.block) };
  const lastBlockEnd = db.prepare<[], number | null>(`SELECT max(until) FROM fold_done WHERE grain = ${FOLD_GRAIN.block}`).pluck();
  let blocksEnd = lastBlockEnd.get() ?? -Infinity;
  let changed = false;
  return {
    get hours() {
      return sets.hour;
    },
    get days() {
      return sets.day;
    },
    get blocks() {
      return sets.block;
    },
    change(kind, bucket) {
      this.onChange(bucket);
      // Nearly every call ends in an hour and a day that are still going on.
      if (sets[kind].has(bucket)) {
        sets[kind].delete(bucket);
        remove.run(FOLD_GRAIN[kind], bucket);
        changed = true;
      }
      // A day may have had no calls, and no fold, when its block was made.
      if (kind === 'day' && bucket < blocksEnd) {
        for (const block of removeAround.all(bucket, bucket)) sets.block.delete(block);
        changed = true;
      }
    },
    stands(grain, bucket, until) {
      insert.run(FOLD_GRAIN[grain], bucket, until);
      sets[grain].add(bucket);
      if (grain === 'block') blocksEnd = Math.max(blocksEnd, until);
      changed = true;
    },
    forget() {
      if (!changed) return;
      sets = { hour: load(FOLD_GRAIN.hour), day: load(FOLD_GRAIN.day), block: load(FOLD_GRAIN.block) };
      blocksEnd = lastBlockEnd.get() ?? -Infinity;
      changed = false;
    },
    onChange: () => undefined,
  };
}
