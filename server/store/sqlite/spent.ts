// server/store/sqlite/spent.ts: what a scope has spent between two instants, exactly: whole days and hours from roll-ups, the rest from rows.

import type { Database } from 'better-sqlite3';
import type { Scope } from '../../domain/budget.ts';
import { periodAt } from '../../domain/calendar.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import type { Buckets } from './buckets.ts';
import { COST_NOW } from './corrections.ts';
import { GRAIN } from './migrations.ts';
import type { Names } from './names.ts';

interface Level {
  readonly kind: 'day' | 'hour';
  readonly grain: number;
}

// Roll-ups by hour do not know their users, so under a user a part of a day is summed from that user's rows. Folds, which do, lag behind: a
// budget begins from what is written in the transaction of the call itself.
const WITHOUT_USER: readonly Level[] = [{ kind: 'day', grain: GRAIN.day }, { kind: 'hour', grain: GRAIN.hour }];
const WITH_USER: readonly Level[] = [{ kind: 'day', grain: GRAIN.userDay }];

/** @returns nano-dollars of settled calls admitted in [from, to) */
export function spentOf(db: Database, names: Names, bucketsAt: (at: EpochMs) => Buckets, zone: string): (scope: Scope, from: number, to: number) => bigint {
  return (scope, from, to) => {
    const conditions: string[] = [];
    const values: number[] = [];
    for (const [column, text] of [['workspace', scope.workspace], ['workflow', scope.workflow], ['key', scope.key], ['user', scope.user], ['model_sent', scope.model]] as const) {
      if (text === null) continue;
      const id = names.find(text);
      if (id === null) return 0n;
      conditions.push(` AND ${column} = ?`);
      values.push(id);
    }
    const where = conditions.join('');
    const sum = (sql: string, ...range: number[]): bigint => db.prepare(sql).pluck().safeIntegers().get(...range, ...values) as bigint;

    /** The first instant of a bucket: every call at or after it is in this bucket or a later one. */
    const begins = (kind: 'day' | 'hour', at: number): boolean => bucketsAt(epochMs(at))[kind] !== bucketsAt(epochMs(at - 1))[kind];
    const firstBegin = (kind: 'day' | 'hour', at: number): number => {
      let begin = at;
      while (!begins(kind, begin)) begin = periodAt(kind, epochMs(begin), zone).to;
      return begin;
    };

    const between = (start: number, end: number, levels: readonly Level[]): bigint => {
      if (start >= end) return 0n;
      const [level, ...finer] = levels;
      if (level === undefined) return sum(`SELECT coalesce(sum(${COST_NOW}), 0) FROM call WHERE admitted_at >= ? AND admitted_at < ? AND outcome IS NOT NULL${where}`, start, end);
      const { kind, grain } = level;
      const first = firstBegin(kind, start);
      // The bucket that holds `end` is whole only where `end` begins it, and then it is not wanted.
      const last = begins(kind, end) ? end : Math.max(lastBegin(kind, end), start);
      if (first >= last) return between(start, end, finer);
      const whole = sum(
        `SELECT coalesce(sum(cost), 0) FROM rollup WHERE grain = ${grain} AND bucket >= ? AND bucket < ?${where}`,
        bucketsAt(epochMs(first))[kind], bucketsAt(epochMs(last))[kind],
      );
      return between(start, first, finer) + whole + between(last, end, finer);
    };

    const lastBegin = (kind: 'day' | 'hour', at: number): number => {
      const begin = bucketsAt(epochMs(at))[kind];
      // Where a clock change cut the hour short at its front, the bucket's name lies before its first instant.
      return begins(kind, begin) ? begin : firstBegin(kind, begin);
    };

    return between(from, to, scope.user === null ? WITHOUT_USER : WITH_USER);
  };
}
