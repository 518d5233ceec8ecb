// test/observe/opportunities.test.ts: which money the ledger alone shows to be spent for nothing.

import { expect, test } from 'vitest';
import { nanodollars } from '../../server/domain/money.ts';
import type { UsageQuery, UsageRow } from '../../server/domain/reports.ts';
import { NO_TOKENS } from '../../server/domain/usage.ts';
import { createOpportunities, opportunitiesOf } from '../../server/observe/opportunities.ts';
import { handClock, metricsWith, scrape } from './gateway.ts';

const usage = (group: UsageRow['group'], figures: { cost?: bigint; savings?: bigint }): UsageRow => ({
  group, requests: 1, attempts: 1, refused: 0, errors: 0, tokens: NO_TOKENS, webSearches: 0,
  cost: nanodollars(figures.cost ?? 0n), estimatedCost: nanodollars(0n), cacheSavings: nanodollars(figures.savings ?? 0n),
  duration: { p50: null, p95: null }, timeToFirstToken: { p50: null, p95: null },
});

test('a cache that loses money with one model is an opportunity, whatever another model gains', () => {
  const models = [usage({ workspace: 'support', model: 'a' }, { savings: -2_000_000_000n }), usage({ workspace: 'support', model: 'b' }, { savings: 5_000_000_000n })];
  expect(opportunitiesOf(models, [])).toEqual([
    { workspace: 'support', lever: 'unread_cache_writes', usd: 2 },
    { workspace: 'support', lever: 'truncated_answers', usd: 0 },
    { workspace: 'support', lever: 'abandoned_answers', usd: 0 },
  ]);
});

test('answers cut short and answers left by their client are told apart from good ones', () => {
  const outcomes = [
    usage({ workspace: 'shop', outcome: 'ok' }, { cost: 9_000_000_000n }),
    usage({ workspace: 'shop', outcome: 'truncated' }, { cost: 1_500_000_000n }),
    usage({ workspace: 'shop', outcome: 'client_abort' }, { cost: 250_000_000n }),
  ];
  expect(Object.fromEntries(opportunitiesOf([], outcomes).map(({ lever, usd }) => [lever, usd]))).toEqual({ unread_cache_writes: 0, truncated_answers: 1.5, abandoned_answers: 0.25 });
});

test('the reports are asked again after ten minutes, and a failure keeps what was known', async () => {
  const clock = handClock();
  const asked: UsageQuery[] = [];
  let fails = false;
  const opportunities = createOpportunities({
    clock,
    reports: {
      usage: (query) => {
        asked.push(query);
        return fails ? Promise.reject(new Error('busy')) : Promise.resolve({ rows: [usage({ workspace: 'shop', model: 'a', outcome: 'truncated' }, { cost: 1_000_000_000n })], total: usage({}, {}) });
      },
    },
  });
  const first = await opportunities();
  expect(first.find((o) => o.lever === 'truncated_answers')?.usd).toBe(1);
  await opportunities();
  expect(asked.length).toBe(2);
  fails = true;
  clock.ran += 600_000;
  expect(await opportunities()).toEqual(first);
  expect(asked.length).toBe(4);
});

test('workspaces that are no labels are summed under other', async () => {
  const { metrics } = metricsWith({ opportunities: () => Promise.resolve([{ workspace: 'old-a', lever: 'truncated_answers', usd: 1 }, { workspace: 'old-b', lever: 'truncated_answers', usd: 2 }, { workspace: 'support', lever: 'unread_cache_writes', usd: 4 }]) });
  const samples = await scrape(metrics);
  metrics.close();
  expect([...samples].filter(([name]) => name.startsWith('tollgate_opportunity_usd'))).toEqual([
    ['tollgate_opportunity_usd{workspace="other",lever="truncated_answers",confidence="signal"}', 3],
    ['tollgate_opportunity_usd{workspace="support",lever="unread_cache_writes",confidence="bounded"}', 4],
  ]);
});
