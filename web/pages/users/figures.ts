// web/pages/users/figures.ts: what users cost, how the spend spreads over them, and who is stuck.

import type { UsageRow } from '../../../server/http/admin/wire.ts';
import { costOf, failedShare, quantile, sumOf } from '../../figures.ts';

export interface UserFigures {
  /** Null: calls that name no user. */
  readonly user: string | null;
  readonly cost: bigint;
  readonly share: number;
  readonly requests: number;
  readonly failed: number | null;
  readonly refused: number;
  /** Of the last call; null when it is not known. */
  readonly lastAt: number | null;
}

/** @param rows usage by user */
export function usersOf(rows: readonly UsageRow[], total: bigint): UserFigures[] {
  return rows
    .map((row) => ({
      user: row.user ?? null, cost: costOf(row), share: total > 0n ? Number(costOf(row)) / Number(total) : 0, requests: row.requests, failed: failedShare(row), refused: row.refused, lastAt: row.last_at === undefined ? null : Date.parse(row.last_at),
    }))
    .toSorted((a, b) => (b.cost > a.cost ? 1 : b.cost < a.cost ? -1 : 0));
}

export interface Spread {
  readonly active: number;
  readonly p50: bigint | null;
  readonly p95: bigint | null;
  /** The fewest users that make up four fifths of what named users spend; 0 where nothing was spent. */
  readonly fourFifths: number;
  /** The share of all spend that no user is named for. */
  readonly unnamed: number;
  /** Shares of the spend that the first 0, 1, 2 … users make up, the dearest first. */
  readonly cumulative: readonly number[];
}

export function spreadOf(users: readonly UserFigures[]): Spread {
  const named = users.filter((one) => one.user !== null).map((one) => one.cost).toSorted((a, b) => (b > a ? 1 : b < a ? -1 : 0));
  const sum = sumOf(named);
  const all = sumOf(users.map((one) => one.cost));
  let running = 0n;
  const cumulative = [0, ...named.map((cost) => (sum > 0n ? Number((running += cost)) / Number(sum) : 0))];
  const enough = cumulative.findIndex((share) => share >= 0.8);
  return { active: named.length, p50: quantile(named, 0.5), p95: quantile(named, 0.95), fourFifths: sum > 0n ? Math.max(0, enough) : 0, unnamed: all > 0n ? Number(all - sum) / Number(all) : 0, cumulative };
}

/** Enough calls that failed or were refused, and enough of them by share, to look into. */
export const stuck = (one: UserFigures): boolean => one.requests >= 20 && ((one.failed ?? 0) >= 0.15 || one.refused / one.requests >= 0.15);
