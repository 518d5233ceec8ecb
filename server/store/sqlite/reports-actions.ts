// server/store/sqlite/reports-actions.ts: what user actions cost, from folds where there are any, else from the rows of the calls that make them up.

import { periodAt } from '../../domain/calendar.ts';
import { HOUR_MS } from '../../domain/durations.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../../domain/money.ts';
import type { ActionFigures, ActionGrouping, ActionsReport, Filter } from '../../domain/reports.ts';
import { COST_NOW } from './corrections.ts';
import { actionNumber, DEAREST, eachAction } from './fold-actions.ts';
import { amountOf, MONEY_AT, openFold, sizeOf } from './fold-format.ts';
import { FOLD_GRAIN, FOLD_VIEWS } from './fold-views.ts';
import { cover, gathering, isTime, type Choice, type FoldedSegment } from './reports-folds.ts';
import type { Unread } from './reports-sketch.ts';
import { conditionOf, matchesOf, type Matches, type Source } from './reports-source.ts';
import { lastStart, nextStart, periodStarts } from './reports-time.ts';
import { Singles } from './single-actions.ts';
import { addToCounters, bucketOf, clearCounters, countInBucket, middleOf, newCounters, ofRank, totalOf } from './sketch.ts';

/** Actions that are known by their sums alone. */
interface Summed {
  readonly workspace: number;
  readonly workflow: number;
  /** The day's, or any instant of the block. */
  readonly at: number;
  readonly actions: number;
  readonly calls: number;
  readonly named: number;
  readonly cost: bigint;
  /** Of what each cost. */
  readonly costs: Unread;
}

/** One of the dearest. */
interface Dear {
  readonly workspace: number;
  readonly workflow: number;
  readonly first: number;
  readonly calls: number;
  readonly cost: bigint;
}

/**
 * Days that stand folded are told by their sums; of the others, hours that stand folded by their actions; the rest by rows, of which `most`
 * bounds how many.
 */
export function actions(source: Source, { filter, groupBy, most }: { filter: Filter; groupBy: readonly ActionGrouping[]; most: number }): ActionsReport {
  const matches = matchesOf(source, filter);
  const { singles, summed, dearest, from } = matches === null ? { singles: new Singles(), summed: [], dearest: [], from: filter.from } : gather(source, filter, groupBy, matches, most);
  const groups = groupsOf(source, groupBy, singles, summed);
  return {
    rows: groups
      .map((group) => ({ group: Object.fromEntries(groupBy.map((grouping, at) => [grouping, group.key[at] ?? ''])), ...figuresOf(singles, group.singles, group.summed) }))
      .sort((a, b) => (a.cost === b.cost ? 0 : a.cost > b.cost ? -1 : 1)),
    total: figuresOf(singles, null, summed),
    steps: stepsOf(singles, summed),
    dearest: [...dearestSingles(singles), ...dearest]
      .sort((a, b) => (a.cost === b.cost ? 0 : a.cost > b.cost ? -1 : 1))
      .slice(0, DEAREST)
      .flatMap((one) => named(source, one)),
    from,
  };
}

interface Group {
  readonly key: readonly (string | EpochMs)[];
  /** Their places. */
  singles: Int32Array;
  readonly summed: Summed[];
}

function groupsOf(source: Source, groupBy: readonly ActionGrouping[], singles: Singles, summed: readonly Summed[]): Group[] {
  const times = groupBy.filter(isTime).map((grouping) => periodStarts(grouping, source.zone));
  const groups: Group[] = [];
  const byKey = new Map<string, number>();
  const groupOf = (workspace: number, workflow: number, at: number): number => {
    let time = 0;
    const key = groupBy.map((grouping) => (grouping === 'workspace' ? (source.nameOf(BigInt(workspace)) ?? '') : grouping === 'workflow' ? (source.nameOf(BigInt(workflow)) ?? '') : (times[time++] as (at: number) => EpochMs)(at)));
    const text = JSON.stringify(key);
    let group = byKey.get(text);
    if (group === undefined) byKey.set(text, (group = groups.push({ key, singles: NONE, summed: [] }) - 1));
    return group;
  };
  /** Of each pair of a workspace and a workflow its groups by time. */
  const ofPairs = singles.pairs.map(() => new Map<number, number>());
  const groupOfSingle = new Int32Array(singles.size);
  for (let i = 0; i < singles.size; i++) {
    const at = singles.at[i] as number;
    // The finest time that is asked for tells all of them.
    let time = 0;
    for (const startOf of times) time = Math.max(time, startOf(at));
    const byTime = ofPairs[singles.pair[i] as number] as Map<number, number>;
    let group = byTime.get(time);
    if (group === undefined) {
      const { workspace, workflow } = singles.pairs[singles.pair[i] as number] as Singles['pairs'][number];
      byTime.set(time, (group = groupOf(workspace, workflow, at)));
    }
    groupOfSingle[i] = group;
  }
  const sizes = new Int32Array(groups.length);
  for (const group of groupOfSingle) sizes[group] = (sizes[group] as number) + 1;
  for (const [i, group] of groups.entries()) group.singles = new Int32Array(sizes[i] as number);
  for (let i = singles.size - 1; i >= 0; i--) {
    const group = groupOfSingle[i] as number;
    const left = ((sizes[group] as number) -= 1);
    (groups[group] as Group).singles[left] = i;
  }
  for (const one of summed) (groups[groupOf(one.workspace, one.workflow, one.at)] as Group).summed.push(one);
  return groups;
}

const NONE = new Int32Array(0);

function dearestSingles(singles: Singles): Dear[] {
  let kept: number[] = [];
  let least = -1;
  const dearer = (a: number, b: number): number => singles.costAt(b) - singles.costAt(a);
  for (let i = 0; i < singles.size; i++) {
    if (singles.named[i] === 0 || singles.costAt(i) <= least) continue;
    kept.push(i);
    // Sorted now and then, so that one that is dearer than all before it costs little.
    if (kept.length < DEAREST * 20) continue;
    kept = kept.sort(dearer).slice(0, DEAREST);
    least = singles.costAt(kept.at(-1) as number);
  }
  return kept.sort(dearer).slice(0, DEAREST).map((i) => ({
    ...(singles.pairs[singles.pair[i] as number] as Singles['pairs'][number]), first: singles.first[i] as number, calls: singles.calls[i] as number, cost: singles.amountAt(i),
  }));
}

/** Where its row is gone, so is its name. */
function named(source: Source, { workspace, workflow, first, calls, cost }: Dear): ActionsReport['dearest'] {
  const [row] = source.all('SELECT action, admitted_at FROM call WHERE n = ?', [first]);
  if (row === undefined || row[0] === null) return [];
  return [{ workspace: source.nameOf(BigInt(workspace)) ?? '', workflow: source.nameOf(BigInt(workflow)) ?? '', action: row[0] as string, calls, cost: nanodollars(cost), at: epochMs(Number(row[1])) }];
}

type Piece = { readonly grain: 'hour' | 'rows'; readonly from: number; readonly to: number };

function gather(source: Source, filter: Filter, groupBy: readonly ActionGrouping[], matches: Matches, most: number): { singles: Singles; summed: Summed[]; dearest: Dear[]; from: EpochMs } {
  const summed: Summed[] = [];
  const dearest: Dear[] = [];
  const { from, to } = filter;
  let pieces: Piece[] = [{ grain: 'rows', from, to }];
  if (from < to && [...matches.keys()].every((field) => field === 'workspace' || field === 'workflow')) {
    const foldMatches = matches as ReadonlyMap<string, readonly number[]>;
    const timed = groupBy.filter(isTime);
    const inDays: Choice[] = [...(timed.length > 0 ? [] : [['block', 'actionCosts'] as const]), ...(timed.includes('hour') ? [] : [['day', 'actionCosts'] as const])];
    const [first, last] = [nextStart('day', from, source.zone), lastStart('day', to, source.zone)];
    const covered = first < last ? [{ grain: 'rows' as const, from, to: first }, ...cover(source, { grain: 'day', from: first, to: last }, inDays), { grain: 'rows' as const, from: last, to }] : [{ grain: 'rows' as const, from, to }];
    const costs = gathering(source, ['workspace', 'workflow', 'named', ...timed], foldMatches);
    pieces = covered.flatMap((segment): Piece[] => {
      if (segment.grain !== 'fold') {
        return cover(source, { grain: 'rows', from: segment.from, to: segment.to }, [['hour', 'actions']]).flatMap((piece): Piece[] =>
          piece.grain === 'fold' ? piece.buckets.map((bucket) => ({ grain: 'hour', from: bucket, to: bucket + HOUR_MS })) : piece.from < piece.to ? [{ grain: 'rows', from: piece.from, to: piece.to }] : [],
        );
      }
      costs.add(segment);
      dearest.push(...dearestIn(source, segment, foldMatches));
      return [];
    });
    for (const { values: [workspace = 0, workflow = 0, isNamed, at = 0], counts, money, duration } of costs.groups()) {
      const [calls = 0, many = 0] = counts;
      summed.push({ workspace, workflow, at, actions: many, calls, named: isNamed === 1 ? calls : 0, cost: money[0], costs: duration });
    }
  }
  const { singles, unnamed, cut } = read(source, pieces.sort((a, b) => a.from - b.from), matches, most);
  return { singles, summed: [...summed, ...unnamed], dearest, from: cut ?? from };
}

/** The dearest of days and blocks that stand folded, which hold those of each workflow. */
function dearestIn(source: Source, { of, buckets }: FoldedSegment, matches: ReadonlyMap<string, readonly number[]>): Dear[] {
  const width = FOLD_VIEWS.dearest.dimensions.length;
  const [workspaces, workflows] = [matches.get('workspace'), matches.get('workflow')];
  const kept: Dear[] = [];
  for (const bucket of buckets) {
    for (const [content] of source.each(`SELECT content FROM fold WHERE grain = ${FOLD_GRAIN[of]} AND bucket = ? AND view = ${FOLD_VIEWS.dearest.id}`, [bucket])) {
      const fold = openFold(content as Buffer, width);
      const [first, workspace, workflow, calls, low, high] = [0, 1, 2, width, width + MONEY_AT, width + MONEY_AT + 1].map((at) => fold.column(at).slice(0, fold.size)) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
      for (let i = 0; i < fold.size; i++) {
        if ((workspaces !== undefined && !workspaces.includes(workspace[i] as number)) || (workflows !== undefined && !workflows.includes(workflow[i] as number))) continue;
        const cost = amountOf(low[i] as number, high[i] as number);
        if (kept.length === DEAREST && cost <= (kept.at(-1) as Dear).cost) continue;
        kept.push({ workspace: workspace[i] as number, workflow: workflow[i] as number, first: first[i] as number, calls: calls[i] as number, cost });
        kept.sort((a, b) => (a.cost === b.cost ? 0 : a.cost > b.cost ? -1 : 1));
        kept.length = Math.min(kept.length, DEAREST);
      }
    }
  }
  return kept;
}

/** One entry per action out of pieces in order; calls of folded hours that name none by their sums. `cut`: where they begin, if some were left out. */
function read(source: Source, pieces: readonly Piece[], matches: Matches, most: number): { singles: Singles; unnamed: Summed[]; cut: EpochMs | null } {
  const condition = conditionOf(matches);
  const calls = `FROM call WHERE admitted_at >= ? AND admitted_at < ?${condition.sql} AND outcome IS NOT NULL AND +outcome <> 'refused'`;
  const rowPieces = pieces.filter(({ grain }) => grain === 'rows');
  // The call just past the bound: what was admitted by then is left out, so that no action is counted with half of a millisecond's calls.
  let left = most;
  let cut: EpochMs | null = null;
  // An index alone tells how many calls there are, of which most are fewer than the bound.
  const bounded = rowPieces.reduce((sum, { from, to }) => sum + Number(source.all('SELECT COUNT(*) FROM call WHERE admitted_at >= ? AND admitted_at < ?', [from, to])[0]?.[0] ?? 0), 0) > most;
  for (const { from, to } of bounded ? rowPieces.toReversed() : []) {
    const [beyond] = source.all(`SELECT admitted_at ${calls} ORDER BY admitted_at DESC LIMIT 1 OFFSET ?`, [from, to, ...condition.parameters, left]);
    if (beyond !== undefined) {
      cut = epochMs(Number(beyond[0]) + 1);
      break;
    }
    if (rowPieces.length > 1) left -= Number(source.all(`SELECT COUNT(*) ${calls}`, [from, to, ...condition.parameters])[0]?.[0] ?? 0);
  }
  const cost = source.all('SELECT 1 FROM correction LIMIT 1', []).length === 0 ? 'cost' : COST_NOW;
  const sql = `SELECT workspace, workflow, action, MIN(n), MIN(admitted_at), COUNT(*), SUM(${cost}) ${calls} GROUP BY workspace, workflow, coalesce(action, n)`;
  const [workspaces, workflows] = [matches.get('workspace'), matches.get('workflow')];

  const folds = new Map(pieces.flatMap(({ grain, from, to }) => (grain === 'rows' || (cut !== null && to <= cut) ? [] : [[from, actionFold(source, from)]])));
  const singles = new Singles([...folds.values()].reduce((sum, bytes) => sum + sizeOf(bytes), 0));
  const unnamed: Summed[] = [];
  const dayOf = periodStarts('day', source.zone);
  let day = Number.NaN;
  const enter = (at: number): void => {
    if (dayOf(at) === day) return;
    day = dayOf(at);
    singles.nextDay();
  };
  for (const piece of pieces) {
    if (cut !== null && piece.to <= cut) continue;
    if (piece.grain === 'hour') {
      enter(piece.from);
      const bytes = folds.get(piece.from) as Uint8Array;
      eachAction(bytes, (number, first, workspace, workflow, many, low, high, from, to) => {
        if ((workspaces !== undefined && !workspaces.includes(workspace)) || (workflows !== undefined && !workflows.includes(workflow))) return;
        if (number !== 0) singles.add(number, workspace, workflow, piece.from, first, many, low, high);
        else unnamed.push({ workspace, workflow, at: piece.from, actions: many, calls: many, named: 0, cost: amountOf(low, high), costs: (into) => addToCounters(into, bytes, from, to) });
      });
      continue;
    }
    for (let from = Math.max(piece.from, cut ?? piece.from); ; ) {
      // Local days are told apart; stretches without calls are passed over.
      const [next] = source.all(`SELECT MIN(admitted_at) FROM call WHERE admitted_at >= ? AND admitted_at < ?`, [from, piece.to]);
      if (next === undefined || next[0] === null) break;
      const at = Number(next[0]);
      const end = Math.min(piece.to, periodAt('day', epochMs(at), source.zone).to);
      enter(at);
      for (const [workspace, workflow, name, n, began, many, sum] of source.each(sql, [at, end, ...condition.parameters])) {
        const number = name === null ? 0 : actionNumber(Number(workspace), Number(workflow), name as string);
        const amount = sum as bigint;
        singles.add(number, Number(workspace), Number(workflow), Number(began), Number(n), Number(many), Number(amount & 0xffff_ffffn), Number(amount >> 32n));
      }
      from = end;
    }
  }
  return { singles, unnamed, cut };
}

const actionFold = (source: Source, hour: number): Uint8Array =>
  source.all(`SELECT content FROM fold WHERE grain = ${FOLD_GRAIN.hour} AND bucket = ? AND view = ${FOLD_VIEWS.actions.id}`, [hour])[0]?.[0] as Buffer;

const counters = newCounters();

/** @param places of the group's; null: all of them */
function figuresOf(singles: Singles, places: Int32Array | null, summed: readonly Summed[]): ActionFigures {
  const size = places === null ? singles.size : places.length;
  const costs = new Float64Array(size);
  let [many, calls, named, low, high, most] = [size, 0, 0, 0, 0, 0];
  for (let at = 0; at < size; at++) {
    const i = places === null ? at : (places[at] as number);
    const own = singles.calls[i] as number;
    calls += own;
    if (singles.named[i] === 1) named += own;
    low += singles.low[i] as number;
    high += singles.high[i] as number;
    const cost = singles.costAt(i);
    costs[at] = cost;
    if (cost > most) most = cost;
  }
  let cost = amountOf(low, high);
  for (const one of summed) {
    many += one.actions;
    calls += one.calls;
    named += one.named;
    cost += one.cost;
  }
  const sums = { actions: many, calls, named, cost: nanodollars(cost) };
  if (summed.length === 0) {
    if (size === 0) return { ...sums, p50: null, p95: null };
    const [at50, at95] = [0.5, 0.95].map((share) => Math.max(0, Math.ceil(share * size) - 1)) as [number, number];
    if (most <= Number.MAX_SAFE_INTEGER) {
      const p95 = select(costs, at95, size - 1);
      return { ...sums, p50: nanodollars(BigInt(select(costs, at50, at95))), p95: nanodollars(BigInt(p95)) };
    }
    // A float is not exact above nine million dollars for one action.
    const exact = Array.from({ length: size }, (_, at) => singles.amountAt(places === null ? at : (places[at] as number))).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return { ...sums, p50: nanodollars(exact[at50] as bigint), p95: nanodollars(exact[at95] as bigint) };
  }
  clearCounters(counters);
  for (const { costs } of summed) costs(counters);
  for (const one of costs) countInBucket(counters, bucketOf(one));
  const total = totalOf(counters);
  const rank = (share: number): Nanodollars | null => {
    const found = ofRank(counters, Math.ceil(share * total));
    return found === null ? null : nanodollars(BigInt(Math.round(found)));
  };
  return { ...sums, p50: rank(0.5), p95: rank(0.95) };
}

/**
 * What would stand at a place if the values up to `last` were sorted; those before it are then no more than it, those after it no less. A tenth
 * of the time that sorting takes. (Hoare's quickselect.)
 */
export function select(values: Float64Array, place: number, last: number): number {
  let [from, to] = [0, last];
  while (from < to) {
    const pivot = values[(from + to) >> 1] as number;
    let [i, j] = [from, to];
    while (i <= j) {
      while ((values[i] as number) < pivot) i++;
      while ((values[j] as number) > pivot) j--;
      if (i > j) break;
      const value = values[i] as number;
      values[i++] = values[j] as number;
      values[j--] = value;
    }
    if (place <= j) to = j;
    else if (place >= i) from = i;
    else break;
  }
  return values[place] as number;
}

/** Edges of the steps: 1, 2 and 5 times a power of ten, in nano-dollars. All are whole as floats too. */
const EDGES = Float64Array.from({ length: 57 }, (_, at) => [1, 2, 5][at % 3]! * 10 ** Math.floor(at / 3));

function stepsOf(singles: Singles, summed: readonly Summed[]): ActionsReport['steps'] {
  const counts = new Float64Array(EDGES.length);
  // Comparing a whole number with a float is exact.
  const add = (cost: number | bigint, many: number): void => {
    let [from, to] = [0, EDGES.length];
    while (to - from > 1) {
      const middle = (from + to) >> 1;
      if ((EDGES[middle] as number) <= cost) from = middle;
      else to = middle;
    }
    counts[from] = (counts[from] as number) + many;
  };
  for (let i = 0; i < singles.size; i++) {
    const cost = singles.costAt(i);
    if (cost > 0) add(cost > Number.MAX_SAFE_INTEGER ? singles.amountAt(i) : cost, 1);
  }
  clearCounters(counters);
  for (const { costs } of summed) costs(counters);
  // The lowest bucket is of those that cost nothing, or a single nano-dollar.
  for (let bucket = Math.max(1, counters.low); bucket <= counters.high; bucket++) if (counters.counts[bucket] !== 0) add(Math.round(middleOf(bucket)), counters.counts[bucket] as number);
  const first = counts.findIndex((many) => many > 0);
  const last = counts.findLastIndex((many) => many > 0);
  if (first < 0) return [];
  const edge = (at: number): Nanodollars => nanodollars(at < EDGES.length ? BigInt(EDGES[at] as number) : BigInt(EDGES.at(-1) as number) * 2n);
  return [...counts.subarray(first, last + 1)].map((many, i) => ({ from: edge(first + i), to: edge(first + i + 1), actions: many }));
}
