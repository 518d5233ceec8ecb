// test/price/reprice.test.ts: a settled call at the prices in force: what it would have cost by them, and nothing else.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nanodollars } from '../../server/domain/money.ts';
import type { Cost, Ending, Quote } from '../../server/domain/price.ts';
import type { BilledCall } from '../../server/domain/reports.ts';
import { createPriceBook, type PriceBook } from '../../server/price/book.ts';
import { createPricing } from '../../server/price/pricing.ts';
import { repriced } from '../../server/price/reprice.ts';
import { costDrift } from '../../server/price/verify-run.ts';
import { TODAY, ask, complete, quoted, reading, shippedBook, stored, usage } from './rows.ts';

const book = shippedBook();
const nameOf = (model: string): string | null => book.lookup(model, TODAY)?.row.model ?? null;
const without = (model: string): PriceBook => createPriceBook(book.models().filter((m) => m.id !== model));
const by = (which: PriceBook) => createPricing({ book: which, unknownModel: 'ceiling' });

function settled(which: PriceBook, model: string, ending: Ending, asked: Parameters<typeof ask>[0] = {}): { quote: Quote; cost: Cost; detail: BilledCall } {
  const quote = quoted(ask({ ...asked, model }), { by: by(which) });
  const cost = by(which).cost(quote, ending);
  return { quote, cost, detail: stored(quote, cost, ending) };
}

/** The row as it reads after a correction. */
function corrected(detail: BilledCall, result: Extract<ReturnType<typeof repriced>, { kind: 'changed' }>): BilledCall {
  const { total, cacheSavings, estimated, estimateMethod, prices } = result.cost;
  return { ...detail, row: { ...detail.row, cost: total, cacheSavings, estimated, estimateMethod }, prices };
}

const count = fc.oneof(fc.constant(0), fc.nat(300_000));
const counts = fc.record({ input: fc.integer({ min: 1, max: 300_000 }), cacheWrite5m: count, cacheWrite1h: count, cacheRead: count, output: count });
const listed = book.models().filter((model) => model.status === 'active').map((model) => model.id);

test('a call of a model that was unknown comes out at what it would have cost had it been known; a second time changes nothing', () => {
  fc.assert(
    fc.property(
      fc.record({ model: fc.constantFrom(...listed), counts, whole: fc.boolean(), contentBytes: fc.nat(4_000), searches: fc.nat(2), ran: fc.nat(1), us: fc.boolean(), fast: fc.boolean() }),
      (c) => {
        const used = usage(c.counts, { modelServed: c.model, serverTools: { webSearch: c.searches, webFetch: 0, codeExecution: c.ran }, inferenceGeo: c.us ? 'us' : null, speed: c.fast ? 'fast' : null });
        const ending: Ending = c.whole ? complete(used) : { status: 200, sent: true, reading: reading({ usage: used, contentBytes: c.contentBytes }) };
        const { detail, cost } = settled(without(c.model), c.model, ending, { maxTokens: 400_000 });
        expect(cost.basis).toBe('ceiling');
        expect(costDrift(detail, nameOf)).toEqual([]);
        const result = repriced(detail, book);
        // What streamed beyond the last count was guessed by another number of bytes a token: the stored count stands.
        const known = by(book).cost(quoted(ask({ model: c.model, maxTokens: 400_000 }), { by: by(book) }), complete(usage(detail.row.tokens, { ...used, tokens: detail.row.tokens })));
        const unknownFast = known.basis === 'ceiling';
        if (result.kind !== 'changed') {
          // The dearest model of all costs the same either way, and what is estimated for another reason stays so.
          expect([result.kind, known.total, unknownFast || !c.whole || c.ran > 0]).toEqual(['same', detail.row.cost, true]);
          return;
        }
        expect(result.cost.total).toBe(known.total);
        expect(result.cost.cacheSavings).toBe(known.cacheSavings);
        expect(result.cost.estimated).toBe(unknownFast || !c.whole || c.ran > 0);
        const after = corrected(detail, result);
        expect(costDrift(after, nameOf)).toEqual([]);
        expect(repriced(after, book)).toEqual({ kind: 'same', unpriced: unknownFast });
      },
    ),
    { numRuns: 500 },
  );
});

test('a call at the prices of its day stays, whatever it was', () => {
  const { detail } = settled(book, 'claude-sonnet-4-6', complete(usage({ input: 1_000, output: 50 })));
  expect(repriced(detail, book)).toEqual({ kind: 'same', unpriced: false });
});

test('a model that is unknown still stays at the dearest rates, and is told', () => {
  const { detail } = settled(book, 'claude-next', complete(usage({ input: 1_000, output: 50 })));
  expect(repriced(detail, book)).toEqual({ kind: 'same', unpriced: true });
});

test('an estimate stays one, and loses only what was wrong about its price', () => {
  const gone: Ending = { status: null, sent: true, reading: reading({}) };
  const { detail } = settled(without('claude-sonnet-4-6'), 'claude-sonnet-4-6', gone);
  expect(detail.row.estimateMethod).toMatch(/^prompt from bytes sent; dearest/);
  expect(repriced(detail, book)).toMatchObject({ kind: 'changed', cost: { estimated: true, estimateMethod: 'prompt from bytes sent', basis: 'listed' } });
});

test.each([
  { name: 'an error', ending: { status: 400, sent: true, reading: reading({ errorType: 'invalid_request_error' }) } },
  { name: 'a refusal before any output', ending: complete(usage({ input: 1_000 }), { stopReason: 'refusal' }) },
])('$name was free and stays free', ({ ending }) => {
  const { detail } = settled(without('claude-sonnet-4-6'), 'claude-sonnet-4-6', ending);
  expect(detail.row.cost).toBe(0n);
  expect(repriced(detail, book)).toEqual({ kind: 'free' });
});

test('what a crash left at its hold, and a cost that the usage does not give, are left alone; the check tells the second', () => {
  const { detail } = settled(without('claude-sonnet-4-6'), 'claude-sonnet-4-6', complete(usage({ input: 1_000, output: 50 })));
  const crashed = { ...detail, row: { ...detail.row, outcome: 'crashed' as const } };
  expect([repriced(crashed, book), costDrift(crashed, nameOf)]).toEqual([{ kind: 'unexplained' }, []]);
  const wrong = { ...detail, row: { ...detail.row, cost: nanodollars(detail.row.cost + 1n) } };
  expect(repriced(wrong, book)).toEqual({ kind: 'unexplained' });
  expect(costDrift(wrong, nameOf)).toEqual([{ kind: 'cost', subject: 'req_1', figure: 'cost', expected: detail.row.cost, found: detail.row.cost + 1n }]);
});
