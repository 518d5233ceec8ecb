// server/store/sqlite/corrections.ts: writes corrections of what calls cost, and says in SQL what a call costs with them.

import type { Database } from 'better-sqlite3';
import { OpRefused } from './calls.ts';
import type { CorrectOp, PriceRef } from './operations.ts';
import type { CallDimensions, Rollups } from './rollups.ts';

const sumOf = (column: string): string => `(${column} + coalesce((SELECT SUM(c.${column}) FROM correction AS c WHERE c.call = call.n), 0))`;

/** For queries over `call`: what holds of it by now. */
export const COST_NOW = sumOf('cost');
export const CACHE_SAVINGS_NOW = sumOf('cache_savings');
export const ESTIMATED_NOW = '(coalesce((SELECT c.estimated FROM correction AS c WHERE c.call = call.n ORDER BY c.id DESC LIMIT 1), estimated))';

export interface Corrections {
  /** @throws OpRefused when there is no such settled call, or it costs something else than the correction takes it to cost */
  correct(op: CorrectOp): void;
}

type Settled = { [Column in keyof CallDimensions | 'n' | 'cost' | 'cacheSavings' | 'estimated']: bigint | string | null };

export function correctionsOf(db: Database, rollups: Rollups, priceId: (price: PriceRef) => number): Corrections {
  const select = db
    .prepare<[string], Settled>(
      `SELECT n, admitted_at AS admittedAt, workspace, workflow, key, user, model, model_sent AS modelSent, endpoint, outcome,
         ${COST_NOW} AS cost, ${CACHE_SAVINGS_NOW} AS cacheSavings, ${ESTIMATED_NOW} AS estimated FROM call WHERE id = ?`,
    )
    .safeIntegers();
  const known = db.prepare<[bigint, string], number>('SELECT 1 FROM correction WHERE call = ? AND run = ?').pluck();
  const insert = db.prepare(
    `INSERT INTO correction (call, at, run, reason, actor, cost, estimated_cost, cache_savings, estimated, estimate_method, basis, price, more_prices)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  return {
    correct([, id, at, run, reason, actor, beforeText, costText, savingsText, estimated, estimateMethod, basis, prices]) {
      const [before, cost, cacheSavings] = [BigInt(beforeText), BigInt(costText), BigInt(savingsText)];
      const call = select.get(id);
      if (call === undefined || call.outcome === null) throw new OpRefused('unknown_call', `no settled call ${id}`);
      const n = call.n as bigint;
      // Tried again after a commit that was taken for failed: it is done.
      if (known.get(n, run) !== undefined) return;
      if (call.cost !== before) throw new OpRefused('stale_correction', `call ${id} costs something else by now`);
      const [price, ...morePrices] = prices.map(priceId);
      if (price === undefined) throw new OpRefused('no_price', `a correction of call ${id} names no price`);
      const differences = {
        cost: cost - before,
        estimatedCost: (estimated === 1 ? cost : 0n) - (call.estimated === 1n ? before : 0n),
        cacheSavings: cacheSavings - (call.cacheSavings as bigint),
      };
      insert.run(
        n, at, run, reason, actor, differences.cost, differences.estimatedCost, differences.cacheSavings, estimated, estimateMethod, basis,
        price, morePrices.length === 0 ? null : JSON.stringify(morePrices),
      );
      rollups.correct(dimensionsOf(call), differences);
    },
  };
}

const dimensionsOf = (call: Settled): CallDimensions => ({
  admittedAt: Number(call.admittedAt), workspace: Number(call.workspace), workflow: Number(call.workflow), key: Number(call.key), user: Number(call.user),
  model: Number(call.model), modelSent: Number(call.modelSent), endpoint: String(call.endpoint), outcome: String(call.outcome),
});
