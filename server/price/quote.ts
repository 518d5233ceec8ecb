// server/price/quote.ts: the most that a call can cost, before it is made and once its prompt is known.

import { SERVER_LOOP_TURNS, type Ask, type Endpoint } from '../domain/call.ts';
import type { EpochMs } from '../domain/ids.ts';
import { NO_MONEY, picodollars, roundUpToNano, type Nanodollars, type Picodollars } from '../domain/money.ts';
import type { ContainerUse, PriceRow, Quote, Rates } from '../domain/price.ts';
import { TOKEN_KINDS, promptTokens, type Tokens } from '../domain/usage.ts';
import type { Listing } from './book.ts';
import { ratesFor, type Serving } from './rates.ts';

/** Endpoints whose calls have a price. */
const BILLED: ReadonlySet<Endpoint> = new Set(['messages', 'batches', 'batch_results', 'chat_completions', 'complete']);
const BATCH: ReadonlySet<Endpoint> = new Set(['batches', 'batch_results']);

/**
 * The most tokens that the provider adds to a prompt: what it says on account of tools in general, and how it explains each tool of its
 * own making. Source: Anthropic's pricing page, August 2026, which says "about" for the two toolsets, so that they have some room here.
 * The first counts for every call: there are other instructions that come unasked, as for structured output, and none is known to be longer.
 */
const INSTRUCTION_TOKENS = 804;
const EXPLANATION_TOKENS: readonly (readonly [RegExp, number])[] = [[/^bash_/, 325], [/^text_editor_/, 700], [/^computer_/, 5_000]];
/** The browser toolset; and what has no figure of its own is taken for as much. */
const LONGEST_EXPLANATION_TOKENS = 6_700;

/**
 * The quote of a billed call. Its ceiling is the sum of
 *  - prompt × the dearest rate that its tokens can have (see `dearestPromptRate`). A byte-level tokenizer makes at most one token per
 *    byte and JSON escapes only lengthen text, so body bytes bound what was written; to that come the provider's tool instructions and
 *    a fixed most per image. No request can exceed the context window, which is also the bound where bytes are none. Server tools ask
 *    the model again and again, each time with a longer prompt: all of this as often as `Ask.samplings` says;
 *  - `max_tokens` × output rate: the limit is strict and thinking counts inside it. Without one, the model's own maximum;
 *  - for each compaction a whole context window and the model's own maximum of output;
 *  - the same again for every other model named, a fallback's or an advisor's: an attempt that declines half-way is billed beside the
 *    one that serves. Where an entry sets its own maximum or speed, the ask has the larger and the faster of all;
 *  - a fee for every search allowed, and one for a container where code may run.
 * What is left to the provider: that its loop pauses after the turns it says, and how many searches a call without `max_uses` makes
 * in one of them. An excess is booked all the same.
 *
 * With `flatHold` a call that bytes do not bound is taken for one of its bytes and this amount besides, where that is less.
 */
export function quoteFor(input: {
  endpoint: Endpoint; ask: Ask; model: string; at: EpochMs; basis: Quote['basis']; models: readonly [Listing, ...Listing[]]; assumeUs: boolean; flatHold: Nanodollars | null;
}): Quote {
  const { endpoint, ask, flatHold } = input;
  const own = input.models[0];
  const maxInputTokens = inputBound(ask, own);
  const maxOutputTokens = outputBound(ask, own.row);
  const fees = searchCeiling(ask, own.row) + containerCeiling(ask, own.row);
  const all = input.models.reduce((sum, listing) => sum + attemptCeiling(listing, endpoint, ask, input.assumeUs), 0n) * adviceFactor(ask);
  let exact = all + fees;
  if (flatHold !== null && ask.unboundedInput) {
    const written = input.models.reduce((sum, listing) => sum + attemptCeiling(listing, endpoint, withinBytes(ask), input.assumeUs), 0n);
    const flat = written + fees + flatHold * 1_000n;
    if (flat < exact) exact = flat;
  }
  return {
    endpoint,
    quotedAt: input.at,
    model: input.model,
    row: own.row,
    basis: input.basis,
    ceiling: roundUpToNano(picodollars(exact)),
    maxInputTokens,
    maxOutputTokens,
    likelyInputTokens: Math.max(1, Math.min(Math.ceil(ask.bodyBytes / own.bytesPerToken), maxInputTokens)),
    container: containerOf(ask),
    ask,
  };
}

/** The quote of a call that costs us nothing: a free endpoint, or one that another organization pays for. */
export function freeQuote(input: { endpoint: Endpoint; ask: Ask | null; model: string | null; at: EpochMs }): Quote {
  return { endpoint: input.endpoint, quotedAt: input.at, model: input.model, row: null, basis: 'free', ceiling: NO_MONEY, maxInputTokens: 0, maxOutputTokens: 0, likelyInputTokens: 0, ask: input.ask };
}

export const isBilled = (endpoint: Endpoint): boolean => BILLED.has(endpoint);
export const isBatch = (endpoint: Endpoint): boolean => BATCH.has(endpoint);

/** Whether the call asks for US-only inference; `assumeUs`: a workspace's default makes it so where the request says nothing. */
export const asksForUs = (ask: Ask | null, assumeUs: boolean): boolean => ask?.inferenceGeo === 'us' || (assumeUs && (ask?.inferenceGeo ?? null) === null);

/**
 * The most the call can still cost once `message_start` told its prompt. Prompt tokens are exact from there on, however they came about,
 * unless the model can be asked again (server tools, compaction, fallbacks): then nothing shrinks.
 */
export function ceilingAfterStart(quote: Quote, started: Tokens, assumeUs: boolean): Nanodollars {
  const { ask, row } = quote;
  if (!ask || !row) return quote.ceiling;
  if (ask.samplings > 1 || ask.compactions > 0 || ask.serverTools.length > 0 || ask.fallbackModels.length > 0) return quote.ceiling;
  const { rates } = ratesFor(row, servingOf(quote.endpoint, ask, assumeUs), promptTokens(started));
  const tokens: Tokens = { ...started, output: Math.max(quote.maxOutputTokens, started.output) };
  const exact = TOKEN_KINDS.reduce((sum, kind) => sum + rates[kind] * BigInt(tokens[kind]), searchCeiling(ask, row) as bigint);
  const rest = roundUpToNano(picodollars(exact));
  return rest < quote.ceiling ? rest : quote.ceiling;
}

function attemptCeiling(listing: Listing, endpoint: Endpoint, ask: Ask, assumeUs: boolean): bigint {
  const { row } = listing;
  const input = inputBound(ask, listing);
  const { rates } = ratesFor(row, servingOf(endpoint, ask, assumeUs), input);
  const prompt = dearestPromptRate(rates, ask);
  const sampling = prompt * BigInt(input) + rates.output * BigInt(outputBound(ask, row));
  if (ask.samplings === 1 && ask.compactions === 0) return sampling;
  const compaction = prompt * BigInt(row.contextWindowTokens) + rates.output * BigInt(row.maxOutputTokens);
  return sampling * BigInt(ask.samplings) + compaction * BigInt(ask.compactions);
}

/** Each attempt of a fallback chain may ask the advisor as often as the first one. */
function adviceFactor(ask: Ask): bigint {
  const advisors = ask.serverTools.filter((type) => type.startsWith('advisor')).length;
  return advisors === 0 ? 1n : BigInt(1 + Math.max(0, ask.fallbackModels.length - advisors));
}

/** The call as if it read only what it says itself, once. */
const withinBytes = (ask: Ask): Ask => ({ ...ask, unboundedInput: false, serverTools: [], samplings: 1, compactions: 0 });

const servingOf = (endpoint: Endpoint, ask: Ask, assumeUs: boolean): Serving => ({ batch: isBatch(endpoint), fast: ask.speed === 'fast', us: asksForUs(ask, assumeUs) });

/** Tokens of a prompt are plain, read from the cache or, where the call asks for caching, written to it: whichever costs most, for all. */
function dearestPromptRate(rates: Rates, ask: Ask): Picodollars {
  const possible = [rates.input, rates.cacheRead];
  // Server tools and threads may cache on their own account, for five minutes.
  if (ask.cacheTtl !== null || ask.unboundedInput || ask.serverTools.length > 0) possible.push(rates.cacheWrite5m);
  if (ask.cacheTtl === '1h') possible.push(rates.cacheWrite1h);
  return possible.reduce((a, b) => (a > b ? a : b));
}

function inputBound(ask: Ask, listing: Listing): number {
  const window = listing.row.contextWindowTokens;
  if (ask.unboundedInput || ask.serverTools.length > 0) return window;
  return Math.min(ask.bodyBytes + addedTokens(ask) + ask.inlineImages * listing.imageTokens, window);
}

const addedTokens = ({ explainedTools = [] }: Ask): number => explainedTools.reduce((sum, type) => sum + (EXPLANATION_TOKENS.find(([begins]) => begins.test(type))?.[1] ?? LONGEST_EXPLANATION_TOKENS), INSTRUCTION_TOKENS);

const outputBound = (ask: Ask, row: PriceRow): number => ask.maxTokens ?? row.maxOutputTokens;

/** Code runs free of charge beside a web tool of this day or later; only what a call declares tells. Source: the API's documentation of code execution, August 2026. */
const FREE_BESIDE = /^web_(?:search|fetch)_(\d{8})$/;
const FREE_SINCE = '20260209';
export const containerOf = ({ serverTools }: Ask): ContainerUse => {
  if (serverTools.some((tool) => (FREE_BESIDE.exec(tool)?.[1] ?? '') >= FREE_SINCE)) return 'free';
  return serverTools.some((tool) => tool.startsWith('code_execution')) ? 'charged' : null;
};

const containerCeiling = (ask: Ask, row: PriceRow): bigint => (containerOf(ask) === 'charged' ? (row.codeExecutionFee ?? 0n) : 0n);

const searchCeiling = (ask: Ask, row: PriceRow): Picodollars => picodollars(row.webSearchFee * BigInt(ask.maxSearches ?? SERVER_LOOP_TURNS));
