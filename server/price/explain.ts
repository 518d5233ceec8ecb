// server/price/explain.ts: the bill of a stored call, line by line, from what its row kept: usage, parts, and the price rows of its day.

import type { CostLine, PriceRow, Quote } from '../domain/price.ts';
import type { CallDetail } from '../domain/reports.ts';
import type { Reading } from '../domain/usage.ts';
import type { Listing, PriceBook } from './book.ts';
import { costOf } from './cost.ts';

/**
 * The lines that make up a settled call's cost, priced with the rows stored with it and never with today's book. Empty for a
 * call that cost nothing, that is still in flight, or whose cost is what was held for it when the gateway crashed.
 */
export function explain(detail: CallDetail): readonly CostLine[] {
  const { row, prices, parts } = detail;
  const [own] = prices;
  if (own === undefined || row.outcome === null || row.outcome === 'crashed' || row.cost === 0n) return [];
  const reading: Reading = {
    usage: { tokens: row.tokens, serverTools: row.serverTools, parts, modelServed: row.modelServed, speed: detail.speed, serviceTier: detail.serviceTier, inferenceGeo: detail.inferenceGeo },
    complete: true,
    contentBytes: 0,
    stopReason: row.stopReason,
    errorType: row.errorType,
    errorCode: null,
    firstContentAt: null,
    obstacle: null,
  };
  const quote: Quote = {
    endpoint: row.endpoint,
    model: row.modelServed ?? own.model,
    row: own,
    basis: 'listed',
    quotedAt: row.admittedAt,
    ceiling: row.held,
    maxInputTokens: 0,
    maxOutputTokens: 0,
    likelyInputTokens: 0,
    ask: null,
  };
  // The status says whether an answer was an error, which is free; a call without one was billed on an estimate.
  return costOf(quote, { status: row.status !== null && row.status < 300 ? row.status : null, sent: true, reading }, bookOf(prices), false).lines;
}

/** The stored rows as a book: each found by its own model, the last standing in for a model that was priced at the ceiling. */
function bookOf(rows: readonly PriceRow[]): PriceBook {
  const listing = (row: PriceRow): Listing => ({ row, imageTokens: 0, bytesPerToken: 1 });
  const last = listing(rows.at(-1)!);
  const find = (model: string): PriceRow | undefined => rows.find((row) => row.model === model) ?? rows.find((row) => row.model === model.replace(/-\d{8}$/, ''));
  return {
    lookup: (model) => {
      const row = find(model);
      return row ? listing(row) : last;
    },
    dearest: () => last,
    rows: () => rows,
    models: () => [],
  };
}
