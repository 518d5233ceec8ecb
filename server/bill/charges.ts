// server/bill/charges.ts: what one call adds to a bill, line by line, in whole nano-dollars that add up to its cost.

import { nanodollars, roundUpToNano, picodollars, type Nanodollars, type Picodollars } from '../domain/money.ts';
import type { CostLine, PriceRow } from '../domain/price.ts';
import type { BilledCall } from '../domain/reports.ts';
import { apportion } from './apportion.ts';

export interface Charge {
  /** `unexplained`: a cost that no lines make up, e.g. what was held when the gateway crashed. */
  readonly kind: CostLine['kind'] | 'unexplained';
  readonly model: string;
  /** Tokens or uses; 0 where it is not explained. */
  readonly quantity: number;
  /** Per token or use, every factor applied; null where it is not explained. */
  readonly unitPrice: Picodollars | null;
  readonly factors: readonly string[];
  readonly priceVersion: string | null;
  readonly cost: Nanodollars;
}

/**
 * The lines of a call with its cost, which was rounded up once, shared out among them by largest remainder. Whatever is summed over charges is then what
 * the ledger says, to the nano-dollar. Empty for a call that cost nothing.
 */
export function chargesOf(detail: BilledCall, lines: readonly CostLine[]): Charge[] {
  const { row } = detail;
  if (row.cost === 0n) return [];
  const sum = picodollars(lines.reduce((total, line) => total + line.amount, 0n));
  if (lines.length === 0 || roundUpToNano(sum) !== row.cost) {
    return [{ kind: 'unexplained', model: row.modelServed ?? row.modelSent ?? row.modelRequested ?? 'unknown', quantity: 0, unitPrice: null, factors: [], priceVersion: row.priceVersion, cost: row.cost }];
  }
  const costs = apportion(row.cost, lines.map((line) => line.amount));
  return lines.map(({ kind, model, quantity, unitPrice, factors, priceVersion }, at) => ({ kind, model, quantity, unitPrice, factors, priceVersion, cost: nanodollars(costs[at] as bigint) }));
}

/** The same call with the list prices of its day in place of those of a contract; itself where it had none. */
export function atListPrice(detail: BilledCall, rows: readonly PriceRow[]): BilledCall {
  if (!detail.prices.some((row) => row.contract)) return detail;
  const listed = (row: PriceRow): PriceRow => {
    if (!row.contract) return row;
    const before = rows.filter((one) => one.model === row.model && !one.contract && one.effectiveFrom <= detail.row.admittedAt);
    return before.reduce((latest, one) => (one.effectiveFrom >= latest.effectiveFrom ? one : latest), before[0] ?? row);
  };
  return { ...detail, prices: detail.prices.map(listed) };
}
