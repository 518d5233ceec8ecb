// test/price/contract.test.ts: contract prices beside list prices: which wins when, and that every amount says whose price it is.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { priceKind, rowsInForce } from '../../server/domain/price.ts';
import type { PriceBook } from '../../server/price/book.ts';
import { loadPriceBook } from '../../server/price/load-book.ts';
import { loadBook } from '../../server/price/load-files.ts';
import { contractSchemaText } from '../../server/price/prices-schema.ts';
import { createPricing } from '../../server/price/pricing.ts';
import { ask, complete, day, pricesText, quoted, TODAY, usage } from './rows.ts';

const ROW = `{ from: 2026-10-01, until: 2026-12-01, verified: 2026-10-01, source: annex,
      standard: { input: "2", cache_write_5m: "2.5", cache_write_1h: "4", cache_read: "0.2", output: "10" },
      batch: { input: "1", cache_write_5m: "1.25", cache_write_1h: "2", cache_read: "0.1", output: "5" } }`;
const contract = (id = 'claude-sonnet-4-6', rows: readonly string[] = [ROW]): string => `contract: Agreement 7\nmodels:\n  - id: ${id}\n    prices:\n${rows.map((row) => `    - ${row}\n`).join('')}`;
const load = (text: string) => loadPriceBook(pricesText, 'prices.yaml', { text, fileName: 'contract.yaml' });
function bookWith(text: string): PriceBook {
  const loaded = load(text);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  return loaded.book;
}
const inputRate = (book: PriceBook, at: string): bigint | undefined => book.lookup('claude-sonnet-4-6', day(at))?.row.standard.input;

describe('a contract price', () => {
  const book = bookWith(contract());

  test.each([
    { at: '2026-09-30', rate: 3_000_000n }, { at: '2026-10-01', rate: 2_000_000n }, { at: '2026-11-30', rate: 2_000_000n }, { at: '2026-12-01', rate: 3_000_000n },
  ])('holds from its first day until its last is over: $at', ({ at, rate }) => {
    expect(inputRate(book, at)).toBe(rate);
  });

  test('touches no other model, and not the ceiling of unknown ones', () => {
    const plain = bookWith(contract('claude-opus-5-5'));
    expect(book.lookup('claude-haiku-4-5', TODAY)?.row).toEqual(plain.lookup('claude-haiku-4-5', TODAY)?.row);
    expect(plain.dearest(TODAY).row).toEqual(book.dearest(TODAY).row);
  });

  test('is found by an alias of its model too', () => {
    expect(bookWith(contract('claude-haiku-4-5')).lookup('claude-haiku-4-5-20251001', TODAY)?.row.contract?.name).toBe('Agreement 7');
  });

  test('bills the call, and every line and the row name it', () => {
    const pricing = createPricing({ book, unknownModel: 'ceiling' });
    const cost = pricing.cost(quoted(ask(), { by: pricing }), complete(usage({ input: 1_000, output: 100 })));
    expect(cost.total).toBe(3_000_000n);
    expect(cost.lines.map((line) => priceKind(line.priceVersion))).toEqual(['contract', 'contract']);
    expect(cost.prices[0]).toMatchObject({ source: 'annex', contract: { name: 'Agreement 7', until: day('2026-12-01') } });
  });

  test('is in force in place of the list price of its model, for its days only', () => {
    const kinds = (at: string): string[] => [...rowsInForce(book.rows(), day(at))].filter((version) => version.startsWith('claude-sonnet-4-6@')).map(priceKind);
    expect(kinds('2026-11-01')).toEqual(['contract']);
    expect(kinds('2026-12-01')).toEqual(['list']);
  });
});

describe('a file of contract prices is refused', () => {
  test.each([
    { name: 'for a model that the book does not have', text: contract('claude-next'), line: 3, says: 'the price book has no model "claude-next"' },
    { name: 'when rows are out of order', text: contract('claude-sonnet-4-6', [ROW, ROW]), line: 8, says: 'not later than the row before it' },
    { name: 'when it ends before it begins', text: contract().replace('2026-12-01', '2026-09-01'), line: 5, says: 'not later than its `from`' },
    { name: 'when a rate is no decimal', text: contract().replace('"2"', '2.0000001'), line: 6, says: 'quoted decimal' },
    { name: 'when a key is misspelt', text: contract().replace('batch:', 'batches:'), line: 7, says: 'batches' },
    { name: 'without a name', text: contract().replace('contract: Agreement 7', 'web_search_usd_per_1000: "9"'), line: 1, says: '' },
  ])('$name', ({ text, line, says }) => {
    const loaded = load(text);
    expect(loaded.ok).toBe(false);
    const mistakes = loaded.ok ? [] : loaded.mistakes;
    expect(mistakes[0]).toMatchObject({ file: 'contract.yaml' });
    expect(mistakes.map((m) => `${m.line} ${m.message}`).join('\n')).toMatch(new RegExp(`(^|\\n)${line} .*${says.replaceAll(/[`.()]/g, '.')}`));
  });
});

test('a file that cannot be read is named with the config key that names it', () => {
  const read = (file: string): string => {
    if (file === 'contract.yaml') throw Object.assign(new Error('no'), { code: 'ENOENT' });
    return pricesText;
  };
  const loaded = loadBook({ file: 'prices.yaml', contract: 'contract.yaml' }, read);
  expect(loaded.ok || loaded.message).toBe('The price file contract.yaml cannot be read (ENOENT). `prices.contract` in the config names it.');
});

test('the shipped example is right, and the shipped schema is that of the checks', () => {
  const at = (name: string): string => readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8');
  expect(load(at('contract.example.yaml'))).toMatchObject({ ok: true });
  expect(at('contract.schema.json')).toBe(contractSchemaText());
});
