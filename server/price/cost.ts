// server/price/cost.ts: what a call cost, line by line, from the response's own account of how it was served.

import { NO_MONEY, picodollars, roundUpToNano, type Picodollars } from '../domain/money.ts';
import { CONTAINER_TIME, UNLISTED, UNMETERED_TOOL, type Cost, type CostLine, type Ending, type PriceRow, type Quote, type Rates } from '../domain/price.ts';
import { addTokens, NO_SERVER_TOOLS, NO_TOKENS, promptTokens, TOKEN_KINDS, type Reading, type ServerTools, type Tokens, type Usage, type UsagePart } from '../domain/usage.ts';
import type { PriceBook } from './book.ts';
import { outputShortfall, promptShortfall, withoutUsage } from './estimate.ts';
import { asksForUs, isBatch } from './quote.ts';
import { ratesFor, type Serving } from './rates.ts';

/** A model's row for this call; `ceiling` where the dearest known rates stand in. */
interface Priced {
  readonly row: PriceRow;
  readonly basis: Quote['basis'];
  /** As shown on the bill. */
  readonly model: string;
  readonly bytesPerToken: number;
}

/** One model request within a call, to be billed. */
interface Turn extends Priced {
  readonly tokens: Tokens;
  readonly serving: Serving;
}

const UNLISTED_BYTES_PER_TOKEN = 3;

/** The cost of a call; see `Pricing.cost`. Pure but for the book, which is asked for models other than the quoted one. */
export function costOf(quote: Quote, ending: Ending, book: PriceBook, assumeUs: boolean): Cost {
  const { reading } = ending;
  const { row } = quote;
  if (row === null || isFree(quote, ending)) return nothingDue(quote, reading);
  const priced = (model: string | null): Priced => pricedAs(quote, row, model, book);
  if (reading.usage === null) {
    const own = priced(null);
    const { tokens, method } = withoutUsage(quote, reading, own.bytesPerToken);
    const serving = { batch: isBatch(quote.endpoint), fast: quote.ask?.speed === 'fast', us: asksForUs(quote.ask, assumeUs) };
    return { ...bill(quote, reading, row, [{ ...own, tokens, serving }], method), ...assumed(serving) };
  }
  const turns = turnsOf(quote, reading.usage, reading, priced, assumeUs, book);
  if (reading.complete) return bill(quote, reading, row, turns, null);
  const served = priced(reading.usage.modelServed);
  const reported = turns.reduce((sum, turn) => sum + turn.tokens.output, 0);
  const output = outputShortfall(quote, reading, served.bytesPerToken, reported);
  const input = promptShortfall(quote, reading, turns.reduce((sum, turn) => sum + promptTokens(turn.tokens), 0));
  const last = turns.at(-1);
  const method = atLeastMethod(reading, output, reported);
  if (input + output === 0 || !last) return bill(quote, reading, row, turns, method);
  // Added to the last turn, so that the prompt-length band of that turn prices it too.
  const tokens = { ...last.tokens, input: last.tokens.input + input, output: last.tokens.output + output };
  return bill(quote, reading, row, [...turns.slice(0, -1), { ...last, tokens }], method);
}

/** How a usage that is "at least" was made up. @param missing output added to what was reported */
function atLeastMethod(reading: Reading, missing: number, reported: number): string {
  if (reading.promptUntold !== true) {
    if (missing === 0) return 'prompt and output as last reported';
    // Of a whole answer that told its prompt, but was no stream: those have a time of first content.
    return reading.ended === true && reading.firstContentAt === null ? 'prompt as reported, output from bytes received' : 'prompt from message_start, output from streamed text';
  }
  if (missing > 0) return 'prompt from bytes sent, output from bytes received';
  return reported > 0 ? 'prompt from bytes sent, output as last reported' : 'prompt from bytes sent';
}

/**
 * Nothing is due for a call that never left, for an answer that is an error or a redirect, for a batch's creation (its results are
 * billed), and for a stream whose only content is an error: it failed before it began.
 */
function isFree(quote: Quote, { status, sent, reading }: Ending): boolean {
  if (quote.basis === 'free' || quote.endpoint === 'batches' || !sent) return true;
  if (status !== null && status >= 300) return true;
  return reading.usage === null && reading.errorType !== null && reading.contentBytes === 0;
}

/** The rows frozen in the quote price the quoted model; others are looked up at the same instant, and never come out free. */
function pricedAs(quote: Quote, own: PriceRow, model: string | null, book: PriceBook): Priced {
  const listing = book.lookup(model ?? quote.model ?? own.model, quote.quotedAt);
  const bytesPerToken = listing?.bytesPerToken ?? UNLISTED_BYTES_PER_TOKEN;
  if (model === null || model === quote.model) return { row: own, basis: quote.basis, model: quote.basis === 'ceiling' ? (quote.model ?? own.model) : own.model, bytesPerToken };
  if (!listing) return { row: book.dearest(quote.quotedAt).row, basis: 'ceiling', model, bytesPerToken };
  return { row: listing.row.model === own.model ? own : listing.row, basis: 'listed', model: listing.row.model, bytesPerToken };
}

/** The model requests that are billed: `usage.iterations` where there are any, else the top level as one. */
function turnsOf(quote: Quote, usage: Usage, reading: Reading, priced: (model: string | null) => Priced, assumeUs: boolean, book: PriceBook): Turn[] {
  const serving: Serving = {
    batch: isBatch(quote.endpoint) || usage.serviceTier === 'batch',
    fast: usage.speed === 'fast',
    // The response decides; only the OpenAI-compatible endpoint and text completion cannot say where they ran.
    us: usage.inferenceGeo === 'us' || (assumeUs && usage.inferenceGeo === null && (quote.endpoint === 'chat_completions' || quote.endpoint === 'complete')),
  };
  const turn = (of: Priced, tokens: Tokens, how: Serving): Turn => {
    const { row, basis, model, bytesPerToken } = withFastRates(of, how, quote, book);
    return { row, basis, model, bytesPerToken, tokens, serving: how };
  };
  // A refusal before any output is shown in the counters and billed to nobody.
  const refusal = reading.stopReason === 'refusal' && (reading.complete || reading.contentBytes === 0);
  // Counters may name a token or two all the same; that there is no content tells.
  const silent = (tokens: Tokens): boolean => tokens.output === 0 || reading.noContent === true;
  if (usage.parts.length === 0) return refusal && silent(usage.tokens) ? [] : [turn(priced(usage.modelServed), usage.tokens, serving)];
  const fallbackAt = usage.parts.findLastIndex((part) => part.type === 'fallback_message');
  // The serving attempt: the fallback's or, without one, all turns of the loop.
  const refused = refusal && usage.parts.every((part, index) => !isAttempt(part) || index < fallbackAt || silent(part.tokens));
  return usage.parts.flatMap((part, index) => {
    const attempt = isAttempt(part);
    const declined = attempt && (index < fallbackAt ? part.tokens.output === 0 : refused);
    if (declined) return [];
    const own = priced(modelOf(part, quote, usage));
    // Entries carry no speed: the top level's is the serving attempt's, an earlier attempt ran as asked, a compaction as its model can, an advisor at standard speed.
    const asAsked = quote.ask?.speed === 'fast' && own.row.fast !== null;
    const asServed = serving.fast && part.type !== 'advisor_message' && (attempt || own.row.fast !== null);
    const fast = attempt && index < fallbackAt ? asAsked : asServed;
    return [turn(own, part.tokens, { ...serving, fast })];
  });
}

const isAttempt = (part: UsagePart): boolean => part.type === 'message' || part.type === 'fallback_message';

/** Compaction runs on the model of the request; any other entry that names none ran on the one that served. */
const modelOf = (part: UsagePart, quote: Quote, usage: Usage): string | null => part.model ?? (part.type === 'compaction' ? quote.model : usage.modelServed);

/** Served fast by a model without fast rates in the book: some fast rate was charged, so the dearest stands in. */
function withFastRates(priced: Priced, serving: Serving, quote: Quote, book: PriceBook): Priced {
  if (!serving.fast || serving.batch || priced.row.fast !== null) return priced;
  return { ...priced, row: book.dearest(quote.quotedAt).row, basis: 'ceiling' };
}

function bill(quote: Quote, reading: Reading, own: PriceRow, turns: readonly Turn[], method: string | null): Cost {
  const lines: CostLine[] = [];
  let exact = 0n;
  let saved = 0n;
  const add = (kind: CostLine['kind'], model: string, quantity: number, unitPrice: Picodollars, factors: readonly string[], priceVersion: string): void => {
    if (quantity === 0) return;
    exact += unitPrice * BigInt(quantity);
    // Turns of one loop share their lines; a call of one turn, which nearly all are, has nothing to look for.
    const at = turns.length < 2 ? -1 : lines.findIndex((l) => l.kind === kind && l.priceVersion === priceVersion && l.unitPrice === unitPrice && l.model === model);
    const all = quantity + (lines[at]?.quantity ?? 0);
    const line = { kind, model, quantity: all, unitPrice, amount: picodollars(unitPrice * BigInt(all)), factors, priceVersion };
    if (at === -1) lines.push(line);
    else lines[at] = line;
  };
  for (const { row, model, tokens, serving } of turns) {
    const { rates, factors } = ratesFor(row, serving, promptTokens(tokens));
    for (const kind of TOKEN_KINDS) add(kind, model, tokens[kind], rates[kind], factors, row.version);
    saved += savedBy(tokens, rates);
  }
  const serverTools = toolsOf(quote, reading);
  // Batches pay search fees in full, and no factor touches them.
  add('web_search', turns[0]?.model ?? own.model, serverTools.webSearch, own.webSearchFee, [], own.version);
  const container = turns.length > 0 && serverTools.codeExecution > 0 && quote.container !== 'free' ? (own.codeExecutionFee ?? NO_FEE) : NO_FEE;
  if (container > 0n) add('code_execution', turns[0]?.model ?? own.model, 1, container, [], own.version);
  const guessed = turns.some((turn) => turn.basis === 'ceiling');
  const methods = [...(method === null ? [] : [method]), ...(container > 0n ? [CONTAINER_TIME] : []), ...(guessed ? [UNLISTED] : []), ...(reading.usage?.unmeteredTool === true ? [UNMETERED_TOOL] : [])];
  const estimateMethod = methods.length === 0 ? null : methods.join('; ');
  const { speed, serviceTier, inferenceGeo, modelServed, parts } = told(quote, reading);
  return {
    lines,
    total: roundUpToNano(picodollars(exact)),
    tokens: turns.length > 0 ? turns.map((turn) => turn.tokens).reduce(addTokens) : (reading.usage?.tokens ?? NO_TOKENS),
    serverTools,
    parts,
    estimated: estimateMethod !== null,
    estimateMethod,
    cacheSavings: roundUpToNano(picodollars(saved)),
    modelServed,
    speed,
    serviceTier,
    inferenceGeo,
    prices: turns.length === 1 && turns[0]!.row.version === own.version ? [own] : [own, ...turns.map((turn) => turn.row)].filter((row, n, all) => all.findIndex((other) => other.version === row.version) === n),
    basis: guessed ? 'ceiling' : 'listed',
  };
}

/** As counted. SDKs know no counter of code that ran: where a call could run some, the container that the answer names stands for one. */
function toolsOf(quote: Quote, { usage, container }: Pick<Reading, 'usage' | 'container'>): ServerTools {
  const counted = usage?.serverTools ?? NO_SERVER_TOOLS;
  return container === true && quote.container === 'charged' && counted.codeExecution === 0 ? { ...counted, codeExecution: 1 } : counted;
}

const NO_FEE = picodollars(0n);

/** What cache reads saved against the input rate, less what writes cost beyond it. */
function savedBy(tokens: Tokens, rates: Rates): bigint {
  if (tokens.cacheRead + tokens.cacheWrite5m + tokens.cacheWrite1h === 0) return 0n;
  return BigInt(tokens.cacheRead) * (rates.input - rates.cacheRead)
    - BigInt(tokens.cacheWrite5m) * (rates.cacheWrite5m - rates.input)
    - BigInt(tokens.cacheWrite1h) * (rates.cacheWrite1h - rates.input);
}

function nothingDue(quote: Quote, reading: Reading): Cost {
  return {
    ...told(quote, reading),
    lines: [], total: NO_MONEY, tokens: reading.usage?.tokens ?? NO_TOKENS, estimated: false, estimateMethod: null, cacheSavings: NO_MONEY,
    prices: quote.row ? [quote.row] : [],
    basis: quote.basis,
  };
}

/** What an estimate took for granted, in the words that the response would have used; null where nothing out of the ordinary was. */
const assumed = ({ batch, fast, us }: Serving): Pick<Cost, 'speed' | 'serviceTier' | 'inferenceGeo'> => ({
  speed: fast ? 'fast' : null,
  serviceTier: batch ? 'batch' : null,
  inferenceGeo: us ? 'us' : null,
});

/** What the response said of itself, kept so that the row can be priced again. */
function told(quote: Quote, { usage, container }: Reading): Pick<Cost, 'serverTools' | 'parts' | 'modelServed' | 'speed' | 'serviceTier' | 'inferenceGeo'> {
  return {
    serverTools: toolsOf(quote, { usage, container }),
    parts: usage?.parts ?? [],
    modelServed: usage?.modelServed ?? null,
    speed: usage?.speed ?? null,
    // Only a batch's own results say so by where they came from.
    serviceTier: usage?.serviceTier ?? (quote.endpoint === 'batch_results' && usage ? 'batch' : null),
    inferenceGeo: usage?.inferenceGeo ?? null,
  };
}
