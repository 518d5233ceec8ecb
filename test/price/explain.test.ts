// test/price/explain.test.ts: a stored call's bill is the bill that was settled, from its own row alone.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ask } from '../../server/domain/call.ts';
import { nanodollars, roundUpToNano, picodollars } from '../../server/domain/money.ts';
import type { CostLine, Ending } from '../../server/domain/price.ts';
import { explain } from '../../server/price/explain.ts';
import { TODAY, ask, complete, pricing, quoted, reading, shippedBook, stored, tokens, usage } from './rows.ts';

const book = shippedBook();
const nameOf = (model: string): string | null => book.lookup(model, TODAY)?.row.model ?? null;

function billed(asked: Partial<Ask>, ending: Ending, endpoint: 'messages' | 'batch_results' = 'messages') {
  const quote = quoted(ask(asked), { endpoint });
  const cost = pricing.cost(quote, ending);
  return { cost, lines: explain(stored(quote, cost, ending), nameOf) };
}

const ids = [...book.models().flatMap((model) => [model.id, ...model.aliases]), 'claude-sonnet-5-20260601', 'claude-nova-9'];
const count = fc.oneof(fc.constant(0), fc.nat(300_000));
const counts = fc.record({ input: count, cacheWrite5m: count, cacheWrite1h: count, cacheRead: count, output: count });

/** All of a line but the name shown, which for a model that is in no book is not kept. */
const amounts = ({ kind, quantity, unitPrice, amount, factors, priceVersion }: CostLine) => ({ kind, quantity, unitPrice, amount, factors, priceVersion });

test('whatever a call was and however it was served', () => {
  fc.assert(
    fc.property(
      fc.record({
        asked: fc.constantFrom(...ids), served: fc.constantFrom(...ids), other: fc.constantFrom(...ids), kind: fc.constantFrom('plain', 'fallback', 'advisor', 'compaction'), top: counts, more: counts,
        fastAsked: fc.boolean(), fast: fc.boolean(), us: fc.boolean(), batch: fc.boolean(), searches: fc.nat(3), ran: fc.nat(2), beside: fc.constantFrom([], ['web_search_20260209'], ['code_execution_20250825'], ['code_execution_20250825', 'web_search_20260209']), whole: fc.boolean(), usage: fc.boolean(), contentBytes: fc.nat(5_000), refusal: fc.boolean(), silent: fc.boolean(), named: fc.boolean(),
      }),
      (c) => {
        const parts = {
          plain: [],
          fallback: [{ type: 'message', model: c.other, tokens: c.more }, { type: 'fallback_message', model: c.served, tokens: c.top }],
          advisor: [{ type: 'advisor_message', model: c.other, tokens: c.more }, { type: 'message', model: null, tokens: c.top }],
          compaction: [{ type: 'compaction', model: null, tokens: c.more }, { type: 'message', model: c.served, tokens: c.top }],
        }[c.kind] ?? [];
        const used = usage(c.top, { parts, modelServed: c.served, speed: c.fast ? 'fast' : 'standard', inferenceGeo: c.us ? 'us' : 'global', serverTools: { webSearch: c.searches, webFetch: 0, codeExecution: c.ran } });
        const ending: Ending = { status: 200, sent: true, reading: reading({ usage: c.usage ? used : null, complete: c.whole, contentBytes: c.contentBytes, stopReason: c.refusal && c.whole ? 'refusal' : 'end_turn', noContent: c.silent, container: c.named }) };
        const { cost, lines } = billed({ model: c.asked, speed: c.fastAsked ? 'fast' : null, inferenceGeo: c.us ? 'us' : null, serverTools: c.beside }, ending, c.batch ? 'batch_results' : 'messages');
        expect(roundUpToNano(picodollars(lines.reduce((sum, line) => sum + line.amount, 0n)))).toBe(cost.total);
        expect(lines.map(amounts)).toEqual(cost.total === 0n ? [] : cost.lines.map(amounts));
      },
    ),
    { numRuns: 2_000, seed: 21 },
  );
});

test('a call served by another model shows that model’s rates', () => {
  const { lines } = billed({ model: 'claude-opus-5' }, complete(usage({ input: 10 }, { modelServed: 'claude-sonnet-5' })));
  expect(lines).toMatchObject([{ kind: 'input', model: 'claude-sonnet-5', unitPrice: 2_000_000n, quantity: 10 }]);
});

test('a call that crashed, is in flight, or cost nothing has no lines', () => {
  const quote = quoted();
  const ending = complete(usage({ input: 10 }));
  const cost = pricing.cost(quote, ending);
  expect(explain(stored(quote, cost, ending), nameOf)).toHaveLength(1);
  expect(explain(stored(quote, cost, ending, 'crashed'), nameOf)).toEqual([]);
  expect(explain(stored(quote, cost, ending, null), nameOf)).toEqual([]);
  expect(explain(stored(quote, { ...cost, total: nanodollars(0n), tokens: tokens({}) }, ending), nameOf)).toEqual([]);
});
