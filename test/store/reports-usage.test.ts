// test/store/reports-usage.test.ts: usage out of roll-ups is usage out of rows, to the nano-dollar, in every zone and across every clock change.

import fc from 'fast-check';
import { DateTime } from 'luxon';
import { afterEach, describe, expect, test } from 'vitest';
import { periodAt } from '../../server/domain/calendar.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { GROUPINGS, type Filter, type Grouping, type UsageFigures, type UsageReport } from '../../server/domain/reports.ts';
import { report } from '../../server/store/sqlite/reports.ts';
import { openSource } from '../../server/store/sqlite/reports-source.ts';
import { deleteOldRows } from '../../server/store/sqlite/retention.ts';
import { calls, everything, filters, means, PLACES } from './told-calls.ts';
import { anyCall, costOf, isRefused, modelOf, writtenLedger, type ToldCall } from './written-ledger.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

/** @param foldedBy before half of the calls, after the other half, or never: reports must not tell */
function written(told: readonly ToldCall[], zone: string, foldedBy: number | null = null, twice = false): (filter: Filter, groupBy: readonly Grouping[], limit?: number, times?: boolean) => UsageReport {
  const ledger = writtenLedger(zone);
  ledger.write(told.filter((_, n) => n % 2 === 0));
  if (foldedBy !== null && twice) ledger.fold(foldedBy);
  ledger.write(told.filter((_, n) => n % 2 === 1));
  if (foldedBy !== null) ledger.fold(foldedBy);
  const source = openSource(ledger.file, zone);
  closing.push(() => (source.close(), ledger.remove()));
  return (filter, groupBy, limit = 1_000_000, times = true) => report(source, 'usage', { filter, groupBy, limit, times });
}

/** The group of a call, computed without any code of the store. */
function groupOf(call: ToldCall, groupBy: readonly Grouping[], zone: string): Record<string, unknown> {
  const local = DateTime.fromMillis(call.at, { zone });
  const values: Record<Grouping, unknown> = {
    workspace: call.workspace, workflow: call.workflow, user: call.user, model: modelOf(call), key: call.key, outcome: call.outcome,
    hour: periodAt('hour', epochMs(call.at), zone).from, day: local.startOf('day').toMillis(), month: local.startOf('month').toMillis(),
  };
  return Object.fromEntries(groupBy.map((grouping) => [grouping, values[grouping]]));
}

const sum = (told: readonly ToldCall[], of: (call: ToldCall) => number): number => told.reduce((total, call) => total + of(call), 0);
const sumMoney = (told: readonly ToldCall[], of: (call: ToldCall) => bigint): bigint => told.reduce((total, call) => total + of(call), 0n);
const NO_ERROR = ['ok', 'truncated', 'refused', 'client_abort'];

/** The exact figures of some ended calls; percentiles apart. */
function figuresOf(told: readonly ToldCall[]) {
  const billed = told.filter((call) => !isRefused(call));
  const tokens = (kind: keyof ToldCall['tokens']): number => sum(billed, (call) => call.tokens[kind]);
  return {
    requests: told.length,
    attempts: sum(billed, (call) => call.attempts),
    refused: told.length - billed.length,
    errors: told.filter((call) => !NO_ERROR.includes(call.outcome ?? '')).length,
    tokens: { input: tokens('input'), cacheWrite5m: tokens('cacheWrite5m'), cacheWrite1h: tokens('cacheWrite1h'), cacheRead: tokens('cacheRead'), output: tokens('output') },
    webSearches: sum(billed, (call) => call.webSearches),
    cost: sumMoney(told, costOf),
    estimatedCost: sumMoney(billed, (call) => (call.estimated ? call.cost : 0n)),
    cacheSavings: sumMoney(billed, (call) => call.cacheSavings),
  };
}

const nearestRank = (values: readonly number[], fraction: number): number | null => values.toSorted((a, b) => a - b)[Math.ceil(fraction * values.length) - 1] ?? null;

function expectFigures(actual: UsageFigures, told: readonly ToldCall[]): void {
  const { duration, timeToFirstToken, ...exact } = actual;
  const { group: _, lastAt: __, ...figures } = exact as typeof exact & { group?: unknown; lastAt?: unknown };
  expect(figures).toEqual(figuresOf(told));
  const served = told.filter((call) => !isRefused(call));
  for (const [percentiles, values] of [
    [duration, served.map((call) => call.durationMs)],
    [timeToFirstToken, served.flatMap((call) => call.timeToFirstTokenMs ?? [])],
  ] as const) {
    for (const [found, fraction] of [[percentiles.p50, 0.5], [percentiles.p95, 0.95]] as const) {
      const truth = nearestRank(values, fraction);
      if (truth === null || found === null) expect(found).toBe(truth);
      // A sketch counts whole microseconds, and nothing below one.
      else expect(Math.abs(found - truth)).toBeLessThanOrEqual(Math.max(truth * 0.03, 0.001));
    }
  }
}

describe('usage', () => {
  test.each(PLACES)('is what adding up every row by hand gives, in $zone around $change', ({ zone, change }) => {
    const cases = fc.record({
      told: calls(change),
      foldedBy: fc.option(fc.integer({ min: -25, max: 25 }).map((days) => change + days * 86_400_000)),
      twice: fc.boolean(),
      questions: fc.array(fc.record({ filter: filters(change), groupBy: fc.oneof(fc.subarray([...GROUPINGS], { maxLength: 3 }), fc.subarray<Grouping>(['workspace', 'model', 'day'])) }), { minLength: 12, maxLength: 12 }),
    });
    fc.assert(
      fc.property(cases, ({ told, foldedBy, twice, questions }) => {
        const ask = written(told, zone, foldedBy, twice);
        for (const [n, { filter, groupBy }] of questions.entries()) {
          const { rows, total } = ask(filter, groupBy);
          const matching = told.filter((call) => call.outcome !== null && means(filter, call));
          expectFigures(total, matching);
          const groups = new Map<string, ToldCall[]>();
          for (const call of matching) {
            const group = JSON.stringify(groupOf(call, groupBy, zone));
            groups.set(group, [...(groups.get(group) ?? []), call]);
          }
          expect(rows.map((row) => JSON.stringify(row.group)).toSorted()).toEqual([...groups.keys()].toSorted());
          for (const row of rows) expectFigures(row, groups.get(JSON.stringify(row.group)) ?? []);
          if (n % 4 > 0) continue;
          // Without times, all the rest is the same.
          const untold = { duration: { p50: null, p95: null }, timeToFirstToken: { p50: null, p95: null } };
          expect(ask(filter, groupBy, undefined, false)).toEqual({ rows: rows.map((row) => ({ ...row, ...untold })), total: { ...total, ...untold } });
        }
        closing.splice(0).forEach((close) => close());
      }),
      { numRuns: 10 },
    );
  });

  const filter: Filter = { ...everything, from: epochMs(Date.UTC(2026, 5, 1)), to: epochMs(Date.UTC(2026, 6, 1)) };
  const day = (n: number): number => Date.UTC(2026, 5, n, 12);

  test('by user alone says when each called last in the range, and by more does not', () => {
    const ask = written([[9, null], [10, 'bob'], [11, 'ada'], [12, 'bob']].map(([n, user]) => ({ ...anyCall, at: day(n as number), user: user as string | null })), 'UTC');
    expect(new Map(ask({ ...filter, to: epochMs(day(12)) }, ['user']).rows.map((row) => [row.group.user, row.lastAt]))).toEqual(new Map([['ada', day(11)], ['bob', day(10)], [null, undefined]]));
    expect(ask(filter, ['user', 'workspace']).rows.some((row) => 'lastAt' in row)).toBe(false);
  });

  test('gives the dearest rows first, and equal ones always in one order', () => {
    const ask = written(
      ['c', 'a', 'b'].map((workflow) => ({ ...anyCall, workflow, cost: 5n })).concat({ ...anyCall, workflow: 'dear', cost: 6n }, { ...anyCall, workflow: 'cheap', cost: 4n }),
      'UTC',
    );
    expect(ask(filter, ['workflow']).rows.map((row) => row.group.workflow)).toEqual(['dear', 'a', 'b', 'c', 'cheap']);
  });

  test('by time gives the earliest first, and within a time the dearest', () => {
    const ask = written([[11, 'x', 1n], [10, 'x', 1n], [10, 'y', 2n]].map(([n, workflow, cost]) => ({ ...anyCall, at: day(n as number), workflow: workflow as string, cost: cost as bigint })), 'UTC');
    expect(ask(filter, ['workflow', 'day']).rows.map((row) => [row.group.day, row.group.workflow])).toEqual([
      [Date.UTC(2026, 5, 10), 'y'], [Date.UTC(2026, 5, 10), 'x'], [Date.UTC(2026, 5, 11), 'x'],
    ]);
  });

  test('leaves rows past the limit out, the cheapest first, and in the total', () => {
    const ask = written([1n, 3n, 2n].map((cost, n) => ({ ...anyCall, at: day(n + 1), cost })), 'UTC');
    const { rows, total } = ask(filter, ['day'], 2);
    expect(rows.map((row) => row.cost)).toEqual([3n, 2n]);
    expect(total.cost).toBe(6n);
    expect(total.requests).toBe(3);
  });

  test('of nothing has no rows and a total of zeros', () => {
    const ask = written([anyCall], 'UTC');
    const { rows, total } = ask({ ...filter, workflow: ['never-called'] }, ['day']);
    expect(rows).toEqual([]);
    expectFigures(total, []);
    expect(ask({ ...filter, from: filter.to, to: filter.from }, []).rows).toEqual([]);
  });

  test.each(PLACES)('of all time is found from the first instant to the last, in $zone', ({ zone }) => {
    const ask = written([anyCall], zone);
    for (const groupBy of [[], ['hour'], ['user'], ['month']] as const) expect(ask({ ...everything, from: epochMs(-8.64e15) }, groupBy).total.requests).toBe(1);
  });

  test('does not count a call in flight until it ends', () => {
    const ask = written([{ ...anyCall, outcome: null }], 'UTC');
    expect(ask(filter, []).total.requests).toBe(0);
  });

  test('outlives the rows: what retention deleted is still counted in whole hours, and nothing after the range is', () => {
    const ledger = writtenLedger('UTC');
    ledger.write([6, 11, 13, 18].map((hour) => ({ ...anyCall, at: Date.UTC(2026, 5, 10, hour), cost: 1n })));
    expect(deleteOldRows(ledger.db, { now: Date.UTC(2026, 11, 1), days: 90, zone: 'UTC' })).toBe(4);
    const source = openSource(ledger.file, 'UTC');
    closing.push(() => (source.close(), ledger.remove()));
    const requests = (to: number): number =>
      report(source, 'usage', { filter: { ...filter, to: epochMs(to) }, groupBy: [], limit: 1 }).total.requests;
    expect([7, 12, 14, 24].map((hour) => requests(Date.UTC(2026, 5, 10, hour)))).toEqual([1, 2, 3, 4]);
  });

  test('takes a name with the marks of SQL in it as a name', () => {
    const name = `x' OR '1'='1`;
    const ask = written([anyCall, { ...anyCall, user: name }], 'UTC');
    expect(ask({ ...filter, user: [name] }, ['user']).rows.map((row) => row.group.user)).toEqual([name]);
    expect(ask({ ...filter, session: [name] }, []).total.requests).toBe(0);
  });
});
