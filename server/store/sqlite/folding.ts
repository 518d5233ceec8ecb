// server/store/sqlite/folding.ts: makes folds of the hours, days and blocks that are over, a little at a time, beside the writer's other work.

import type { Database } from 'better-sqlite3';
import { dayOf, periodAt } from '../../domain/calendar.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../domain/durations.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import type { Buckets } from './buckets.ts';
import type { Folded } from './folded.ts';
import { actionsIn, actionsOfDay, actionSums, dearestOf, type HourAction } from './fold-actions.ts';
import { foldBuilder, openFold, type FoldBuilder } from './fold-format.ts';
import { factBuilders, FACTS, foldSourceOf } from './fold-source.ts';
import { BLOCK_DAYS, FOLD_GRAIN, FOLD_VIEWS, partOf, VIEWS_OF, type FoldGrain, type FoldView } from './fold-views.ts';
import { GRAIN } from './migrations.ts';
import type { Names } from './names.ts';
import { QUARTER_MS } from './reports-time.ts';
import { EMPTY_SKETCH } from './sketch.ts';

/** What one transaction writes: a few milliseconds. */
const BYTES_AT_ONCE = 128 * 1024;
/** Calls may end after their hour; this long they are waited for, while any is in flight ten times as long. */
const SETTLING_MS = 2 * MINUTE_MS;

export interface Folding {
  /** Does a bounded piece of work. @returns false when there is nothing to do for now @throws SqliteError as any write may */
  step(now: number): boolean;
  /** Folds made since the start. */
  readonly made: number;
}

/** Views of a day that tell its hours apart. */
const HOURS = ['hours', 'hoursModel', 'hoursWorkflow'] as const satisfies readonly FoldView[];

export function foldingOf(db: Database, names: Names, folded: Folded, bucketsAt: (at: EpochMs) => Buckets, zone: string): Folding {
  const source = foldSourceOf(db, names);
  const lastBefore = db.prepare<[number, number], number | null>('SELECT max(bucket) FROM rollup WHERE grain = ? AND bucket < ?').pluck();
  const inFlightBefore = db.prepare<[number]>('SELECT 1 FROM call INDEXED BY call_open WHERE outcome IS NULL AND admitted_at < ? LIMIT 1').pluck();
  const rowsFrom = db.prepare<[], number>("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'rows_from'").pluck();
  const clear = db.prepare<[number, number]>('DELETE FROM fold WHERE grain = ? AND bucket = ?');
  const insert = db.prepare('INSERT OR REPLACE INTO fold (grain, bucket, view, part, content) VALUES (?, ?, ?, ?, ?)');
  const select = db.prepare<[number, number, number, number], Buffer>(`SELECT content FROM fold WHERE grain = ? AND bucket = ? AND view = ? AND part = ?`).pluck();
  const partsOf = db.prepare<[number, number, number, number], number>('SELECT DISTINCT part FROM fold WHERE grain = ? AND bucket >= ? AND bucket < ? AND view = ?').pluck();

  /** The stretch that is being folded, and whether what it sums has changed since it began. */
  let making: { from: number; until: number; changed: boolean } | null = null;
  folded.onChange = (bucket) => {
    if (making !== null && bucket >= making.from && bucket < making.until) making.changed = true;
  };
  let made = 0;

  const over = (until: number, now: number): boolean => now >= until + 10 * SETTLING_MS || (now >= until + SETTLING_MS && inFlightBefore.get(until) === undefined);

  /** Writes blobs as they come, and says at the end that the fold stands, unless its sums changed on the way. */
  function* make(grain: FoldGrain, bucket: number, until: number, content: () => Generator<readonly [FoldView, number, FoldBuilder] | undefined, boolean>): Generator<void> {
    const mine = (making = { from: bucket, until, changed: false });
    db.transaction(() => {
      clear.run(FOLD_GRAIN[grain], bucket);
      source.prepare();
    }).immediate();
    yield;
    let blobs: [FoldView, number, Uint8Array][] = [];
    let bytes = 0;
    const write = (): void => {
      db.transaction(() => {
        for (const [view, part, blob] of blobs) insert.run(FOLD_GRAIN[grain], bucket, FOLD_VIEWS[view].id, part, blob);
      }).immediate();
      [blobs, bytes] = [[], 0];
    };
    const pieces = content();
    for (let next = pieces.next(); ; next = pieces.next()) {
      if (mine.changed) return;
      if (next.done === true) {
        if (!next.value) return;
        break;
      }
      if (next.value !== undefined) {
        const [view, part, builder] = next.value;
        const blob = builder.encode();
        blobs.push([view, part, blob]);
        bytes += blob.length;
        if (bytes > BYTES_AT_ONCE) write();
      }
      yield;
    }
    if (mine.changed) return;
    write();
    // In the same step as the last look at `changed`: nothing can come between.
    db.transaction(() => folded.stands(grain, bucket, until)).immediate();
    made += 1;
  }

  function* hour(from: number): ReturnType<Parameters<typeof make>[3]> {
    const wide = foldBuilder(FOLD_VIEWS.wide.dimensions.length);
    yield* source.rollup(GRAIN.hour, from, (d, ...figures) => wide.add([d.workspace, d.workflow, d.key, d.model, d.modelSent, d.outcome], ...figures));
    yield ['wide', 0, wide];
    const users = foldBuilder(FOLD_VIEWS.users.dimensions.length);
    const acts = foldBuilder(FOLD_VIEWS.actions.dimensions.length);
    const facts = factBuilders();
    yield* source.calls(from, from + HOUR_MS, (page) => {
      page.byUser((user, workspace, ...figures) => users.add([user, workspace], ...figures));
      for (const { action, first, workspace, workflow, calls, costLow, costHigh, costs } of page.actions()) {
        const sums = actionSums(calls, 0, costLow, costHigh);
        // What the page has of a named action is told apart by its first call.
        if (action === 0) acts.add([0, first, workspace, workflow], sums, 0, costs, EMPTY_SKETCH);
        else acts.append([action, first, workspace, workflow], sums, 0);
      }
      page.facts(facts);
    });
    yield ['users', 0, users];
    yield ['actions', 0, acts];
    for (const view of FACTS) yield [view, 0, facts[view]];
    // Rows that retention has begun to take away prove nothing.
    return from >= (rowsFrom.get() ?? 0);
  }

  function* day(from: number, until: number): ReturnType<Parameters<typeof make>[3]> {
    const narrow = foldBuilder(FOLD_VIEWS.narrow.dimensions.length);
    const wide = foldBuilder(FOLD_VIEWS.wide.dimensions.length);
    yield* source.rollup(GRAIN.day, from, (d, ...figures) => {
      const dimensions = [d.workspace, d.workflow, d.key, d.model, d.modelSent];
      narrow.add(dimensions, ...figures);
      wide.add([...dimensions, d.outcome], ...figures);
    });
    yield ['narrow', 0, narrow];
    yield ['wide', 0, wide];
    const users = foldBuilder(FOLD_VIEWS.users.dimensions.length);
    const ofModels = foldBuilder(FOLD_VIEWS.usersModel.dimensions.length);
    const parts = new Map<number, FoldBuilder>();
    yield* source.rollup(GRAIN.userDay, from, (d, ...figures) => {
      users.add([d.user, d.workspace], ...figures);
      ofModels.add([d.user, d.workspace, d.model], ...figures);
      let part = parts.get(partOf(d.user));
      if (part === undefined) parts.set(partOf(d.user), (part = foldBuilder(FOLD_VIEWS.usersWide.dimensions.length)));
      part.add([d.user, d.workspace, d.workflow, d.key, d.model, d.outcome], ...figures);
    });
    yield ['users', 0, users];
    yield ['usersModel', 0, ofModels];
    for (const [part, builder] of parts) yield ['usersWide', part, builder];
    const [hours, hoursModel, hoursWorkflow] = HOURS.map((view) => foldBuilder(FOLD_VIEWS[view].dimensions.length, 'strung')) as [FoldBuilder, FoldBuilder, FoldBuilder];
    for (let bucket = lastBefore.get(GRAIN.hour, until) ?? -1; bucket >= from; bucket = lastBefore.get(GRAIN.hour, bucket) ?? -1) {
      // An hour that a clock change cuts is no whole number of quarters from the epoch in name.
      if (bucket % QUARTER_MS !== 0) return false;
      source.hour(bucket, (workspace, workflow, model, ...figures) => {
        hours.add([bucket / QUARTER_MS, workspace], ...figures);
        hoursModel.add([bucket / QUARTER_MS, model], ...figures);
        hoursWorkflow.add([bucket / QUARTER_MS, workspace, workflow], ...figures);
      });
      yield;
    }
    yield ['hours', 0, hours];
    yield ['hoursModel', 0, hoursModel];
    yield ['hoursWorkflow', 0, hoursWorkflow];
    yield* ofHours(from, until);
    return true;
  }

  /** What only rows know, from the folds of hours; hours that a clock change cuts have none, and their rows are read. */
  function* ofHours(from: number, until: number): Generator<readonly [FoldView, number, FoldBuilder] | undefined> {
    const folds = [...folded.hours].filter((one) => one >= from && one < until).sort((a, b) => a - b);
    const rest: HourAction[] = [];
    const facts = factBuilders();
    for (const [i, end] of [...folds, until].entries()) {
      const begin = i === 0 ? from : (folds[i - 1] as number) + HOUR_MS;
      if (begin >= end) continue;
      yield* source.calls(begin, end, (page) => {
        rest.push(...page.actions());
        page.facts(facts);
      });
    }
    const blobOf = (bucket: number, view: FoldView): Buffer => select.get(FOLD_GRAIN.hour, bucket, FOLD_VIEWS[view].id, 0) as Buffer;
    for (const view of FACTS) {
      for (const one of folds) {
        facts[view].addFold(blobOf(one, view));
        yield;
      }
      yield [view, 0, facts[view]];
    }
    const many = folds.reduce((sum, one) => sum + openFold(blobOf(one, 'actions'), FOLD_VIEWS.actions.dimensions.length).size, rest.length);
    const { costs, dearest } = yield* actionsOfDay(many, function* () {
      for (const one of folds) yield actionsIn(blobOf(one, 'actions'));
      yield rest;
    });
    yield ['actionCosts', 0, costs];
    yield ['dearest', 0, dearest];
  }

  function* block(days: readonly number[], until: number): ReturnType<Parameters<typeof make>[3]> {
    for (const view of VIEWS_OF.block) {
      const { id, dimensions } = FOLD_VIEWS[view];
      if (view === 'dearest') {
        yield [view, 0, dearestOf(days.map((day) => select.get(FOLD_GRAIN.day, day, id, 0)).filter((stored) => stored !== undefined))];
        continue;
      }
      for (const part of partsOf.all(FOLD_GRAIN.day, days[0] as number, until, id)) {
        const builder = foldBuilder(dimensions.length);
        for (const day of days) {
          const stored = select.get(FOLD_GRAIN.day, day, id, part);
          if (stored === undefined) continue;
          builder.addFold(stored);
          if (view !== 'usersWide') yield;
        }
        yield [view, part, builder];
      }
    }
    return true;
  }

  const numberOf = (dayStart: number): number => Date.parse(`${dayOf(epochMs(dayStart), zone)}T00:00:00Z`) / DAY_MS;

  /** Everything there is to fold, newest first: the hours of a day, the day, and the block when all its days stand. */
  function* walk(now: number): Generator<void> {
    let days: number[] = [];
    let blockNumber = Number.NaN;
    let crooked = false;
    for (let from = lastBefore.get(GRAIN.day, now) ?? -1; from >= 0; from = lastBefore.get(GRAIN.day, from) ?? -1) {
      const period = periodAt('day', epochMs(from), zone);
      if (Math.floor(numberOf(from) / BLOCK_DAYS) !== blockNumber) {
        if (!crooked) yield* foldBlock(days, blockNumber, now);
        [days, blockNumber, crooked] = [[], Math.floor(numberOf(from) / BLOCK_DAYS), false];
      }
      // Cut in another zone, before the rows that retention has left: it stays as it is, and so does what would hold it.
      crooked ||= period.from !== from;
      if (period.from !== from) continue;
      for (let bucket = lastBefore.get(GRAIN.hour, period.to) ?? -1; bucket >= from; bucket = lastBefore.get(GRAIN.hour, bucket) ?? -1) {
        if (!folded.hours.has(bucket) && bucket >= (rowsFrom.get() ?? 0) && isWhole(bucket) && over(bucket + HOUR_MS, now)) yield* make('hour', bucket, bucket + HOUR_MS, () => hour(bucket));
      }
      if (!folded.days.has(from) && over(period.to, now)) yield* make('day', from, period.to, () => day(from, period.to));
      days.unshift(from);
      yield;
    }
    if (!crooked) yield* foldBlock(days, blockNumber, now);
  }

  function* foldBlock(days: readonly number[], number: number, now: number): Generator<void> {
    const [first] = days;
    if (first === undefined) return;
    const from = startOfBlock(number, first);
    const until = startOfBlock(number + 1, first);
    // It begins with its first day, though that may have had no calls: one that comes late must find it.
    if (now < until || folded.blocks.has(from) || !days.every((day) => folded.days.has(day))) return;
    yield* make('block', from, until, () => block(days, until));
  }

  /** The instant at which a block begins, by its number and a day near it: noon is that day in every zone. */
  const startOfBlock = (number: number, day: number): number => periodAt('day', epochMs(day + (number * BLOCK_DAYS - numberOf(day)) * DAY_MS + DAY_MS / 2), zone).from;

  /** An hour of sixty minutes that is named by its first. */
  const isWhole = (bucket: number): boolean => {
    const of = (at: number): number => bucketsAt(epochMs(at)).hour;
    return of(bucket) === bucket && of(bucket - 1) !== bucket && of(bucket + HOUR_MS - 1) === bucket && of(bucket + HOUR_MS) !== bucket;
  };

  let walking: Generator<void> | null = null;
  return {
    get made() {
      return made;
    },
    step(now) {
      walking ??= walk(now);
      try {
        if (walking.next().done !== true) return true;
      } catch (error) {
        walking = null;
        making = null;
        folded.forget();
        names.forget();
        source.forget();
        throw error;
      }
      walking = null;
      return false;
    },
  };
}
