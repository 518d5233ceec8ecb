// test/flow/killed.ts: what the tests that kill the gateway share: two budgets in its config, calls that name themselves on both sides, and what a ledger must say of them afterwards.

import { expect } from 'vitest';
import type { RequestRow } from '../../server/http/admin/wire.ts';
import type { RecordedRequest } from '../standin/log.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { apiHeaders, baseConfig, budgetsOf, nanos, SECRETS } from './scene.ts';

/** Starts a gateway on a data directory, with a budget over everything and one over a workspace. */
export const startOn = (dataDir: string, origin: string): Promise<RunningGateway> =>
  startGateway({
    config: {
      ...baseConfig(origin),
      budgets: [
        { id: 'all', scope: { organization: true }, limit_usd: 10_000, period: 'year' },
        { id: 'support', scope: { workspace: 'support' }, limit_usd: 10_000, period: 'year' },
      ],
    },
    dataDir,
  });

/** Headers of the n-th call of a cycle, which names itself to the ledger (as an action) and to the provider. */
export function named(cycle: number, n: number): Record<string, string> {
  const name = `c${cycle}-${n}`;
  return { ...apiHeaders(n % 2 === 0 ? SECRETS.support : SECRETS.engineering), 'x-case': name, 'x-tollgate-action': name };
}

/** The names that the provider saw. */
export const namesIn = (log: readonly RecordedRequest[]): string[] => log.map(({ rawHeaders }) => rawHeaders[rawHeaders.findIndex((name, at) => at % 2 === 0 && name === 'x-case') + 1]!);

export const total = (rows: readonly RequestRow[]): bigint => rows.reduce((sum, row) => sum + nanos(row.cost_usd), 0n);

/** Every call that the provider saw has one row, and no call has two. @param seed named in what is said of a failure */
export function expectOneRowEach(rows: readonly RequestRow[], reached: readonly string[], seed: string): void {
  const perName = new Map<string, number>();
  for (const row of rows) perName.set(row.action!, (perName.get(row.action!) ?? 0) + 1);
  expect(reached.filter((name) => perName.get(name) !== 1), `${seed}: seen by the provider, and not in one row`).toEqual([]);
  expect([...perName].filter(([, count]) => count !== 1), `${seed}: in more than one row`).toEqual([]);
}

/** Both budgets have spent the sum of their rows and hold nothing. */
export async function expectBudgetsAreSums(gateway: RunningGateway, rows: readonly RequestRow[], seed: string): Promise<void> {
  const budgets = Object.fromEntries((await budgetsOf(gateway)).rows.map((row) => [row.id, { spent: nanos(row.spent_usd), held: row.held_usd }]));
  expect(budgets, seed).toEqual({
    all: { spent: total(rows), held: '0.000000000' },
    support: { spent: total(rows.filter((row) => row.workspace === 'support')), held: '0.000000000' },
  });
}
