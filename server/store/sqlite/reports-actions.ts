// server/store/sqlite/reports-actions.ts: what user actions cost, from the rows of the calls that make them up.

import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../../domain/money.ts';
import type { ActionFigures, ActionGrouping, ActionsReport, Filter } from '../../domain/reports.ts';
import { COST_NOW } from './corrections.ts';
import { conditionOf, matchesOf, type Source } from './reports-source.ts';
import { periodStarts } from './reports-time.ts';

const DEAREST = 10;

interface Action {
  readonly workspace: bigint;
  readonly workflow: bigint;
  /** Null: a call that names none. */
  readonly name: string | null;
  readonly at: number;
  readonly calls: number;
  readonly cost: bigint;
}

/** No roll-up can tell what an action costs in all, so this reads rows; `most` bounds how many. */
export function actions(source: Source, { filter, groupBy, most }: { filter: Filter; groupBy: readonly ActionGrouping[]; most: number }): ActionsReport {
  const { rows, from } = read(source, filter, most);
  const folds = groupBy.map((grouping): ((action: Action) => string | EpochMs) => {
    if (grouping === 'workspace') return ({ workspace }) => source.nameOf(workspace) ?? '';
    if (grouping === 'workflow') return ({ workflow }) => source.nameOf(workflow) ?? '';
    const startOf = periodStarts(grouping, source.zone);
    return ({ at }) => startOf(at);
  });
  const groups = new Map<string, { key: readonly (string | EpochMs)[]; actions: Action[] }>();
  for (const action of rows) {
    const key = folds.map((fold) => fold(action));
    const text = JSON.stringify(key);
    const group = groups.get(text);
    if (group) group.actions.push(action);
    else groups.set(text, { key, actions: [action] });
  }
  return {
    rows: [...groups.values()]
      .map(({ key, actions }) => ({ group: Object.fromEntries(groupBy.map((grouping, at) => [grouping, key[at] ?? ''])), ...figuresOf(actions) }))
      .sort((a, b) => (a.cost === b.cost ? 0 : a.cost > b.cost ? -1 : 1)),
    total: figuresOf(rows),
    steps: stepsOf(rows.map(({ cost }) => cost)),
    dearest: rows
      .filter(({ name }) => name !== null)
      .sort((a, b) => (a.cost === b.cost ? 0 : a.cost > b.cost ? -1 : 1))
      .slice(0, DEAREST)
      .map(({ workspace, workflow, name, calls, cost, at }) => ({ workspace: source.nameOf(workspace) ?? '', workflow: source.nameOf(workflow) ?? '', action: name ?? '', calls, cost: nanodollars(cost), at: epochMs(at) })),
    from,
  };
}

/** One entry per action, in order of their first calls, and where they begin. */
function read(source: Source, filter: Filter, most: number): { rows: Action[]; from: EpochMs } {
  const matches = matchesOf(source, filter);
  if (matches === null) return { rows: [], from: filter.from };
  const condition = conditionOf(matches);
  const calls = `FROM call WHERE admitted_at >= ? AND admitted_at < ?${condition.sql} AND outcome IS NOT NULL AND +outcome <> 'refused'`;
  const range = [filter.from, filter.to, ...condition.parameters];
  // The call just past the bound: what was admitted by then is left out, so that no action is counted with half of a millisecond's calls.
  const [beyond] = source.all(`SELECT admitted_at ${calls} ORDER BY admitted_at DESC LIMIT 1 OFFSET ?`, [...range, most]);
  const from = beyond === undefined ? filter.from : epochMs(Number(beyond[0]) + 1);
  const cost = source.all('SELECT 1 FROM correction LIMIT 1', []).length === 0 ? 'cost' : COST_NOW;
  const rows: Action[] = [];
  const sql = `SELECT workspace, workflow, action, MIN(admitted_at), COUNT(*), SUM(${cost}) ${calls} GROUP BY workspace, workflow, coalesce(action, n) ORDER BY 4`;
  for (const [workspace, workflow, name, at, count, sum] of source.each(sql, [from, ...range.slice(1)])) {
    rows.push({ workspace: workspace as bigint, workflow: workflow as bigint, name: name as string | null, at: Number(at), calls: Number(count), cost: sum as bigint });
  }
  return { rows, from };
}

function figuresOf(actions: readonly Action[]): ActionFigures {
  const costs = actions.map(({ cost }) => cost).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const rank = (share: number): Nanodollars | null => (costs.length === 0 ? null : nanodollars(costs[Math.max(0, Math.ceil(share * costs.length) - 1)] as bigint));
  let calls = 0;
  let named = 0;
  let cost = 0n;
  for (const action of actions) {
    calls += action.calls;
    if (action.name !== null) named += action.calls;
    cost += action.cost;
  }
  return { actions: actions.length, calls, named, cost: nanodollars(cost), p50: rank(0.5), p95: rank(0.95) };
}

/** Edges of the steps: 1, 2 and 5 times a power of ten, in nano-dollars. */
const EDGES: readonly bigint[] = Array.from({ length: 19 }, (_, power) => [1n, 2n, 5n].map((digit) => digit * 10n ** BigInt(power))).flat();

function stepsOf(costs: readonly bigint[]): ActionsReport['steps'] {
  const counts = EDGES.map(() => 0);
  for (const cost of costs) {
    if (cost <= 0n) continue;
    const digits = cost.toString();
    const at = (digits.length - 1) * 3 + (digits[0]! >= '5' ? 2 : digits[0]! >= '2' ? 1 : 0);
    counts[at] = (counts[at] as number) + 1;
  }
  const first = counts.findIndex((count) => count > 0);
  const last = counts.findLastIndex((count) => count > 0);
  if (first < 0) return [];
  return counts.slice(first, last + 1).map((count, i) => ({ from: nanodollars(EDGES[first + i] as bigint), to: nanodollars(EDGES[first + i + 1] ?? (EDGES.at(-1) as bigint) * 10n), actions: count }));
}
