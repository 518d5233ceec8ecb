// server/domain/durations.ts: clock time in milliseconds. A local day may be shorter or longer than a day of the clock: see `calendar.ts`.

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
export const WEEK_MS = 7 * DAY_MS;
