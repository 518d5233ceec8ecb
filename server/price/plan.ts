// server/price/plan.ts: what a task will cost: per call, day, month and year, on one model or many side by side.

import type { EpochMs } from '../domain/ids.ts';
import { nanodollars, picodollars, type Nanodollars } from '../domain/money.ts';
import type { Plan, PlanFigures, PlanForModel, Planned, PlanTask, PlanWarning } from '../domain/plan.ts';
import { TOKEN_KINDS, type Tokens } from '../domain/usage.ts';
import type { BookModel, Listing, PriceBook } from './book.ts';
import { ratesFor } from './rates.ts';

/** Shares of calls are counted in millionths, so a day's calls are counted in millionths of a call. */
const MILLION = 1_000_000n;
const TTL_SECONDS = { '5m': 300, '1h': 3_600 } as const;

/**
 * The plan of a task at the prices in force. Pure, and exact up to one rounding per figure.
 *
 * Calls are taken to come evenly. A prefix is written once a day and read ever after while the pause between two calls is no longer than
 * its lifetime (a read renews it at no charge); with longer pauses every call writes it anew. Calls in batches are priced uncached,
 * because the provider promises them no hits.
 */
export function planOf(task: PlanTask, book: PriceBook, at: EpochMs): Planned {
  const named = [task.model, ...(task.compare ?? [])];
  const unknown = named.find((name) => book.lookup(name, at) === null);
  if (unknown !== undefined) return { ok: false, unknownModel: unknown, known: book.models().flatMap((model) => [model.id, ...model.aliases]) };
  const own = book.lookup(task.model, at) as Listing;
  const others = task.compare ?? book.models().filter((model) => model.status === 'active').map((model) => model.id);
  const seen = new Set([own.row.model]);
  const worth = task.byHand === null ? null : worthPerMonth(task, task.byHand);
  const forModel = (name: string): PlanForModel => planForModel(task, name, book.lookup(name, at) as Listing, own, modelOf(book, name, at), worth);
  const compared = others
    .filter((name) => {
      const { model } = (book.lookup(name, at) as Listing).row;
      return !seen.has(model) && seen.add(model);
    })
    .map(forModel)
    .sort((a, b) => (a.described.month < b.described.month ? -1 : a.described.month > b.described.month ? 1 : 0));
  const plan: Plan = {
    task,
    models: [forModel(task.model), ...compared],
    byHand: task.byHand === null ? null : { hoursPerMonth: Number(BigInt(task.callsPerDay * task.daysPerMonth) * task.byHand.minutes) / 60e9, worthPerMonth: worth },
  };
  return { ok: true, plan };
}

const modelOf = (book: PriceBook, name: string, at: EpochMs): BookModel | undefined => {
  const id = book.lookup(name, at)?.row.model;
  return book.models().find((model) => model.id === id);
};

function planForModel(task: PlanTask, name: string, listing: Listing, own: Listing, model: BookModel | undefined, worth: Nanodollars | null): PlanForModel {
  const { row } = listing;
  const scale = tokenScale(own, listing);
  const input = scale(task.inputTokens);
  const tokens = { input, output: scale(task.outputTokens), prefix: Math.min(scale(task.prefixTokens), input) };
  const cacheable = tokens.prefix > 0 && row.minCacheableTokens !== null && tokens.prefix >= row.minCacheableTokens;
  const figures = (how: { cache: boolean; batchMillionths: number }): PlanFigures => figuresOf(task, listing, { ...tokens, prefix: how.cache && cacheable ? tokens.prefix : 0 }, how.batchMillionths);
  const described = figures({ cache: true, batchMillionths: task.batchMillionths });
  return {
    model: name,
    row,
    tokens,
    described,
    plain: figures({ cache: false, batchMillionths: 0 }),
    cached: cacheable ? figures({ cache: true, batchMillionths: 0 }) : null,
    batched: figures({ cache: false, batchMillionths: Number(MILLION) }),
    savedPerMonth: worth === null ? null : nanodollars(worth - described.month),
    warnings: warningsOf(task, listing, tokens, own, model),
  };
}

/**
 * From tokens of the task's model to tokens of another. From Opus 4.7 on models make about 30 % more tokens of the same text; the price
 * book tells the two generations apart by their bytes per token. Rounded up.
 */
function tokenScale(own: Listing, other: Listing): (tokens: number) => number {
  if (other.bytesPerToken < own.bytesPerToken) return (tokens) => Math.ceil((tokens * 13) / 10);
  if (other.bytesPerToken > own.bytesPerToken) return (tokens) => Math.ceil((tokens * 10) / 13);
  return (tokens) => tokens;
}

function figuresOf(task: PlanTask, { row }: Listing, call: { input: number; output: number; prefix: number }, batchMillionths: number): PlanFigures {
  const batched = BigInt(task.callsPerDay) * BigInt(batchMillionths);
  const live = BigInt(task.callsPerDay) * MILLION - batched;
  const writes = call.prefix === 0 ? 0n : staysWarm(task, batchMillionths) ? (live < MILLION ? live : MILLION) : live;
  const written: keyof Tokens = task.cacheTtl === '1h' ? 'cacheWrite1h' : 'cacheWrite5m';
  const rest = { input: call.input - call.prefix, output: call.output };
  const kinds: readonly { calls: bigint; batch: boolean; tokens: Partial<Tokens> }[] = [
    { calls: writes, batch: false, tokens: { ...rest, [written]: call.prefix } },
    { calls: live - writes, batch: false, tokens: { ...rest, cacheRead: call.prefix } },
    { calls: batched, batch: true, tokens: { input: call.input, output: call.output } },
  ];
  const perDay = new Map(TOKEN_KINDS.map((kind) => [kind, { tokens: 0n, amount: 0n }]));
  for (const { calls, batch, tokens } of kinds) {
    const { rates } = ratesFor(row, { batch, fast: false, us: task.us }, call.input);
    for (const kind of TOKEN_KINDS) {
      const sum = perDay.get(kind)!;
      const count = calls * BigInt(tokens[kind] ?? 0);
      sum.tokens += count;
      sum.amount += count * rates[kind];
    }
  }
  /** A day in millionths of a pico-dollar. */
  const day = [...perDay.values()].reduce((total, { amount }) => total + amount, 0n);
  const days = BigInt(task.daysPerMonth);
  return {
    call: nanodollars(ceil(day, BigInt(task.callsPerDay) * MILLION * 1_000n)),
    day: nanodollars(ceil(day, MILLION * 1_000n)),
    month: nanodollars(ceil(day * days, MILLION * 1_000n)),
    year: nanodollars(ceil(day * days * 12n, MILLION * 1_000n)),
    lines: [...perDay].flatMap(([kind, { tokens, amount }]) => (tokens === 0n ? [] : [{ kind, tokens: Number(tokens * days) / 1e6, amount: picodollars(ceil(amount * days, MILLION)) }])),
  };
}

const ceil = (value: bigint, by: bigint): bigint => (value + by - 1n) / by;

/** Whether the pause between two calls outside batches is short enough for the prefix to live from one to the next. */
function staysWarm(task: PlanTask, batchMillionths: number): boolean {
  const perHour = ((task.callsPerHour ?? task.callsPerDay / 24) * (1e6 - batchMillionths)) / 1e6;
  return perHour * TTL_SECONDS[task.cacheTtl] >= 3_600;
}

function worthPerMonth(task: PlanTask, { minutes, hourlyRate }: NonNullable<PlanTask['byHand']>): Nanodollars | null {
  if (hourlyRate === null) return null;
  return nanodollars((BigInt(task.callsPerDay * task.daysPerMonth) * minutes * hourlyRate) / 60_000_000_000n);
}

function warningsOf(task: PlanTask, listing: Listing, tokens: PlanForModel['tokens'], own: Listing, model: BookModel | undefined): PlanWarning[] {
  const { row } = listing;
  const warnings: PlanWarning[] = [];
  const warn = (code: PlanWarning['code'], message: string): void => void warnings.push({ code, message });
  if (listing.bytesPerToken < own.bytesPerToken) warn('other_tokenizer', `${row.model} makes about 30 % more tokens of the same text than ${own.row.model}: the counts were raised accordingly. Count a real prompt to be sure.`);
  if (listing.bytesPerToken > own.bytesPerToken) warn('other_tokenizer', `${own.row.model} makes about 30 % more tokens of the same text than ${row.model}: the counts were lowered accordingly. Count a real prompt to be sure.`);
  if (tokens.prefix > 0) {
    if (row.minCacheableTokens === null) warn('no_caching', `The price book names no prompt caching for ${row.model}; the prefix is priced as plain input.`);
    else if (tokens.prefix < row.minCacheableTokens) warn('prefix_too_short', `${row.model} caches prefixes of ${row.minCacheableTokens} tokens or more; one of ${tokens.prefix} is not cached, and nothing says so in the answer. It is priced as plain input.`);
    else if (task.batchMillionths < 1e6 && !staysWarm(task, task.batchMillionths)) warn('cache_goes_cold', `The calls come further apart than a cached prefix lives (${task.cacheTtl}), so each writes it anew, which costs more than not caching it${task.cacheTtl === '5m' ? '; see whether 1h holds' : ''}.`);
    if (task.batchMillionths > 0) warn('batch_without_cache', 'Calls in batches are priced uncached: their hits are not promised, and may make it cheaper than shown.');
  }
  if (tokens.input > row.contextWindowTokens) warn('prompt_too_long', `${row.model} takes ${row.contextWindowTokens} tokens at most; the prompt has ${tokens.input}.`);
  if (tokens.output > row.maxOutputTokens) warn('output_too_long', `${row.model} gives ${row.maxOutputTokens} tokens at most in one answer; ${tokens.output} were asked for.`);
  if (model !== undefined && model.status !== 'active') warn('not_active', `${row.model} is ${model.status}.`);
  return warnings;
}
