// test/web/time.test.ts: days on screen are days of a zone, with 23, 24 or 25 hours, and buckets leave no gap.

import * as fc from 'fast-check';
import { DateTime } from 'luxon';
import { expect, test } from 'vitest';
import { bucketsOf } from '../../web/state/buckets.ts';
import { addDays, hourMs, next, startOf } from '../../web/state/zone.ts';

const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Auckland');
const instants = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2032, 0, 1) });

test('the start of an hour, a day and a month is the one that luxon finds', () => {
  fc.assert(
    fc.property(instants, zones, fc.constantFrom('hour' as const, 'day' as const, 'month' as const), (at, zone, unit) => {
      expect(startOf(unit, at, zone)).toBe(DateTime.fromMillis(at, { zone }).startOf(unit).toMillis());
    }),
  );
});

test.each([
  { name: 'spring', day: Date.UTC(2026, 2, 29, 10), hours: 23 },
  { name: 'autumn', day: Date.UTC(2026, 9, 25, 10), hours: 25 },
  { name: 'winter', day: Date.UTC(2026, 0, 15, 10), hours: 24 },
])('a day of the clock change in $name has $hours hours', ({ day, hours }) => {
  const start = startOf('day', day, 'Europe/Berlin');
  expect((next('day', start, 'Europe/Berlin') - start) / hourMs).toBe(hours);
});

test('moving by days keeps the wall clock', () => {
  const before = Date.UTC(2026, 9, 24, 12); // 14:00 in Berlin, the day before the clocks go back
  expect(new Date(addDays(before, 1, 'Europe/Berlin')).toISOString()).toBe('2026-10-25T13:00:00.000Z');
});

test('buckets follow each other without a gap and cover the whole range', () => {
  fc.assert(
    fc.property(instants, fc.integer({ min: 1, max: 40 * 24 }), zones, fc.constantFrom('hour' as const, 'day' as const, 'month' as const), (from, hours, zone, unit) => {
      const range = { from, to: from + hours * hourMs };
      const buckets = bucketsOf(range, unit, zone, range.to);
      expect(buckets[0]!.from).toBeLessThanOrEqual(range.from);
      expect(buckets.at(-1)!.to).toBeGreaterThanOrEqual(range.to);
      for (let i = 1; i < buckets.length; i++) expect(buckets[i]!.from).toBe(buckets[i - 1]!.to);
      expect(buckets.filter((bucket) => bucket.running).length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 60 },
  );
});

test.each([
  { name: 'the last one where the range ends at the present', to: 29.5, now: 29.5, running: [28] },
  { name: 'the one of today where the range ends in the future', to: 40, now: 29.5, running: [28] },
  { name: 'none where the range ended before, even on the same day', to: 29.2, now: 29.5, running: [] },
  { name: 'none where no part of the day has gone', to: 29, now: 29, running: [] },
])('the bucket that is still filling is $name', ({ to, now, running }) => {
  const first = Date.UTC(2026, 9, 1);
  const buckets = bucketsOf({ from: first, to: first + (to - 1) * 24 * hourMs }, 'day', 'UTC', first + (now - 1) * 24 * hourMs);
  expect(buckets.flatMap((bucket, i) => (bucket.running ? [i] : []))).toEqual(running);
});
