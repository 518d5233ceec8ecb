// server/http/admin/encode-money.ts: runs over the ledger, repricing and checking, in the words of the wire.

import { nanodollars, usdString, type Nanodollars } from '../../domain/money.ts';
import { differenceOf, differenceRatio, latestRatio, type Billed, type Reconciliation } from '../../domain/reconciliation.ts';
import type { Reprice } from '../../domain/reprice.ts';
import type { Drift, Verification } from '../../domain/verify.ts';
import { iso, isoOrNull, tokens } from './encode.ts';
import type * as wire from './wire.ts';

export const repriceRun = (run: Reprice): wire.RepriceRun => ({
  run: run.run,
  state: run.state,
  dry_run: run.dryRun,
  from: iso(run.from),
  to: iso(run.to),
  started_at: iso(run.startedAt),
  ended_at: isoOrNull(run.endedAt),
  progress: progress(run),
  calls: run.calls,
  changed: run.changed,
  unpriced: run.unpriced,
  unexplained: run.unexplained,
  ...amounts(run),
  models: run.models.map((m) => ({ model: m.model, calls: m.calls, changed: m.changed, ...amounts(m), price_versions: [...m.priceVersions] })),
  error: run.error,
});

export const verifyRun = (run: Verification): wire.VerifyRun => ({
  state: run.state,
  from: iso(run.from),
  to: iso(run.to),
  started_at: iso(run.startedAt),
  ended_at: isoOrNull(run.endedAt),
  progress: progress(run),
  calls: run.calls,
  cost_usd: usdString(run.cost),
  estimated_cost_usd: usdString(run.estimatedCost),
  at_hold: run.atHold,
  days: run.days,
  budgets: run.budgets,
  drift: run.drift,
  examples: run.examples.map((drift) => ({ kind: drift.kind, subject: drift.subject, figure: drift.figure, expected: figure(drift, drift.expected), found: figure(drift, drift.found) })),
  error: run.error,
});

const amounts = ({ before, after }: { before: Nanodollars; after: Nanodollars }) => ({
  before_usd: usdString(before), after_usd: usdString(after), difference_usd: usdString(nanodollars(after - before)),
});

const MONEY = new Set(['cost', 'estimated_cost', 'cache_savings', 'spent']);
const figure = (drift: Drift, value: bigint): string => (MONEY.has(drift.figure) ? usdString(nanodollars(value)) : value.toString());

function progress({ state, from, to, reachedAt }: Pick<Reprice, 'state' | 'from' | 'to' | 'reachedAt'>): number {
  if (state === 'done' || to <= from) return 1;
  return Math.min(1, Math.max(0, (reachedAt - from) / (to - from)));
}

const billedSide = ({ cost, tokens: counts, webSearches }: Billed): wire.ReconciledDay['ledger'] => ({ cost_usd: usdString(cost), tokens: tokens(counts), web_searches: webSearches });

export const reconciliationAnswer = (enabled: boolean, latest: Reconciliation): wire.ReconciliationAnswer => ({
  enabled,
  at: isoOrNull(latest.at),
  trouble: latest.trouble,
  difference_ratio: latestRatio(latest),
  days: latest.days.map((row) => ({
    day: iso(row.day).slice(0, 10),
    provider_workspace: row.providerWorkspace,
    workspaces: [...row.workspaces],
    ledger: billedSide(row.ledger),
    estimated_usd: usdString(row.estimated),
    provider: billedSide(row.provider),
    difference_usd: usdString(differenceOf(row)),
    difference_ratio: differenceRatio(row),
  })),
});
