// server/store/sqlite/reports-steps.ts: what the steps of a workflow's traces cost and how long they take: the first call of each trace, the second, and so on.

import { epochMs } from '../../domain/ids.ts';
import { nanodollars } from '../../domain/money.ts';
import type { StepsReport } from '../../domain/reports.ts';
import type { Source } from './reports-source.ts';

/** Calls that were answered and are billed: retries of failed ones would count a step twice. */
const ANSWERED = "outcome IN ('ok', 'truncated', 'client_abort') AND endpoint IN ('messages', 'chat_completions', 'complete')";
/** Entries of the index that are looked through for traces. */
const MOST_ENTRIES = 20_000;
/** Calls that are read of one trace. */
const MOST_OF_A_TRACE = 200;

interface Sums {
  readonly cost: number[];
  readonly tokens: number[];
  readonly durationUs: number[];
  readonly models: Map<number, number>;
  traces: number;
  toolUse: number;
  dearest: { readonly cost: number; readonly trace: string } | null;
}

/**
 * Of the newest `mostTraces` traces with calls of the workflow in the range, newest by their last call; fewer where they have `mostCalls` calls
 * together, as each call is a page of the file to read. Steps are numbered by admission
 * within their trace and workflow, from the trace's first call, be it before the range; all past `mostSteps` are one.
 */
export function steps(source: Source, { from, to, workspace, workflow, mostTraces, mostCalls, mostSteps }: { from: number; to: number; workspace: string; workflow: string; mostTraces: number; mostCalls: number; mostSteps: number }): StepsReport {
  const ids = [source.idOf(workflow), source.idOf(workspace)] as const;
  const sums: Sums[] = [];
  let calls = 0;
  let traces = 0;
  let reached = to;
  const found = ids[0] === null || ids[1] === null ? { traces: [], more: false } : tracesIn(source, { from, to, workflow: ids[0], workspace: ids[1], most: mostTraces });
  let more = found.more;
  for (const { trace, at } of found.traces) {
    if (calls >= mostCalls) {
      more = true;
      break;
    }
    const hex = trace.toString('hex');
    // Not by the workflow's index, which the planner takes for as choosy.
    const rows = source.all(
      `SELECT cost, input + cache_write_5m + cache_write_1h + cache_read + output, duration_us, model, stop_reason = 'tool_use' FROM call INDEXED BY call_trace
       WHERE trace = ? AND workflow = ? AND workspace = ? AND ${ANSWERED} ORDER BY admitted_at, n LIMIT ${MOST_OF_A_TRACE}`,
      [trace, ids[0]!, ids[1]!],
    );
    if (rows.length === 0) continue;
    traces++;
    calls += rows.length;
    reached = at;
    rows.forEach(([cost, tokens, durationUs, model, toolUse], nth) => {
      const sum = (sums[Math.min(nth, mostSteps)] ??= { cost: [], tokens: [], durationUs: [], models: new Map(), traces: 0, toolUse: 0, dearest: null });
      sum.cost.push(Number(cost));
      sum.tokens.push(Number(tokens));
      sum.durationUs.push(Number(durationUs ?? 0));
      sum.models.set(Number(model), (sum.models.get(Number(model)) ?? 0) + 1);
      // Of the later ones, the first stands for its trace.
      if (nth <= mostSteps) sum.traces++;
      if (toolUse === 1n) sum.toolUse++;
      if (sum.dearest === null || Number(cost) > sum.dearest.cost) sum.dearest = { cost: Number(cost), trace: hex };
    });
  }
  return {
    traces,
    calls,
    from: epochMs(more ? reached : from),
    rows: sums.map((sum, nth) => {
      const [model, modelCalls] = [...sum.models].reduce((a, b) => (b[1] > a[1] ? b : a));
      const [cost, tokens, durationUs] = [spread(sum.cost), spread(sum.tokens), spread(sum.durationUs)];
      return {
        step: nth < mostSteps ? nth + 1 : null,
        calls: sum.cost.length,
        traces: sum.traces,
        model: source.nameOf(BigInt(model)),
        modelCalls,
        toolUse: sum.toolUse,
        cost: { p50: nanodollars(BigInt(cost.p50)), p95: nanodollars(BigInt(cost.p95)) },
        tokens,
        durationMs: { p50: durationUs.p50 / 1000, p95: durationUs.p95 / 1000 },
        dearestTrace: sum.dearest!.trace,
      };
    }),
  };
}

/** Newest first, each with the time of its last call in the range; `more`: there are others, or may be. The index alone tells. */
function tracesIn(source: Source, { from, to, workflow, workspace, most }: { from: number; to: number; workflow: number; workspace: number; most: number }): { traces: { trace: Buffer; at: number }[]; more: boolean } {
  const found = source.all(
    `SELECT trace, max(admitted_at) AS last, count(*) FROM (
       SELECT trace, admitted_at FROM call INDEXED BY call_traced WHERE workflow = ? AND workspace = ? AND admitted_at >= ? AND admitted_at < ? AND trace IS NOT NULL ORDER BY admitted_at DESC LIMIT ${MOST_ENTRIES})
     GROUP BY trace ORDER BY last DESC LIMIT ?`,
    [workflow, workspace, from, to, most + 1],
  );
  const entries = found.reduce((sum, [, , count]) => sum + Number(count), 0);
  return { traces: found.slice(0, most).map(([trace, last]) => ({ trace: trace as Buffer, at: Number(last) })), more: found.length > most || entries === MOST_ENTRIES };
}

/** By nearest rank. @param values one at least; are put in order */
function spread(values: readonly number[]): { readonly p50: number; readonly p95: number } {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1]!;
  return { p50: at(0.5), p95: at(0.95) };
}
