// server/price/load-book.ts: reads prices.yaml into a price book, or says where it is wrong.

import { isScalar, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml';
import { z } from 'zod';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import { picoPerTokenFromUsdPerMtok, picodollars, nanoFromUsd, type Picodollars } from '../domain/money.ts';
import type { PriceRow, Rates } from '../domain/price.ts';
import { TOKEN_KINDS } from '../domain/usage.ts';
import { createPriceBook, type BookModel, type PriceBook } from './book.ts';
import { digestOf } from './price-version.ts';

/** One thing that is wrong with the file; lines and columns count from 1. */
export interface Mistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** e.g. `models.3.prices.0.standard.input`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

export type LoadedBook = { readonly ok: true; readonly book: PriceBook } | { readonly ok: false; readonly mistakes: readonly Mistake[] };

type Path = readonly PropertyKey[];
interface Problem {
  readonly path: Path;
  readonly message: string;
}

const usd = (places: number) =>
  z.string('write the price as a quoted decimal, e.g. "0.125"').regex(new RegExp(`^\\d{1,9}(\\.\\d{1,${places}})?$`), `not a decimal with at most ${places} places`);
const day = z.iso.date('not a day as YYYY-MM-DD');
const count = z.int('not a whole number').positive();
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/, 'not a model id');
const rates = z.strictObject({ input: usd(6), cache_write_5m: usd(6), cache_write_1h: usd(6), cache_read: usd(6), output: usd(6) });
const price = z.strictObject({
  from: day,
  verified: day,
  source: z.string().min(1),
  standard: rates,
  batch: rates,
  fast: rates.optional(),
  long_prompt: z.strictObject({ above_tokens: count, standard: rates, batch: rates }).optional(),
  web_search_usd_per_1000: usd(6).optional(),
});
const model = z.strictObject({
  id: name,
  name: z.string().min(1),
  aliases: z.array(name).default([]),
  status: z.enum(['active', 'deprecated', 'retired']),
  retires: day.optional(),
  context_window_tokens: count,
  max_output_tokens: count,
  min_cacheable_tokens: count.optional(),
  image_tokens: count,
  bytes_per_token: count,
  us_inference: z.string('write the factor as a quoted decimal, e.g. "1.1"').regex(/^[1-9](\.\d{1,3})?$/, 'not a factor of at least 1').optional(),
  prices: z.array(price).min(1),
});

const contractPrice = price.extend({ until: day.optional() });

/** Container time of code execution: no response tells it, so that a call is taken to have had the least that is billed. */
const codeExecution = z.strictObject({ usd_per_hour: usd(6), minimum_minutes: count });

/** The shape of a file of contract prices: rows that win over the list prices of the models they name, while they are in force. */
export const CONTRACT_SCHEMA = z.strictObject({
  contract: z.string().min(1).max(128),
  web_search_usd_per_1000: usd(6).optional(),
  code_execution: codeExecution.optional(),
  models: z.array(z.strictObject({ id: name, prices: z.array(contractPrice).min(1) })).min(1),
});
type Contract = z.infer<typeof CONTRACT_SCHEMA>;

/** The shape of `prices.yaml`; closed, so that a misspelt key is a mistake and not a price that silently stays away. */
export const PRICES_SCHEMA = z.strictObject({ web_search_usd_per_1000: usd(6), code_execution: codeExecution.optional(), models: z.array(model).min(1) });
type File = z.infer<typeof PRICES_SCHEMA>;

/** A file's text; the name only stands in mistakes. */
export interface PriceText {
  readonly text: string;
  readonly fileName: string;
}

/**
 * The price book in a YAML text, or everything that is wrong with it.
 * @param fileName only named in the mistakes
 * @param contract a file of contract prices for models of this book
 */
export function loadPriceBook(text: string, fileName: string, contract: PriceText | null = null): LoadedBook {
  const list = parsed({ text, fileName }, PRICES_SCHEMA, contradictions);
  const own = contract === null ? null : parsed(contract, CONTRACT_SCHEMA, (file) => (list.ok ? contractContradictions(file, list.data) : []));
  if (!list.ok || (own !== null && !own.ok)) return { ok: false, mistakes: [...(list.ok ? [] : list.mistakes), ...(own === null || own.ok ? [] : own.mistakes)] };
  return { ok: true, book: createPriceBook(list.data.models.map((m) => bookModel(m, list.data, own?.data ?? null))) };
}

function parsed<Schema extends z.ZodType>({ text, fileName }: PriceText, schema: Schema, check: (data: z.output<Schema>) => Problem[]): { ok: true; data: z.output<Schema> } | { ok: false; mistakes: Mistake[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number, path: string, message: string): Mistake => {
    const { line, col } = lines.linePos(offset);
    return { file: fileName, line, column: col, path, message };
  };
  if (document.errors.length > 0) return { ok: false, mistakes: document.errors.map((e) => at(e.pos[0], '', e.message.split('\n', 1)[0] ?? e.message)) };
  const result = schema.safeParse(document.toJS());
  const problems = result.success ? check(result.data) : result.error.issues.flatMap(spread);
  if (!result.success || problems.length > 0) {
    return { ok: false, mistakes: problems.map(({ path, message }) => at(offsetOf(document, path), path.join('.'), message)) };
  }
  return { ok: true, data: result.data };
}

/** One problem per unknown key, so that each is pointed at where it stands. */
function spread(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: issue.message }];
  return issue.keys.map((key) => ({ path: [...issue.path, key], message: `unknown key "${key}"` }));
}

/** What a schema cannot say: names given twice, days out of order, rates that a factor would break into fractions. */
function contradictions(file: File): Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, string>();
  file.models.forEach((m, i) => {
    [m.id, ...m.aliases].forEach((id, n) => {
      const owner = seen.get(id);
      if (owner !== undefined) problems.push({ path: n === 0 ? ['models', i, 'id'] : ['models', i, 'aliases', n - 1], message: `"${id}" already names ${owner}` });
      seen.set(id, m.id);
    });
    m.prices.forEach((p, n) => {
      const path: Path = ['models', i, 'prices', n];
      const before = m.prices[n - 1];
      if (before && before.from >= p.from) problems.push({ path: [...path, 'from'], message: `not later than the row before it (${before.from})` });
      if (p.fast && p.long_prompt) problems.push({ path: [...path, 'long_prompt'], message: 'a row with fast rates cannot have a long-prompt band: nothing says which would win' });
      problems.push(...fractions(p, m.us_inference, path));
    });
  });
  return problems;
}

/** A contract names models of the book, each once, and its rows follow one another without overlapping. */
function contractContradictions(file: Contract, book: File): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  file.models.forEach(({ id, prices }, i) => {
    const listed = book.models.find((m) => m.id === id || m.aliases.includes(id));
    if (listed === undefined) problems.push({ path: ['models', i, 'id'], message: `the price book has no model "${id}"` });
    else if (seen.has(listed.id)) problems.push({ path: ['models', i, 'id'], message: `"${id}" is here already` });
    if (listed !== undefined) seen.add(listed.id);
    prices.forEach((p, n) => {
      const path: Path = ['models', i, 'prices', n];
      const before = prices[n - 1];
      if (before && before.from >= p.from) problems.push({ path: [...path, 'from'], message: `not later than the row before it (${before.from})` });
      if (p.until !== undefined && p.until <= p.from) problems.push({ path: [...path, 'until'], message: `not later than its \`from\` (${p.from})` });
      if (p.fast && p.long_prompt) problems.push({ path: [...path, 'long_prompt'], message: 'a row with fast rates cannot have a long-prompt band: nothing says which would win' });
      problems.push(...fractions(p, listed?.us_inference, path));
    });
  });
  return problems;
}

function fractions(p: z.infer<typeof price>, factor: string | undefined, path: Path): Problem[] {
  const { numerator, denominator } = fraction(factor);
  const tables: [Path, z.infer<typeof rates> | undefined][] = [
    [['standard'], p.standard], [['batch'], p.batch], [['fast'], p.fast], [['long_prompt', 'standard'], p.long_prompt?.standard], [['long_prompt', 'batch'], p.long_prompt?.batch],
  ];
  return tables.flatMap(([where, table]) =>
    Object.entries(table ?? {})
      .filter(([, rate]) => (picoPerTokenFromUsdPerMtok(rate) * numerator) % denominator !== 0n)
      .map(([kind]) => ({ path: [...path, ...where, kind], message: `times us_inference ${factor} this is no whole number of pico-dollars per token; write fewer places` })),
  );
}

type Fees = Pick<File, 'web_search_usd_per_1000' | 'code_execution'>;

function bookModel(m: z.infer<typeof model>, fees: Fees, own: Contract | null): BookModel {
  const rowOf = (p: z.infer<typeof price>, { web_search_usd_per_1000: searchFee, code_execution: container }: Fees, mark = ''): PriceRow => {
    const charges = {
      standard: ratesOf(p.standard),
      batch: ratesOf(p.batch),
      fast: p.fast ? ratesOf(p.fast) : null,
      longPrompt: p.long_prompt
        ? { aboveTokens: p.long_prompt.above_tokens, standard: ratesOf(p.long_prompt.standard), batch: ratesOf(p.long_prompt.batch) }
        : null,
      usInference: fraction(m.us_inference),
      webSearchFee: feeEach(p.web_search_usd_per_1000 ?? searchFee),
      ...(container === undefined ? {} : { codeExecutionFee: containerFee(container) }),
    };
    return {
      ...charges,
      version: `${m.id}@${p.from}${mark}#${digestOf(charges)}`,
      model: m.id,
      effectiveFrom: startOf(p.from),
      contextWindowTokens: m.context_window_tokens,
      maxOutputTokens: m.max_output_tokens,
      minCacheableTokens: m.min_cacheable_tokens ?? null,
      source: p.source,
      verifiedOn: p.verified,
      ...(m.status === 'active' && m.retires === undefined ? {} : { ends: { on: m.retires ?? null, state: m.status === 'retired' ? 'retired' : 'deprecated' } }),
    };
  };
  const contracted = own?.models.find(({ id }) => id === m.id || m.aliases.includes(id))?.prices ?? [];
  const contract = contracted.map((p): PriceRow => ({
    ...rowOf(p, { web_search_usd_per_1000: own?.web_search_usd_per_1000 ?? fees.web_search_usd_per_1000, code_execution: own?.code_execution ?? fees.code_execution }, '+contract'),
    contract: { name: own?.contract ?? '', until: p.until === undefined ? null : startOf(p.until) },
  }));
  return {
    id: m.id, name: m.name, aliases: m.aliases, status: m.status, imageTokens: m.image_tokens, bytesPerToken: m.bytes_per_token,
    rows: m.prices.map((p) => rowOf(p, fees)),
    contract,
  };
}

/** Prices change at 00:00 UTC. */
const startOf = (date: string): EpochMs => epochMs(Date.parse(`${date}T00:00:00Z`));

const YAML_NAMES = { input: 'input', cacheWrite5m: 'cache_write_5m', cacheWrite1h: 'cache_write_1h', cacheRead: 'cache_read', output: 'output' } as const;

function ratesOf(table: z.infer<typeof rates>): Rates {
  return Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, picoPerTokenFromUsdPerMtok(table[YAML_NAMES[kind]])])) as Rates;
}

/** Dollars per thousand, six places, are whole nano-dollars each: 10^-6 / 10^3 = 10^-9. */
const feeEach = (usdPer1000: string): Picodollars => picodollars(nanoFromUsd(usdPer1000));

/** The least time that is billed, rounded up to a pico-dollar. */
function containerFee({ usd_per_hour: usdPerHour, minimum_minutes: minutes }: z.infer<typeof codeExecution>): Picodollars {
  const hours = nanoFromUsd(usdPerHour) * 1_000n * BigInt(minutes);
  return picodollars((hours + 59n) / 60n);
}

/** `"1.1"` → 11/10; nothing → 1/1. */
function fraction(text: string | undefined): PriceRow['usInference'] {
  const [whole = '1', places = ''] = (text ?? '1').split('.');
  return { numerator: BigInt(whole + places), denominator: 10n ** BigInt(places.length) };
}

/** Where a path's key (or list item) stands in the text; where it is missing, its nearest parent. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true) as { items?: (Pair | Node)[] } | undefined;
    const pair = parent?.items?.find((item): item is Pair<Node> => 'key' in item && isScalar(item.key) && item.key.value === path[length - 1]);
    const range = pair?.key.range ?? (document.getIn(path.slice(0, length), true) as Node | undefined)?.range;
    if (range) return range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}
