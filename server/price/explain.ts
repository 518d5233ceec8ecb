// server/price/explain.ts: the bill of a stored call, line by line, from what its row kept: usage, parts, and the price rows of its day.

import type { Cost, CostLine, PriceRow, Quote } from '../domain/price.ts';
import type { BilledCall } from '../domain/reports.ts';
import type { Reading, UsagePart } from '../domain/usage.ts';
import type { Listing, PriceBook } from './book.ts';
import { costOf } from './cost.ts';

/** The id of the model that a name stands for in the price book in force; null for a name that it does not know. */
export type NameOf = (model: string) => string | null;

/**
 * The lines that make up a settled call's cost, priced with the rows stored with it and never with today's book, which only tells what
 * an alias stands for. Empty for a call that cost nothing, that is still in flight, or whose cost is what was held for it when the
 * gateway crashed.
 */
export function explain(detail: BilledCall, nameOf: NameOf): readonly CostLine[] {
  const [own] = detail.prices;
  if (own === undefined || detail.row.outcome === null || detail.row.outcome === 'crashed' || detail.row.cost === 0n) return [];
  let likeliest: readonly CostLine[] | null = null;
  for (const guess of guessesOf(detail)) {
    const { total, lines } = storedCost(detail, own, guess, nameOf);
    if (total === detail.row.cost) return lines;
    likeliest ??= lines;
  }
  return likeliest ?? [];
}

/** True where a crash, or results that never came, left a call at what was held for it: there is no usage to price. */
export const standsAtHold = ({ row }: BilledCall): boolean =>
  row.outcome === 'crashed' || (row.estimated && Object.values(row.tokens).every((count) => count === 0) && row.serverTools.webSearch === 0);

/** What a row does not keep: the speed asked for, at which earlier attempts of a fallback ran, whether a refusal made the call free, whether there was content, and whether its tools made its container free. */
export interface Guess {
  readonly speedAsked: string | null;
  readonly stopReason: string | null;
  readonly noContent: boolean;
  readonly containerFree: boolean;
}

/**
 * What the row's cost can have been reckoned with, the likeliest first: a refusal makes a call free, or was billed on an estimate. The cost
 * tells which it was.
 */
export function guessesOf({ row }: BilledCall): readonly Guess[] {
  const guesses = [
    { speedAsked: null, stopReason: row.stopReason, noContent: false, containerFree: false },
    { speedAsked: null, stopReason: null, noContent: false, containerFree: false },
    { speedAsked: 'fast', stopReason: row.stopReason, noContent: false, containerFree: false },
    ...(row.stopReason === 'refusal' ? [null, 'fast'].map((speedAsked) => ({ speedAsked, stopReason: row.stopReason, noContent: true, containerFree: false })) : []),
  ];
  return row.serverTools.codeExecution === 0 ? guesses : [...guesses, ...guesses.map((guess) => ({ ...guess, containerFree: true }))];
}

/** The cost by the rows stored with the call. @param own the call's own row, the first of them */
export function storedCost(detail: BilledCall, own: PriceRow, guess: Guess, nameOf: NameOf): Cost {
  const unlisted = own.model === 'ceiling';
  // The row's own model, so that a call served by another one is priced as that one.
  return costAt(detail, { row: own, model: unlisted ? detail.row.modelRequested : own.model, basis: unlisted ? 'ceiling' : 'listed' }, guess, bookOf(detail.prices, nameOf));
}

/** The cost of a stored call's usage by a row and a book. Never estimated: whether the usage was, its row says. */
export function costAt(detail: BilledCall, by: Pick<Quote, 'row' | 'model' | 'basis'>, { speedAsked, stopReason, noContent, containerFree }: Guess, book: PriceBook): Cost {
  const { row } = detail;
  const reading: Reading = {
    usage: { tokens: row.tokens, serverTools: row.serverTools, parts: withShortfall(detail), modelServed: row.modelServed, speed: detail.speed, serviceTier: detail.serviceTier, inferenceGeo: detail.inferenceGeo },
    complete: true,
    contentBytes: 0,
    noContent,
    stopReason,
    errorType: row.errorType,
    errorCode: null,
    firstContentAt: null,
    obstacle: null,
  };
  const quote: Quote = {
    ...by,
    endpoint: row.endpoint,
    quotedAt: row.admittedAt,
    ceiling: row.held,
    maxInputTokens: 0,
    maxOutputTokens: 0,
    likelyInputTokens: 0,
    container: containerFree ? 'free' : null,
    ask: speedAsked === null ? null : askedFor(row.modelRequested ?? by.model ?? '', speedAsked),
  };
  // The status says whether an answer was an error, which is free; a call without one was billed on an estimate.
  return costOf(quote, { status: row.status !== null && row.status < 300 ? row.status : null, sent: true, reading }, book, false);
}

/** Parts as they were billed: an estimate adds what streamed beyond the last count to the last of them, and the row's sum has it. */
function withShortfall({ row, parts }: BilledCall): readonly UsagePart[] {
  const last = parts.at(-1);
  const missing = row.tokens.output - parts.reduce((sum, part) => sum + part.tokens.output, 0);
  if (!last || missing <= 0 || !row.estimated) return parts;
  return [...parts.slice(0, -1), { ...last, tokens: { ...last.tokens, output: last.tokens.output + missing } }];
}

/** An ask of which only the speed is known. */
const askedFor = (model: string, speed: string): Quote['ask'] => ({
  model, modelSpan: [0, 0], stream: false, maxTokens: null, includeUsage: false, userId: null, speed, serviceTier: null, inferenceGeo: null, cacheTtl: null,
  fallbackModels: [], serverTools: [], maxSearches: 0, samplings: 1, compactions: 0, continues: false, inlineImages: 0, unboundedInput: false, fileIds: [], skillIds: [], billedElsewhere: false, bodyBytes: 0,
});

/** The stored rows as a book: a model finds its row by id, with or without a date, or by alias; a model without one was priced at the ceiling. */
function bookOf(rows: readonly PriceRow[], nameOf: NameOf): PriceBook {
  const listing = (row: PriceRow): Listing => ({ row, imageTokens: 0, bytesPerToken: 1 });
  const undated = (model: string): string => model.replace(/-\d{8}$/, '');
  const ceiling = rows.find((row) => row.model === 'ceiling');
  const last = rows.at(-1) as PriceRow;
  return {
    lookup: (model) => {
      const row = rows.find((r) => r.model === model) ?? rows.find((r) => undated(r.model) === undated(model)) ?? rows.find((r) => r.model === nameOf(model));
      if (row) return listing(row);
      // A name that the book has no more: with no ceiling among the rows it is another name of a listed model, the one that served.
      return ceiling ? null : listing(last);
    },
    dearest: () => listing(ceiling ?? last),
    rows: () => rows,
    models: () => [],
  };
}
