// server/store/sqlite/reports-time.ts: cuts a range of time into the pieces that roll-ups hold whole, and the rest that only rows can tell.

import { periodAt } from '../../domain/calendar.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';

/** Where the figures of a piece come from; `userDay` is the roll-up by day that also tells users apart. Folds take the place of whatever they cover: see `withFolds`. */
type Grain = 'hour' | 'day' | 'userDay' | 'rows';

/** Half-open in time of admission. */
export interface Segment {
  readonly grain: Grain;
  readonly from: number;
  readonly to: number;
}

interface Needs {
  /** Hours must be told apart, so whole days will not do. */
  readonly hours: boolean;
  /** Users must be told apart, which of the roll-ups only those by day do; the rest of a range is left to rows, or to folds of hours. */
  readonly users: boolean;
  /** Something that neither roll-ups nor folds hold: a session, an action, a tag, why a call was refused. */
  readonly rows: boolean;
}

/** Disjoint pieces that cover [from, to), in order: whole days where they will do, then whole hours, then rows. */
export function segmentsOf(from: number, to: number, zone: string, needs: Needs): Segment[] {
  if (from >= to) return [];
  const rows = (a: number, b: number): Segment[] => (a < b ? [{ grain: 'rows', from: a, to: b }] : []);
  const hours = (a: number, b: number): Segment[] => {
    if (needs.users) return rows(a, b);
    const first = nextStart('hour', a, zone);
    const last = lastStart('hour', b, zone);
    return first < last ? [...rows(a, first), { grain: 'hour', from: first, to: last }, ...rows(last, b)] : rows(a, b);
  };
  if (needs.rows) return rows(from, to);
  if (needs.hours) return hours(from, to);
  const first = nextStart('day', from, zone);
  const last = lastStart('day', to, zone);
  if (first >= last) return hours(from, to);
  return [...hours(from, first), { grain: needs.users ? 'userDay' : 'day', from: first, to: last }, ...hours(last, to)];
}

/** No call is admitted before 1970 or after the year 9999; an open range may reach further than calendars do. */
const LATEST = Date.UTC(10_000, 0);
const within = (at: number): number => Math.min(Math.max(at, 0), LATEST);

/** The first start of an hour or day at or after `at`. */
export function nextStart(kind: 'hour' | 'day', at: number, zone: string): number {
  let start = within(at);
  // More than one step only where a clock change of half an hour cuts an hour short: such an hour is no clean edge.
  for (let period = periodAt(kind, epochMs(start), zone); period.from !== start; period = periodAt(kind, epochMs(start), zone)) start = period.to;
  return start;
}

/** The last start of an hour or day at or before `at`. */
export function lastStart(kind: 'hour' | 'day', at: number, zone: string): number {
  let start = within(at);
  for (let period = periodAt(kind, epochMs(start), zone); period.from !== start; period = periodAt(kind, epochMs(start), zone)) start = period.from;
  return start;
}

/**
 * Rows are grouped by quarters of an hour in UTC, which is arithmetic that SQL can do: every zone's offset is a whole number of
 * quarters, and so is every clock change, so a quarter never lies in two local hours.
 */
export const QUARTER_MS = 900_000;

/** The start of the local hour, day or month that holds an instant. Remembers the last period: instants come in order, mostly. */
export function periodStarts(kind: 'hour' | 'day' | 'month', zone: string): (at: number) => EpochMs {
  let start = Number.NaN;
  let from = epochMs(0);
  let to = Number.NaN;
  return (at) => {
    if (at >= start && at < to) return from;
    const period = periodAt(kind, epochMs(at), zone);
    // An hour that a clock change cuts short begins, in name, before the change; what lies before `at` is not known to be in it.
    start = kind === 'hour' ? at : period.from;
    from = period.from;
    to = kind === 'hour' ? at + QUARTER_MS : period.to;
    return from;
  };
}
