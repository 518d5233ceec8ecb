// server/price/check-prices.ts: what is missing or old in the price book, measured by the models that are in use.

import { DAY_MS } from '../domain/durations.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import type { PriceWarning } from '../domain/price.ts';
import type { PriceBook } from './book.ts';

/** How long before its end a contract's price is worth a word. */
const CONTRACT_NOTICE_DAYS = 30;

/**
 * Unpriced models first, then by calls. Rows of models that nobody calls are not looked at.
 * @param used models that calls were filed under, each once
 * @param maxAgeDays a row that was last compared with its source longer ago is old
 */
export function priceWarnings(book: PriceBook, used: readonly { readonly model: string; readonly calls: number }[], at: EpochMs, maxAgeDays: number): PriceWarning[] {
  const warnings: PriceWarning[] = [];
  const calls = new Map<string, number>();
  for (const { model, calls: n } of used) {
    const listing = book.lookup(model, at);
    if (listing !== null) calls.set(listing.row.model, (calls.get(listing.row.model) ?? 0) + n);
    else warnings.push({ kind: 'unpriced', model, calls: n, message: 'no price: its calls count at the dearest known rates. Add it to the price file, then run `tollgate reprice`.' });
  }
  for (const [model, n] of calls) {
    const { row } = book.lookup(model, at)!;
    const age = Math.floor((at - Date.parse(row.verifiedOn)) / DAY_MS);
    if (age > maxAgeDays) warnings.push({ kind: 'stale', model, calls: n, message: `its price was last compared with its source ${age} days ago, on ${row.verifiedOn} (${row.source}).` });
    const until = row.contract?.until ?? null;
    if (row.contract && until !== null && until - at < CONTRACT_NOTICE_DAYS * DAY_MS) {
      const after = book.lookup(model, epochMs(until))?.row;
      if (after?.contract === undefined) warnings.push({ kind: 'contract_ends', model, calls: n, message: `its price by ${row.contract.name} ends on ${new Date(until).toISOString().slice(0, 10)}; the list price holds from then on.` });
    }
  }
  const rank = { unpriced: 0, contract_ends: 1, stale: 2 };
  return warnings.sort((a, b) => rank[a.kind] - rank[b.kind] || b.calls - a.calls || (a.model < b.model ? -1 : 1));
}
