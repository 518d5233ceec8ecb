// web/figures.ts: figures that more than one page derives from rows of usage.

import type { TokenCounts, UsageFigures, UsageRow } from '../server/http/admin/wire.ts';
import { nanos } from './format.ts';

export const costOf = (figures: Pick<UsageFigures, 'cost_usd'>): bigint => nanos(figures.cost_usd);

/** Nano-dollars per call; null without a call. */
export const perCall = (cost: bigint, calls: number): bigint | null => (calls > 0 ? cost / BigInt(calls) : null);

/** The share of all prompt tokens that were read from the cache; null without a prompt. */
export function cacheShare(tokens: TokenCounts): number | null {
  const prompt = promptTokens(tokens);
  return prompt > 0 ? tokens.cache_read / prompt : null;
}
export const promptTokens = (tokens: TokenCounts): number => tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h;

export const failedShare = (figures: Pick<UsageFigures, 'errors' | 'requests'>): number | null => (figures.requests > 0 ? figures.errors / figures.requests : null);

/** The value that `share` of the sorted values do not exceed (nearest rank); null of nothing. */
export function quantile(values: readonly bigint[], share: number): bigint | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

/** Rows put together by a key of theirs, in order of first sight. */
export function rowsBy<Row>(rows: readonly Row[], key: (row: Row) => string): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const some = found.get(key(row));
    if (some) some.push(row);
    else found.set(key(row), [row]);
  }
  return found;
}

/** A name that cannot clash: neither part may hold a slash. */
export const workflowKey = (row: Pick<UsageRow, 'workspace' | 'workflow'>): string => `${row.workspace ?? ''}/${row.workflow ?? ''}`;

export const sumOf = (amounts: readonly bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n);
