// web/pages/workflows/figures.ts: what an action and a call of a workflow cost.

import type { ActionsRow, UsageRow } from '../../../server/http/admin/wire.ts';
import { costOf, perCall, promptTokens, workflowKey } from '../../figures.ts';
import { nanos } from '../../format.ts';

export interface WorkflowFigures {
  /** `workspace/workflow`. */
  readonly key: string;
  readonly workspace: string;
  readonly workflow: string;
  readonly cost: bigint;
  readonly requests: number;
  /** Null until they are counted, and without a call that was served. */
  readonly action: ActionCost | null;
  /** The same in the compared period; null where there is none. */
  readonly actionBefore: ActionCost | null;
  readonly promptEach: number;
  readonly outputEach: number;
  readonly truncated: number;
  /** Tries beyond the first, per call that was sent. */
  readonly retries: number;
}

export interface ActionCost {
  readonly actions: number;
  readonly calls: number;
  /** The share of the calls that name their action. */
  readonly named: number;
  /** Nano-dollars: the mean, what half cost less than, what one in twenty cost more than. */
  readonly mean: bigint;
  readonly p50: bigint;
  readonly p95: bigint;
}

/** Null where there is no action. */
export function actionCost(row: Pick<ActionsRow, 'actions' | 'calls' | 'named_calls' | 'cost_usd' | 'per_action_usd'>): ActionCost | null {
  const { p50, p95 } = row.per_action_usd;
  if (row.actions === 0 || p50 === null || p95 === null) return null;
  return { actions: row.actions, calls: row.calls, named: row.calls ? row.named_calls / row.calls : 0, mean: perCall(nanos(row.cost_usd), row.actions)!, p50: nanos(p50), p95: nanos(p95) };
}

/**
 * @param rows usage by workspace and workflow
 * @param actions figures of actions by workspace and workflow
 * @param before the same for the compared period; null compares nothing
 * @param outcomes usage by workspace, workflow and outcome
 */
export function workflowsOf(rows: readonly UsageRow[], actions: readonly ActionsRow[], before: readonly ActionsRow[] | null, outcomes: readonly UsageRow[]): WorkflowFigures[] {
  const costs = new Map(actions.map((row) => [workflowKey(row), actionCost(row)]));
  const past = new Map((before ?? []).map((row) => [workflowKey(row), actionCost(row)]));
  const truncated = new Map(outcomes.filter((row) => row.outcome === 'truncated').map((row) => [workflowKey(row), row.requests]));
  return rows
    .map((row) => {
      const key = workflowKey(row);
      const sent = row.requests - row.refused;
      return {
        key, workspace: row.workspace ?? '', workflow: row.workflow ?? '', cost: costOf(row), requests: row.requests, action: costs.get(key) ?? null, actionBefore: past.get(key) ?? null,
        promptEach: row.requests ? promptTokens(row.tokens) / row.requests : 0, outputEach: row.requests ? row.tokens.output / row.requests : 0,
        truncated: row.requests ? (truncated.get(key) ?? 0) / row.requests : 0, retries: sent > 0 ? Math.max(0, row.attempts - sent) / sent : 0,
      };
    })
    .toSorted((a, b) => (b.cost > a.cost ? 1 : b.cost < a.cost ? -1 : 0));
}
