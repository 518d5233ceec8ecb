// server/price/reprice.ts: what a settled call costs by the book in force now, from the usage its row kept.

import { epochMs } from '../domain/ids.ts';
import { countingMethods, type Cost, type PriceRow } from '../domain/price.ts';
import type { BilledCall } from '../domain/reports.ts';
import type { PriceBook } from './book.ts';
import { costAt, guessesOf, standsAtHold, storedCost, type NameOf } from './explain.ts';

/** A call is quoted when it arrives and booked when it is admitted; a price that changes in between stays the quoted one. */
const QUOTE_TO_BOOKING_MS = 60_000;

export type Repriced =
  /** It costs what it did. `unpriced`: for want of a price of its model. */
  | { readonly kind: 'same'; readonly unpriced: boolean }
  | { readonly kind: 'changed'; readonly unpriced: boolean; readonly cost: Pick<Cost, 'total' | 'cacheSavings' | 'estimated' | 'estimateMethod' | 'basis'> & { readonly prices: readonly [PriceRow, ...PriceRow[]] } }
  /** It was free, or its usage does not give the cost it has: it stays. */
  | { readonly kind: 'free' | 'unexplained' };

/**
 * Prices a call again. Pure, and stable: a call that was corrected to this result comes out the same. What was free stays free, since it was
 * so for a reason other than its price; an estimated usage stays estimated.
 */
export function repriced(detail: BilledCall, book: PriceBook): Repriced {
  const { row, prices } = detail;
  const [own] = prices;
  if (own === undefined || row.outcome === null || row.cost === 0n) return { kind: 'free' };
  if (standsAtHold(detail)) return { kind: 'unexplained' };
  const nameOf: NameOf = (name) => book.lookup(name, row.admittedAt)?.row.model ?? null;
  const guess = guessesOf(detail).find((each) => storedCost(detail, own, each, nameOf).total === row.cost);
  if (guess === undefined) return { kind: 'unexplained' };

  const model = row.modelSent ?? own.model;
  const at = row.admittedAt;
  const quoted = book.lookup(model, epochMs(at - QUOTE_TO_BOOKING_MS));
  const listing = quoted?.row.version === own.version ? quoted : book.lookup(model, at);
  const basis = listing === null ? 'ceiling' : 'listed';
  const cost = costAt(detail, { row: listing?.row ?? book.dearest(at).row, model, basis }, guess, book);
  const [first, ...others] = cost.prices;
  if (first === undefined) return { kind: 'unexplained' };

  // How the usage was counted stays; what was wanting of the price is what is wanting now.
  const methods = [...countingMethods(row.estimateMethod), ...(cost.estimateMethod === null ? [] : [cost.estimateMethod])];
  const unpriced = cost.basis === 'ceiling';
  const estimated = methods.length > 0;
  if (cost.total === row.cost && cost.cacheSavings === row.cacheSavings && estimated === row.estimated) return { kind: 'same', unpriced };
  return {
    kind: 'changed',
    unpriced,
    cost: { total: cost.total, cacheSavings: cost.cacheSavings, estimated, estimateMethod: estimated ? methods.join('; ') : null, basis: cost.basis, prices: [first, ...others] },
  };
}
