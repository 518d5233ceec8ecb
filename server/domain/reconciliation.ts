// server/domain/reconciliation.ts: the ledger beside what the provider says it will bill, day by day.

import type { EpochMs } from './ids.ts';
import { nanodollars, type Nanodollars } from './money.ts';
import type { Tokens } from './usage.ts';

/** What one side says of a day. */
export interface Billed {
  readonly cost: Nanodollars;
  readonly tokens: Tokens;
  readonly webSearches: number;
}

/** One UTC day, since the provider's reports are cut so whatever the config's time zone is. */
export interface ReconciledDay {
  /** The instant at which it begins. */
  readonly day: EpochMs;
  /** The provider's workspace; null where everything is compared as one. */
  readonly providerWorkspace: string | null;
  /** Our workspaces whose calls go there; empty where everything is compared as one. */
  readonly workspaces: readonly string[];
  readonly ledger: Billed;
  /** The part of the ledger's cost that is an estimate. */
  readonly estimated: Nanodollars;
  readonly provider: Billed;
}

export interface Reconciliation {
  /** The latest comparison that worked; null: there was none since the start. */
  readonly at: EpochMs | null;
  /** Why the latest try did not work; null when it did. */
  readonly trouble: string | null;
  /** The latest day first. */
  readonly days: readonly ReconciledDay[];
}

/** Compares on a timer, where an Admin key is configured. */
export interface Reconciler {
  /** False without an Admin key. */
  readonly enabled: boolean;
  latest(): Reconciliation;
  /** One comparison now, or the latest where there was a try within a minute; never rejects. Looks that come together are one. */
  look(): Promise<Reconciliation>;
}

export const differenceOf = ({ ledger, provider }: Pick<ReconciledDay, 'ledger' | 'provider'>): Nanodollars => nanodollars(ledger.cost - provider.cost);

/** Ledger less bill, as a part of the bill; 1 where the provider bills nothing for what the ledger has. */
export function differenceRatio(day: Pick<ReconciledDay, 'ledger' | 'provider'>): number {
  if (day.provider.cost <= 0n) return day.ledger.cost > 0n ? 1 : 0;
  return Number(differenceOf(day)) / Number(day.provider.cost);
}

/** The rows of the latest day that was compared. */
export const latestDay = (days: readonly ReconciledDay[]): readonly ReconciledDay[] => days.filter(({ day }) => day === days[0]?.day);

/** How far the two are apart on the latest day, all workspaces together; null before the first comparison. */
export function latestRatio({ days }: Reconciliation): number | null {
  const rows = latestDay(days);
  if (rows.length === 0) return null;
  const sum = (of: (row: ReconciledDay) => bigint): Nanodollars => nanodollars(rows.reduce((total, row) => total + of(row), 0n));
  const whole = (cost: Nanodollars) => ({ ...rows[0]!.ledger, cost });
  return differenceRatio({ ledger: whole(sum((row) => row.ledger.cost)), provider: whole(sum((row) => row.provider.cost)) });
}
