// server/store/sqlite/reports-shapes.ts: how long answers are and how fast they were written, what the gateway took itself, and why calls failed.

import { epochMs, type EpochMs } from '../../domain/ids.ts';
import type { Filter, ReasonGrouping, ReasonsReport, ShapesReport } from '../../domain/reports.ts';
import type { Outcome } from '../../domain/call.ts';
import { FAILED, REASON, SERVED, SHAPES } from './fold-views.ts';
import { addDurations, noDurations, percentilesOf, speedOf, type Durations } from './reports-sketch.ts';
import { gathering, isTime } from './reports-folds.ts';
import { piecesOf } from './reports-pieces.ts';
import { conditionOf, matchesOf, type Source } from './reports-source.ts';
import { periodStarts, QUARTER_MS } from './reports-time.ts';
import { bucketOf, countInBucket, largestOf, newCounters, type Counters } from './sketch.ts';

/** Of calls that were served; where rows must tell, of the newest `most`. */
export function shapes(source: Source, { filter, most }: { filter: Filter; most: number }): ShapesReport {
  const matches = matchesOf(source, filter);
  const sizes = newCounters();
  const overhead = noDurations();
  const speeds = new Map<string | null, Durations>();
  let calls = 0;
  let cut: EpochMs | null = null;
  if (matches !== null) {
    const { pieces, foldMatches } = piecesOf(source, filter, matches, 'outputs', 'block');
    const outputs = gathering(source, ['model'], foldMatches);
    const overheads = gathering(source, [], foldMatches);
    const speedsOf = (model: string | null): Durations => {
      const found = speeds.get(model) ?? noDurations();
      speeds.set(model, found);
      return found;
    };
    let left = most;
    for (const piece of pieces.toReversed()) {
      if (piece.grain === 'fold') {
        outputs.add(piece);
        overheads.add({ ...piece, view: 'overheads' });
        continue;
      }
      if (cut !== null) continue;
      const condition = conditionOf(matches);
      const where = `FROM call WHERE admitted_at >= ? AND admitted_at < ?${condition.sql} AND ${SERVED}`;
      const [beyond] = source.all(`SELECT admitted_at ${where} ORDER BY admitted_at DESC LIMIT 1 OFFSET ?`, [piece.from, piece.to, ...condition.parameters, left]);
      if (beyond !== undefined) cut = epochMs(Number(beyond[0]) + 1);
      for (const [model, n, tokens, speed, took] of source.each(`SELECT model, ${SHAPES} ${where} GROUP BY model`, [Math.max(piece.from, cut ?? 0), piece.to, ...condition.parameters])) {
        calls += Number(n);
        left -= Number(n);
        if (tokens !== null) for (const value of (tokens as string).split(',')) countInBucket(sizes, bucketOf(Number(value)));
        addDurations(speedsOf(source.nameOf(model as bigint)), speed as string | null);
        addDurations(overhead, took as string | null);
      }
    }
    for (const { values: [model = 0], counts, duration, timeToFirstToken } of outputs.groups()) {
      calls += counts[0] ?? 0;
      duration(sizes);
      addDurations(speedsOf(source.nameOf(BigInt(model))), timeToFirstToken);
    }
    for (const { duration } of overheads.groups()) addDurations(overhead, duration);
  }
  return {
    calls,
    sizes: stepsOf(sizes),
    speeds: [...speeds].flatMap(([model, found]) => {
      const { answers, p50, p5 } = speedOf(found);
      return p50 === null || p5 === null ? [] : [{ model, answers, p50, p5 }];
    }),
    overhead: percentilesOf(overhead),
    from: cut ?? filter.from,
  };
}

/** In steps that double: 1, 2 to 3, 4 to 7 and on. Past 20 tokens, an answer near an edge may stand in the step beside it. */
function stepsOf({ counts: sizes, low, high }: Counters): ShapesReport['sizes'] {
  const counts: number[] = [];
  for (let bucket = low; bucket <= high; bucket++) {
    if (sizes[bucket] === 0) continue;
    const step = Math.floor(Math.log2(largestOf(bucket)));
    counts[step] = (counts[step] ?? 0) + (sizes[bucket] as number);
  }
  const first = counts.findIndex((many) => many > 0);
  return first < 0 ? [] : Array.from(counts, (many, step) => ({ from: 2 ** step, to: 2 ** (step + 1), answers: many ?? 0 })).slice(first);
}

/** Why calls failed or were refused, the most frequent first. */
export function reasons(source: Source, { filter, groupBy }: { filter: Filter; groupBy: readonly ReasonGrouping[] }): ReasonsReport {
  const matches = matchesOf(source, filter);
  const found = new Map<string, { outcome: Outcome; status: number | null; reason: string | null; group: Record<string, string | number>; calls: number }>();
  if (matches === null) return { rows: [], total: 0 };
  const timed = groupBy.filter(isTime);
  const named = groupBy.filter((grouping) => !isTime(grouping));
  const { pieces, foldMatches } = piecesOf(source, filter, matches, 'reasons', timed.includes('hour') ? 'hour' : timed.length > 0 ? 'day' : 'block');
  const add = (outcome: string, status: number, reason: string, group: readonly (string | number)[], calls: number): void => {
    const key = JSON.stringify([outcome, status, reason, ...group]);
    const known = found.get(key);
    if (known === undefined) found.set(key, { outcome: outcome as Outcome, status: status === 0 ? null : status, reason: reason === '' ? null : reason, group: Object.fromEntries([...named, ...timed].map((grouping, at) => [grouping, group[at] ?? ''])), calls });
    else known.calls += calls;
  };
  const gathered = gathering(source, ['outcome', 'status', 'reason', ...named, ...timed], foldMatches, false);
  const condition = conditionOf(new Map([...matches].filter(([field]) => field !== 'outcome')), () => true);
  const outcomes = matches.get('outcome');
  for (const piece of pieces) {
    if (piece.grain === 'fold') {
      gathered.add(piece);
      continue;
    }
    const columns = ['outcome', 'coalesce(status, 0)', REASON, ...named, ...(timed.length > 0 ? [`admitted_at / ${QUARTER_MS}`] : [])];
    const sql = `SELECT ${columns.join(', ')}, COUNT(*) FROM call WHERE ${FAILED} AND admitted_at >= ? AND admitted_at < ?${condition.sql} GROUP BY ${columns.map((_, at) => at + 1).join(', ')}`;
    const startsOf = timed.map((grouping) => periodStarts(grouping, source.zone));
    for (const row of source.each(sql, [piece.from, piece.to, ...condition.parameters])) {
      const [outcome, status, reason, ...rest] = row as readonly [string, bigint, string, ...bigint[]];
      if (outcomes !== undefined && !outcomes.includes(outcome)) continue;
      const names = named.map((_, at) => source.nameOf(rest[at] as bigint) ?? '');
      add(outcome, Number(status), reason, [...names, ...startsOf.map((startOf) => startOf(Number(rest[named.length]) * QUARTER_MS))], Number(row.at(-1)));
    }
  }
  for (const { values, counts } of gathered.groups()) {
    const [outcome = 0, status = 0, reason = 0, ...rest] = values;
    const nameOf = (id: number): string => source.nameOf(BigInt(id)) ?? '';
    add(nameOf(outcome), status, nameOf(reason), rest.map((value, at) => (at < named.length ? nameOf(value) : value)), counts[0] ?? 0);
  }
  const rows = [...found.values()].sort((a, b) => b.calls - a.calls);
  return { rows, total: rows.reduce((sum, row) => sum + row.calls, 0) };
}
