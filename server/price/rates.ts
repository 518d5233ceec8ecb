// server/price/rates.ts: which rates of a row apply to one model request, every multiplier already in them.

import { picodollars, type Picodollars } from '../domain/money.ts';
import type { PriceRow, Rates } from '../domain/price.ts';
import { TOKEN_KINDS } from '../domain/usage.ts';

/** How a request was, or may be, served. */
export interface Serving {
  readonly batch: boolean;
  readonly fast: boolean;
  /** US-only inference. */
  readonly us: boolean;
}

export interface AppliedRates {
  readonly rates: Rates;
  /** What made the rates what they are, e.g. `['batch x0.5', 'us x1.1']`; empty for the plain ones. */
  readonly factors: readonly string[];
}

/**
 * The rates for one model request. Fast rates replace the standard ones, batch has its own column (fast and batch exclude each other at
 * the provider, and batch wins here), a prompt longer than the band moves every token of the request, and US inference multiplies all.
 * @param prompt all tokens of the request's prompt, cached or not
 */
export function ratesFor(row: PriceRow, serving: Serving, prompt: number): AppliedRates {
  const factors: string[] = [];
  const band = row.longPrompt && prompt > row.longPrompt.aboveTokens ? row.longPrompt : null;
  let base = (band ?? row)[serving.batch ? 'batch' : 'standard'];
  if (serving.fast && !serving.batch && row.fast) {
    base = row.fast;
    factors.push('fast');
  }
  if (serving.batch) factors.push('batch x0.5');
  if (band && base !== row.fast) factors.push('long prompt');
  const { numerator, denominator } = row.usInference;
  if (!serving.us || numerator === denominator) return { rates: base, factors };
  factors.push(`us x${Number(numerator) / Number(denominator)}`);
  return { rates: scaled(base, numerator, denominator), factors };
}

/** Whole for every listed rate, since the loader refuses others; rounds up where a ceiling mixes one model's rate with another's factor. */
function scaled(rates: Rates, numerator: bigint, denominator: bigint): Rates {
  const scale = (rate: Picodollars): Picodollars => picodollars((rate * numerator + denominator - 1n) / denominator);
  return Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, scale(rates[kind])])) as Rates;
}
