// server/store/sqlite/reports-check-folds.ts: folds against the rows and roll-ups that they were worked out from: sums by group, distributions as a whole, the dearest actions by rank.

import { HOUR_MS } from '../../domain/durations.ts';
import type { Drift } from '../../domain/verify.ts';
import { CACHE_SAVINGS_NOW, COST_NOW, ESTIMATED_NOW } from './corrections.ts';
import { amountOf, MONEY_AT, openFold, SUMS } from './fold-format.ts';
import { FAILED, FOLD_GRAIN, FOLD_VIEWS, NO_ERROR, REASON, SERVED, SHAPES, VIEWS_OF, type FoldGrain, type FoldView } from './fold-views.ts';
import { GRAIN } from './migrations.ts';
import type { Source } from './reports-source.ts';
import { QUARTER_MS } from './reports-time.ts';
import { DEAREST } from './fold-actions.ts';
import { addToCounters, bucketOf, countInBucket, newCounters, totalOf, type Counters } from './sketch.ts';
import { addTo, differences, FIGURES, type Sums } from './sums.ts';
import { RULES, spokenOf, VERDICTS_OF_CALLS } from './verdicts-table.ts';

interface Day {
  readonly from: number;
  readonly to: number;
  /** Sums of rows by `DIMENSIONS`. */
  readonly byUser: Sums;
  /** Sums of rows by hour, workspace, user, workflow and model. */
  readonly byHour: Sums;
}

const nameOf = (grain: FoldGrain, bucket: number, view: FoldView): string => `fold of ${grain} ${new Date(bucket).toISOString()}, ${view}`;
const HOUR_VALUES: readonly string[] = ['hour', 'workspace', 'user', 'workflow', 'model'];

/** What folds of a day, of its hours, and of the block that ends with it say otherwise than they should. */
export function foldDrift(source: Source, { from, to, byUser, byHour }: Day): Drift[] {
  const drift: Drift[] = [];
  const stands = (grain: FoldGrain, bucket: number): boolean => source.all('SELECT 1 FROM fold_done WHERE grain = ? AND bucket = ?', [FOLD_GRAIN[grain], bucket]).length > 0;
  const check = (grain: FoldGrain, bucket: number, view: FoldView, expected: Sums): void => void drift.push(...differences(nameOf(grain, bucket, view), expected, stored(source, grain, bucket, view)));

  const named: readonly string[] = ['workspace', 'workflow', 'key', 'user', 'model', 'model_sent', 'endpoint', 'outcome'];
  const valuesOf = (view: FoldView) => (values: readonly string[]) => FOLD_VIEWS[view].dimensions.map((dimension) => values[named.indexOf(dimension)]);
  if (stands('day', from)) {
    for (const view of VIEWS_OF.day) {
      if (view === 'dearest') {
        drift.push(...dearestDrift(nameOf('day', from, view), dearestOfRows(source, from, to), dearestStored(source, 'day', from)));
        continue;
      }
      drift.push(...sketchDrift(nameOf('day', from, view), sketchesOfRows(source, view, from, to), sketchesStored(source, 'day', [from], view)));
      if (view === 'actionCosts') check('day', from, view, actionsOf(source, from, to));
      else if (view === 'outputs' || view === 'overheads') check('day', from, view, onlyCalls(regrouped(byUser, valuesOf(view), (values) => values.at(-1) !== 'refused')));
      else if (view === 'reasons') check('day', from, view, reasonsOf(source, from, to));
      else if (view === 'verdicts') check('day', from, view, verdictsOf(source, from, to));
      else if (view === 'spokenOf') check('day', from, view, spokenOfRows(source, from, to));
      else if (view === 'hours' || view === 'hoursModel' || view === 'hoursWorkflow') check('day', from, view, regrouped(byHour, (values) => FOLD_VIEWS[view].dimensions.map((dimension) => (dimension === 'hour' ? String(Number(values[0]) / QUARTER_MS) : values[HOUR_VALUES.indexOf(dimension)]))));
      else check('day', from, view, regrouped(byUser, valuesOf(view)));
    }
  }
  for (const hour of new Set([...byHour.keys()].map((group) => (JSON.parse(group) as [string])[0]))) {
    if (!stands('hour', Number(hour))) continue;
    const inHour = (group: readonly string[]): boolean => group[0] === hour;
    for (const view of ['users', 'wide'] as const) drift.push(...sketchDrift(nameOf('hour', Number(hour), view), sketchesOfRows(source, view, Number(hour), Number(hour) + HOUR_MS), sketchesStored(source, 'hour', [Number(hour)], view)));
    check('hour', Number(hour), 'users', regrouped(byHour, ([, workspace, user]) => [user, workspace], inHour));
    const rollup = `SELECT ${FOLD_VIEWS.wide.dimensions.join(', ')}, ${ROLLUP_FIGURES} FROM rollup WHERE grain = ${GRAIN.hour} AND bucket = ? GROUP BY ${FOLD_VIEWS.wide.dimensions.join(', ')}`;
    check('hour', Number(hour), 'wide', read(source, rollup, FOLD_VIEWS.wide.dimensions.length, [Number(hour)]));
  }
  // With the last of its days that has calls.
  const blocks = `SELECT bucket, until FROM fold_done WHERE grain = ${FOLD_GRAIN.block} AND bucket <= ? AND until >= ?
    AND NOT EXISTS (SELECT 1 FROM rollup WHERE grain = ${GRAIN.day} AND bucket >= ? AND bucket < until)`;
  for (const [bucket, until] of source.all(blocks, [from, to, to])) {
    const ofDays = source.all(`SELECT bucket FROM fold_done WHERE grain = ${FOLD_GRAIN.day} AND bucket >= ? AND bucket < ?`, [Number(bucket), Number(until)]).map(([day]) => Number(day));
    for (const view of VIEWS_OF.block) {
      if (view === 'dearest') {
        drift.push(...dearestDrift(nameOf('block', Number(bucket), view), ofDays.flatMap((day) => dearestStored(source, 'day', day)), dearestStored(source, 'block', Number(bucket))));
        continue;
      }
      drift.push(...sketchDrift(nameOf('block', Number(bucket), view), sketchesStored(source, 'day', ofDays, view), sketchesStored(source, 'block', [Number(bucket)], view)));
      if (view === 'actionCosts' || view === 'outputs' || view === 'overheads' || view === 'reasons' || view === 'verdicts' || view === 'spokenOf') {
        const days: Sums = new Map();
        for (const day of ofDays) for (const [group, sums] of stored(source, 'day', day, view)) addTo(days, group, sums);
        check('block', Number(bucket), view, days);
        continue;
      }
      const { dimensions } = FOLD_VIEWS[view];
      const grain = (dimensions as readonly string[]).includes('user') ? GRAIN.userDay : GRAIN.day;
      const sql = `SELECT ${dimensions.join(', ')}, ${ROLLUP_FIGURES} FROM rollup WHERE grain = ${grain} AND bucket >= ? AND bucket < ? GROUP BY ${dimensions.join(', ')}`;
      check('block', Number(bucket), view, read(source, sql, dimensions.length, [Number(bucket), Number(until)]));
    }
  }
  return drift;
}

/** Actions of a day as its fold counts them: attempts are actions, and there is nothing else but calls and cost. */
function actionsOf(source: Source, from: number, to: number): Sums {
  const sums: Sums = new Map();
  const sql = `SELECT action IS NOT NULL, workspace, workflow, SUM(calls), COUNT(*), SUM(cost) FROM (
    SELECT action, workspace, workflow, COUNT(*) AS calls, SUM(${COST_NOW}) AS cost FROM call WHERE admitted_at >= ? AND admitted_at < ? AND outcome IS NOT NULL AND +outcome <> 'refused'
    GROUP BY workspace, workflow, coalesce(action, n)) GROUP BY 1, 2, 3`;
  for (const [isNamed, workspace, workflow, calls, many, cost] of source.each(sql, [from, to])) {
    const figures = FIGURES.map((figure) => (figure === 'calls' ? calls : figure === 'attempts' ? many : figure === 'cost' ? cost : 0n) as bigint);
    addTo(sums, JSON.stringify([isNamed, workspace, workflow].map(String)), figures);
  }
  return sums;
}

const onlyCalls = (sums: Sums): Sums => new Map([...sums].map(([group, [calls = 0n]]) => [group, FIGURES.map((figure) => (figure === 'calls' ? calls : 0n))]));

function reasonsOf(source: Source, from: number, to: number): Sums {
  const sql = `SELECT outcome, coalesce(status, 0), (SELECT id FROM name WHERE text = ${REASON}), workspace, workflow, key, model, COUNT(*) FROM call WHERE admitted_at >= ? AND admitted_at < ? AND ${FAILED} GROUP BY 1, 2, 3, 4, 5, 6, 7`;
  return onlyCalls(read(source, sql, FOLD_VIEWS.reasons.dimensions.length, [from, to]));
}

const ROW_FIGURES = `COUNT(*), SUM(attempts), SUM(input), SUM(cache_write_5m), SUM(cache_write_1h), SUM(cache_read), SUM(output), SUM(web_search), SUM(${COST_NOW}), SUM(iif(${ESTIMATED_NOW} = 1, ${COST_NOW}, 0)), SUM(${CACHE_SAVINGS_NOW}),
  SUM(outcome = 'refused'), SUM(outcome NOT IN ${NO_ERROR})`;
const SPOKEN_OF = `${VERDICTS_OF_CALLS} WHERE rule IN ${RULES} AND at >= ? AND at < ? AND outcome IS NOT NULL`;

function verdictsOf(source: Source, from: number, to: number): Sums {
  return read(source, `SELECT rule, verdict, workspace, workflow, key, model, outcome, ${ROW_FIGURES} ${SPOKEN_OF} GROUP BY 1, 2, 3, 4, 5, 6, 7`, FOLD_VIEWS.verdicts.dimensions.length, [from, to]);
}

const EACH_ONCE = `${spokenOf('at >= ? AND at < ?')} WHERE outcome IS NOT NULL`;

function spokenOfRows(source: Source, from: number, to: number): Sums {
  return read(source, `SELECT said, workspace, workflow, key, model, outcome, ${ROW_FIGURES} ${EACH_ONCE} GROUP BY 1, 2, 3, 4, 5, 6`, FOLD_VIEWS.spokenOf.dimensions.length, [from, to]);
}

const ROLLUP_FIGURES = `SUM(calls), SUM(attempts), SUM(input), SUM(cache_write_5m), SUM(cache_write_1h), SUM(cache_read), SUM(output), SUM(web_search), SUM(cost), SUM(estimated_cost), SUM(cache_savings),
  SUM(iif(outcome = 'refused', calls, 0)), SUM(iif(outcome IN ${NO_ERROR}, 0, calls))`;

function read(source: Source, sql: string, width: number, parameters: readonly number[]): Sums {
  const sums: Sums = new Map();
  for (const row of source.each(sql, parameters)) addTo(sums, JSON.stringify(row.slice(0, width).map(String)), row.slice(width) as bigint[]);
  return sums;
}

function regrouped(sums: Sums, by: (values: readonly string[]) => readonly (string | undefined)[], where: (values: readonly string[]) => boolean = () => true): Sums {
  const found: Sums = new Map();
  for (const [group, figures] of sums) {
    const values = JSON.parse(group) as string[];
    if (where(values)) addTo(found, JSON.stringify(by(values)), figures);
  }
  return found;
}

/** A fold in the order of `FIGURES`, outcomes by name. */
function stored(source: Source, grain: FoldGrain, bucket: number, view: FoldView): Sums {
  const sums: Sums = new Map();
  const { id, dimensions } = FOLD_VIEWS[view];
  for (const [content] of source.all('SELECT content FROM fold WHERE grain = ? AND bucket = ? AND view = ?', [FOLD_GRAIN[grain], bucket, id])) {
    const fold = openFold(content as Buffer, dimensions.length);
    const columns = Array.from({ length: dimensions.length + SUMS }, (_, at) => fold.column(at).slice(0, fold.size));
    for (let i = 0; i < fold.size; i++) {
      const value = (at: number): number => (columns[at] as Float64Array)[i] as number;
      const group = dimensions.map((dimension, at) => (dimension === 'outcome' ? (source.nameOf(BigInt(value(at))) ?? '') : String(value(at))));
      const [calls, attempts, refused, errors, ...counts] = Array.from({ length: MONEY_AT }, (_, at) => BigInt(value(dimensions.length + at))) as [bigint, bigint, bigint, bigint, ...bigint[]];
      const money = [0, 2, 4].map((at) => amountOf(value(dimensions.length + MONEY_AT + at), value(dimensions.length + MONEY_AT + at + 1)));
      addTo(sums, JSON.stringify(group), [calls, attempts, ...counts, ...money, refused, errors]);
    }
  }
  return sums;
}

/** The two distributions that a view keeps, of all its groups together. */
type Sketches = readonly [Counters, Counters];

function sketchesStored(source: Source, grain: FoldGrain, buckets: readonly number[], view: FoldView): Sketches {
  const found: Sketches = [newCounters(), newCounters()];
  const { id, dimensions } = FOLD_VIEWS[view];
  for (const bucket of buckets) {
    for (const [content] of source.each('SELECT content FROM fold WHERE grain = ? AND bucket = ? AND view = ?', [FOLD_GRAIN[grain], bucket, id])) {
      const bytes = content as Buffer;
      openFold(bytes, dimensions.length).eachSketch((_, [from, middle, second, to]) => {
        addToCounters(found[0], bytes, from, middle);
        addToCounters(found[1], bytes, second, to);
      });
    }
  }
  return found;
}

/** The same out of rows. */
function sketchesOfRows(source: Source, view: FoldView, from: number, to: number): Sketches {
  const found: Sketches = [newCounters(), newCounters()];
  const admitted = 'admitted_at >= ? AND admitted_at < ?';
  const list = (into: 0 | 1, values: unknown): void => {
    if (typeof values === 'string') for (const value of values.split(',')) countInBucket(found[into], bucketOf(Number(value)));
  };
  if (view === 'reasons') return found;
  if (view === 'actionCosts') {
    for (const [cost] of source.each(`SELECT SUM(${COST_NOW}) FROM call WHERE ${admitted} AND ${SERVED} GROUP BY workspace, workflow, coalesce(action, n)`, [from, to])) countInBucket(found[0], bucketOf(Number(cost)));
  } else if (view === 'outputs' || view === 'overheads') {
    const [row] = source.all(`SELECT ${SHAPES} FROM call WHERE ${admitted} AND ${SERVED}`, [from, to]);
    list(0, row?.[view === 'outputs' ? 1 : 3]);
    if (view === 'outputs') list(1, row?.[2]);
  } else {
    const served = view === 'verdicts' ? `${SPOKEN_OF} AND outcome <> 'refused'` : view === 'spokenOf' ? `${EACH_ONCE} AND outcome <> 'refused'` : `FROM call WHERE ${admitted} AND ${SERVED}`;
    const [row] = source.all(`SELECT group_concat(duration_us), group_concat(ttft_us) ${served}`, [from, to]);
    list(0, row?.[0]);
    list(1, row?.[1]);
  }
  return found;
}

/** `found` is how many values there are; where there are as many as there should be, how many of them lie where they should. */
function sketchDrift(subject: string, expected: Sketches, found: Sketches): Drift[] {
  return ([['first distribution', 0], ['second distribution', 1]] as const).flatMap(([figure, at]): Drift[] => {
    const [want, have] = [expected[at], found[at]];
    if (want.counts.every((many, bucket) => many === have.counts[bucket])) return [];
    const agree = want.counts.reduce((sum, many, bucket) => sum + Math.min(many, have.counts[bucket] as number), 0);
    const total = totalOf(have);
    return [{ kind: 'rollup', subject, figure, expected: BigInt(totalOf(want)), found: BigInt(total === totalOf(want) ? agree : total) }];
  });
}

interface DearAction {
  readonly workflow: string;
  readonly first: number;
  readonly calls: bigint;
  readonly cost: bigint;
}

function dearestOfRows(source: Source, from: number, to: number): DearAction[] {
  const sql = `SELECT workspace, workflow, MIN(n), COUNT(*), SUM(${COST_NOW}) FROM call WHERE admitted_at >= ? AND admitted_at < ? AND ${SERVED} AND +action IS NOT NULL GROUP BY workspace, workflow, action`;
  return source.all(sql, [from, to]).map(([workspace, workflow, first, calls, cost]) => ({ workflow: `${workspace as bigint} ${workflow as bigint}`, first: Number(first), calls: calls as bigint, cost: cost as bigint }));
}

function dearestStored(source: Source, grain: FoldGrain, bucket: number): DearAction[] {
  return [...stored(source, grain, bucket, 'dearest')].map(([group, sums]) => {
    const [first, workspace, workflow] = JSON.parse(group) as [string, string, string];
    return { workflow: `${workspace} ${workflow}`, first: Number(first), calls: sums[FIGURES.indexOf('calls')] as bigint, cost: sums[FIGURES.indexOf('cost')] as bigint };
  });
}

/** Rank by rank what the dearest of each workflow cost, and of each that is kept whether it is what it says: of equal ones any may be kept. */
function dearestDrift(subject: string, all: readonly DearAction[], kept: readonly DearAction[]): Drift[] {
  const ranked = (actions: readonly DearAction[]): Sums => {
    const sums: Sums = new Map();
    const places = new Map<string, number>();
    for (const { workflow, cost } of actions.toSorted((a, b) => (a.cost === b.cost ? 0 : a.cost > b.cost ? -1 : 1))) {
      const place = places.get(workflow) ?? 0;
      places.set(workflow, place + 1);
      if (place < DEAREST) addTo(sums, `${workflow}, ${place + 1}`, FIGURES.map((figure) => (figure === 'cost' ? cost : 0n)));
    }
    return sums;
  };
  const byFirst = new Map(all.map((one) => [one.first, one]));
  const wrong = kept.flatMap((one): Drift[] => {
    const expected = byFirst.get(one.first)?.calls ?? 0n;
    return expected === one.calls ? [] : [{ kind: 'rollup', subject, figure: 'calls', expected, found: one.calls }];
  });
  return [...wrong, ...differences(subject, ranked(all), ranked(kept))];
}
