// test/store/ledger.test.ts: the SQLite ledger keeps the contract, and its rows say what was written.

import { afterEach, expect, test } from 'vitest';
import { nanodollars } from '../../server/domain/money.ts';
import { ledgerContract, type LedgerUnderTest } from '../contract/ledger.ts';
import { attempt, cost, noCost, NOON, openEntry, price, refusedEntry, settlement } from './samples.ts';
import { scratch, type Scratch } from './scratch.ts';

async function underTest(place: Scratch): Promise<LedgerUnderTest> {
  const { ledger, recovery } = await place.open();
  return {
    ledger,
    recovery,
    crashAndReopen: async () => {
      const next = await underTest(place.crashed());
      return { ...next, end: () => next.end().then(() => ledger.close()).then(() => place.remove()) };
    },
    end: () => ledger.close().then(() => place.remove()),
  };
}

ledgerContract('SQLite', () => underTest(scratch()));

const place = scratch();
afterEach(() => place.remove());

test('a row holds everything that was said of its call', async () => {
  const { ledger } = await place.open();
  await ledger.open(openEntry('req_1'));
  await ledger.attempt(openEntry('req_1').id, 2, NOON);
  const parts = [{ type: 'message', model: null, tokens: { input: 1, cacheWrite5m: 2, cacheWrite1h: 3, cacheRead: 4, output: 5 } }];
  await ledger.settle(settlement('req_1', {
    cost: cost({ parts, estimated: true, estimateMethod: 'a guess', prices: [price('claude-haiku-4-5'), price('claude-opus-4-8')] }),
    attempts: [attempt(1, { outcome: 'upstream_error', status: 529, errorType: 'overloaded_error' }), attempt(2, { failover: 'second', clientWaitMs: 640.125 })],
  }));
  await ledger.refuse(refusedEntry('req_2'));
  await ledger.open(openEntry('req_3'));
  await ledger.settle(settlement('req_3', { outcome: 'client_abort', status: null, attempts: [], cost: noCost, timeToFirstTokenMs: null }));
  await ledger.close();

  const rows = place.read<Record<string, unknown>>(`SELECT call.*, w.text AS workspace_text, m.text AS model_text, s.text AS sent_text FROM call
    JOIN name w ON w.id = workspace JOIN name m ON m.id = model JOIN name s ON s.id = model_sent ORDER BY n`);
  expect(rows[0]).toMatchObject({
    n: 1, id: 'req_1', admitted_at: NOON, workspace_text: 'support', model_text: 'claude-haiku-4-5-20251001', sent_text: 'claude-haiku-4-5', model_requested: 'fast',
    endpoint: 'messages', stream: 1, background: 0, client_retry: 0, held: 24_000_000, outcome: 'ok', ended_at: NOON + 1900, status: 200, refusal: null,
    input: 1000, cache_write_5m: 20, cache_write_1h: 3, cache_read: 4000, output: 50, web_search: 2, web_fetch: 1, code_execution: 0,
    cost: 1_234_567, cache_savings: 77, estimated: 1, estimate_method: 'a guess', attempts: 2, duration_us: 1_900_500, ttft_us: 312_125, overhead_us: 750,
    request_bytes: 2048, response_bytes: 4096, basis: 'listed', stop_reason: 'end_turn', speed: 'standard', service_tier: 'standard', inference_geo: 'global',
    upstream_request_id: 'req_up1', session: 'session-7', action: 'answer-ticket', tags: '{"team":"blue"}', more_prices: '[2]', parts: JSON.stringify(parts),
    decisions: '[["models:support","rewrite","fast is claude-haiku-4-5"],["budget:month","allow"]]',
  });
  expect(rows[1]).toMatchObject({ id: 'req_2', outcome: 'refused', refusal: 'budget_exhausted', status: 429, cost: 0, held: 0, attempts: 0, model_text: 'fast', sent_text: '', duration_us: 400 });
  expect(rows[2]).toMatchObject({ id: 'req_3', outcome: 'client_abort', status: null, attempts: 0, cost: 0, model_text: 'claude-haiku-4-5', ttft_us: null, price: 1 });
  expect(place.read('SELECT call, number, outcome, status, headers_us, duration_us, upstream_request_id, error_type, failover, client_wait_us FROM attempt ORDER BY call, number')).toEqual([
    { call: 1, number: 1, outcome: 'upstream_error', status: 529, headers_us: 210_500, duration_us: 1_890_250, upstream_request_id: 'req_up1', error_type: 'overloaded_error', failover: null, client_wait_us: 0 },
    { call: 1, number: 2, outcome: 'ok', status: 200, headers_us: 210_500, duration_us: 1_890_250, upstream_request_id: 'req_up2', error_type: null, failover: 'second', client_wait_us: 640_125 },
  ]);
  const prices = place.read<{ content: string }>('SELECT content FROM price_version ORDER BY id').map((row) => JSON.parse(row.content) as { model: string; standard: { input: string } });
  expect(prices.map((p) => [p.model, p.standard.input])).toEqual([['claude-haiku-4-5', '1000000'], ['claude-opus-4-8', '1000000']]);
});

test('an edited price makes a new version, and old rows keep theirs', async () => {
  const again = scratch();
  const { ledger } = await again.open();
  const prices = [price('claude-haiku-4-5', 'aaaa'), price('claude-haiku-4-5', 'bbbb'), price('claude-haiku-4-5', 'aaaa')];
  for (const [i, row] of prices.entries()) {
    await ledger.open(openEntry(`req_${i}`, { price: row }));
    await ledger.settle(settlement(`req_${i}`, { cost: cost({ prices: [row] }) }));
  }
  await ledger.close();
  expect(again.read('SELECT id, price FROM call ORDER BY n')).toEqual([{ id: 'req_0', price: 1 }, { id: 'req_1', price: 2 }, { id: 'req_2', price: 1 }]);
  again.remove();
});

test('models that only refused calls name stop getting names of their own, so that nobody can fill the roll-ups', async () => {
  const again = scratch();
  const { ledger } = await again.open();
  await Promise.all(Array.from({ length: 700 }, (_, i) => ledger.refuse(refusedEntry(`req_${i}`, { modelRequested: `made-up-${i}` }))));
  await ledger.close();
  expect(again.read('SELECT count(DISTINCT model) AS models, sum(calls) AS calls FROM rollup WHERE grain = 2')).toEqual([{ models: 513, calls: 700 }]);
  expect(again.read("SELECT count(*) AS n FROM call WHERE model_requested LIKE 'made-up-%'")).toEqual([{ n: 700 }]);
  again.remove();
});

test('a call of which only nonsense can be said leaves the rest of its batch alone', async () => {
  const again = scratch();
  const { ledger } = await again.open();
  const results = await Promise.allSettled([
    ledger.open(openEntry('req_1')),
    ledger.open(openEntry('req_2', { held: nanodollars(2n ** 70n) })),
    ledger.open(openEntry('req_3')),
  ]);
  expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  await ledger.close();
  expect(again.read('SELECT id FROM call ORDER BY n')).toEqual([{ id: 'req_1' }, { id: 'req_3' }]);
  again.remove();
});
