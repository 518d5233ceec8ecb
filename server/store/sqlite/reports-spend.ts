// server/store/sqlite/reports-spend.ts: spend per hour of a budget's scope, for forecasts, and the values that filters can take.

import type { Scope } from '../../domain/budget.ts';
import type { EpochMs } from '../../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../../domain/money.ts';
import { COST_NOW } from './corrections.ts';
import { GRAIN } from './migrations.ts';
import { gathering, withFolds } from './reports-folds.ts';
import type { Source } from './reports-source.ts';
import { lastStart, nextStart, periodStarts, QUARTER_MS } from './reports-time.ts';
import { RULES } from './verdicts-table.ts';

/**
 * Settled spend of the hours that begin in [from, to), by time of admission; hours without spend are absent. A model in a scope is the one that
 * was sent. By user it reads rows, because no roll-up knows a user's hours, so it reaches back as far as they are kept.
 */
export function hourlySpend(source: Source, { scope, from, to }: { scope: Scope; from: number; to: number }): { hour: EpochMs; cost: Nanodollars }[] {
  let condition = '';
  const ids: number[] = [];
  const matches = new Map<string, readonly number[]>();
  for (const [column, text] of [['workspace', scope.workspace], ['workflow', scope.workflow], ['key', scope.key], ['user', scope.user], ['model_sent', scope.model]] as const) {
    if (text === null) continue;
    const id = source.idOf(text);
    if (id === null) return [];
    ids.push(id);
    matches.set(column, [id]);
    condition += ` AND ${column} = ?`;
  }
  if (from >= to) return [];
  const hours = new Map<number, bigint>();
  const first = nextStart('hour', from, source.zone);
  if (scope.user === null) {
    const gathered = gathering(source, ['hour'], matches, false);
    for (const segment of withFolds(source, [{ grain: 'hour', from: first, to: nextStart('hour', to, source.zone) }], ['hour'], matches)) {
      if (segment.grain === 'fold') {
        gathered.add(segment);
        continue;
      }
      const sql = `SELECT bucket, SUM(cost) FROM rollup WHERE grain = ${GRAIN.hour} AND bucket >= ? AND bucket < ?${condition} GROUP BY bucket`;
      for (const [bucket, cost] of source.each(sql, [segment.from, Math.min(segment.to, to), ...ids])) hours.set(Number(bucket), cost as bigint);
    }
    for (const { values, money } of gathered.groups()) hours.set(values[0] as number, money[0]);
  } else {
    const startOf = periodStarts('hour', source.zone);
    // `user <> 0` lets the planner use an index that leaves out calls without a user.
    const sql = `SELECT admitted_at / ${QUARTER_MS}, SUM(${COST_NOW}) FROM call WHERE outcome IS NOT NULL AND admitted_at >= ? AND admitted_at < ? AND user <> 0${condition} GROUP BY 1`;
    for (const [quarter, cost] of source.each(sql, [first, nextStart('hour', to, source.zone), ...ids])) {
      const hour = startOf(Number(quarter) * QUARTER_MS);
      hours.set(hour, (hours.get(hour) ?? 0n) + (cost as bigint));
    }
  }
  return [...hours].filter(([, cost]) => cost !== 0n).map(([hour, cost]) => ({ hour: hour as EpochMs, cost: nanodollars(cost) }));
}

const FACETS = ['workspace', 'workflow', 'model', 'key', 'outcome'] as const;
type Facets = Record<(typeof FACETS)[number] | 'user' | 'policy', string[]>;

/** The values that occur on the days that touch [from, to), the busiest first and rules by name, `''` for none; calls in flight do not count but for rules. At most `limit` of each. */
export function facets(source: Source, { from, to, limit }: { from: number; to: number; limit: number }): Facets {
  const calls = new Map<string, Map<string, number>>();
  const add = (facet: string, value: string, n: number): void => {
    let values = calls.get(facet);
    if (values === undefined) calls.set(facet, (values = new Map()));
    values.set(value, (values.get(value) ?? 0) + n);
  };
  if (from < to) {
    // Whole days, so that a picker never reads rows; and one walk over them, for the five facets that share a roll-up.
    const days = { from: lastStart('day', from, source.zone), to: nextStart('day', to, source.zone) };
    // A day that begins at the end of the range is not in it.
    const end = (segment: { to: number }): number => Math.min(segment.to, to);
    const none = new Map<string, readonly number[]>();
    const gathered = gathering(source, FACETS, none, false);
    for (const segment of withFolds(source, [{ grain: 'day', ...days }], FACETS, none)) {
      if (segment.grain === 'fold') {
        gathered.add(segment);
        continue;
      }
      const sql = `SELECT ${FACETS.join(', ')}, SUM(calls) FROM rollup WHERE grain = ${GRAIN.day} AND bucket >= ? AND bucket < ? GROUP BY ${FACETS.join(', ')}`;
      for (const row of source.each(sql, [segment.from, end(segment)])) {
        for (const [at, facet] of FACETS.entries()) add(facet, facet === 'outcome' ? (row[at] as string) : (source.nameOf(row[at] as bigint) ?? ''), Number(row[FACETS.length]));
      }
    }
    for (const { values, counts } of gathered.groups()) for (const [at, facet] of FACETS.entries()) add(facet, source.nameOf(BigInt(values[at] as number)) ?? '', counts[0] as number);
    const byUser = gathering(source, ['user'], none, false);
    for (const segment of withFolds(source, [{ grain: 'userDay', ...days }], ['user'], none)) {
      if (segment.grain === 'fold') {
        byUser.add(segment);
        continue;
      }
      for (const [user, n] of source.each(`SELECT user, SUM(calls) FROM rollup WHERE grain = ${GRAIN.userDay} AND bucket >= ? AND bucket < ? GROUP BY user`, [segment.from, end(segment)])) add('user', source.nameOf(user as bigint) ?? '', Number(n));
    }
    for (const { values, counts } of byUser.groups()) add('user', source.nameOf(BigInt(values[0] as number)) ?? '', counts[0] as number);
  }
  const busiest = (facet: string): string[] =>
    [...(calls.get(facet) ?? [])].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, limit).map(([value]) => value);
  return {
    workspace: busiest('workspace'), workflow: busiest('workflow'), user: busiest('user'),
    model: busiest('model'), key: busiest('key'), outcome: busiest('outcome'),
    // By name: how often each spoke is more than a picker needs to know, and takes a look at every one of their calls.
    policy: from < to ? rulesIn(source, lastStart('day', from, source.zone), to).slice(0, limit) : [],
  };
}

/** The rules that spoke of calls of a range. */
function rulesIn(source: Source, from: number, to: number): string[] {
  const found = source.all(`SELECT rule FROM ${RULES} AS known WHERE EXISTS (SELECT 1 FROM verdict WHERE verdict.rule = known.rule AND at >= ? AND at < ?)`, [from, to]);
  return found.map(([rule]) => source.nameOf(rule as bigint) ?? '').sort((a, b) => (a < b ? -1 : 1));
}
