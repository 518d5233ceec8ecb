// server/domain/price.ts: dated prices, the quote frozen for one call, and what the call cost in the end.

import type { Ask, Endpoint } from './call.ts';
import type { EpochMs } from './ids.ts';
import type { Nanodollars, Picodollars } from './money.ts';
import type { Reading, ServerTools, TokenKind, Tokens, UsagePart } from './usage.ts';
import type { Verdict } from './refusal.ts';

/** Pico-dollars per token of each kind. */
export type Rates = { readonly [Kind in TokenKind]: Picodollars };

/** One row of the price book: one model's prices from one date on. Immutable; `version` names its content. */
export interface PriceRow {
  /**
   * `model@YYYY-MM-DD#digest`: the model, the first day in force, and a digest of the rates, so that an edit makes a new version.
   * A contract's price says so: `model@YYYY-MM-DD+contract#digest`.
   */
  readonly version: string;
  readonly model: string;
  readonly effectiveFrom: EpochMs;
  readonly standard: Rates;
  readonly batch: Rates;
  /** Null where the model has no fast mode. */
  readonly fast: Rates | null;
  /** Dearer rates for all tokens of a prompt of more than `aboveTokens`; null where there is no such band. */
  readonly longPrompt: { readonly aboveTokens: number; readonly standard: Rates; readonly batch: Rates } | null;
  /** The factor for US-only inference as a fraction; 1/1 where the model has none. */
  readonly usInference: { readonly numerator: bigint; readonly denominator: bigint };
  /** Pico-dollars per successful web search. */
  readonly webSearchFee: Picodollars;
  /** Pico-dollars that a call which ran code is taken to cost for its container; absent where container time is not charged. */
  readonly codeExecutionFee?: Picodollars;
  readonly contextWindowTokens: number;
  readonly maxOutputTokens: number;
  readonly minCacheableTokens: number | null;
  readonly source: string;
  /** ISO date on which a person last compared the row with its source. */
  readonly verifiedOn: string;
  /** Of a model that its provider ends: the ISO date from which on calls of it fail, null where that is not known. Absent: it does not end. */
  readonly ends?: { readonly on: string | null; readonly state: 'deprecated' | 'retired' };
  /** Of a price of one's own: the contract's name, and the first instant after it (null: open-ended). Absent: a list price. */
  readonly contract?: { readonly name: string; readonly until: EpochMs | null };
}

/** Whose price a version is, as its name tells: rows of the ledger store the version, and so this too. */
export type PriceKind = 'list' | 'contract' | 'ceiling';
export const priceKind = (version: string): PriceKind => (version.startsWith('ceiling@') ? 'ceiling' : version.includes('+contract#') ? 'contract' : 'list');

/**
 * Whose price a settled cost is at: the row's version is that of the model that was asked for, which says nothing where another one
 * answered that the book does not know. How it was estimated does.
 */
export const settledPriceKind = (version: string | null, estimateMethod: string | null): PriceKind | null =>
  version === null ? null : estimateMethod?.includes(UNLISTED) === true ? 'ceiling' : priceKind(version);

/** Versions of the rows that a call of an instant is priced with: per model the contract's where one is in force, else the latest list price. */
export function rowsInForce(rows: readonly PriceRow[], at: EpochMs): ReadonlySet<string> {
  const inForce = new Map<string, PriceRow>();
  for (const row of rows) {
    if (row.effectiveFrom > at || (row.contract && row.contract.until !== null && row.contract.until <= at)) continue;
    const other = inForce.get(row.model);
    const contracts = Number(row.contract !== undefined) - Number(other?.contract !== undefined);
    if (!other || contracts > 0 || (contracts === 0 && row.effectiveFrom >= other.effectiveFrom)) inForce.set(row.model, row);
  }
  return new Set([...inForce.values()].map((row) => row.version));
}

/** Something about the price book that a person should look at. */
export interface PriceWarning {
  /** `unpriced`: a model of calls without a row. `stale`: a row in force that nobody has compared with its source for long. `contract_ends`: a contract's row that ends soon. */
  readonly kind: 'unpriced' | 'stale' | 'contract_ends';
  readonly model: string;
  /** Calls of it in the time that was asked for. */
  readonly calls: number;
  readonly message: string;
}

/** The price frozen for one call, with the most that the call can cost. */
export interface Quote {
  readonly endpoint: Endpoint;
  /** The instant that chose the rows: a call is priced by what was in force when it was quoted, whatever served it. */
  readonly quotedAt: EpochMs;
  /** The model that the call was quoted for, aliases resolved; null on endpoints without a price. */
  readonly model: string | null;
  /** Null on endpoints that cost nothing. */
  readonly row: PriceRow | null;
  /** `ceiling`: the model is not in the book, so the dearest known rates stand in for it. */
  readonly basis: 'listed' | 'ceiling' | 'free';
  /** The most the call can cost; held from budgets. */
  readonly ceiling: Nanodollars;
  /** The most input and output tokens it can use. */
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
  /** A middling guess at the prompt (bytes / 4 or so), for rate limits at the start and for estimates where no count ever came. */
  readonly likelyInputTokens: number;
  /** See `containerOf`; absent is null. */
  readonly container?: ContainerUse;
  readonly ask: Ask | null;
}

/** What a call's tools say of a container for code: `free` beside certain web tools; `charged`: code may run, and is paid; null: neither is declared. */
export type ContainerUse = 'free' | 'charged' | null;

/** Tools at the provider that have a fee of their own. */
export type ToolFee = 'web_search' | 'code_execution';

/** One line of a bill: tokens × price = amount, or uses × fee. `factors` names what made the price what it is. */
export interface CostLine {
  /** A token kind, or a tool that has a fee. */
  readonly kind: TokenKind | ToolFee;
  /** The model priced; differs from the row's where a fallback or an advisor took part. */
  readonly model: string;
  readonly quantity: number;
  /** Exact, all multipliers applied. */
  readonly unitPrice: Picodollars;
  readonly amount: Picodollars;
  /** e.g. `['batch x0.5', 'us x1.1', 'long prompt']`; empty for the plain rate. */
  readonly factors: readonly string[];
  readonly priceVersion: string;
}

/** What a call cost. */
export interface Cost {
  readonly lines: readonly CostLine[];
  /** The exact sum of the lines, rounded up once. */
  readonly total: Nanodollars;
  /** The tokens as billed or, where nothing was billed, as reported. */
  readonly tokens: Tokens;
  readonly serverTools: ServerTools;
  readonly parts: readonly UsagePart[];
  /** True when the cost did not come from a complete usage object. */
  readonly estimated: boolean;
  /** How it was estimated, e.g. `prompt from message_start, output from streamed text`; null when it was not. */
  readonly estimateMethod: string | null;
  /** What cache reads saved less what cache writes cost extra, at this row's prices; can be negative. */
  readonly cacheSavings: Nanodollars;
  readonly modelServed: string | null;
  /** As the response said, or as an estimate without any usage took it to be; null when it said nothing. Kept so that the row can be priced again. */
  readonly speed: string | null;
  readonly serviceTier: string | null;
  readonly inferenceGeo: string | null;
  /** Every price row used, the first one the call's own; empty on endpoints that cost nothing. */
  readonly prices: readonly PriceRow[];
  readonly basis: Quote['basis'];
}

/** How a call came out, as far as its price goes. */
export interface Ending {
  /** Null when nothing was answered. */
  readonly status: number | null;
  /** False when nothing of the request can have reached the provider. */
  readonly sent: boolean;
  readonly reading: Reading;
}

/** The pricing room, as the pipeline sees it. Pure: the book in force is its only state. */
export interface Pricing {
  /**
   * The quote for a call, or `unpriced_model` where the config refuses models that the book does not know. `ask` null: a free endpoint.
   * `flatHold`: what is held for all that a call may read besides its bytes, where those do not bound it; null or absent: its worst case.
   */
  quote(input: { endpoint: Endpoint; ask: Ask | null; model: string | null; at: EpochMs; flatHold?: Nanodollars | null }): Verdict<Quote>;
  /** The most the call can still cost once `message_start` told the true prompt; never above the quote's own ceiling. */
  ceilingAfterStart(quote: Quote, started: Tokens): Nanodollars;
  /** What the call cost. An ending without complete usage gives an estimate, flagged, never zero for a call that may have been billed. */
  cost(quote: Quote, ending: Ending): Cost;
}

/** How an estimate is named that stands in for a price that is not known. */
export const UNLISTED = 'dearest listed rates for a model or speed that is not in the price book';
/** How an estimate is named that stands in for container time, which no response tells. */
export const CONTAINER_TIME = 'container time of code execution, taken to be the least that is billed';

/** How a cost is named that leaves out the uses of a server tool whose price is not known. */
export const UNMETERED_TOOL = 'without the uses of a server tool whose price is not known';

/** Of how a cost was estimated, as `Cost.estimateMethod` names it: how its tokens were counted. Empty where a whole usage told them. */
export const countingMethods = (estimateMethod: string | null): readonly string[] => (estimateMethod === null ? [] : estimateMethod.split('; ').filter((method) => method !== UNLISTED && method !== CONTAINER_TIME));
