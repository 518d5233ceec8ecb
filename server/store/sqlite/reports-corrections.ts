// server/store/sqlite/reports-corrections.ts: the corrections of the calls of a page, read in one go.

import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../../domain/money.ts';
import type { Columns, Source } from './reports-source.ts';

export interface StoredCorrection {
  readonly at: EpochMs;
  readonly run: string;
  readonly reason: string;
  readonly actor: string;
  readonly difference: Nanodollars;
  /** What the call cost, and saved by its cache, from this correction on. */
  readonly cost: Nanodollars;
  readonly cacheSavings: Nanodollars;
  readonly estimated: boolean;
  readonly estimateMethod: string | null;
  /** Ids of `price_version`. */
  readonly price: bigint;
  readonly morePrices: readonly number[];
}

/**
 * By `n` of the call, oldest first; a call without corrections is absent.
 * @param rows of `call`, beginning with `CALL_COLUMNS`
 */
export function correctionsIn(source: Source, rows: readonly Columns[]): ReadonlyMap<bigint, readonly StoredCorrection[]> {
  const found = new Map<bigint, StoredCorrection[]>();
  if (rows.length === 0) return found;
  const calls = JSON.stringify(rows.map((row) => Number(row[0])));
  const sql = `SELECT call, at, run, reason, actor, call.cost, call.cache_savings, correction.cost, correction.cache_savings, correction.estimated, correction.estimate_method,
      correction.price, correction.more_prices
    FROM correction JOIN call ON call.n = correction.call WHERE correction.call IN (SELECT value FROM json_each(?)) ORDER BY correction.id`;
  for (const [call, at, run, reason, actor, settledCost, settledSavings, cost, savings, estimated, estimateMethod, price, morePrices] of source.all(sql, [calls])) {
    const list = found.get(call as bigint) ?? [];
    const before = list.at(-1);
    list.push({
      at: epochMs(Number(at)),
      run: run as string,
      reason: reason as string,
      actor: actor as string,
      difference: nanodollars(cost as bigint),
      cost: nanodollars((before?.cost ?? (settledCost as bigint)) + (cost as bigint)),
      cacheSavings: nanodollars((before?.cacheSavings ?? (settledSavings as bigint)) + (savings as bigint)),
      estimated: estimated === 1n,
      estimateMethod: estimateMethod as string | null,
      price: price as bigint,
      morePrices: JSON.parse((morePrices as string | null) ?? '[]') as number[],
    });
    found.set(call as bigint, list);
  }
  return found;
}
