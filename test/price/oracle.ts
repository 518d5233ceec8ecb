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
  /** What held before a day (00:00 UTC). Batches were half of it then too. */
  readonly before?: { readonly until: string; readonly standard: Table; readonly long_prompt: { readonly above: number; readonly standard: Table } | null };
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
  /** `YYYY-MM-DD`; today's prices where it is left out. */
  readonly at?: string;
}

/** Whole nano-dollars, rounded up once. */
export function oracleNanos(call: OracleCall): bigint {
  return rounded(call.turns.map((turn) => turnDollars(turn, call)).reduce(plus, searchDollars(call.searches)));
}

const searchDollars = (searches: number): Fraction => times(whole(searches), times(decimal(file.web_search_usd_per_1000), fraction(1n, 1000n)));

function rounded(dollars: Fraction): bigint {
  const nanos = times(dollars, fraction(1_000_000_000n, 1n));
  return (nanos.n + nanos.d - 1n) / nanos.d;
}

function turnDollars(turn: OracleTurn, call: Omit<OracleCall, 'turns' | 'searches'>): Fraction {
  const today = oracleModel(turn.model);
  const model = today.before !== undefined && call.at !== undefined && call.at < today.before.until ? { ...today, ...today.before } : today;
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

/** By id, by alias, or by either with a date behind it; never by how a name begins. */
export function oracleModel(name: string): OracleModel {
  const called = (n: string): OracleModel | undefined => file.models.find((m) => m.id === n || m.aliases.includes(n));
  const model = called(name) ?? called(name.replace(/-\d{8}$/, ''));
  if (!model) throw new Error(`the oracle has no ${name}`);
  return model;
}

/** Counters in the API's own words. */
export interface OracleCounters {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_creation_input_tokens: number | null;
  readonly cache_read_input_tokens: number | null;
  readonly cache_creation: { readonly ephemeral_5m_input_tokens: number; readonly ephemeral_1h_input_tokens: number } | null;
}
export interface OracleMessage {
  readonly model: string;
  readonly stop_reason: string;
  readonly content: readonly unknown[];
  readonly usage: OracleCounters & {
    readonly service_tier: string | null;
    readonly speed: string | null;
    readonly inference_geo: string | null;
    readonly server_tool_use: { readonly web_search_requests: number } | null;
    readonly iterations?: readonly (OracleCounters & { readonly type: string; readonly model?: string | null })[];
  };
}

/** What a whole message costs by the rules of the API's documentation, from its own words. `at`: `YYYY-MM-DD`. */
export function oracleBill(message: OracleMessage, asked: { readonly model: string; readonly fast: boolean; readonly batch: boolean; readonly at: string }): bigint {
  const { usage, model: served } = message;
  const batch = asked.batch || usage.service_tier === 'batch';
  const us = usage.inference_geo === 'us';
  const dollars = (name: string, counters: OracleCounters, fast: boolean): Fraction => {
    const split = counters.cache_creation ?? { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 };
    const all = counters.cache_creation_input_tokens ?? split.ephemeral_5m_input_tokens + split.ephemeral_1h_input_tokens;
    const hour = split.ephemeral_1h_input_tokens;
    const turn = { model: oracleModel(name).id, input_tokens: counters.input_tokens, write_5m: all - hour, write_1h: hour, read: counters.cache_read_input_tokens ?? 0, output_tokens: counters.output_tokens };
    return turnDollars(turn, { batch, fast, us, at: asked.at });
  };
  let sum = searchDollars(usage.server_tool_use?.web_search_requests ?? 0);
  const isFast = usage.speed === 'fast';
  const hasFast = (name: string): boolean => oracleModel(name).fast !== null;
  const unheard = message.stop_reason === 'refusal' && message.content.length === 0;
  const entries = usage.iterations ?? [];
  if (entries.length === 0) return rounded(unheard ? sum : plus(sum, dollars(served, usage, isFast)));
  const fallbacks = entries.filter(({ type }) => type === 'fallback_message').length;
  let fallbacksSeen = 0;
  for (const entry of entries) {
    if (entry.type === 'fallback_message') fallbacksSeen += 1;
    const attempt = entry.type === 'message' || entry.type === 'fallback_message';
    const replaced = attempt && (fallbacksSeen < fallbacks);
    if (replaced ? entry.output_tokens === 0 : attempt && unheard) continue;
    const name = entry.type === 'compaction' ? asked.model : (entry.model ?? served);
    const fast = replaced ? asked.fast && hasFast(name) : entry.type === 'advisor_message' ? false : entry.type === 'compaction' ? isFast && hasFast(name) : isFast;
    sum = plus(sum, dollars(name, entry, fast));
  }
  return rounded(sum);
}
