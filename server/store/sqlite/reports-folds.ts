// server/store/sqlite/reports-folds.ts: which folds a question can be answered from, and their sums, added up by group.

import type { Grouping } from '../../domain/reports.ts';
import { amountOf, MONEY_AT, openFold, SUMS } from './fold-format.ts';
import { FOLD_GRAIN, FOLD_VIEWS, partOf, type FoldDimension, type FoldGrain, type FoldView } from './fold-views.ts';
import type { Unread } from './reports-sketch.ts';
import type { Source, Wanted } from './reports-source.ts';
import { periodStarts, QUARTER_MS, type Segment } from './reports-time.ts';
import { addToCounters, type Counters } from './sketch.ts';

/** Folds of one grain, in order. */
export interface FoldedSegment {
  readonly grain: 'fold';
  readonly of: FoldGrain;
  readonly view: FoldView;
  readonly buckets: readonly number[];
}

type Time = 'hour' | 'day' | 'month';
export const isTime = (grouping: string): grouping is Time => grouping === 'hour' || grouping === 'day' || grouping === 'month';

/** What the values of an entry must be, one of; by dimension, as folds hold them. */
export type FoldMatches = ReadonlyMap<string, readonly number[]>;

/** True where users are told apart, and nothing else that folds by user alone do not know. */
export const byUserIn = (groupings: readonly Grouping[], matches: ReadonlyMap<string, unknown>): boolean =>
  (groupings.includes('user') || matches.has('user')) && [...matches.keys(), ...groupings].every((one) => isTime(one) || (FOLD_VIEWS.users.dimensions as readonly string[]).includes(one));

/** The segments of a question, with folds in place of whatever stands folded. */
export function withFolds(source: Source, segments: readonly Segment[], groupings: readonly Grouping[], matches: FoldMatches): (Segment | FoldedSegment)[] {
  const asked = new Set<string>([...matches.keys(), ...groupings.filter((grouping) => !isTime(grouping))]);
  const within = (view: FoldView): boolean => [...asked].every((dimension) => (FOLD_VIEWS[view].dimensions as readonly string[]).includes(dimension));
  const timed = groupings.some(isTime);
  const users = within('users') ? 'users' : within('usersModel') ? 'usersModel' : 'usersWide';
  const hours = (['hours', 'hoursModel', 'hoursWorkflow'] as const).find(within);
  const days = asked.has('user') ? users : asked.has('outcome') ? 'wide' : 'narrow';
  const inDays: Choice[] = [...(timed ? [] : [['block', days] as const]), ['day', days]];
  return segments.flatMap((segment) => {
    switch (segment.grain) {
      case 'day':
      case 'userDay': return cover(source, segment, inDays);
      case 'hour': return cover(source, segment, [...(groupings.includes('hour') && hours !== undefined ? [['day', hours] as const] : []), ['hour', 'wide']]);
      // Rows are asked where users are; a fold of an hour knows them by workspace.
      case 'rows': return asked.has('user') && users === 'users' ? cover(source, segment, [['hour', 'users']]) : [segment];
    }
  });
}

export type Choice = readonly [FoldGrain, FoldView];

/** The coarsest folds that lie within a segment, finer ones between them, and the segment's own kind for the rest. */
export function cover(source: Source, segment: Segment, [choice, ...finer]: readonly Choice[]): (Segment | FoldedSegment)[] {
  if (segment.from >= segment.to) return [];
  if (choice === undefined) return [segment];
  const [of, view] = choice;
  const spans = source
    .all('SELECT bucket, until FROM fold_done WHERE grain = ? AND bucket >= ? AND bucket < ? ORDER BY bucket', [FOLD_GRAIN[of], segment.from, segment.to])
    .map(([bucket, until]) => ({ from: Number(bucket), to: Number(until) }))
    .filter(({ to }) => to <= segment.to);
  if (spans.length === 0) return cover(source, segment, finer);
  const gaps = [...spans, { from: segment.to, to: segment.to }].map(({ from }, i) => ({ ...segment, from: spans[i - 1]?.to ?? segment.from, to: from }));
  return [{ grain: 'fold', of, view, buckets: spans.map(({ from }) => from) }, ...gaps.flatMap((gap) => cover(source, gap, finer))];
}

/** A group's values, in the order of the groupings, as they are stored; an instant for a time. */
export interface FoldedGroup {
  readonly values: readonly number[];
  /** Everything but money, in the order of `FOLD_SUMS`. */
  readonly counts: readonly number[];
  /** Cost, its estimated part, cache savings. */
  readonly money: readonly [bigint, bigint, bigint];
  /** Sketches; of actions, the first is of what they cost. */
  readonly duration: Unread;
  readonly timeToFirstToken: Unread;
}

export interface Gathering {
  add(segment: FoldedSegment): void;
  groups(): Iterable<FoldedGroup>;
}

/** Above every id of a name and every number of groups. */
const RADIX = 2 ** 26;

/** @param sketches false: durations are left out */
export function gathering(source: Source, groupings: readonly (Grouping | 'named' | 'first' | 'status' | 'reason' | 'policy' | 'verdict')[], matches: FoldMatches, sketches = true): Gathering {
  /** Per level: the group so far and a value, to the group they make. Times are given small numbers first. */
  const levels = groupings.map(() => new Map<number, number>());
  const instants = new Map<number, number>();
  const parents: number[][] = groupings.map(() => []);
  const values: number[][] = groupings.map(() => []);
  const timeOf = groupings.map((grouping) => (isTime(grouping) ? periodStarts(grouping, source.zone) : null));
  let sums = new Float64Array(SUMS * 64);
  const last = groupings.length - 1;
  let groupCount = last < 0 ? 1 : 0;

  /* Every sketch is noted by its group and its place; they are read where they are asked for, when all are known. */
  let some = false;
  const blobs: Uint8Array[] = [];
  const durations = notes();
  const ttfts = notes();

  const enter = (level: number, parent: number, value: number): number => {
    const map = levels[level] as Map<number, number>;
    const key = parent * RADIX + value;
    let group = map.get(key);
    if (group === undefined) {
      group = map.size;
      map.set(key, group);
      (parents[level] as number[]).push(parent);
      (values[level] as number[]).push(value);
      if (level === last) groupCount = map.size;
    }
    return group;
  };
  const ordinalOf = (instant: number): number => {
    let ordinal = instants.get(instant);
    if (ordinal === undefined) instants.set(instant, (ordinal = instants.size));
    return ordinal;
  };

  /** Entries of one hour come together. */
  let [lastQuarter, lastOrdinal] = [Number.NaN, 0];
  const hourOrdinal = (quarter: number): number => {
    if (quarter !== lastQuarter) [lastQuarter, lastOrdinal] = [quarter, ordinalOf(quarter * QUARTER_MS)];
    return lastOrdinal;
  };

  let groupOfEntry = new Int32Array(4096);
  /** The entries of a fold that match. */
  let chosen = new Int32Array(4096);

  const addBlob = (bytes: Uint8Array, of: FoldGrain, bucket: number, view: FoldView): void => {
    const dimensions: readonly FoldDimension[] = FOLD_VIEWS[view].dimensions;
    const fold = openFold(bytes, dimensions.length);
    const { size } = fold;
    if (groupOfEntry.length < size) [groupOfEntry, chosen] = [new Int32Array(size * 2), new Int32Array(size * 2)];
    let many = size;
    for (let i = 0; i < size; i++) chosen[i] = i;
    for (const [field, wanted] of matches) {
      const column = fold.column(dimensions.indexOf(field as FoldDimension));
      let kept = 0;
      for (let at = 0; at < many; at++) {
        const i = chosen[at] as number;
        if (wanted.length === 1 ? column[i] === wanted[0] : wanted.includes(column[i] as number)) chosen[kept++] = i;
      }
      many = kept;
    }
    if (many === 0) return;
    for (let at = 0; at < many; at++) groupOfEntry[chosen[at] as number] = 0;
    for (const [level, grouping] of groupings.entries()) {
      const startOf = timeOf[level];
      if (startOf && !(grouping === 'hour' && dimensions.includes('hour'))) {
        // A fold begins where the hour or the day does that it is of.
        const ordinal = ordinalOf(grouping === of ? bucket : startOf(bucket));
        for (let at = 0; at < many; at++) {
          const i = chosen[at] as number;
          groupOfEntry[i] = enter(level, groupOfEntry[i] as number, ordinal);
        }
        continue;
      }
      const column = fold.column(dimensions.indexOf(grouping as FoldDimension));
      for (let at = 0; at < many; at++) {
        const i = chosen[at] as number;
        groupOfEntry[i] = enter(level, groupOfEntry[i] as number, startOf ? hourOrdinal(column[i] as number) : (column[i] as number));
      }
    }
    if (sums.length < groupCount * SUMS) {
      const more = new Float64Array(groupCount * SUMS * 2);
      more.set(sums);
      sums = more;
    }
    for (let at = 0; at < SUMS; at++) {
      if (fold.isZero(dimensions.length + at)) continue;
      const column = fold.column(dimensions.length + at);
      for (let of = 0; of < many; of++) {
        const i = chosen[of] as number;
        const place = (groupOfEntry[i] as number) * SUMS + at;
        sums[place] = (sums[place] as number) + (column[i] as number);
      }
    }
    some = true;
    if (!sketches) return;
    const ends = fold.sketchEnds();
    blobs.push(bytes);
    durations.take(groupOfEntry, chosen, many, ends.from, ends.durationEnds, blobs.length - 1);
    ttfts.take(groupOfEntry, chosen, many, ends.middle, ends.ttftEnds, blobs.length - 1);
  };

  return {
    add({ of, view, buckets }) {
      const users = matches.get('user');
      const parts = view === 'usersWide' && users !== undefined ? [...new Set(users.map(partOf))] : null;
      const sql = `SELECT content FROM fold WHERE grain = ${FOLD_GRAIN[of]} AND bucket = ? AND view = ${FOLD_VIEWS[view].id}`;
      for (const bucket of buckets) {
        if (parts === null) for (const [content] of source.each(sql, [bucket])) addBlob(content as Buffer, of, bucket, view);
        else for (const part of parts) for (const [content] of source.each(`${sql} AND part = ?`, [bucket, part])) addBlob(content as Buffer, of, bucket, view);
      }
    },
    *groups() {
      const times = [...instants.keys()];
      for (let group = 0; group < groupCount && some; group++) {
        const found: number[] = [];
        for (let level = last, at = group; level >= 0; level--) {
          const value = (values[level] as number[])[at] as number;
          found.unshift(timeOf[level] ? (times[value] as number) : value);
          at = (parents[level] as number[])[at] as number;
        }
        const row = sums.subarray(group * SUMS, (group + 1) * SUMS);
        const money = (at: number): bigint => amountOf(row[at] as number, row[at + 1] as number);
        yield {
          values: found,
          counts: [...row.subarray(0, MONEY_AT)],
          money: [money(MONEY_AT), money(MONEY_AT + 2), money(MONEY_AT + 4)],
          duration: (into) => durations.read(group, blobs, into),
          timeToFirstToken: (into) => ttfts.read(group, blobs, into),
        };
      }
    },
  };
}

interface Notes {
  /** Notes where in a blob the sketch of each chosen entry lies, by the entry's group. */
  take(groups: Int32Array, chosen: Int32Array, many: number, from: number, ends: Float64Array, blob: number): void;
  /** Adds a group's sketches to counters. */
  read(group: number, blobs: readonly Uint8Array[], into: Counters): void;
}

/** In columns of numbers: a question about users makes a hundred thousand of them. */
function notes(): Notes {
  let size = 0;
  /** Per group the note that came last, and per note the one before it, counted from 1; 0 is none. */
  let heads = new Int32Array(1024);
  let before = new Int32Array(4096);
  let blobOf = new Int32Array(4096);
  let starts = new Int32Array(4096);
  let stops = new Int32Array(4096);
  return {
    take(groups, chosen, many, from, ends, blob) {
      if (size + many >= before.length) [before, blobOf, starts, stops] = [before, blobOf, starts, stops].map((column) => wider(column, (size + many) * 2)) as [Column, Column, Column, Column];
      for (let at = 0; at < many; at++) {
        const i = chosen[at] as number;
        const start = i === 0 ? from : (ends[i - 1] as number);
        const end = ends[i] as number;
        if (end === start) continue;
        const group = groups[i] as number;
        if (group >= heads.length) heads = wider(heads, group * 2);
        before[++size] = heads[group] as number;
        heads[group] = size;
        blobOf[size] = blob;
        starts[size] = start;
        stops[size] = end;
      }
    },
    read(group, blobs, into) {
      for (let note = heads[group] ?? 0; note > 0; note = before[note] as number) addToCounters(into, blobs[blobOf[note] as number] as Uint8Array, starts[note], stops[note]);
    },
  };
}

type Column = Int32Array<ArrayBuffer>;

function wider(column: Column, length: number): Column {
  const made = new Int32Array(length);
  made.set(column);
  return made;
}

/** The fields of a filter as folds hold them: outcomes by the id of their name. Null: nothing can match. Call it where all fields are ones that folds tell apart. */
export function inFolds(source: Source, matches: ReadonlyMap<string, Wanted>): FoldMatches | null {
  const found = new Map<string, readonly number[]>();
  for (const [field, wanted] of matches) {
    const ids = field === 'outcome' ? wanted.map((outcome) => source.idOf(String(outcome))).filter((id) => id !== null) : (wanted as readonly number[]);
    if (ids.length === 0) return null;
    found.set(field, ids);
  }
  return found;
}
