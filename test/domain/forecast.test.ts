// test/domain/forecast.test.ts: the forecast of a budget against histories whose future is known.

import fc from 'fast-check';
import { DateTime } from 'luxon';
import { describe, expect, test } from 'vitest';
import { periodAt, type PeriodKind } from '../../server/domain/calendar.ts';
import { forecast, neverBelow, reachesLimitAt } from '../../server/domain/forecast.ts';
import { epochMs, type EpochMs } from '../../server/domain/ids.ts';
import { nanodollars, NO_MONEY } from '../../server/domain/money.ts';

const HOUR = 3_600_000;
const BERLIN = 'Europe/Berlin';
const at = (text: string, zone = BERLIN): EpochMs => epochMs(DateTime.fromISO(text, { zone }).toMillis());

/** One entry per hour in [from, to) for which `cost` is not zero. */
function history(from: EpochMs, to: EpochMs, zone: string, cost: (local: DateTime) => bigint) {
  const hours: { hour: EpochMs; cost: ReturnType<typeof nanodollars> }[] = [];
  for (let hour: number = from; hour < to; hour += HOUR) {
    const amount = cost(DateTime.fromMillis(hour, { zone }));
    if (amount !== 0n) hours.push({ hour: epochMs(hour), cost: nanodollars(amount) });
  }
  return hours;
}

function outlook(options: { now: EpochMs; since: EpochMs; cost: (local: DateTime) => bigint; kind?: PeriodKind; zone?: string }) {
  const zone = options.zone ?? BERLIN;
  const period = periodAt(options.kind ?? 'month', options.now, zone);
  const hourly = history(options.since, options.now, zone, options.cost);
  const spent = nanodollars(hourly.filter((h) => h.hour >= period.from).reduce((sum, h) => sum + h.cost, 0n));
  return { spent, now: options.now, period, hourly, zone };
}

const officeHours = (local: DateTime): bigint => (local.weekday <= 5 && local.hour >= 9 && local.hour < 17 ? 1_000_000_000n : 0n);

describe('a forecast', () => {
  test.each([
    { name: 'across the autumn clock change', now: '2026-10-12T12:00', since: '2026-08-31T00:00' },
    { name: 'across the spring clock change', now: '2026-03-20T00:00', since: '2026-02-01T00:00' },
    { name: 'in an ordinary month', now: '2026-06-10T09:00', since: '2026-04-27T00:00' },
  ])('knows office hours, $name', ({ now, since }) => {
    const given = outlook({ now: at(now), since: at(since), cost: officeHours });
    const rest = history(given.now, given.period.to, BERLIN, officeHours).reduce((sum, h) => sum + h.cost, 0n);
    // Spend that repeats to the nano-dollar has no spread, so both bounds are the truth itself.
    expect(forecast(given)).toEqual({ p50: given.spent + rest, p90: given.spent + rest });
  });

  test('takes the median, so that one wild day changes nothing', () => {
    const wild = (local: DateTime): bigint => (local.toISODate() === '2026-06-02' ? 500n : 1n) * 1_000_000n;
    const given = outlook({ now: at('2026-06-16T00:00'), since: at('2026-05-01T00:00'), cost: wild });
    expect(forecast(given)?.p50).toBe(given.spent + 15n * 24n * 1_000_000n);
  });

  test('with less than three weeks of history goes by the mean of the last seven full days', () => {
    // 14 full days: 10 per hour in the first seven, 20 in the last seven; today's own hours do not count towards the mean.
    const cost = (local: DateTime): bigint => (local.day <= 8 ? 10n : local.day <= 15 ? 20n : 1_000_000n);
    const given = outlook({ now: at('2026-06-16T12:00'), since: at('2026-06-01T13:00'), cost });
    expect(forecast(given)?.p50).toBe(given.spent + 20n * 12n + 20n * 24n * 14n);
  });

  test('counts the part of the current hour that is left, rounded up to the nano-dollar', () => {
    const given = outlook({ now: at('2026-06-30T23:40'), since: at('2026-05-01T00:00'), cost: () => 100n });
    expect(forecast(given)?.p50).toBe(given.spent + 34n);
  });

  test('spreads p90 by 1.28 sigma for each root of a day left, sigma from the median absolute deviation', () => {
    // Eleven days of 10,000, 20,000, … 110,000: the last seven have a mean of 80,000, and half of all days lie within 30,000 of the middle one.
    const cost = (local: DateTime): bigint => (local.hour === 0 ? BigInt(local.day - 2) * 10_000n : 0n);
    const given = outlook({ now: at('2026-06-14T00:00'), since: at('2026-06-03T00:00'), cost });
    const expected = given.spent + 17n * 80_000n + BigInt(Math.ceil(1.28 * 1.4826 * 30_000 * Math.sqrt(17)));
    expect(forecast(given)?.p90).toBe(expected);
  });

  test.each([
    { name: 'before a tenth of the period', now: '2026-06-03T23:59', since: '2026-05-01T00:00', silent: true },
    { name: 'not after a tenth of the period', now: '2026-06-04T00:00', since: '2026-05-01T00:00', silent: false },
    { name: 'with two full days of history', now: '2026-06-20T23:00', since: '2026-06-17T01:00', silent: true },
    { name: 'not with three full days of history', now: '2026-06-21T00:00', since: '2026-06-17T01:00', silent: false },
  ])('is silent $name', ({ now, since, silent }) => {
    const given = outlook({ now: at(now), since: at(since), cost: () => 5n });
    expect(forecast(given) === null).toBe(silent);
    expect(reachesLimitAt(given, nanodollars(given.spent + 5n)) === null).toBe(silent);
  });

  test('is silent without any history', () => {
    const given = outlook({ now: at('2026-06-20T00:00'), since: at('2026-06-20T00:00'), cost: () => 1n });
    expect(forecast(given)).toBeNull();
  });

  test('of a period that is over is what was spent', () => {
    const given = outlook({ now: at('2026-06-20T00:00'), since: at('2026-05-01T00:00'), cost: () => 7n });
    const over = { ...given, now: given.period.to };
    expect(forecast(over)).toEqual({ p50: given.spent, p90: given.spent });
  });

  test('throws for a zone that the runtime does not know', () => {
    const given = outlook({ now: at('2026-06-20T00:00'), since: at('2026-05-01T00:00'), cost: () => 7n });
    expect(() => forecast({ ...given, zone: 'Mars/Olympus' })).toThrow(RangeError);
  });
});

describe('the instant a limit is reached', () => {
  const steady = outlook({ now: at('2026-06-16T00:00'), since: at('2026-05-01T00:00'), cost: () => 3_600_000n });

  test.each([
    { name: 'is now when it is spent already', ask: 0n, after: 0 },
    { name: 'falls within an hour, to the millisecond', ask: 3_600_000n + 1_800_000n, after: 1.5 * HOUR },
    { name: 'is the end of the period when the path ends on the limit', ask: 15n * 24n * 3_600_000n, after: 15 * 24 * HOUR },
  ])('$name', ({ ask, after }) => {
    expect(reachesLimitAt(steady, nanodollars(steady.spent + ask))).toBe(steady.now + after);
  });

  test('is null when the path ends a nano-dollar below the limit', () => {
    expect(reachesLimitAt(steady, nanodollars(steady.spent + 15n * 24n * 3_600_000n + 1n))).toBeNull();
  });

  test('exists exactly when the median forecast reaches the limit, in any zone', () => {
    const zones = fc.constantFrom('UTC', BERLIN, 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'Pacific/Apia');
    const given = fc.record({
      zone: zones,
      day: fc.integer({ min: 0, max: 364 }),
      back: fc.integer({ min: 0, max: 40 }),
      kind: fc.constantFrom<PeriodKind>('day', 'week', 'month', 'quarter'),
      costs: fc.array(fc.bigInt({ min: 0n, max: 10n ** 12n }), { minLength: 1, maxLength: 50 }),
      limit: fc.bigInt({ min: 1n, max: 10n ** 15n }),
    });
    fc.assert(
      fc.property(given, ({ zone, day, back, kind, costs, limit }) => {
        const now = epochMs(at('2026-01-01T17:23', zone) + day * 24 * HOUR);
        let turn = 0;
        const cost = (): bigint => costs[turn++ % costs.length] ?? 0n;
        const o = outlook({ now, since: periodAt('hour', epochMs(now - back * 24 * HOUR), zone).from, cost, kind, zone });
        const bounds = forecast(o);
        const reached = reachesLimitAt(o, nanodollars(limit));
        if (o.spent >= limit) return reached === now;
        if (bounds === null || bounds.p50 < limit) return reached === null;
        return bounds.p90 >= bounds.p50 && reached !== null && reached > now && reached <= o.period.to;
      }),
      { numRuns: 150 },
    );
  });

  test('costs nothing to ask of an empty budget: nothing spent reaches nothing', () => {
    const idle = outlook({ now: at('2026-06-16T00:00'), since: at('2026-06-16T00:00'), cost: () => 0n });
    expect(reachesLimitAt(idle, nanodollars(1n))).toBeNull();
    expect(reachesLimitAt(idle, NO_MONEY)).toBe(idle.now);
  });
});

test.each([
  { spent: 5n, is: [9n, 12n] },
  { spent: 10n, is: [10n, 12n] },
  { spent: 13n, is: [13n, 13n] },
])('a forecast that was made a while ago is never below the $spent that are spent by now', ({ spent, is }) => {
  expect(Object.values(neverBelow({ p50: nanodollars(9n), p90: nanodollars(12n) }, nanodollars(spent)))).toEqual(is);
});
