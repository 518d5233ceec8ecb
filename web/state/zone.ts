// web/state/zone.ts: calendar arithmetic in an IANA zone, from Intl alone: days of 23 and 25 hours are real.

const formatters = new Map<string, Intl.DateTimeFormat>();

function wallClock(zone: string): Intl.DateTimeFormat {
  let format = formatters.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    });
    formatters.set(zone, format);
  }
  return format;
}

/** The wall clock of `zone` at `at`, read as if it were UTC; the difference to `at` is the zone's offset. */
function localMs(at: number, zone: string): number {
  const part: Record<string, number> = {};
  for (const { type, value } of wallClock(zone).formatToParts(at)) part[type] = Number(value);
  return Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'], part['second']) + (((at % 1000) + 1000) % 1000);
}

/** The instant at which the wall clock of `zone` shows `local`. In the gap of a clock change it is the instant after the gap. */
function instantOf(local: number, zone: string): number {
  const guess = local - (localMs(local, zone) - local);
  return local - (localMs(guess, zone) - guess);
}

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** The first instant of the local hour, day or month that `at` lies in. */
export function startOf(unit: 'hour' | 'day' | 'month', at: number, zone: string): number {
  const local = new Date(localMs(at, zone));
  if (unit === 'hour') return at - (local.getTime() % hourMs);
  return instantOf(Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), unit === 'day' ? local.getUTCDate() : 1), zone);
}

/** The same wall-clock time `days` days on (negative: back). */
export function addDays(at: number, days: number, zone: string): number {
  return instantOf(localMs(at, zone) + days * dayMs, zone);
}

/** The first instant of the hour, day or month after the one that begins at `start`. */
export function next(unit: 'hour' | 'day' | 'month', start: number, zone: string): number {
  if (unit === 'hour') return start + hourMs;
  if (unit === 'day') return startOf('day', addDays(start, 1, zone), zone);
  return startOf('month', start + 32 * dayMs, zone);
}

/** The local hour of the day, 0 to 23. */
export const hourOfDay = (at: number, zone: string): number => new Date(localMs(at, zone)).getUTCHours();

export const browserZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The first instant of a day written as `2026-11-29`; null where it is no such day. */
export function dayOf(text: string, zone: string): number | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (!match) return null;
  const local = Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
  return new Date(local).toISOString().startsWith(text) ? instantOf(local, zone) : null;
}

/** The day that `at` lies in, as `2026-11-29`. */
export const dayText = (at: number, zone: string): string => new Date(localMs(at, zone)).toISOString().slice(0, 10);

/** The same wall-clock time so many months on; a day that the month does not have is its last one. */
export function addMonths(at: number, months: number, zone: string): number {
  const local = new Date(localMs(at, zone));
  const day = local.getUTCDate();
  local.setUTCDate(1);
  local.setUTCMonth(local.getUTCMonth() + months);
  local.setUTCDate(Math.min(day, new Date(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + 1, 0)).getUTCDate()));
  return instantOf(local.getTime(), zone);
}
