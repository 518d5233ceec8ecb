// test/price/rows.ts: the shipped price book, and short ways to write asks, usages and endings.

import { readFileSync } from 'node:fs';
import type { Ask, Endpoint } from '../../server/domain/call.ts';
import { epochMs, type EpochMs } from '../../server/domain/ids.ts';
import type { Cost, Ending, Pricing, Quote } from '../../server/domain/price.ts';
import type { BilledCall } from '../../server/domain/reports.ts';
import { NO_SERVER_TOOLS, NO_TOKENS, type Reading, type Tokens, type Usage } from '../../server/domain/usage.ts';
import type { PriceBook } from '../../server/price/book.ts';
import { loadPriceBook } from '../../server/price/load-book.ts';
import { createPricing } from '../../server/price/pricing.ts';

export const PRICES_FILE = new URL('../../config/prices.yaml', import.meta.url);
export const pricesText = readFileSync(PRICES_FILE, 'utf8');

export function shippedBook(): PriceBook {
  const loaded = loadPriceBook(pricesText, 'config/prices.yaml');
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes, null, 1));
  return loaded.book;
}

export const pricing: Pricing = createPricing({ book: shippedBook(), unknownModel: 'ceiling' });

/** A day on which today's rows are in force. */
export const TODAY: EpochMs = epochMs(Date.parse('2026-11-21T12:00:00Z'));
export const day = (iso: string): EpochMs => epochMs(Date.parse(`${iso}T00:00:00Z`));

export const ask = (more: Partial<Ask> = {}): Ask => ({
  model: 'claude-sonnet-4-6', modelSpan: [0, 0], stream: false, maxTokens: 1_000, includeUsage: false, userId: null, speed: null, serviceTier: null,
  inferenceGeo: null, cacheTtl: null, fallbackModels: [], serverTools: [], maxSearches: 0, samplings: 1, compactions: 0, continues: false, inlineImages: 0, unboundedInput: false, fileIds: [], skillIds: [], billedElsewhere: false,
  bodyBytes: 1_000, ...more,
});

export const tokens = (more: Partial<Tokens>): Tokens => ({ ...NO_TOKENS, ...more });

export const usage = (counts: Partial<Tokens>, more: Partial<Usage> = {}): Usage => ({
  tokens: tokens(counts), serverTools: NO_SERVER_TOOLS, parts: [], modelServed: null, speed: null, serviceTier: null, inferenceGeo: null, ...more,
});

export const reading = (more: Partial<Reading>): Reading => ({
  usage: null, complete: false, contentBytes: 0, stopReason: null, errorType: null, errorCode: null, firstContentAt: null, obstacle: null, ...more,
});

export const complete = (used: Usage, more: Partial<Reading> = {}): Ending => ({ status: 200, sent: true, reading: reading({ usage: used, complete: true, stopReason: 'end_turn', ...more }) });

/** The quote, which must be granted. */
export function quoted(asked: Ask = ask(), more: { endpoint?: Endpoint; at?: EpochMs; by?: Pricing } = {}): Quote {
  const verdict = (more.by ?? pricing).quote({ endpoint: more.endpoint ?? 'messages', ask: asked, model: asked.model, at: more.at ?? TODAY });
  if (!verdict.ok) throw new Error(verdict.refusal.message);
  return verdict.value;
}

/** What the ledger keeps of a call. */
export function stored(quote: Quote, cost: Cost, ending: Ending, outcome: BilledCall['row']['outcome'] = 'ok'): BilledCall {
  return {
    row: {
      id: 'req_1', admittedAt: TODAY, endedAt: TODAY, workspace: 'w', workflow: 'f', user: null, session: null, action: null, tags: {}, key: null, endpoint: quote.endpoint, stream: false,
      modelRequested: quote.ask?.model ?? null, modelSent: quote.ask?.model ?? null, modelServed: cost.modelServed, outcome, status: ending.status, refusal: null, tokens: cost.tokens, serverTools: cost.serverTools, cost: cost.total, settledCost: cost.total, corrections: 0, held: quote.ceiling,
      estimated: cost.estimated, estimateMethod: cost.estimateMethod, cacheSavings: cost.cacheSavings, priceVersion: cost.prices[0]?.version ?? null, timeToFirstTokenMs: null, durationMs: 1, overheadMs: 0,
      attempts: 1, clientRetry: null, stopReason: ending.reading.stopReason, errorType: null, upstreamRequestId: null, batchId: null, customId: null, traceId: null,
    },
    parts: cost.parts, speed: cost.speed, serviceTier: cost.serviceTier, inferenceGeo: cost.inferenceGeo, prices: cost.prices, corrections: [],
  };
}
