// test/price/check-prices.test.ts: what `tollgate prices check` warns of, and when it is silent.

import { expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { priceWarnings } from '../../server/price/check-prices.ts';
import { loadPriceBook } from '../../server/price/load-book.ts';
import { pricesText, shippedBook, TODAY } from './rows.ts';

const DAY_MS = 86_400_000;
const book = shippedBook();
const sonnet = book.lookup('claude-sonnet-4-6', TODAY)!.row;
const verified = Date.parse(sonnet.verifiedOn);
const used = [{ model: 'claude-sonnet-4-6', calls: 3 }];

test.each([
  { age: 90, said: [] },
  { age: 91, said: [{ kind: 'stale', model: 'claude-sonnet-4-6', calls: 3, message: expect.stringContaining(`91 days ago, on ${sonnet.verifiedOn}`) }] },
])('a price that was looked at $age days ago, where 90 are allowed', ({ age, said }) => {
  expect(priceWarnings(book, used, epochMs(verified + age * DAY_MS), 90)).toEqual(said);
});

test('an old price of a model that nobody calls is not worth a word', () => {
  expect(priceWarnings(book, [], epochMs(verified + 1_000 * DAY_MS), 90)).toEqual([]);
});

test('models without a price come first, then by calls; a model by two of its names is one', () => {
  const seen = [{ model: 'claude-haiku-4-5', calls: 5 }, { model: 'claude-haiku-4-5-20251001', calls: 4 }, { model: 'claude-nova-9', calls: 1 }, { model: 'claude-nova-10', calls: 7 }, { model: 'claude-sonnet-4-6', calls: 20 }];
  expect(priceWarnings(book, seen, epochMs(TODAY + 400 * DAY_MS), 90).map(({ kind, model, calls }) => [kind, model, calls])).toEqual([
    ['unpriced', 'claude-nova-10', 7], ['unpriced', 'claude-nova-9', 1], ['stale', 'claude-sonnet-4-6', 20], ['stale', 'claude-haiku-4-5-20251001', 9],
  ]);
});

test.each([
  { until: '2026-12-20', left: 'within a month', warns: true },
  { until: '2026-12-31', left: 'in more than a month', warns: false },
])('a contract price that ends $left is told: $warns', ({ until, warns }) => {
  const row = `{ from: 2026-10-01, until: ${until}, verified: 2026-11-20, source: annex, standard: { input: "2", cache_write_5m: "2.5", cache_write_1h: "4", cache_read: "0.2", output: "10" }, batch: { input: "1", cache_write_5m: "1.25", cache_write_1h: "2", cache_read: "0.1", output: "5" } }`;
  const loaded = loadPriceBook(pricesText, 'prices.yaml', { text: `contract: Agreement 7\nmodels:\n  - id: claude-sonnet-4-6\n    prices:\n    - ${row}\n`, fileName: 'contract.yaml' });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  const told = priceWarnings(loaded.book, used, TODAY, 90);
  expect(told).toEqual(warns ? [{ kind: 'contract_ends', model: 'claude-sonnet-4-6', calls: 3, message: expect.stringContaining('Agreement 7 ends on 2026-12-20; the list price holds from then on') }] : []);
});
