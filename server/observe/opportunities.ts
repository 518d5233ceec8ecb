// server/observe/opportunities.ts: money that the ledger alone shows to be spent for nothing, per workspace, over the past 30 days.

import type { Clock } from '../domain/ids.ts';
import { epochMs } from '../domain/ids.ts';
import { usdNumber, type Nanodollars } from '../domain/money.ts';
import type { Filter, Reports, UsageRow } from '../domain/reports.ts';

/** `bounded`: the true figure is at most this. `signal`: the money at stake, of which none need be saved. */
export const OPPORTUNITY_LEVERS = { unread_cache_writes: 'bounded', truncated_answers: 'signal', abandoned_answers: 'signal' } as const;
export type OpportunityLever = keyof typeof OPPORTUNITY_LEVERS;

export interface Opportunity {
  readonly workspace: string;
  readonly lever: OpportunityLever;
  readonly usd: number;
}

const WINDOW_MS = 30 * 86_400_000;
/** Savings move slowly, and the query reads a month of roll-ups. */
const KEPT_MS = 10 * 60_000;
/** While the first calls come in, a look is worth more often. */
const KEPT_EMPTY_MS = 10_000;
const MOST_ROWS = 2_000;

/**
 * Every lever for every workspace with calls, at 0 where there is nothing to gain.
 * @param models usage by workspace and model: cache writes whose reads have not paid for them lost money, model by model
 * @param outcomes usage by workspace and outcome
 */
export function opportunitiesOf(models: readonly UsageRow[], outcomes: readonly UsageRow[]): readonly Opportunity[] {
  const byWorkspace = new Map<string, Record<OpportunityLever, bigint>>();
  const add = (row: UsageRow, lever: OpportunityLever | null, amount: Nanodollars | bigint): void => {
    const workspace = String(row.group.workspace ?? '');
    const sums = byWorkspace.get(workspace) ?? { unread_cache_writes: 0n, truncated_answers: 0n, abandoned_answers: 0n };
    byWorkspace.set(workspace, sums);
    if (lever !== null) sums[lever] += amount;
  };
  for (const row of models) add(row, 'unread_cache_writes', row.cacheSavings < 0n ? 0n - row.cacheSavings : 0n);
  for (const row of outcomes) add(row, row.group.outcome === 'truncated' ? 'truncated_answers' : row.group.outcome === 'client_abort' ? 'abandoned_answers' : null, row.cost);
  return [...byWorkspace].flatMap(([workspace, sums]) =>
    (Object.keys(OPPORTUNITY_LEVERS) as OpportunityLever[]).map((lever) => ({ workspace, lever, usd: usdNumber(sums[lever] as Nanodollars) })),
  );
}

/** Asks the reports at most every ten minutes. While they cannot answer, what they said before stands. */
export function createOpportunities({ reports, clock }: { readonly reports: Pick<Reports, 'usage'>; readonly clock: Clock }): () => Promise<readonly Opportunity[]> {
  let known: { readonly at: number; readonly value: readonly Opportunity[] } | null = null;
  return async () => {
    const ran = clock.monotonic();
    if (known && ran - known.at < (known.value.length === 0 ? KEPT_EMPTY_MS : KEPT_MS)) return known.value;
    const now = clock.now();
    const filter: Filter = { from: epochMs(now - WINDOW_MS), to: now, workspace: [], workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [] };
    try {
      const [models, outcomes] = await Promise.all([
        reports.usage({ filter, groupBy: ['workspace', 'model'], limit: MOST_ROWS }),
        reports.usage({ filter, groupBy: ['workspace', 'outcome'], limit: MOST_ROWS }),
      ]);
      known = { at: ran, value: opportunitiesOf(models.rows, outcomes.rows) };
    } catch {
      // A reader that is too busy for a gauge has better things to do; the next try is in ten minutes.
      known = { at: ran, value: known?.value ?? [] };
    }
    return known.value;
  };
}
