// web/pages/workflows/figures.ts: what a call and an action of a workflow cost, and what moved it.

import type { RequestRow, UsageFigures, UsageRow } from '../../../server/http/admin/wire.ts';
import { costOf, perCall, promptTokens, quantile, rowsBy, sumOf, workflowKey } from '../../figures.ts';
import { nanos } from '../../format.ts';
import { tokenSum } from '../../parts/tokens.ts';

export interface WorkflowFigures {
  /** `workspace/workflow`. */
  readonly key: string;
  readonly workspace: string;
  readonly workflow: string;
  readonly cost: bigint;
  readonly requests: number;
  /** Nano-dollars per call; null without a call. */
  readonly each: bigint | null;
  /** The same in the compared period; null where there is none. */
  readonly eachBefore: bigint | null;
  readonly promptEach: number;
  readonly outputEach: number;
  readonly truncated: number;
  /** Tries beyond the first, per call that was sent. */
  readonly retries: number;
  readonly ttftP95: number | null;
}

/**
 * @param rows usage by workspace and workflow
 * @param before the same for the compared period; null compares nothing
 * @param outcomes usage by workspace, workflow and outcome
 */
export function workflowsOf(rows: readonly UsageRow[], before: readonly UsageRow[] | null, outcomes: readonly UsageRow[]): WorkflowFigures[] {
  const past = new Map((before ?? []).map((row) => [workflowKey(row), row]));
  const truncated = new Map(outcomes.filter((row) => row.outcome === 'truncated').map((row) => [workflowKey(row), row.requests]));
  return rows
    .map((row) => {
      const key = workflowKey(row);
      const old = past.get(key);
      const sent = row.requests - row.refused;
      return {
        key, workspace: row.workspace ?? '', workflow: row.workflow ?? '', cost: costOf(row), requests: row.requests, each: perCall(costOf(row), row.requests), eachBefore: old ? perCall(costOf(old), old.requests) : null,
        promptEach: row.requests ? promptTokens(row.tokens) / row.requests : 0, outputEach: row.requests ? row.tokens.output / row.requests : 0,
        truncated: row.requests ? (truncated.get(key) ?? 0) / row.requests : 0, retries: sent > 0 ? Math.max(0, row.attempts - sent) / sent : 0, ttftP95: row.ttft_ms.p95,
      };
    })
    .toSorted((a, b) => (b.cost > a.cost ? 1 : b.cost < a.cost ? -1 : 0));
}

export interface Causes {
  readonly calls: bigint;
  readonly tokens: bigint;
  readonly rate: bigint;
}

/**
 * Splits a change of spend into three parts that add up to it exactly: more or fewer calls at the old cost of a call, more or fewer tokens per call at the
 * old cost of a token, and what remains: another mix of models and kinds of tokens, or other prices. Null where either period has no call or no tokens.
 */
export function causesOf(now: UsageFigures, before: UsageFigures): Causes | null {
  const [tokens, tokensBefore] = [tokenSum(now.tokens), tokenSum(before.tokens)];
  if (now.requests === 0 || before.requests === 0 || tokens === 0 || tokensBefore === 0) return null;
  const old = Number(costOf(before));
  const calls = BigInt(Math.round((old / before.requests) * (now.requests - before.requests)));
  const longer = BigInt(Math.round((old / tokensBefore) * (tokens / now.requests - tokensBefore / before.requests) * now.requests));
  return { calls, tokens: longer, rate: costOf(now) - costOf(before) - calls - longer };
}

export interface Actions {
  /** Calls that name their action. */
  readonly named: number;
  readonly count: number;
  readonly calls: number;
  readonly p50: bigint | null;
  readonly p95: bigint | null;
  readonly costs: readonly bigint[];
}

/** Cost per action: calls that name the same action are one; a call that names none is one by itself. */
export function actionsOf(rows: readonly RequestRow[]): Actions {
  const ended = rows.filter((row) => row.outcome !== null && row.outcome !== 'refused');
  const actions = [...rowsBy(ended, (row) => (row.action === null ? `call ${row.id}` : `action ${row.action}`)).values()];
  const costs = actions.map((calls) => sumOf(calls.map((call) => nanos(call.cost_usd))));
  return { named: ended.filter((row) => row.action !== null).length, count: actions.length, calls: ended.length, p50: quantile(costs, 0.5), p95: quantile(costs, 0.95), costs };
}

export interface Step {
  /** Nano-dollars, half-open. */
  readonly from: bigint;
  readonly to: bigint;
  readonly count: number;
}

/** Counts by steps of 1, 2 and 5 times a power of ten, from the step of the cheapest to that of the dearest. What cost nothing is left out. */
export function stepsOf(costs: readonly bigint[]): Step[] {
  const paid = costs.filter((cost) => cost > 0n);
  if (paid.length === 0) return [];
  const edges: bigint[] = [];
  for (let power = 1n; power < 10n ** 15n; power *= 10n) edges.push(power, 2n * power, 5n * power);
  const steps = edges.slice(0, -1).map((from, i) => ({ from, to: edges[i + 1]!, count: paid.filter((cost) => cost >= from && cost < edges[i + 1]!).length }));
  return steps.slice(steps.findIndex((step) => step.count > 0), steps.findLastIndex((step) => step.count > 0) + 1);
}
