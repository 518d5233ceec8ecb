// web/format.ts: how figures read on screen. Money comes as decimal strings and stays exact until it is drawn.

import type { VerdictRow } from '../server/http/admin/wire.ts';

/** Nano-dollars of a decimal string of dollars; exact. `"-0.5"` is -500000000n. */
export function nanos(dollars: string): bigint {
  const match = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(dollars);
  if (!match) return 0n;
  const whole = BigInt(match[2]!) * 1_000_000_000n + BigInt((match[3] ?? '').padEnd(9, '0'));
  return match[1] ? -whole : whole;
}

/** For the length of a mark only; a figure that is read is formatted from the nano-dollars. */
export const dollarsForDrawing = (amount: bigint): number => Number(amount) / 1e9;

const grouped = new Intl.NumberFormat('en-US');

/** All nine places: `$12,345.000400000`. For tooltips and details. */
export function exactMoney(amount: bigint): string {
  const size = amount < 0n ? -amount : amount;
  return `${amount < 0n ? '−' : ''}$${grouped.format(size / 1_000_000_000n)}.${(size % 1_000_000_000n).toString().padStart(9, '0')}`;
}

/** From $1 on in whole cents, below it 4 significant digits, and what is smaller than a ten-thousandth is said to be so; zero alone reads `$0`. */
export function money(amount: bigint): string {
  const size = amount < 0n ? -amount : amount;
  const sign = amount < 0n ? '−' : '';
  if (size === 0n) return '$0';
  if (size < 100_000n) return `${sign}<$0.0001`;
  if (size < 1_000_000_000n) {
    const text = (Number(size) / 1e9).toPrecision(4);
    return `${sign}$${trimZeros(Number(text).toFixed(Math.min(9, Math.max(2, text.split('.')[1]?.length ?? 2))))}`;
  }
  const cents = (size + 5_000_000n) / 10_000_000n;
  return `${sign}$${grouped.format(cents / 100n)}.${(cents % 100n).toString().padStart(2, '0')}`;
}

/** More places than a column of money is given: a column lines up, and its titles tell the rest. */
const MOST_PLACES = 6;

/**
 * Money for a column, all with as many places behind the point: as many as `money` gives the one that takes the most.
 * @param amounts all of the column; null where a row has none
 */
export function moneyColumn(amounts: readonly (bigint | null)[]): (amount: bigint) => string {
  const texts = amounts.flatMap((amount) => (amount === null ? [] : [money(amount)])).filter((text) => !text.includes('<'));
  const places = Math.min(MOST_PLACES, Math.max(2, ...texts.map((text) => text.split('.')[1]?.length ?? 0)));
  const unit = 10n ** BigInt(9 - places);
  return (amount) => {
    const size = amount < 0n ? -amount : amount;
    if (size < 100_000n) return money(amount);
    const rounded = ((size + unit / 2n) / unit) * unit;
    return `${amount < 0n ? '−' : ''}$${grouped.format(rounded / 1_000_000_000n)}.${(rounded % 1_000_000_000n).toString().padStart(9, '0').slice(0, places)}`;
  };
}

/** For cards and totals: whole cents, and `<$0.01` where cents would lie. Above $100,000 without cents. */
export function shortMoney(amount: bigint): string {
  const size = amount < 0n ? -amount : amount;
  if (size === 0n) return '$0.00';
  if (size < 10_000_000n) return `${amount < 0n ? '−' : ''}<$0.01`;
  if (size < 1_000_000_000n) return money(amount);
  if (size >= 100_000_000_000_000n) return `${amount < 0n ? '−' : ''}$${grouped.format((size + 500_000_000n) / 1_000_000_000n)}`;
  return money(amount);
}

/** Keeps two places: `0.5000` reads `0.50`. */
const trimZeros = (text: string): string => text.replace(/(\.\d\d\d*?)0+$/, '$1');

/** A tick of a money axis, with as many places as all of them: none, or cents, or as many as the finest takes. */
export function axisMoney(dollars: number, ticks: readonly number[]): string {
  const notation = ticks.some((tick) => Math.abs(tick) >= 10_000) ? 'compact' : 'standard';
  // Six digits are more than a tick has, and fewer than the noise of floats.
  const bare = new Intl.NumberFormat('en-US', { notation, maximumSignificantDigits: 6 });
  const finest = Math.max(...ticks.map((tick) => bare.formatToParts(tick).find((part) => part.type === 'fraction')?.value.length ?? 0));
  const places = notation === 'standard' && finest === 1 ? 2 : finest;
  return `$${new Intl.NumberFormat('en-US', { notation, minimumFractionDigits: places, maximumFractionDigits: places }).format(dollars)}`;
}

const compactFormat = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });
/** `1.23M`; up to 9,999 in full. */
export const compact = (count: number): string => (Math.abs(count) < 10_000 ? grouped.format(Math.round(count * 100) / 100) : compactFormat.format(count));
export const whole = (count: number): string => grouped.format(count);
/** `1 call`, `2,310 calls`. */
export const calls = (count: number): string => `${whole(count)} ${count === 1 ? 'call' : 'calls'}`;

/** `820 ms`, `4.21 s`, `2 m 05 s`; a dash where nothing was measured. */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1) return '<1 ms';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toPrecision(3)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} m`;
}

/** How far the ledger is from the provider's bill. @param ratio ledger less bill, of the bill */
export const billWords = (ratio: number): string => (ratio === 0 ? 'Bill agrees' : `Bill ${percent(Math.abs(ratio))} ${ratio < 0 ? 'above' : 'below'} ledger`);

/** `3.4 %`; never 0 % or 100 % for what is not quite. */
export function percent(share: number): string {
  if (share > 0 && share < 0.001) return '<0.1%';
  if (share < 1 && share > 0.999) return '>99.9%';
  return `${trimPoint((share * 100).toFixed(1))}%`;
}
const trimPoint = (text: string): string => text.replace(/\.0$/, '');

const clocks = new Map<string, Intl.DateTimeFormat>();
function clock(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let format = clocks.get(key);
  if (!format) clocks.set(key, (format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options })));
  return format;
}

export const timeOfDay = (at: number, zone: string): string => clock(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(at);
export const hourMinute = (at: number, zone: string): string => clock(zone, { hour: '2-digit', minute: '2-digit' }).format(at);
export const dayMonth = (at: number, zone: string): string => clock(zone, { day: 'numeric', month: 'short' }).format(at);
/** A day of the calendar, as prices and models know it: in UTC. */
export const fullDay = (at: number): string => clock('UTC', { day: 'numeric', month: 'long', year: 'numeric' }).format(at);
export const weekday = (at: number, zone: string): string => clock(zone, { weekday: 'short', day: 'numeric', month: 'short' }).format(at);
/** To the minute: `18 Nov, 14:03`. */
export const dayAndTime = (at: number, zone: string): string => clock(zone, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }).format(at);
/** To the millisecond, with the zone's name at that instant: `2026-11-18 14:03:20.120 GMT+1`. */
export function fullTime(at: number, zone: string): string {
  const date = clock(zone, { year: 'numeric', month: '2-digit', day: '2-digit' }).formatToParts(at);
  const of = (type: string) => date.find((part) => part.type === type)?.value ?? '';
  return `${of('year')}-${of('month')}-${of('day')} ${timeOfDay(at, zone)}.${String(at % 1000).padStart(3, '0')} ${zoneName(at, zone)}`;
}
export const zoneName = (at: number, zone: string): string =>
  clock(zone, { timeZoneName: 'short' }).formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? zone;

/** How long something lasts, in round words: `42 s`, `7 min`, `5 h`, `3 days`. */
const roughly = (ms: number): string =>
  ms < 59_500 ? `${Math.round(ms / 1000)} s` : ms < 3_570_000 ? `${Math.round(ms / 60_000)} min` : ms < 48 * 3_600_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`;

/** `20:38, for 42 s` of today, and with the day where that was another: `27 Nov, 20:38, for 3 days`. */
export const upSince = (at: number, lastedMs: number, zone: string): string =>
  `${(dayMonth(at, zone) === dayMonth(at + lastedMs, zone) && lastedMs < 86_400_000 ? hourMinute : dayAndTime)(at, zone)}, for ${roughly(lastedMs)}`;

/** How far off an instant is: `in 9 days`, `3 h ago`, `now`. */
export function fromNow(at: number, now: number): string {
  const ms = Math.abs(at - now);
  // What came since the screen's last second, or by another clock, is not in the future.
  if (ms < 1_500) return 'now';
  const text = roughly(ms);
  return at > now ? `in ${text}` : `${text} ago`;
}

/** What a change reads like. A base of 0 has no percentage, and nor has a base of fewer than 20 requests. */
export function change(now: number, before: number, enough: boolean): { text: string; direction: 'up' | 'down' | 'flat' } {
  if (now === before) return { text: 'no change', direction: 'flat' };
  const direction = now > before ? 'up' : 'down';
  if (before === 0) return { text: 'new', direction };
  if (!enough) return { text: 'too few to compare', direction: 'flat' };
  const ratio = Math.abs(now / before - 1);
  if (ratio < 0.005) return { text: 'about the same', direction: 'flat' };
  return { text: ratio >= 10 ? `×${compact(Math.round(now / before))}` : percent(ratio), direction };
}

const OUTCOME_WORDS: Readonly<Record<string, string>> = {
  ok: 'OK', truncated: 'Truncated', client_error: 'Client error', upstream_error: 'Provider error', connect_failed: 'No connection', upstream_reset: 'Connection reset',
  upstream_timeout: 'Provider timeout', upstream_protocol: 'Unreadable answer', client_abort: 'Client left', drained: 'Cut by shutdown', crashed: 'Gateway crashed', refused: 'Refused',
};
/** An outcome in words; in flight where there is none yet. */
export const outcomeWord = (outcome: string | null): string => (outcome === null ? 'In flight' : (OUTCOME_WORDS[outcome] ?? outcome));

/** Why a call was refused, in words. */
export const REASONS: Readonly<Record<string, string>> = {
  unauthenticated: 'No valid key', workspace_forbidden: 'Workspace not allowed', workflow_forbidden: 'Workflow not allowed', model_not_allowed: 'Model not allowed', feature_not_allowed: 'Feature not allowed',
  unknown_path: 'Unknown address', unknown_object: 'Not theirs, or not there', malformed: 'Malformed call', loop: 'Proxy loop', unpriced_model: 'Model without a price', too_large: 'Too large',
  budget_exhausted: 'Budget used up', budget_held: 'Budget held by calls in flight', rate_limited: 'Limit per minute', overloaded: 'Too many at once', draining: 'Shutting down', ledger_unavailable: 'Ledger not writable',
  upstream_unreachable: 'Provider unreachable', upstream_timeout: 'Provider timeout',
};
export const reasonWord = (reason: string | null): string => (reason === null ? 'No reason noted' : (REASONS[reason] ?? reason));

/** What a rule said of a call, other than that it may pass. */
export type CountedVerdict = VerdictRow['verdict'];
export const VERDICTS: Readonly<Record<CountedVerdict, string>> = { refuse: 'refused', would_refuse: 'would refuse', would_rewrite: 'would change the model', rewrite: 'changed the model' };

/** What stands under a tick of a time axis. */
export const bucketLabelFormats: Readonly<Record<'hour' | 'day' | 'month', (at: number, zone: string) => string>> = {
  hour: (at, zone) => {
    const text = hourMinute(at, zone);
    return text === '00:00' ? dayMonth(at, zone) : text;
  },
  day: dayMonth,
  month: (at, zone) => clock(zone, { month: 'short', year: 'numeric' }).format(at),
};
