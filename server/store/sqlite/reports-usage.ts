// server/store/sqlite/reports-usage.ts: usage grouped and summed, from roll-ups wherever they can tell, from rows where only rows can.

import { nanodollars, type Nanodollars } from '../../domain/money.ts';
import { LAST_SEEN, type Filter, type Grouping, type UsageFigures, type UsageQuery, type UsageReport, type UsageRow } from '../../domain/reports.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { CACHE_SAVINGS_NOW, COST_NOW, ESTIMATED_NOW } from './corrections.ts';
import { FOLD_GRAIN, FOLD_VIEWS, NO_ERROR } from './fold-views.ts';
import { GRAIN } from './migrations.ts';
import { byUserIn, gathering, inFolds, isTime, withFolds } from './reports-folds.ts';
import { addDurations, addDurationsTo, noDurations, percentilesIn, percentilesOf, SEPARATOR_SQL, type Durations } from './reports-sketch.ts';
import { piecesOf } from './reports-pieces.ts';
import { conditionOf, matchesOf, NAME_FIELDS, needsRows, saidIn, withoutVerdicts, type Columns, type Matches, type Source, type Wanted } from './reports-source.ts';
import { lastStart, nextStart, periodStarts, QUARTER_MS, segmentsOf, type Segment } from './reports-time.ts';
import { newCounters } from './sketch.ts';
import { saidWith } from './verdicts-table.ts';

const ROLLUP_FIGURES = `SUM(calls), SUM(attempts), SUM(CASE WHEN outcome = 'refused' THEN calls ELSE 0 END),
  SUM(CASE WHEN outcome IN ${NO_ERROR} THEN 0 ELSE calls END), SUM(input), SUM(cache_write_5m), SUM(cache_write_1h), SUM(cache_read),
  SUM(output), SUM(web_search), SUM(cost), SUM(estimated_cost), SUM(cache_savings)`;
const ROLLUP_TIMES = `CAST(group_concat(duration, ${SEPARATOR_SQL}) AS BLOB), CAST(group_concat(ttft, ${SEPARATOR_SQL}) AS BLOB)`;
/** Where nothing was ever corrected, rows are summed as they stand: looking for corrections row by row takes three times as long. */
const rowSums = (cost: string, estimated: string, savings: string): string => `COUNT(*), SUM(attempts), SUM(outcome = 'refused'), SUM(outcome NOT IN ${NO_ERROR}), SUM(input), SUM(cache_write_5m),
  SUM(cache_write_1h), SUM(cache_read), SUM(output), SUM(web_search), SUM(${cost}), SUM(CASE WHEN ${estimated} = 1 THEN ${cost} ELSE 0 END),
  SUM(${savings})`;
const ROW_TIMES = `group_concat(CASE WHEN outcome <> 'refused' THEN duration_us END), group_concat(CASE WHEN outcome <> 'refused' THEN ttft_us END)`;
const PLAIN_ROW_SUMS = rowSums('cost', 'estimated', 'cache_savings');
const CORRECTED_ROW_SUMS = rowSums(COST_NOW, ESTIMATED_NOW, CACHE_SAVINGS_NOW);

/**
 * Every path gives the same figures to the nano-dollar: roll-ups are written in the transaction that ends a call. A range whose
 * edges cut an hour (or a day, by user) reads the rows of that edge, which are gone after their retention.
 */
export function usage(source: Source, query: UsageQuery): UsageReport {
  const groupings = [...new Set(query.groupBy)];
  const matches = matchesOf(source, query.filter);
  const tallies = new Map<string, Tally>();
  const timed = query.times !== false;
  if (matches !== null) {
    const { from, to } = query.filter;
    const users = groupings.includes('user') || matches.has('user');
    const rows = needsRows(matches);
    const segments = segmentsOf(from, byUserIn(groupings, matches) && hoursAreFolded(source, to) ? to : quietEnd(source, to), source.zone, { hours: groupings.includes('hour'), users, rows });
    const said = foldsOfSaid(groupings, matches);
    const ofRule = said === null ? null : piecesOf(source, query.filter, said.matches, said.view, groupings.includes('hour') ? 'hour' : groupings.some(isTime) ? 'day' : 'block');
    const foldable = ofRule !== null ? ofRule.foldMatches : rows ? null : inFolds(source, matches);
    const gathered = gathering(source, groupings, foldable ?? new Map(), timed);
    for (const segment of ofRule !== null ? ofRule.pieces : foldable === null ? segments : withFolds(source, segments, groupings, foldable)) {
      if (segment.grain === 'fold') gathered.add(segment);
      else readSegment(source, segment, groupings, matches, timed, tallies);
    }
    for (const { values, counts, money, duration, timeToFirstToken } of gathered.groups()) {
      const tally = tallyOf(tallies, groupings.map((grouping, at) => (isTime(grouping) ? (values[at] as EpochMs) : source.nameOf(BigInt(values[at] as number)))));
      for (let i = 0; i < COUNTS; i++) tally.counts[i] = (tally.counts[i] as number) + (counts[i] as number);
      for (const i of [0, 1, 2] as const) tally.money[i] += money[i];
      if (!timed) continue;
      addDurations(tally.duration, duration);
      addDurations(tally.timeToFirstToken, timeToFirstToken);
    }
  }

  const all = [...tallies.values()].sort(dearestFirst);
  const rows = all.slice(0, query.limit);
  const times = groupings.flatMap((grouping, at) => (isTime(grouping) ? [at] : []));
  // Sorting is stable: within one time the dearest stays first.
  if (times.length > 0) rows.sort((a, b) => times.reduce((order, at) => order || Number(a.key[at]) - Number(b.key[at]), 0));
  const seen = groupings.length === 1 && groupings[0] === 'user' ? lastSeen(source, rows.slice(0, LAST_SEEN).map(({ key }) => key[0] as string | null), query.filter) : null;
  const lastOf = ([user]: readonly GroupValue[]): { lastAt?: EpochMs } => {
    const lastAt = seen?.get(user as string);
    return lastAt === undefined ? {} : { lastAt };
  };
  const durations = { whole: newCounters(), first: newCounters() };
  const shown = rows.map((tally): UsageRow => ({
    group: groupOf(groupings, tally), ...sumsOf([tally]), duration: percentilesOf(tally.duration, durations.whole), timeToFirstToken: percentilesOf(tally.timeToFirstToken, durations.first), ...lastOf(tally.key),
  }));
  for (const tally of all.slice(query.limit)) {
    addDurationsTo(durations.whole, tally.duration);
    addDurationsTo(durations.first, tally.timeToFirstToken);
  }
  return { rows: shown, total: { ...sumsOf(all), duration: percentilesIn(durations.whole), timeToFirstToken: percentilesIn(durations.first) } };
}

/**
 * The folds that can tell what was said of calls, and what of them must match; null where none can, as of several rules: those by rule
 * would count a call once for each.
 */
function foldsOfSaid(groupings: readonly Grouping[], matches: Matches): { view: 'verdicts' | 'spokenOf'; matches: ReadonlyMap<string, Wanted> } | null {
  const [rules, verdicts] = [matches.get('policy'), matches.get('verdict')];
  const view = rules?.length === 1 ? 'verdicts' : rules === undefined && verdicts !== undefined ? 'spokenOf' : null;
  if (view === null || !groupings.every((grouping) => isTime(grouping) || (FOLD_VIEWS[view].dimensions as readonly string[]).includes(grouping))) return null;
  return { view, matches: view === 'verdicts' ? matches : new Map<string, Wanted>(withoutVerdicts(matches)).set('said', saidWith(verdicts as readonly number[])) };
}

/** An index leads to each, and to one row: roll-ups would have to tell users and days apart. */
function lastSeen(source: Source, users: readonly (string | null)[], { from, to }: Filter): Map<string, EpochMs> {
  const sql = 'SELECT name.text, (SELECT MAX(admitted_at) FROM call WHERE user = name.id AND user <> 0 AND admitted_at >= ? AND admitted_at < ?) FROM json_each(?) AS wanted CROSS JOIN name ON name.text = wanted.value';
  const found = source.all(sql, [from, to, JSON.stringify(users.filter((user) => user !== null))]);
  return new Map(found.flatMap(([user, at]) => (at === null ? [] : [[user as string, epochMs(Number(at))]])));
}

type GroupValue = string | EpochMs | null;

interface Tally {
  /** One value per grouping. */
  readonly key: readonly GroupValue[];
  /** Everything but money, in the order of the SQL sums. */
  readonly counts: number[];
  /** Cost, its estimated part, cache savings. */
  readonly money: [bigint, bigint, bigint];
  readonly duration: Durations;
  readonly timeToFirstToken: Durations;
}

const COUNTS = 10;
const newTally = (key: readonly GroupValue[]): Tally => ({
  key,
  counts: Array.from({ length: COUNTS }, () => 0),
  money: [0n, 0n, 0n],
  duration: noDurations(),
  timeToFirstToken: noDurations(),
});

function tallyOf(tallies: Map<string, Tally>, key: readonly GroupValue[]): Tally {
  const text = JSON.stringify(key);
  let tally = tallies.get(text);
  if (tally === undefined) tallies.set(text, (tally = newTally(key)));
  return tally;
}

const isName = (grouping: Grouping): boolean => (NAME_FIELDS as readonly Grouping[]).includes(grouping);

/** Adds the figures of one segment to the tallies of their groups. */
function readSegment(source: Source, segment: Segment, groupings: readonly Grouping[], matches: Matches, times: boolean, tallies: Map<string, Tally>): void {
  const fromRows = segment.grain === 'rows';
  const condition = conditionOf(withoutVerdicts(matches));
  const columns = groupings.filter((grouping) => !isTime(grouping)) as string[];
  const timed = columns.length < groupings.length;
  // A segment gives finer times than are asked for; they are folded below, where the zone is known.
  if (timed) columns.unshift(fromRows ? `admitted_at / ${QUARTER_MS}` : 'bucket');
  // A list of the calls that rules spoke of, made once, is less than a look at every call of the range.
  const said = saidIn(matches);
  const spokenOf = said === null ? '' : ` AND n IN (SELECT call FROM verdict WHERE at >= ? AND at < ? AND ${said.sql})`;
  const table = segment.grain === 'rows' ? `call WHERE outcome IS NOT NULL AND admitted_at >= ? AND admitted_at < ?${spokenOf}` : `rollup WHERE grain = ${GRAIN[segment.grain]} AND bucket >= ? AND bucket < ?`;
  const parameters = [segment.from, segment.to, ...(said === null ? [] : [segment.from, segment.to, ...said.parameters]), ...condition.parameters];
  const grouped = columns.length > 0 ? ` GROUP BY ${columns.join(', ')}` : '';
  const selected = columns.map((column) => `${column}, `).join('');

  const folds = groupings.map((grouping): ((row: Columns) => GroupValue) => {
    if (!isTime(grouping)) {
      const at = columns.indexOf(grouping);
      return isName(grouping) ? (row) => source.nameOf(row[at] as bigint) : (row) => row[at] as string;
    }
    // A roll-up's hour is its bucket as it stands.
    if (grouping === 'hour' && !fromRows) return (row) => Number(row[0]) as EpochMs;
    const startOf = periodStarts(grouping, source.zone);
    return fromRows ? (row) => startOf(Number(row[0]) * QUARTER_MS) : (row) => startOf(Number(row[0]));
  });
  const sumsOfRows = (): string => (source.all('SELECT 1 FROM correction LIMIT 1', []).length === 0 ? PLAIN_ROW_SUMS : CORRECTED_ROW_SUMS);
  const sums = `SELECT ${selected}${fromRows ? sumsOfRows() : ROLLUP_FIGURES}${times ? `, ${fromRows ? ROW_TIMES : ROLLUP_TIMES}` : ''} FROM ${table}${condition.sql}${grouped} HAVING COUNT(*) > 0`;
  for (const row of source.each(sums, parameters)) {
    const tally = tallyOf(tallies, folds.map((fold) => fold(row)));
    let at = columns.length;
    for (let i = 0; i < COUNTS; i++) tally.counts[i] = (tally.counts[i] as number) + Number(row[at++]);
    for (const i of [0, 1, 2] as const) tally.money[i] += row[at++] as bigint;
    if (!times) continue;
    addDurations(tally.duration, row[at++] as Buffer | string | null);
    addDurations(tally.timeToFirstToken, row[at++] as Buffer | string | null);
  }
}

/**
 * Where nothing was admitted between `to` and the end of its day, that end: most ranges end now, and the roll-up of a day that
 * is still going on then tells as much as its rows.
 */
function quietEnd(source: Source, to: number): number {
  const end = nextStart('day', to, source.zone);
  // Past retention, rows that are not there prove nothing.
  const [rowsFrom] = source.all("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'rows_from'", []);
  if (to < Number(rowsFrom?.[0] ?? 0)) return to;
  const later = source.all('SELECT 1 FROM call WHERE admitted_at >= ? AND admitted_at < ? AND outcome IS NOT NULL LIMIT 1', [to, end]);
  return later.length === 0 ? end : to;
}

/** Where users are told apart by what folds of hours know, those of the running day and the rows of its last hour are less than its roll-up. */
function hoursAreFolded(source: Source, to: number): boolean {
  return source.all(`SELECT 1 FROM fold_done WHERE grain = ${FOLD_GRAIN.hour} AND bucket >= ? AND bucket < ? LIMIT 1`, [lastStart('day', to, source.zone), to]).length > 0;
}

/** By cost, then by the group's values, so that equal costs keep one order from one answer to the next. */
function dearestFirst(a: Tally, b: Tally): number {
  if (a.money[0] !== b.money[0]) return a.money[0] > b.money[0] ? -1 : 1;
  for (const [at, left] of a.key.entries()) {
    const right = b.key[at] ?? null;
    if (left === right) continue;
    // No value comes before every value.
    if (left === null || right === null) return left === null ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return 0;
}

function groupOf(groupings: readonly Grouping[], tally: Tally): UsageRow['group'] {
  return Object.fromEntries(groupings.map((grouping, at) => [grouping, tally.key[at] ?? null]));
}

function sumsOf(tallies: readonly Tally[]): Omit<UsageFigures, 'duration' | 'timeToFirstToken'> {
  const sum = (at: number): number => tallies.reduce((total, { counts }) => total + (counts[at] as number), 0);
  const sumMoney = (at: 0 | 1 | 2): Nanodollars => nanodollars(tallies.reduce((total, { money }) => total + money[at], 0n));
  return {
    requests: sum(0),
    attempts: sum(1),
    refused: sum(2),
    errors: sum(3),
    tokens: { input: sum(4), cacheWrite5m: sum(5), cacheWrite1h: sum(6), cacheRead: sum(7), output: sum(8) },
    webSearches: sum(9),
    cost: sumMoney(0),
    estimatedCost: sumMoney(1),
    cacheSavings: sumMoney(2),
  };
}
