// test/price/oracle.ts: a second opinion on what a call costs: plain fractions over a price table of its own, sharing no code with the product.

import { readFileSync } from 'node:fs';

/** A fraction of two whole numbers; never rounded. */
export interface Fraction {
  readonly n: bigint;
  readonly d: bigint;
}

const greatest = (a: bigint, b: bigint): bigint => (b === 0n ? a : greatest(b, a % b));
function fraction(n: bigint, d: bigint): Fraction {
  const g = greatest(n < 0n ? -n : n, d) || 1n;
  return { n: n / g, d: d / g };
}
const plus = (a: Fraction, b: Fraction): Fraction => fraction(a.n * b.d + b.n * a.d, a.d * b.d);
const times = (a: Fraction, b: Fraction): Fraction => fraction(a.n * b.n, a.d * b.d);
const whole = (n: number): Fraction => fraction(BigInt(n), 1n);
/** `"0.125"` → 125/1000. */
function decimal(text: string): Fraction {
  const [before = '0', after = ''] = text.split('.');
  return fraction(BigInt(before + after), 10n ** BigInt(after.length));
}

type Column = 'input' | 'cache_write_5m' | 'cache_write_1h' | 'cache_read' | 'output';
type Table = Record<Column, string | null>;
export interface OracleModel {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly active: boolean;
  readonly standard: Table;
  readonly batch: Table | null;
  readonly fast: Table | null;
  readonly long_prompt: { readonly above: number; readonly standard: Table; readonly batch: Table } | null;
  readonly us: string | null;
}
interface File {
  readonly web_search_usd_per_1000: string;
  readonly models: readonly OracleModel[];
}
const file = JSON.parse(readFileSync(new URL('prices.json', import.meta.url), 'utf8')) as File;
export const ORACLE_MODELS = file.models;

/** One model request, in the API's own words. */
export interface OracleTurn {
  readonly model: string;
  readonly input_tokens: number;
  readonly write_5m: number;
  readonly write_1h: number;
  readonly read: number;
  readonly output_tokens: number;
}
export interface OracleCall {
  readonly turns: readonly OracleTurn[];
  readonly searches: number;
  readonly batch: boolean;
  readonly fast: boolean;
  readonly us: boolean;
}

/** Whole nano-dollars, rounded up once. */
export function oracleNanos(call: OracleCall): bigint {
  let dollars = times(whole(call.searches), times(decimal(file.web_search_usd_per_1000), fraction(1n, 1000n)));
  for (const turn of call.turns) dollars = plus(dollars, turnDollars(turn, call));
  const nanos = times(dollars, fraction(1_000_000_000n, 1n));
  return (nanos.n + nanos.d - 1n) / nanos.d;
}

function turnDollars(turn: OracleTurn, call: OracleCall): Fraction {
  const model = file.models.find((m) => m.id === turn.model);
  if (!model) throw new Error(`the oracle has no ${turn.model}`);
  const prompt = turn.input_tokens + turn.write_5m + turn.write_1h + turn.read;
  const long = model.long_prompt !== null && prompt > model.long_prompt.above ? model.long_prompt : null;
  let factor = fraction(1n, 1_000_000n);
  let table: Table = long ? long.standard : model.standard;
  if (call.fast && !call.batch) table = model.fast ?? table;
  // Half of the standard price, whatever the table's own column says: the two must agree.
  if (call.batch) factor = times(factor, fraction(1n, 2n));
  if (call.us && model.us !== null) factor = times(factor, decimal(model.us));
  const amount = (column: Column, count: number): Fraction => times(times(decimal(table[column] ?? (table.input as string)), whole(count)), factor);
  return [amount('cache_write_5m', turn.write_5m), amount('cache_write_1h', turn.write_1h), amount('cache_read', turn.read), amount('output', turn.output_tokens)].reduce(plus, amount('input', turn.input_tokens));
}
