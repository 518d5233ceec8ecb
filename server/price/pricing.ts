// server/price/pricing.ts: the pricing room as the pipeline sees it: quotes before, costs after, over the book in force.

import type { Pricing } from '../domain/price.ts';
import { granted, refused } from '../domain/refusal.ts';
import type { PriceBook } from './book.ts';
import { costOf } from './cost.ts';
import { ceilingAfterStart, freeQuote, isBilled, quoteFor } from './quote.ts';

export interface PricingOptions {
  readonly book: PriceBook;
  /** `refuse`: a call for a model that the book does not know is turned away. `ceiling`: it is priced as the dearest active model. */
  readonly unknownModel: 'ceiling' | 'refuse';
  /**
   * True where the provider's workspace runs in the US by default, so that calls that name no place may cost the US factor too.
   * Quotes then hold it; costs follow the response either way.
   */
  readonly assumeUsInference?: boolean;
}

/** Pricing over one book; after a reload, make a new one. Quotes of the old one stay valid: they carry their row. */
export function createPricing({ book, unknownModel, assumeUsInference = false }: PricingOptions): Pricing {
  return {
    quote: ({ endpoint, ask, model: resolved, at, flatHold = null }) => {
      const model = resolved ?? ask?.model ?? null;
      if (!isBilled(endpoint) || ask === null || model === null || ask.billedElsewhere) return granted(freeQuote({ endpoint, ask, model, at }));
      const own = book.lookup(model, at);
      const { fallbackModels } = ask;
      // "default" leaves the choice of fallback to the provider; the dearest rates bound it.
      const unknown = own === null ? model : fallbackModels.find((name) => name !== 'default' && book.lookup(name, at) === null);
      if (unknown !== undefined && unknownModel === 'refuse') {
        return refused('unpriced_model', `The price book does not know the model ${JSON.stringify(unknown.slice(0, 128))}, and calls without a price are turned off. Add it to the price file, or set prices.unknown_model to ceiling.`, { rule: 'prices' });
      }
      const listing = own ?? book.dearest(at);
      return granted(
        quoteFor({
          endpoint, ask, model, at,
          basis: own === null ? 'ceiling' : 'listed',
          models: fallbackModels.length === 0 ? [listing] : [listing, ...fallbackModels.map((name) => book.lookup(name, at) ?? book.dearest(at))],
          assumeUs: assumeUsInference,
          flatHold,
        }),
      );
    },
    ceilingAfterStart: (quote, started) => ceilingAfterStart(quote, started, assumeUsInference),
    cost: (quote, ending) => costOf(quote, ending, book, assumeUsInference),
  };
}
