// web/pages/workspaces/figures.ts: what each workspace spent, against what it may.

import type { BudgetRow, UsageRow } from '../../../server/http/admin/wire.ts';
import { cacheShare, costOf, failedShare, perCall, quantile, rowsBy, sumOf, workflowKey } from '../../figures.ts';
import { nanos } from '../../format.ts';
import { limitOf } from '../budgets/scale.ts';
import { monthEndOf } from '../overview/forecast.ts';

export interface WorkspaceFigures {
  readonly name: string;
  readonly cost: bigint;
  /** Null where there is nothing to compare with. */
  readonly before: bigint | null;
  readonly forecast: { readonly p50: bigint; readonly p90: bigint } | null;
  readonly requests: number;
  /** Nano-dollars per 1,000 calls. */
  readonly perThousand: bigint | null;
  readonly failed: number | null;
  readonly cached: number | null;
  readonly budget: BudgetRow | null;
  readonly workflows: readonly { readonly name: string; readonly cost: bigint; readonly budget: BudgetRow | null }[];
}

/** The budget that covers exactly this workspace, or this workflow of it; the longest period where there are several. */
export function budgetOf(budgets: readonly BudgetRow[], workspace: string, workflow?: string): BudgetRow | null {
  const covering = budgets.filter(({ scope }) => scope.workspace === workspace && scope.workflow === workflow && scope.key === undefined && scope.user === undefined && scope.model === undefined);
  return covering.toSorted((a, b) => Date.parse(b.period.to) - Date.parse(b.period.from) - (Date.parse(a.period.to) - Date.parse(a.period.from)))[0] ?? null;
}

/** The share of a budget's limit that is spent; 0 without a limit. */
export const usedOf = (budget: BudgetRow): number => {
  const limit = limitOf(budget);
  return limit > 0n ? Number(nanos(budget.spent_usd)) / Number(limit) : 0;
};

/**
 * One entry per workspace with traffic, the dearest first.
 * @param perWorkspace usage by workspace
 * @param perWorkflow usage by workspace and workflow
 * @param before the same as `perWorkspace` for the compared period; null compares nothing
 * @param days usage by workspace and day, as far back as a forecast looks; null while it is not known
 */
export function workspacesOf(
  { perWorkspace, perWorkflow, before, days, budgets }: { perWorkspace: readonly UsageRow[]; perWorkflow: readonly UsageRow[]; before: readonly UsageRow[] | null; days: readonly UsageRow[] | null; budgets: readonly BudgetRow[] },
  now: number,
  zone: string,
): WorkspaceFigures[] {
  const past = before && new Map(before.map((row) => [row.workspace ?? '', costOf(row)]));
  const byDay = rowsBy(days ?? [], (row) => row.workspace ?? '');
  const flows = rowsBy(perWorkflow, (row) => row.workspace ?? '');
  return perWorkspace
    .map((row) => {
      const name = row.workspace ?? '';
      const cost = costOf(row);
      const thousandth = perCall(cost * 1000n, row.requests);
      return {
        name, cost, before: past ? (past.get(name) ?? 0n) : null, requests: row.requests, perThousand: thousandth, failed: failedShare(row), cached: cacheShare(row.tokens), budget: budgetOf(budgets, name),
        forecast: monthEndOf((byDay.get(name) ?? []).map((day) => ({ at: Date.parse(day.day ?? ''), cost: costOf(day) })), now, zone),
        workflows: (flows.get(name) ?? [])
          .map((flow) => ({ name: flow.workflow ?? '', cost: costOf(flow), budget: budgetOf(budgets, name, flow.workflow), key: workflowKey(flow) }))
          .toSorted((a, b) => (b.cost > a.cost ? 1 : b.cost < a.cost ? -1 : 0)),
      };
    })
    .toSorted((a, b) => (b.cost > a.cost ? 1 : b.cost < a.cost ? -1 : 0));
}

/** Where a scale for all courses ends: at the highest amount, or, where few amounts tower above the rest, at twice what 19 of 20 stay below. */
export function scaleOf(courses: readonly (readonly bigint[])[]): bigint {
  const amounts = courses.flat().filter((amount) => amount > 0n);
  const highest = quantile(amounts, 1) ?? 0n;
  const most = 2n * (quantile(amounts, 0.95) ?? 0n);
  return highest > 2n * most ? most : highest;
}

export const totalOf = (all: readonly WorkspaceFigures[]): bigint => sumOf(all.map((one) => one.cost));
