// server/domain/forecast.ts: where a budget will stand at the end of its period, from what its scope spent hour by hour before.

import { Info } from 'luxon';
import { periodAt, type Period } from './calendar.ts';
import { DAY_MS, HOUR_MS } from './durations.ts';
import { epochMs, type EpochMs } from './ids.ts';
import { nanodollars, type Nanodollars } from './money.ts';

const WINDOW_DAYS = 28;
/** Weekday patterns are trusted once each hour of the week has been seen three times; before that every hour is an average hour. */
const PATTERN_DAYS = 21;
const FALLBACK_DAYS = 7;
const LEAST_DAYS = 3;
/** The 90th percentile of a normal distribution, and what makes a median absolute deviation a standard deviation of one. */
const Z90 = 1.28;
const SIGMA_PER_MAD = 1.4826;

export interface Outlook {
  /** Settled spend of the period so far. */
  readonly spent: Nanodollars;
  readonly now: EpochMs;
  readonly period: Period;
  /** Spend per hour, five weeks back if there is so much, in any order; an hour without spend may be absent. History begins with the first. */
  readonly hourly: readonly { readonly hour: EpochMs; readonly cost: Nanodollars }[];
  /** IANA name; cuts days and hours of the week. */
  readonly zone: string;
}

/**
 * What will have been spent when the period ends: `p50` the median path, `p90` what nine of ten such periods stay below.
 *
 * p50 adds to `spent`, for every hour left, the median of the same hour of the week over the last four weeks; with less than
 * three weeks of history, the mean of the last seven full days. p90 adds 1.28 σ √(days left), where σ is 1.4826 times the
 * median absolute deviation of the daily residuals. Exact in nano-dollars but for σ; every fraction rounds up.
 * Null while a guess would be noise: before a tenth of the period is over or three full days of history exist.
 * @throws RangeError for a zone that the runtime does not know
 */
export function forecast(outlook: Outlook): { p50: Nanodollars; p90: Nanodollars } | null {
  const habit = habitOf(outlook);
  if (habit === null) return null;
  const { spent, now, period } = outlook;
  const expected = expectedIn(habit, now, period.to, outlook.zone);
  const p50 = spent + ceilDivide(expected, BigInt(HOUR_MS) * habit.scale);
  const daysLeft = Math.max(0, period.to - now) / DAY_MS;
  const spread = BigInt(Math.ceil(Z90 * habit.sigma * Math.sqrt(daysLeft)));
  return { p50: nanodollars(p50), p90: nanodollars(p50 + spread) };
}

/**
 * The instant at which the median path reaches `limit`: now, where it is spent already; null where the path ends below the
 * limit or there is no forecast.
 * @throws RangeError for a zone that the runtime does not know
 */
export function reachesLimitAt(outlook: Outlook, limit: Nanodollars): EpochMs | null {
  if (outlook.spent >= limit) return outlook.now;
  const habit = habitOf(outlook);
  if (habit === null) return null;
  const goal = (limit - outlook.spent) * BigInt(HOUR_MS) * habit.scale;
  let expected = 0n;
  let at: number = outlook.now;
  for (const stretch of stretches(outlook.now, outlook.period.to, outlook.zone)) {
    const perHour = habit.perHour(stretch.slot);
    const after = expected + perHour * BigInt(stretch.ms);
    if (after >= goal) return epochMs(at + Number(ceilDivide(goal - expected, perHour)));
    expected = after;
    at += stretch.ms;
  }
  return null;
}

/** What a scope usually spends. Amounts are nano-dollars times `scale`, so that medians and means stay whole. */
interface Habit {
  readonly scale: bigint;
  perHour(slot: number): bigint;
  /** Standard deviation of one day's spend around the habit, in nano-dollars. */
  readonly sigma: number;
}

function habitOf({ now, period, hourly, zone }: Outlook): Habit | null {
  if ((now - period.from) * 10 < period.to - period.from) return null;
  const spentIn = new Map<number, bigint>();
  for (const { hour, cost } of hourly) if (hour < now) spentIn.set(hour, (spentIn.get(hour) ?? 0n) + cost);
  const days = fullDays(now, spentIn, zone);
  if (days.length < LEAST_DAYS) return null;

  const habit = days.length >= PATTERN_DAYS ? weekHabit(days, zone) : meanHabit(days.slice(-FALLBACK_DAYS));
  const residuals = days.map((day) => {
    return day.total * habit.scale - expectedIn(habit, day.from, day.to, zone) / BigInt(HOUR_MS);
  });
  // Twice the median of twice the deviations: a median of an even number halves, and integers must not.
  const centre = doubledMedian(residuals);
  const mad = doubledMedian(residuals.map((r) => (2n * r > centre ? 2n * r - centre : centre - 2n * r)));
  return { ...habit, sigma: (SIGMA_PER_MAD * Number(mad)) / 4 / Number(habit.scale) };
}

/** The habit's spend over [from, to), times `scale` and the milliseconds of an hour. */
function expectedIn(habit: Pick<Habit, 'perHour'>, from: number, to: number, zone: string): bigint {
  // Time is summed per hour of the week first: it is many times cheaper than money.
  const slots = new Float64Array(168);
  for (const { slot, ms } of stretches(from, to, zone)) slots[slot] = (slots[slot] as number) + ms;
  return slots.reduce((sum, ms, slot) => (ms === 0 ? sum : sum + habit.perHour(slot) * BigInt(ms)), 0n);
}

interface Day {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly total: bigint;
  readonly hours: readonly { readonly hour: number; readonly cost: bigint }[];
}

/** The last 28 whole days of the zone that lie in the past and after history's beginning, oldest first. */
function fullDays(now: EpochMs, spentIn: ReadonlyMap<number, bigint>, zone: string): Day[] {
  const hours = [...spentIn].map(([hour, cost]) => ({ hour, cost })).sort((a, b) => a.hour - b.hour);
  const begin = hours[0]?.hour ?? now;
  const offsetAt = offsets(zone);
  const days: Day[] = [];
  let end = hours.length;
  for (let to = periodAt('day', now, zone).from; days.length < WINDOW_DAYS; ) {
    // Without a clock change a day is 24 hours, which spares the calendar.
    const from = offsetAt(to - DAY_MS) === offsetAt(to) ? epochMs(to - DAY_MS) : periodAt('day', epochMs(to - 1), zone).from;
    if (from < begin) break;
    while (end > 0 && (hours[end - 1]?.hour ?? 0) >= to) end -= 1;
    let start = end;
    while (start > 0 && (hours[start - 1]?.hour ?? 0) >= from) start -= 1;
    const within = hours.slice(start, end);
    days.unshift({ from, to, total: within.reduce((sum, { cost }) => sum + cost, 0n), hours: within });
    to = from;
  }
  return days;
}

/** The mean of some days, spread evenly over their hours. */
function meanHabit(days: readonly Day[]): Omit<Habit, 'sigma'> {
  const total = days.reduce((sum, day) => sum + day.total, 0n);
  const hours = days.reduce((sum, day) => sum + (day.to - day.from) / HOUR_MS, 0);
  // A day of 23.5 hours is real (Lord Howe Island); in half hours the sum is whole, and in minutes for whatever comes.
  const scale = BigInt(Math.round(hours * 60));
  return { scale, perHour: () => total * 60n };
}

/** Per hour of the week, the median over the days. An hour that a clock change repeats counts as two. */
function weekHabit(days: readonly Day[], zone: string): Omit<Habit, 'sigma'> {
  const samples = Array.from({ length: 168 }, (): bigint[] => []);
  for (const day of days) {
    let at: number = day.from;
    let next = 0;
    for (const { slot, ms } of stretches(day.from, day.to, zone)) {
      at += ms;
      let spent = 0n;
      for (let hour = day.hours[next]; hour !== undefined && hour.hour < at; hour = day.hours[++next]) spent += hour.cost;
      samples[slot]?.push(spent);
    }
  }
  const medians = samples.map(doubledMedian);
  return { scale: 2n, perHour: (slot) => medians[slot] ?? 0n };
}

/** Cuts [from, to) at local hours; `slot` is the hour of the week, 0 to 167, on a week that begins where it likes. */
function* stretches(from: number, to: number, zone: string): Generator<{ slot: number; ms: number }> {
  const offsetAt = offsets(zone);
  for (let at = from; at < to; ) {
    const local = at + offsetAt(at);
    const ms = Math.min(HOUR_MS - (((local % HOUR_MS) + HOUR_MS) % HOUR_MS), to - at);
    yield { slot: ((Math.floor(local / HOUR_MS) % 168) + 168) % 168, ms };
    at += ms;
  }
}

type OffsetAt = (at: number) => number;
/** By zone, each with the offsets it has looked up: what a zone's rules say does not change, and asking the runtime is slow. */
const offsetsKnown = new Map<string, OffsetAt>();
const MIDNIGHTS_KEPT = 4_000;

/** The zone's offset from UTC in ms at an instant. Asks the runtime once a day except on days of a change: a year is 8,760 hours. */
function offsets(zone: string): OffsetAt {
  const known = offsetsKnown.get(zone);
  if (known !== undefined) return known;
  const rules = Info.normalizeZone(zone);
  if (!rules.isValid) throw new RangeError(`unknown time zone: ${zone}`);
  const midnights = new Map<number, number>();
  const midnight = (day: number): number => {
    const before = midnights.get(day);
    if (before !== undefined) return before;
    if (midnights.size >= MIDNIGHTS_KEPT) midnights.clear();
    const offset = rules.offset(day * DAY_MS) * 60_000;
    midnights.set(day, offset);
    return offset;
  };
  const offsetAt: OffsetAt = (at) => {
    const day = Math.floor(at / DAY_MS);
    const offset = midnight(day);
    return offset === midnight(day + 1) ? offset : rules.offset(at) * 60_000;
  };
  offsetsKnown.set(zone, offsetAt);
  return offsetAt;
}

/** Twice the median, so that it is whole; 0 of nothing. */
function doubledMedian(values: readonly bigint[]): bigint {
  const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const upper = sorted[sorted.length >> 1] ?? 0n;
  return sorted.length % 2 === 1 ? 2n * upper : upper + (sorted[(sorted.length >> 1) - 1] ?? 0n);
}

/** Rounds up; the divisor is positive. */
function ceilDivide(dividend: bigint, divisor: bigint): bigint {
  const whole = dividend / divisor;
  return dividend % divisor > 0n ? whole + 1n : whole;
}

/** An outlook of a while ago, which more has been spent since than it foresaw, foresees at least that. */
export const neverBelow = ({ p50, p90 }: { readonly p50: Nanodollars; readonly p90: Nanodollars }, spent: Nanodollars): { readonly p50: Nanodollars; readonly p90: Nanodollars } => ({
  p50: p50 > spent ? p50 : spent,
  p90: p90 > spent ? p90 : spent,
});
