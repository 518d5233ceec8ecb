// server/price/book.ts: the price book: which rates a model had at an instant.

import { epochMs, type EpochMs } from '../domain/ids.ts';
import { picodollars, type Picodollars } from '../domain/money.ts';
import type { PriceRow, Rates } from '../domain/price.ts';
import { TOKEN_KINDS } from '../domain/usage.ts';
import { digestOf } from './price-version.ts';

/** What the book knows of one model: its rows in force one after another, and figures that no bill depends on. */
export interface BookModel {
  readonly id: string;
  readonly name: string;
  readonly aliases: readonly string[];
  readonly status: 'active' | 'deprecated' | 'retired';
  /** The most tokens that one image counts. */
  readonly imageTokens: number;
  /** A middling number of UTF-8 bytes per token, for estimates. */
  readonly bytesPerToken: number;
  /** List prices by `effectiveFrom`, ascending; at least one. */
  readonly rows: readonly PriceRow[];
  /** Prices of one's own, likewise; each has its `contract`. They win over list prices while they are in force. */
  readonly contract: readonly PriceRow[];
}

/** A model's row at an instant, with the figures that quotes and estimates need. */
export interface Listing {
  readonly row: PriceRow;
  readonly imageTokens: number;
  readonly bytesPerToken: number;
}

export interface PriceBook {
  /**
   * The row in force for a model at an instant; null when the book does not know the model. Found by exact id, by alias, or by either
   * once a trailing `-YYYYMMDD` is taken off; never by prefix. A contract's row in force wins; instants before the first list row take that row.
   */
  lookup(model: string, at: EpochMs): Listing | null;
  /** What stands in for a model that is not in the book: per kind, the dearest rate that any active model has at the instant. */
  dearest(at: EpochMs): Listing;
  /** Every row of every model, list prices and contract prices, in the book's order. */
  rows(): readonly PriceRow[];
  /** Every model, in the book's order. */
  models(): readonly BookModel[];
}

const DATED = /-\d{8}$/;

/** A book of models whose ids and aliases are all different; `loadPriceBook` sees to that. */
export function createPriceBook(models: readonly BookModel[]): PriceBook {
  const byName = new Map(models.flatMap((model) => [model.id, ...model.aliases].map((name) => [name, model] as const)));
  const rows = models.flatMap((model) => [...model.rows, ...model.contract]);
  return {
    lookup: (name, at) => {
      const model = byName.get(name) ?? byName.get(name.replace(DATED, ''));
      return model ? listingAt(model, at) : null;
    },
    dearest: (at) => {
      const active = models.filter((model) => model.status === 'active');
      // At list price: a contract says nothing of what a model that it does not name will cost.
      return dearestOf((active.length > 0 ? active : models).map((model) => listingAt({ ...model, contract: [] }, at)));
    },
    rows: () => rows,
    models: () => models,
  };
}

function listingAt(model: BookModel, at: EpochMs): Listing {
  const own = model.contract.findLast((r) => r.effectiveFrom <= at && (r.contract?.until == null || at < r.contract.until));
  const row = own ?? model.rows.findLast((r) => r.effectiveFrom <= at) ?? (model.rows[0] as PriceRow);
  return { row, imageTokens: model.imageTokens, bytesPerToken: model.bytesPerToken };
}

/** The dearer of each rate: a ceiling of both, though perhaps no model's price. */
export function dearerRates(a: Rates, b: Rates): Rates {
  return Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, dearer(a[kind], b[kind])])) as Rates;
}

const dearer = (a: Picodollars, b: Picodollars): Picodollars => (a > b ? a : b);

function dearestOf(listings: readonly Listing[]): Listing {
  const all = listings.map((listing) => listing.row);
  const standard = all.flatMap((row) => (row.longPrompt ? [row.standard, row.longPrompt.standard] : [row.standard])).reduce(dearerRates);
  const batch = all.flatMap((row) => (row.longPrompt ? [row.batch, row.longPrompt.batch] : [row.batch])).reduce(dearerRates);
  const fast = all.flatMap((row) => (row.fast ? [row.fast] : [])).reduce(dearerRates, standard);
  const usInference = all.map((row) => row.usInference).reduce((a, b) => (a.numerator * b.denominator >= b.numerator * a.denominator ? a : b));
  const containers = all.flatMap((row) => row.codeExecutionFee ?? []);
  const rates = { standard, batch, fast, longPrompt: null, usInference, webSearchFee: all.map((row) => row.webSearchFee).reduce(dearer, picodollars(0n)), ...(containers.length === 0 ? {} : { codeExecutionFee: containers.reduce(dearer) }) };
  const effectiveFrom = epochMs(Math.max(...all.map((row) => row.effectiveFrom)));
  return {
    row: {
      ...rates,
      version: `ceiling@${new Date(effectiveFrom).toISOString().slice(0, 10)}#${digestOf(rates)}`,
      model: 'ceiling',
      effectiveFrom,
      contextWindowTokens: Math.max(...all.map((row) => row.contextWindowTokens)),
      maxOutputTokens: Math.max(...all.map((row) => row.maxOutputTokens)),
      minCacheableTokens: null,
      source: 'the dearest rates of all active models',
      verifiedOn: all.map((row) => row.verifiedOn).reduce((a, b) => (a < b ? a : b)),
    },
    imageTokens: Math.max(...listings.map((listing) => listing.imageTokens)),
    bytesPerToken: Math.min(...listings.map((listing) => listing.bytesPerToken)),
  };
}
