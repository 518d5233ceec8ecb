// test/web/figures.test.ts: what the pages make of the server's figures: series, movers, forecast, burn bar, colours.

import { describe, expect, test } from 'vitest';
import type { BudgetRow, UsageAnswer, UsageRow } from '../../server/http/admin/wire.ts';
import { slotsFor } from '../../web/charts/palette.ts';
import { burnOf } from '../../web/pages/budgets/scale.ts';
import { monthEnd } from '../../web/pages/overview/forecast.ts';
import { group, MEASURES, perBucket } from '../../web/pages/overview/measures.ts';
import { causesFor, moversOf, why } from '../../web/pages/overview/moves.ts';
import { bucketsOf } from '../../web/state/buckets.ts';

const monday = Date.UTC(2026, 10, 16);
const dayMs = 86_400_000;
const usd = (dollars: number): string => dollars.toFixed(9);

function usage(more: Partial<UsageRow> & { cost?: number }): UsageRow {
  const { cost = 0, ...rest } = more;
  return {
    requests: 1, attempts: 1, refused: 0, errors: 0, tokens: { input: 0, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0, output: 0 }, web_searches: 0,
    cost_usd: usd(cost), estimated_cost_usd: usd(0), cache_savings_usd: usd(0), duration_ms: { p50: null, p95: null }, ttft_ms: { p50: null, p95: null }, ...rest,
  };
}
const answer = (rows: UsageRow[]): UsageAnswer => ({ from: '', to: '', timezone: 'UTC', group_by: [], rows, truncated: false, total: usage({}) });
const day = (n: number): string => new Date(monday + n * dayMs).toISOString();

describe('the main chart', () => {
  const buckets = bucketsOf({ from: monday, to: monday + 2 * dayMs }, 'day', 'UTC', null);

  test('shows the seven biggest and the rest as Other, and its columns add up to the total', () => {
    const rows = Array.from({ length: 10 }, (_, i) => [0, 1].map((n) => usage({ workspace: `w${i}`, day: day(n), cost: i + 1 + n / 10 }))).flat();
    const totals = perBucket(rows, buckets, 'day', MEASURES.cost);
    const { shown, other } = group(rows, totals, buckets, 'day', 'workspace', MEASURES.cost);
    expect(shown.map((one) => one.value)).toEqual(['w9', 'w8', 'w7', 'w6', 'w5', 'w4', 'w3']);
    const all = shown.reduce((sum, one) => sum + one.total, other!.total);
    expect(all).toBe(totals.reduce((a, b) => a + b, 0n));
    expect(other!.series.values).toEqual([6, 6.3]);
  });

  test('has no Other where everything is shown', () => {
    const rows = [usage({ workspace: 'a', day: day(0), cost: 1 })];
    expect(group(rows, perBucket(rows, buckets, 'day', MEASURES.cost), buckets, 'day', 'workspace', MEASURES.cost).other).toBeNull();
  });

  test('names what has no user, and does not mix it up with a user', () => {
    const rows = [usage({ user: null, day: day(0), cost: 2 }), usage({ user: 'u1', day: day(1), cost: 1 })];
    const { shown } = group(rows, perBucket(rows, buckets, 'day', MEASURES.cost), buckets, 'day', 'user', MEASURES.cost);
    expect(shown.map((one) => [one.value, one.series.name])).toEqual([[null, 'no user'], ['u1', 'u1']]);
  });
});

describe('movers', () => {
  test('rank by dollars, risen first, and leave out what did not move', () => {
    const now = answer([usage({ model: 'a', cost: 5 }), usage({ model: 'b', cost: 1 }), usage({ model: 'c', cost: 2 }), usage({ model: 'd', cost: 9 })]);
    const before = answer([usage({ model: 'a', cost: 1 }), usage({ model: 'b', cost: 4 }), usage({ model: 'c', cost: 2 }), usage({ model: 'd', cost: 8 })]);
    expect(moversOf(now, before, 'model').map((mover) => mover.value)).toEqual(['a', 'd', 'b']);
  });

  test.each([
    { name: 'more calls', now: { cost: 20, requests: 20 }, is: 'more calls +$10.00' },
    { name: 'another model', now: { cost: 20, requests: 10, model: 'o' }, is: 'dearer models +$10.00' },
    { name: 'something that stopped', now: null, is: 'stopped' },
  ])('are put down to $name', ({ now, is }) => {
    const before = [usage({ workspace: 'x', model: 'h', cost: 10, requests: 10 })];
    const rows = now ? [usage({ workspace: 'x', model: 'h', ...now })] : [];
    const [mover] = moversOf(answer(rows), answer(before), 'workspace');
    expect(why(mover!, causesFor(mover!, rows, before, 'workspace'))).toBe(is);
  });
  test('are new where nothing was before', () => {
    const [mover] = moversOf(answer([usage({ workspace: 'x', cost: 1 })]), answer([usage({ workspace: 'y', cost: 1 })]), 'workspace');
    expect(why(mover!, null)).toBe('new');
  });
});

describe('the forecast to the end of the month', () => {
  test('adds the mean of the last days for every day left, and more at p90 the more they scatter', () => {
    expect(monthEnd(100n, [10n, 10n, 10n], 5)).toEqual({ p50: 150n, p90: 150n });
    const scattered = monthEnd(100n, [0n, 10n, 20n], 5)!;
    expect(scattered.p50).toBe(150n);
    expect(scattered.p90).toBeGreaterThan(scattered.p50);
  });
  test('says nothing after two days', () => {
    expect(monthEnd(100n, [10n, 10n], 5)).toBeNull();
  });
});

describe('a burn bar', () => {
  const budget = (more: Partial<BudgetRow>): BudgetRow => ({
    id: 'b', scope: { organization: true }, mode: 'hard', dry_run: false, period: { kind: 'day', from: day(0), to: day(1) }, limit_usd: usd(100), granted_usd: usd(0), grants: [], tolerance_usd: usd(0), spent_usd: usd(40), held_usd: usd(10), hold: 'worst_case', expected_usd: usd(10), overshoot_usd: usd(0), at_risk_usd: usd(0),
    remaining_usd: usd(50), refused: null, forecast_usd: null, alerts: [{ at: 0.8, state: 'ok', since: null }], notify: [], ...more,
  });

  test('ends at the limit and marks the pace by the time that has gone', () => {
    const burn = burnOf(budget({}), monday + dayMs / 4);
    expect(burn).toMatchObject({ limit: 1, spent: 0.4, held: 0.1, pace: 0.25, cut: false });
    expect(burn.ticks[0]!.share).toBeCloseTo(0.8);
  });
  test('makes room for a forecast beyond the limit, up to one and a half limits', () => {
    expect(burnOf(budget({ forecast_usd: { p50: usd(110), p90: usd(125) } }), monday).limit).toBeCloseTo(0.8);
    expect(burnOf(budget({ forecast_usd: { p50: usd(300), p90: usd(400) } }), monday)).toMatchObject({ cut: true });
  });
  test('shows an overspend in full', () => {
    const burn = burnOf(budget({ spent_usd: usd(400), held_usd: usd(0) }), monday);
    expect([burn.spent, burn.limit]).toEqual([1, 0.25]);
  });
});

describe('colours', () => {
  test('stay with their name whatever else is drawn', () => {
    const [first] = slotsFor('test-kind', ['support']);
    expect(slotsFor('test-kind', ['catalog', 'support', 'research'])[1]).toEqual(first);
  });
  test('differ between any twelve names, the seventh and later ones by stripes', () => {
    const slots = slotsFor('test-many', Array.from({ length: 12 }, (_, i) => `name-${i}`));
    expect(new Set(slots.map((slot) => JSON.stringify(slot))).size).toBe(12);
    expect(slots.slice(0, 6).every((slot) => !slot.striped)).toBe(true);
  });
});
