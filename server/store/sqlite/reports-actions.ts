// server/store/sqlite/reports-actions.ts: what user actions cost, from folds where there are any, else from the rows of the calls that make them up.

import { periodAt } from '../../domain/calendar.ts';
import { HOUR_MS } from '../../domain/durations.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../../domain/money.ts';
import type { ActionFigures, ActionGrouping, ActionsReport, Filter } from '../../domain/reports.ts';
import { COST_NOW } from './corrections.ts';
import { actionNumber, actionsIn, DEAREST } from './fold-actions.ts';
import { amountOf } from './fold-format.ts';
import { FOLD_GRAIN, FOLD_VIEWS } from './fold-views.ts';
import { cover, gathering, isTime, type Choice } from './reports-folds.ts';
import { conditionOf, matchesOf, type Matches, type Source } from './reports-source.ts';
import { lastStart, nextStart, periodStarts } from './reports-time.ts';
import { addEncoded, count, middleOf, quantile, type Sketch } from './sketch.ts';

/** Within one workflow and one local day. */
interface Action {
  readonly workspace: number;
  readonly workflow: number;
  /** Null: a call that names none. */
  readonly name: string | null;
  /** `call.n` of its first call, by which it can be looked up where its name is not known. */
  readonly first: number;
  /** An instant of its first call, or of the hour of that. */
  readonly at: number;
  readonly calls: number;
  readonly cost: bigint;
}

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
  readonly costs: Uint8Array;
}

interface Gathered {
  readonly single: Action[];
  readonly summed: Summed[];
}

/**
 * Days that stand folded are told by their sums; of the others, hours that stand folded by their actions; the rest by rows, of which `most`
 * bounds how many.
 */
export function actions(source: Source, { filter, groupBy, most }: { filter: Filter; groupBy: readonly ActionGrouping[]; most: number }): ActionsReport {
  const matches = matchesOf(source, filter);
  const gathered: Gathered & { dearest: Action[]; from: EpochMs } = matches === null ? { single: [], summed: [], dearest: [], from: filter.from } : gather(source, filter, groupBy, matches, most);
  const folds = groupBy.map((grouping): ((one: Action | Summed) => string | EpochMs) => {
    if (grouping === 'workspace') return ({ workspace }) => source.nameOf(BigInt(workspace)) ?? '';
    if (grouping === 'workflow') return ({ workflow }) => source.nameOf(BigInt(workflow)) ?? '';
    const startOf = periodStarts(grouping, source.zone);
    return ({ at }) => startOf(at);
  });
  const groups = new Map<string, Gathered & { key: readonly (string | EpochMs)[] }>();
  const groupOf = (one: Action | Summed): Gathered => {
    const key = folds.map((fold) => fold(one));
    const text = JSON.stringify(key);
    let group = groups.get(text);
    if (group === undefined) groups.set(text, (group = { key, single: [], summed: [] }));
    return group;
  };
  for (const one of gathered.single) groupOf(one).single.push(one);
  for (const one of gathered.summed) groupOf(one).summed.push(one);
  return {
    rows: [...groups.values()]
      .map((group) => ({ group: Object.fromEntries(groupBy.map((grouping, at) => [grouping, group.key[at] ?? ''])), ...figuresOf(group) }))
      .sort((a, b) => (a.cost === b.cost ? 0 : a.cost > b.cost ? -1 : 1)),
    total: figuresOf(gathered),
    steps: stepsOf(gathered),
    dearest: [...gathered.single.filter(({ name }) => name !== null), ...gathered.dearest]
      .sort((a, b) => (a.cost === b.cost ? 0 : a.cost > b.cost ? -1 : 1))
      .slice(0, DEAREST)
      .flatMap((one) => named(source, one)),
    from: gathered.from,
  };
}

/** Where its row is gone, so is its name. */
function named(source: Source, { workspace, workflow, first, calls, cost }: Action): ActionsReport['dearest'] {
  const [row] = source.all('SELECT action, admitted_at FROM call WHERE n = ?', [first]);
  if (row === undefined || row[0] === null) return [];
  return [{ workspace: source.nameOf(BigInt(workspace)) ?? '', workflow: source.nameOf(BigInt(workflow)) ?? '', action: row[0] as string, calls, cost: nanodollars(cost), at: epochMs(Number(row[1])) }];
}

type Piece = { readonly grain: 'hour' | 'rows'; readonly from: number; readonly to: number };

function gather(source: Source, filter: Filter, groupBy: readonly ActionGrouping[], matches: Matches, most: number): Gathered & { dearest: Action[]; from: EpochMs } {
  const summed: Summed[] = [];
  const dearest: Action[] = [];
  const { from, to } = filter;
  let pieces: Piece[] = [{ grain: 'rows', from, to }];
  if (from < to && [...matches.keys()].every((field) => field === 'workspace' || field === 'workflow')) {
    const foldMatches = matches as ReadonlyMap<string, readonly number[]>;
    const timed = groupBy.filter(isTime);
    const inDays: Choice[] = [...(timed.length > 0 ? [] : [['block', 'actionCosts'] as const]), ...(timed.includes('hour') ? [] : [['day', 'actionCosts'] as const])];
    const [first, last] = [nextStart('day', from, source.zone), lastStart('day', to, source.zone)];
    const covered = first < last ? [{ grain: 'rows' as const, from, to: first }, ...cover(source, { grain: 'day', from: first, to: last }, inDays), { grain: 'rows' as const, from: last, to }] : [{ grain: 'rows' as const, from, to }];
    const costs = gathering(source, ['workspace', 'workflow', 'named', ...timed], foldMatches);
    const top = gathering(source, ['workspace', 'workflow', 'first'], foldMatches, false);
    pieces = covered.flatMap((segment): Piece[] => {
      if (segment.grain !== 'fold') {
        return cover(source, { grain: 'rows', from: segment.from, to: segment.to }, [['hour', 'actions']]).flatMap((piece): Piece[] =>
          piece.grain === 'fold' ? piece.buckets.map((bucket) => ({ grain: 'hour', from: bucket, to: bucket + HOUR_MS })) : piece.from < piece.to ? [{ grain: 'rows', from: piece.from, to: piece.to }] : [],
        );
      }
      costs.add(segment);
      top.add({ ...segment, view: 'dearest' });
      return [];
    });
    for (const { values: [workspace = 0, workflow = 0, isNamed, at = 0], counts, money, duration } of costs.groups()) {
      const [calls = 0, many = 0] = counts;
      summed.push({ workspace, workflow, at, actions: many, calls, named: isNamed === 1 ? calls : 0, cost: money[0], costs: duration });
    }
    for (const { values: [workspace = 0, workflow = 0, n = 0], counts, money } of top.groups()) dearest.push({ workspace, workflow, name: '', first: n, at: 0, calls: counts[0] ?? 0, cost: money[0] });
  }
  const { rows, unnamed, cut } = read(source, pieces.sort((a, b) => a.from - b.from), matches, most);
  return { single: rows, summed: [...summed, ...unnamed], dearest, from: cut ?? from };
}

/** One entry per action out of pieces in order; calls of folded hours that name none by their sums. `cut`: where they begin, if some were left out. */
function read(source: Source, pieces: readonly Piece[], matches: Matches, most: number): { rows: Action[]; unnamed: Summed[]; cut: EpochMs | null } {
  const condition = conditionOf(matches);
  const calls = `FROM call WHERE admitted_at >= ? AND admitted_at < ?${condition.sql} AND outcome IS NOT NULL AND +outcome <> 'refused'`;
  const rowPieces = pieces.filter(({ grain }) => grain === 'rows');
  // The call just past the bound: what was admitted by then is left out, so that no action is counted with half of a millisecond's calls.
  let left = most;
  let cut: EpochMs | null = null;
  for (const { from, to } of rowPieces.toReversed()) {
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

  const rows: Action[] = [];
  const unnamed: Summed[] = [];
  const known = new Map<number, number>();
  const dayOf = periodStarts('day', source.zone);
  let day = Number.NaN;
  const add = (number: number, action: Action): void => {
    const found = number === 0 ? undefined : known.get(number);
    if (found === undefined) {
      if (number !== 0) known.set(number, rows.length);
      rows.push(action);
      return;
    }
    const before = rows[found] as Action;
    rows[found] = { ...before, name: before.name ?? action.name, first: Math.min(before.first, action.first), at: Math.min(before.at, action.at), calls: before.calls + action.calls, cost: before.cost + action.cost };
  };
  const enter = (at: number): void => {
    if (dayOf(at) === day) return;
    day = dayOf(at);
    known.clear();
  };
  for (const piece of pieces) {
    if (cut !== null && piece.to <= cut) continue;
    if (piece.grain === 'hour') {
      enter(piece.from);
      for (const [content] of source.each(`SELECT content FROM fold WHERE grain = ${FOLD_GRAIN.hour} AND bucket = ? AND view = ${FOLD_VIEWS.actions.id}`, [piece.from])) {
        for (const one of actionsIn(content as Buffer)) {
          if ((workspaces !== undefined && !workspaces.includes(one.workspace)) || (workflows !== undefined && !workflows.includes(one.workflow))) continue;
          const action = { workspace: one.workspace, workflow: one.workflow, first: one.first, at: piece.from, calls: one.calls, cost: amountOf(one.costLow, one.costHigh) };
          if (one.action !== 0) add(one.action, { ...action, name: '' });
          else unnamed.push({ ...action, actions: one.calls, named: 0, costs: one.costs });
        }
      }
      continue;
    }
    for (let from = Math.max(piece.from, cut ?? piece.from); ; ) {
      // Local days are told apart; stretches without calls are passed over.
      const [next] = source.all(`SELECT MIN(admitted_at) FROM call WHERE admitted_at >= ? AND admitted_at < ?`, [from, piece.to]);
      if (next === undefined || next[0] === null) break;
      const at = Number(next[0]);
      const end = Math.min(piece.to, periodAt('day', epochMs(at), source.zone).to);
      enter(at);
      for (const [workspace, workflow, name, n, began, count, sum] of source.each(sql, [at, end, ...condition.parameters])) {
        const number = name === null ? 0 : actionNumber(Number(workspace), Number(workflow), name as string);
        add(number, { workspace: Number(workspace), workflow: Number(workflow), name: name as string | null, first: Number(n), at: Number(began), calls: Number(count), cost: sum as bigint });
      }
      from = end;
    }
  }
  return { rows, unnamed, cut };
}

function figuresOf({ single, summed }: Gathered): ActionFigures {
  let [many, calls, named, cost] = [single.length, 0, 0, 0n];
  for (const action of single) {
    calls += action.calls;
    if (action.name !== null) named += action.calls;
    cost += action.cost;
  }
  for (const one of summed) {
    many += one.actions;
    calls += one.calls;
    named += one.named;
    cost += one.cost;
  }
  const sums = { actions: many, calls, named, cost: nanodollars(cost) };
  if (summed.length === 0) {
    const costs = single.map((action) => action.cost).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const rank = (share: number): Nanodollars | null => (costs.length === 0 ? null : nanodollars(costs[Math.max(0, Math.ceil(share * costs.length) - 1)] as bigint));
    return { ...sums, p50: rank(0.5), p95: rank(0.95) };
  }
  const sketch: Sketch = new Map();
  for (const { costs } of summed) addEncoded(sketch, costs);
  for (const action of single) count(sketch, Number(action.cost));
  const rank = (share: number): Nanodollars | null => {
    const found = quantile(sketch, share);
    return found === null ? null : nanodollars(BigInt(Math.round(found)));
  };
  return { ...sums, p50: rank(0.5), p95: rank(0.95) };
}

/** Edges of the steps: 1, 2 and 5 times a power of ten, in nano-dollars. */
const EDGES: readonly bigint[] = Array.from({ length: 19 }, (_, power) => [1n, 2n, 5n].map((digit) => digit * 10n ** BigInt(power))).flat();

function stepsOf({ single, summed }: Gathered): ActionsReport['steps'] {
  const counts = EDGES.map(() => 0);
  const add = (cost: bigint, many: number): void => {
    const digits = cost.toString();
    const at = (digits.length - 1) * 3 + (digits[0]! >= '5' ? 2 : digits[0]! >= '2' ? 1 : 0);
    counts[at] = (counts[at] as number) + many;
  };
  for (const { cost } of single) if (cost > 0n) add(cost, 1);
  const sketch: Sketch = new Map();
  for (const { costs } of summed) addEncoded(sketch, costs);
  // The lowest bucket is of those that cost nothing, or a single nano-dollar.
  for (const [bucket, many] of sketch) if (bucket > 0) add(BigInt(Math.round(middleOf(bucket))), many);
  const first = counts.findIndex((many) => many > 0);
  const last = counts.findLastIndex((many) => many > 0);
  if (first < 0) return [];
  return counts.slice(first, last + 1).map((many, i) => ({ from: nanodollars(EDGES[first + i] as bigint), to: nanodollars(EDGES[first + i + 1] ?? (EDGES.at(-1) as bigint) * 10n), actions: many }));
}
