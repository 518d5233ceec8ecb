// test/domain/calendar.test.ts: periods tile time in every zone there is, whatever its clocks do.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PERIODS, periodAt, periodsAround, type PeriodKind } from '../../server/domain/calendar.ts';
import { epochMs } from '../../server/domain/ids.ts';

const at = (iso: string) => epochMs(Date.parse(iso));
const iso = (ms: number): string => new Date(ms).toISOString().slice(0, 16);
const HOUR = 3_600_000;

/** Zones with halves and quarters of hours, midnights that do not exist, changes of half an hour and of two, and a day that was left out. */
const ODD = [
  'Australia/Lord_Howe', 'Asia/Kathmandu', 'Asia/Kolkata', 'Pacific/Chatham', 'Africa/Cairo', 'America/Santiago', 'Asia/Beirut', 'America/Havana', 'Antarctica/Troll', 'Pacific/Apia',
  'America/St_Johns', 'America/Asuncion', 'Europe/Berlin', 'America/New_York', 'Asia/Pyongyang', 'Africa/Casablanca', 'Pacific/Kiritimati', 'Asia/Tehran', 'America/Caracas', 'UTC',
];

/** The period of an instant holds it, is the same seen from its first and its last instant, and the next one begins where it ends. */
function tiles(kind: PeriodKind, instant: number, zone: string): void {
  const period = periodAt(kind, epochMs(instant), zone);
  const said = `${kind} of ${iso(instant)} in ${zone}`;
  expect(period.from <= instant && instant < period.to, said).toBe(true);
  expect(periodAt(kind, period.from, zone), `first instant of the ${said}`).toEqual(period);
  expect(periodAt(kind, epochMs(period.to - 1), zone), `last instant of the ${said}`).toEqual(period);
  expect(periodAt(kind, period.to, zone).from, `end of the ${said}`).toBe(period.to);
  expect(periodAt(kind, epochMs(period.from - 1), zone).to, `before the ${said}`).toBe(period.from);
}

describe('periods tile time', () => {
  test.each(ODD)('in %s, at every change of its clocks in the years in which the odd ones happened', (zone) => {
    // St John's changed its clocks at a minute past midnight, Samoa left a day out, Pyongyang moved by half an hour, Cairo leaves midnight out.
    for (const change of [2009, 2011, 2015, 2018, 2027].flatMap((year) => changesOf(zone, Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)))) {
      for (const instant of [change - HOUR, change - 1, change, change + HOUR / 2]) for (const kind of ['hour', 'day'] as const) tiles(kind, instant, zone);
    }
  });

  test('at random instants of random zones, for every kind', () => {
    const zones = Intl.supportedValuesOf('timeZone');
    fc.assert(
      fc.property(fc.constantFrom(...PERIODS), fc.integer({ min: Date.UTC(2005, 0, 1), max: Date.UTC(2040, 0, 1) }), fc.oneof(fc.constantFrom(...ODD), fc.constantFrom(...zones)), tiles),
      { numRuns: 2_000 },
    );
  });
});

const formats = new Map<string, Intl.DateTimeFormat>();
function offsetOf(instant: number, zone: string): string {
  const format = formats.get(zone) ?? new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  formats.set(zone, format);
  return format.formatToParts(instant).find(({ type }) => type === 'timeZoneName')!.value;
}

/** Every first instant of a new offset. */
function changesOf(zone: string, from: number, to: number): number[] {
  const changes: number[] = [];
  for (let day = from; day < to; day += 24 * HOUR) {
    let [low, high] = [day, day + 24 * HOUR];
    const before = offsetOf(low, zone);
    if (offsetOf(high, zone) === before) continue;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetOf(middle, zone) === before) low = middle;
      else high = middle;
    }
    changes.push(high);
  }
  return changes;
}

describe('a period', () => {
  test.each<{ name: string; kind: PeriodKind; when: string; zone: string; from: string; to: string }>([
    { name: 'is a day of 23 hours where clocks go forward', kind: 'day', when: '2025-03-30T12:00:00Z', zone: 'Europe/Berlin', from: '2025-03-29T23:00', to: '2025-03-30T22:00' },
    { name: 'is a day of 25 hours where they go back', kind: 'day', when: '2025-10-26T12:00:00Z', zone: 'Europe/Berlin', from: '2025-10-25T22:00', to: '2025-10-26T23:00' },
    { name: 'is a leap day', kind: 'day', when: '2028-02-29T12:00:00Z', zone: 'UTC', from: '2028-02-29T00:00', to: '2028-03-01T00:00' },
    { name: 'is a February of 29 days', kind: 'month', when: '2028-02-29T23:59:59.999Z', zone: 'UTC', from: '2028-02-01T00:00', to: '2028-03-01T00:00' },
    { name: 'ends with the last millisecond of a month', kind: 'month', when: '2025-12-31T23:59:59.999Z', zone: 'UTC', from: '2025-12-01T00:00', to: '2026-01-01T00:00' },
    { name: 'is the next month one millisecond later', kind: 'month', when: '2026-01-01T00:00:00.000Z', zone: 'UTC', from: '2026-01-01T00:00', to: '2026-02-01T00:00' },
    { name: 'is cut at a quarter to the hour in Kathmandu', kind: 'day', when: '2026-01-01T00:00:00Z', zone: 'Asia/Kathmandu', from: '2025-12-31T18:15', to: '2026-01-01T18:15' },
    { name: 'is an hour on the zone’s own clock', kind: 'hour', when: '2026-01-01T00:00:00Z', zone: 'Asia/Kathmandu', from: '2025-12-31T23:15', to: '2026-01-01T00:15' },
    { name: 'begins a day at its first instant where clocks leave midnight out', kind: 'day', when: '2027-04-30T12:00:00Z', zone: 'Africa/Cairo', from: '2027-04-29T22:00', to: '2027-04-30T21:00' },
    { name: 'does so in Santiago', kind: 'day', when: '2025-09-07T12:00:00Z', zone: 'America/Santiago', from: '2025-09-07T04:00', to: '2025-09-08T03:00' },
    { name: 'begins a day with the first of two midnights', kind: 'day', when: '2025-11-02T12:00:00Z', zone: 'America/Havana', from: '2025-11-02T04:00', to: '2025-11-03T05:00' },
    { name: 'does not begin a day anew where clocks go back over midnight', kind: 'day', when: '2009-11-01T03:00:00Z', zone: 'America/St_Johns', from: '2009-11-01T02:30', to: '2009-11-02T03:30' },
    { name: 'leaves out a day that the zone left out', kind: 'day', when: '2011-12-30T10:00:00Z', zone: 'Pacific/Apia', from: '2011-12-30T10:00', to: '2011-12-31T10:00' },
    { name: 'is half an hour where clocks go forward by half an hour', kind: 'hour', when: '2025-10-04T15:45:00Z', zone: 'Australia/Lord_Howe', from: '2025-10-04T15:30', to: '2025-10-04T16:00' },
    { name: 'is a whole hour just before that', kind: 'hour', when: '2025-10-04T15:00:00Z', zone: 'Australia/Lord_Howe', from: '2025-10-04T14:30', to: '2025-10-04T15:30' },
    { name: 'is half an hour where they go back by half an hour', kind: 'hour', when: '2025-04-05T15:15:00Z', zone: 'Australia/Lord_Howe', from: '2025-04-05T15:00', to: '2025-04-05T15:30' },
    { name: 'is two hours of their own where a whole hour is repeated', kind: 'hour', when: '2025-10-26T01:30:00Z', zone: 'Europe/Berlin', from: '2025-10-26T01:00', to: '2025-10-26T02:00' },
    { name: 'begins a week on Monday', kind: 'week', when: '2026-01-01T00:00:00Z', zone: 'UTC', from: '2025-12-29T00:00', to: '2026-01-05T00:00' },
    { name: 'is a quarter', kind: 'quarter', when: '2026-05-15T00:00:00Z', zone: 'UTC', from: '2026-04-01T00:00', to: '2026-07-01T00:00' },
  ])('$name', ({ kind, when, zone, from, to }) => {
    const period = periodAt(kind, at(when), zone);
    expect([iso(period.from), iso(period.to)]).toEqual([from, to]);
  });

  test('is known with the one before and the one after', () => {
    const [before, current, after] = periodsAround('day', at('2025-03-30T12:00:00Z'), 'Europe/Berlin');
    expect([before.to, current.to]).toEqual([current.from, after.from]);
  });

  test('in a zone that nobody knows is an error', () => {
    expect(() => periodAt('day', at('2026-01-01T00:00:00Z'), 'Mars/Olympus')).toThrow(RangeError);
  });
});
