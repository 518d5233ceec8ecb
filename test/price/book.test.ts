// test/price/book.test.ts: the price book: who is found under which name, on which day, and what is wrong with a file.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { picodollars } from '../../server/domain/money.ts';
import { loadPriceBook } from '../../server/price/load-book.ts';
import { pricesSchemaText } from '../../server/price/prices-schema.ts';
import { ORACLE_MODELS } from './oracle.ts';
import { day, PRICES_FILE, pricesText, shippedBook, TODAY } from './rows.ts';

const book = shippedBook();

describe('the shipped book', () => {
  test('has every model of the table that the oracle keeps', () => {
    expect(book.models().map((model) => model.id)).toEqual(ORACLE_MODELS.map((model) => model.id));
  });

  test('names each row by its model, its first day and a digest of its rates', () => {
    const versions = book.rows().map((row) => row.version);
    expect(new Set(versions).size).toBe(versions.length);
    for (const version of versions) expect(version).toMatch(/^claude-[a-z0-9.-]+@\d{4}-\d\d-\d\d#[0-9a-f]{8}$/);
  });

  test('says which models their provider ends, and when', () => {
    expect(['claude-sonnet-4-5', 'claude-opus-4-1', 'claude-2.1', 'claude-haiku-4-5'].map((model) => book.lookup(model, TODAY)?.row.ends)).toEqual([{ on: '2026-11-30', state: 'deprecated' }, { on: '2026-08-05', state: 'retired' }, { on: null, state: 'retired' }, undefined]);
  });

  test('says where each price is from and when it was last looked at', () => {
    for (const row of book.rows()) {
      expect(row.source).not.toBe('');
      expect(row.verifiedOn).toMatch(/^\d{4}-\d\d-\d\d$/);
    }
  });

  test('keeps batch at half of standard, also above a band', () => {
    for (const { standard, batch, longPrompt } of book.rows()) {
      for (const [whole, half] of longPrompt ? [[standard, batch], [longPrompt.standard, longPrompt.batch]] as const : [[standard, batch]] as const) {
        expect(Object.values(half).map((rate) => rate * 2n)).toEqual(Object.values(whole));
      }
    }
  });
});

describe('the schema for editors', () => {
  test('is the one that the file is checked against', () => {
    // Where this fails after a change of the schema: write pricesSchemaText() to config/prices.schema.json.
    expect(readFileSync(new URL('prices.schema.json', PRICES_FILE), 'utf8')).toBe(pricesSchemaText());
  });

  test('takes the shipped file and not one with a rate that is no text', () => {
    const editor = z.fromJSONSchema(JSON.parse(pricesSchemaText()) as z.core.JSONSchema.JSONSchema);
    expect(editor.safeParse(parse(pricesText)).success).toBe(true);
    expect(editor.safeParse(parse(pricesText.replace('input: "8"', 'input: 8'))).success).toBe(false);
  });
});

describe('lookup', () => {
  test.each([
    { asked: 'claude-haiku-4-5-20251001', found: 'claude-haiku-4-5-20251001' },
    { asked: 'claude-haiku-4-5', found: 'claude-haiku-4-5-20251001' },
    { asked: 'claude-haiku-4-5-20990101', found: 'claude-haiku-4-5-20251001' },
    { asked: 'claude-sonnet-5', found: 'claude-sonnet-5' },
    { asked: 'claude-sonnet-5-5', found: 'claude-sonnet-5-5' },
    { asked: 'claude-sonnet-5-5-20261007', found: 'claude-sonnet-5-5' },
    { asked: 'claude-fable-5', found: 'claude-fable-5' },
    { asked: 'claude-sonnet-5-6', found: undefined },
    { asked: 'claude-sonnet', found: undefined },
    { asked: 'claude-haiku-4-5-2025100', found: undefined },
    { asked: 'claude-haiku-4-5-20251001-20251001', found: 'claude-haiku-4-5-20251001' },
    { asked: 'constructor', found: undefined },
    { asked: '', found: undefined },
  ])('of "$asked" finds $found', ({ asked, found }) => {
    expect(book.lookup(asked, TODAY)?.row.model).toBe(found);
  });

  test.each([
    { at: '2026-02-20', above: 200_000 },
    { at: '2026-03-12', above: 200_000 },
    { at: '2026-03-13', above: undefined },
    { at: '2020-01-01', above: 200_000 },
  ])('of Opus 4.6 on $at gives the band of that day: $above', ({ at, above }) => {
    expect(book.lookup('claude-opus-4-6', day(at))?.row.longPrompt?.aboveTokens).toBe(above);
  });

  test('changes at midnight UTC, to the millisecond', () => {
    const change = day('2026-10-07');
    expect(book.lookup('claude-sonnet-5-5', (change - 1) as typeof change)?.row.standard.cacheRead).toBe(200_000n);
    expect(book.lookup('claude-sonnet-5-5', change)?.row.standard.cacheRead).toBe(100_000n);
  });
});

describe('the ceiling for unknown models', () => {
  test('is the dearest rate of each kind, which retired and deprecated models have no part in', () => {
    expect(book.dearest(TODAY).row).toMatchObject({ model: 'ceiling', standard: { input: 10_000_000n, output: 50_000_000n }, fast: { input: 16_000_000n, output: 80_000_000n } });
  });
});

describe('a file with a mistake', () => {
  const minimal = (more: { model?: string; row?: string; top?: string } = {}): string => `web_search_usd_per_1000: "10"
${more.top ?? ''}models:
  - id: claude-x
    name: X
    status: active
    context_window_tokens: 1000
    max_output_tokens: 100
    image_tokens: 1
    bytes_per_token: 4
${more.model ?? ''}    prices:
      - from: 2026-01-01
        verified: 2026-01-02
        source: contract 4711
        standard: { input: "1", cache_write_5m: "1.25", cache_write_1h: "2", cache_read: "0.1", output: "5" }
        batch: { input: "0.5", cache_write_5m: "0.625", cache_write_1h: "1", cache_read: "0.05", output: "2.5" }
${more.row ?? ''}`;
  const mistakesOf = (text: string) => {
    const loaded = loadPriceBook(text, 'p.yaml');
    return loaded.ok ? [] : loaded.mistakes;
  };

  test('is not one without', () => expect(mistakesOf(minimal())).toEqual([]));

  test.each([
    { name: 'an unknown key', text: minimal({ model: '    colour: red\n' }), line: 10, column: 5, message: 'unknown key "colour"' },
    { name: 'a rate without quotes', text: minimal().replace('"1.25"', '1.25'), line: 14, column: 33, message: 'quoted decimal' },
    { name: 'a rate with seven places', text: minimal().replace('"1.25"', '"1.2500001"'), line: 14, column: 33, message: 'six places|6 places' },
    { name: 'a negative rate', text: minimal().replace('"1.25"', '"-1"'), line: 14, column: 33, message: 'decimal' },
    { name: 'a missing rate', text: minimal().replace('cache_read: "0.1", ', ''), line: 14, column: 9, message: 'quoted decimal' },
    { name: 'a day that does not exist', text: minimal().replace('2026-01-01', '2026-02-30'), line: 11, column: 9, message: 'not a day' },
    { name: 'an alias given twice', text: minimal({ model: '    aliases: [y, claude-x]\n' }), line: 10, column: 18, message: 'already names claude-x' },
    { name: 'a factor that breaks a rate', text: minimal({ model: '    us_inference: "1.1"\n' }).replace('"0.05"', '"0.000001"'), line: 16, column: 78, message: 'no whole number of pico-dollars' },
    { name: 'broken YAML', text: minimal().replace('name: X', 'name: [X'), line: 5, column: 5, message: '.' },
    { name: 'no models', text: 'web_search_usd_per_1000: "10"\nmodels: []\n', line: 2, column: 1, message: '.' },
    { name: 'nothing at all', text: '', line: 1, column: 1, message: '.' },
  ])('is told with its line and column: $name', ({ text, line, column, message }) => {
    const [first] = mistakesOf(text);
    expect(first).toMatchObject({ file: 'p.yaml', line, column });
    expect(first?.message).toMatch(new RegExp(message));
  });

  test('is told about every one of them at once', () => {
    expect(mistakesOf(minimal({ model: '    colour: red\n    size: 4\n' })).map((mistake) => mistake.path)).toEqual(['models.0.colour', 'models.0.size']);
  });

  test('is one when rows are out of order', () => {
    const row = minimal().slice(minimal().indexOf('      - from')).replace('2026-01-01', '2025-12-31');
    expect(mistakesOf(minimal({ row }))).toMatchObject([{ line: 16, column: 9, message: 'not later than the row before it (2026-01-01)' }]);
  });

  test('but an own contract price is a row like any other, with a version of its own', () => {
    const text = pricesText.replace(/(\n {2}- id: claude-haiku-4-5-20251001[\s\S]*?batch: .*\n)/, (all) => all + all.slice(all.indexOf('      - from')).replace('2025-10-01', '2026-11-01').replace('input: "1"', 'input: "0.9"'));
    const loaded = loadPriceBook(text, 'p.yaml');
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
    expect(loaded.book.lookup('claude-haiku-4-5', TODAY)?.row).toMatchObject({ standard: { input: picodollars(900_000n) }, version: expect.stringMatching(/@2026-11-01#/) });
    expect(loaded.book.lookup('claude-haiku-4-5', day('2026-10-31'))?.row.standard.input).toBe(1_000_000n);
  });

  test('an edited rate makes a new version', () => {
    const edited = loadPriceBook(pricesText.replaceAll('cache_read: "0.03"', 'cache_read: "0.04"'), 'p.yaml');
    if (!edited.ok) throw new Error('not a book');
    const changed = edited.book.rows().filter((row, n) => row.version !== book.rows()[n]?.version);
    expect(changed.map((row) => row.model)).toEqual(['claude-3-haiku-20240307']);
  });
});
