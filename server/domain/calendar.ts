// server/domain/calendar.ts: windows of time. A period is computed from an instant and a zone; no job ever resets one.

import { DateTime } from 'luxon';
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
 * The period of `kind` that holds `at` in an IANA zone. Periods tile time: days of 23 and 25 hours are real, weeks begin on
 * Monday (ISO 8601), and where a clock change removes midnight the day begins at its first instant.
 * @throws RangeError for a zone that the runtime does not know
 */
export function periodAt(kind: PeriodKind, at: EpochMs, zone: string): Period {
  const local = DateTime.fromMillis(at, { zone });
  if (!local.isValid) throw new RangeError(`unknown time zone: ${zone}`);
  // An hour is cut on the zone's own offset, which need not be whole hours; a repeated hour is two hours.
  if (kind === 'hour') {
    const offsetMs = local.offset * 60_000;
    const from = Math.floor((at + offsetMs) / 3_600_000) * 3_600_000 - offsetMs;
    return { kind, from: epochMs(from), to: epochMs(from + 3_600_000) };
  }
  const from = local.startOf(kind);
  const to = from.plus({ [`${kind}s`]: 1 }).startOf(kind);
  return { kind, from: epochMs(from.toMillis()), to: epochMs(to.toMillis()) };
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
