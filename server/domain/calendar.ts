// server/domain/calendar.ts: windows of time. A period is computed from an instant and a zone; no job ever resets one.

import { DateTime } from 'luxon';
import { HOUR_MS, MINUTE_MS } from './durations.ts';
import { epochMs, type EpochMs } from './ids.ts';

export const PERIODS = ['hour', 'day', 'week', 'month', 'quarter', 'year'] as const;
export type PeriodKind = (typeof PERIODS)[number];

/** Half-open: `from` is in it, `to` is not. */
export interface Period {
  readonly kind: PeriodKind;
  readonly from: EpochMs;
  readonly to: EpochMs;
}

/**
 * The period of `kind` that holds `at` in an IANA zone. Periods tile time, whatever the zone's clocks do. Days, weeks (from Monday,
 * ISO 8601), months, quarters and years begin at the first instant at which the local date is theirs: days of 23 and 25 hours are real,
 * a midnight that is left out is the change itself, and of one that comes twice the first counts. Hours are those of the zone's own
 * clock; a repeated hour is two, and a clock change inside an hour ends one and begins the next.
 * @throws RangeError for a zone that the runtime does not know
 */
export function periodAt(kind: PeriodKind, at: EpochMs, zone: string): Period {
  const local = DateTime.fromMillis(at, { zone });
  if (!local.isValid) throw new RangeError(`unknown time zone: ${zone}`);
  if (kind === 'hour') return hourAt(at, local.offset * MINUTE_MS, zone);
  // Dates as such, counted in UTC: no clock change can disturb the arithmetic.
  const start = DateTime.utc(local.year, local.month, local.day).startOf(kind);
  const next = (after: DateTime): DateTime => after.plus({ [`${kind}s`]: 1 });
  const to = firstInstantOf(next(start), zone);
  // Where clocks go back over midnight the old date comes again for a while, after the new one has begun.
  return at < to ? { kind, from: firstInstantOf(start, zone), to } : { kind, from: to, to: firstInstantOf(next(next(start)), zone) };
}

/** Milliseconds to add to UTC. */
const offsetAt = (at: number, zone: string): number => DateTime.fromMillis(at, { zone }).offset * MINUTE_MS;

function hourAt(at: EpochMs, offset: number, zone: string): Period {
  const from = Math.floor((at + offset) / HOUR_MS) * HOUR_MS - offset;
  const to = from + HOUR_MS;
  return {
    kind: 'hour',
    from: epochMs(offsetAt(from, zone) === offset ? from : changeBetween(from, at, zone)),
    to: epochMs(offsetAt(to - 1, zone) === offset ? to : changeBetween(at, to - 1, zone)),
  };
}

/** @param date midnight of the date, as if it were UTC */
function firstInstantOf(date: DateTime, zone: string): EpochMs {
  const midnight = date.toMillis();
  // No zone is further from UTC than fourteen hours, and none changes its clocks twice in the time looked at.
  const [early, late] = [midnight - 15 * HOUR_MS, midnight + 15 * HOUR_MS];
  const [before, after] = [offsetAt(early, zone), offsetAt(late, zone)];
  if (before === after) return epochMs(midnight - before);
  const change = changeBetween(early, late, zone);
  if (midnight - before < change) return epochMs(midnight - before);
  return epochMs(Math.max(change, midnight - after));
}

/** The first instant of the new offset, which `early` does not have and `late` has. */
function changeBetween(early: number, late: number, zone: string): number {
  const before = offsetAt(early, zone);
  let [low, high] = [early, late];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle, zone) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** The calendar day of an instant in a zone, as `YYYY-MM-DD`. */
export function dayOf(at: EpochMs, zone: string): string {
  return DateTime.fromMillis(at, { zone }).toISODate() ?? '';
}

export const isZone = (zone: string): boolean => DateTime.local().setZone(zone).isValid;

/** The period of an instant, the one before and the one after: what a start must know, since the clock may have stepped while nobody ran. */
export function periodsAround(kind: PeriodKind, at: EpochMs, zone: string): readonly [Period, Period, Period] {
  const current = periodAt(kind, at, zone);
  return [periodAt(kind, epochMs(current.from - 1), zone), current, periodAt(kind, current.to, zone)];
}
