// test/store/reports-actions.test.ts: what actions cost, against adding up every call by hand.

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { periodAt } from '../../server/domain/calendar.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { select } from '../../server/store/sqlite/reports-actions.ts';
import { report } from '../../server/store/sqlite/reports.ts';
import { openSource } from '../../server/store/sqlite/reports-source.ts';
import { calls, everything, filters, means, PLACES } from './told-calls.ts';
import { anyCall, costOf, isRefused, writtenLedger, type ToldCall } from './written-ledger.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

function opened(told: readonly ToldCall[], zone = 'UTC') {
  const ledger = writtenLedger(zone);
  ledger.write(told);
  const source = openSource(ledger.file, zone);
  closing.push(() => (source.close(), ledger.remove()));
  return source;
}

/** Costs per action, sorted; by workflow, local day and action, or the call itself. */
function byHand(told: readonly ToldCall[], zone: string): bigint[] {
  const sums = new Map<string, bigint>();
  told.forEach((call, n) => {
    const key = JSON.stringify([call.workspace, call.workflow, call.action ?? n, call.action !== null && periodAt('day', epochMs(call.at), zone).from]);
    sums.set(key, (sums.get(key) ?? 0n) + costOf(call));
  });
  return [...sums.values()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

test('the value at a place is the one that sorting puts there, and stays the boundary between less and more', () => {
  // Few different values: equal ones are what a selection goes wrong on.
  fc.assert(fc.property(fc.array(fc.oneof(fc.nat(4), fc.nat()), { minLength: 1, maxLength: 200 }), fc.nat(), fc.nat(), (values, a, b) => {
    const sorted = values.toSorted((x, y) => x - y);
    const [low, high] = [a % values.length, b % values.length].sort((x, y) => x - y) as [number, number];
    const places = Float64Array.from(values);
    expect(select(places, high, values.length - 1)).toBe(sorted[high]);
    expect(select(places, low, high)).toBe(sorted[low]);
    expect(Array.from(places).toSorted((x, y) => x - y)).toEqual(sorted);
  }));
});

describe('what actions cost', () => {
  test.each(PLACES.slice(0, 3))('is what their calls add up to, in $zone around $change', ({ zone, change }) => {
    fc.assert(
      fc.property(calls(change), fc.array(filters(change), { minLength: 6, maxLength: 6 }), (told, questions) => {
        const source = opened(told, zone);
        for (const filter of questions) {
          const meant = told.filter((call) => means(filter, call) && !isRefused(call) && call.outcome !== null);
          const costs = byHand(meant, zone);
          const { total, rows, steps, from } = report(source, 'actions', { filter, groupBy: ['workspace', 'workflow'], most: 1_000 });
          expect(from).toBe(filter.from);
          expect(total).toEqual({
            actions: costs.length, calls: meant.length, named: meant.filter((call) => call.action !== null).length, cost: costs.reduce((a, b) => a + b, 0n),
            p50: costs[Math.max(0, Math.ceil(costs.length * 0.5) - 1)] ?? null, p95: costs[Math.max(0, Math.ceil(costs.length * 0.95) - 1)] ?? null,
          });
          expect(rows.reduce((sum, row) => sum + row.actions, 0)).toBe(costs.length);
          expect(rows.reduce((sum, row) => sum + row.cost, 0n)).toBe(total.cost);
          expect(steps.map((step) => step.actions)).toEqual(steps.map((step) => costs.filter((cost) => cost >= step.from && cost < step.to).length));
          expect(steps.reduce((sum, step) => sum + step.actions, 0)).toBe(costs.filter((cost) => cost > 0n).length);
        }
        closing.splice(0).forEach((close) => close());
      }),
      { numRuns: 8 },
    );
  });

  test('counts an action at the time of its first call, each day anew, and names the dearest', () => {
    const hour = 3_600_000;
    const source = opened([
      { ...anyCall, action: 'ticket-1', cost: 5n },
      { ...anyCall, at: anyCall.at + hour, action: 'ticket-1', cost: 7n },
      { ...anyCall, at: anyCall.at + hour, action: 'ticket-2', cost: 4n },
      { ...anyCall, at: anyCall.at + 24 * hour, action: 'ticket-1', cost: 1n },
    ]);
    const daily = report(source, 'actions', { filter: everything, groupBy: ['day'], most: 10 });
    expect(daily.rows.map((row) => [row.actions, row.calls, row.cost])).toEqual([[2, 3, 16n], [1, 1, 1n]]);
    const { rows, dearest } = report(source, 'actions', { filter: { ...everything, to: epochMs(anyCall.at + 2 * hour) }, groupBy: ['hour'], most: 10 });
    expect(rows.map((row) => [row.actions, row.calls, row.cost])).toEqual([[1, 2, 12n], [1, 1, 4n]]);
    expect(dearest.map(({ action, calls: count, cost }) => [action, count, cost])).toEqual([['ticket-1', 2, 12n], ['ticket-2', 1, 4n]]);
  });

  test('past the most calls it reads, begins later and says from when', () => {
    const told = [1, 2, 3, 4, 5].map((minute) => ({ ...anyCall, at: anyCall.at + minute * 60_000, cost: BigInt(minute) }));
    const { total, from } = report(opened(told), 'actions', { filter: everything, groupBy: [], most: 3 });
    expect(total.calls).toBe(3);
    expect(total.cost).toBe(12n);
    expect(from).toBe(anyCall.at + 2 * 60_000 + 1);
  });
});
