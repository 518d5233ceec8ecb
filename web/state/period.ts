// web/state/period.ts: the stretch of time a page shows, the one it is compared with, and the buckets in between.

import { computed, signal } from '@preact/signals';
import { dayMonth, dayAndTime, hourMinute, weekday } from '../format.ts';
import { bucketsOf, type BucketUnit, type Range } from './buckets.ts';
import { addressWith, go, page, parameter, type Page } from './location.ts';
import { addDays, addMonths, browserZone, dayMs, hourMs, startOf } from './zone.ts';

/** The present, as far as the screen goes: it moves when data is asked for anew, so that all panels end at one instant. */
export const now = signal(Date.now());
const STORED = 'tollgate.zone';
const lastZone = (): string | null => {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // Storage is switched off: pages wait for the server.
  }
};
/** The zone that cuts days for budgets and reports. Until the server has said so, what it said last time, else the browser's. */
export const reportingZone = signal(lastZone() ?? browserZone());
/** False where that is the browser's: figures of the server's days do not fit into days of another zone. */
export const zoneKnown = signal(lastZone() !== null);

export function learnZone(name: string): void {
  reportingZone.value = name;
  zoneKnown.value = true;
  try {
    localStorage.setItem(STORED, name);
  } catch {
    // See above.
  }
}

/** The zone times are shown in. Day buckets are the server's, cut in the reporting zone. */
export const zone = computed(() => {
  const asked = parameter('tz');
  if (asked === 'browser') return browserZone();
  return asked === 'UTC' ? 'UTC' : reportingZone.value;
});

/** `short` is what is left where there is little room. */
export const PERIODS = {
  '6h': { days: 0.25, before: '', short: '6 h', after: 'ours' },
  '24h': { days: 1, before: '', short: '24 h', after: 'ours' },
  '7d': { days: 7, before: '', short: '7 d', after: 'ays' },
  '30d': { days: 30, before: '', short: '30 d', after: 'ays' },
  '90d': { days: 90, before: '', short: '90 d', after: 'ays' },
  month: { days: 31, before: 'This ', short: 'month', after: '' },
} as const;
export type PeriodName = keyof typeof PERIODS;

/** The period a page shows unless the address says otherwise. */
const STANDARD: Readonly<Partial<Record<Page, PeriodName>>> = { requests: '24h', limits: '6h', workspaces: 'month', workflows: '30d', users: '30d', models: '30d', policies: '30d' };
const standardPeriod = (): PeriodName => STANDARD[page.value ?? 'overview'] ?? '7d';

/** The named period in force, or null where the address gives two instants. */
export const periodName = computed<PeriodName | null>(() => {
  const from = parameter('from');
  if (from === null) return parameter('to') === null ? standardPeriod() : null;
  const name = from.replace(/^now-/, '');
  return name in PERIODS ? (name as PeriodName) : null;
});

/** A named period begins with a whole hour or day, so that its first bucket is not a stump. */
export const range = computed<Range>(() => {
  const name = periodName.value;
  if (name === null) {
    const from = Date.parse(parameter('from') ?? '');
    const to = Date.parse(parameter('to') ?? '');
    const end = Number.isFinite(to) ? to : now.value;
    return { from: Number.isFinite(from) && from < end ? from : end - 7 * dayMs, to: end };
  }
  if (name === '6h' || name === '24h') return { from: startOf('hour', now.value, zone.value) - (PERIODS[name].days * 24 - 1) * hourMs, to: now.value };
  if (name === 'month') return { from: startOf('month', now.value, reportingZone.value), to: now.value };
  return { from: addDays(startOf('day', now.value, reportingZone.value), 1 - PERIODS[name].days, reportingZone.value), to: now.value };
});

export const bucketUnit = computed<BucketUnit>(() => {
  const length = range.value.to - range.value.from;
  return length <= 3 * dayMs ? 'hour' : length <= 120 * dayMs ? 'day' : 'month';
});

export const buckets = computed(() => bucketsOf(range.value, bucketUnit.value, reportingZone.value, now.value));

export type Comparison = 'previous' | 'month' | 'off';
/** What the period is compared with. */
export const comparison = computed<Comparison>(() => {
  const asked = parameter('cmp');
  return asked === 'off' || asked === 'month' ? asked : 'previous';
});

/** The stretch before, moved back by whole weeks so that weekdays meet weekdays, or the same days a month before; null where comparing is switched off. */
export const compared = computed<Range | null>(() => {
  if (comparison.value === 'off') return null;
  const { from, to } = range.value;
  // What is to come has nothing to be compared: of a period that goes on, only as much as has gone of it.
  const end = from < now.value ? Math.min(to, now.value) : to;
  const zone = reportingZone.value;
  if (comparison.value === 'month' || periodName.value === 'month') {
    // As far back as the period is long: three months are not compared with a part of themselves.
    const months = Math.max(1, Math.ceil((to - from) / (31 * dayMs) - 0.05));
    return { from: addMonths(from, -months, zone), to: addMonths(end, -months, zone) };
  }
  const shiftDays = Math.max(1, Math.ceil((to - from) / (7 * dayMs) - 0.05)) * 7;
  return { from: addDays(from, -shiftDays, zone), to: addDays(end, -shiftDays, zone) };
});

/** `vs Mon 10 Nov to Sun 16 Nov`. */
export const comparedName = computed(() => {
  const other = compared.value;
  if (!other) return '';
  return bucketUnit.value === 'hour' ? `${weekday(other.from, zone.value)}, ${hourMinute(other.from, zone.value)} to ${hourMinute(other.to, zone.value)}` : `${dayMonth(other.from, zone.value)} to ${dayMonth(other.to, zone.value)}`;
});

export function rangeName({ from, to }: Range, inZone: string): string {
  return to - from <= 3 * dayMs ? `${dayAndTime(from, inZone)} to ${dayAndTime(to, inZone)}` : `${dayMonth(from, inZone)} to ${dayMonth(to - 1, inZone)}`;
}

export function bucketName(bucket: Range, unit: BucketUnit, inZone: string): string {
  if (unit === 'hour') return `${weekday(bucket.from, inZone)}, ${hourMinute(bucket.from, inZone)} to ${hourMinute(bucket.to, inZone)}`;
  return unit === 'day' ? weekday(bucket.from, inZone) : dayMonth(bucket.from, inZone);
}

export function choosePeriod(name: PeriodName): void {
  go(addressWith({ from: name === standardPeriod() ? null : `now-${name}`, to: null }));
}
/** `[` and `]`: moves the period by its own length, in whole days where it is days long, by months where it is one; never past the present. */
export function shiftPeriod(by: 1 | -1): void {
  const { from, to } = range.value;
  const named = periodName.value;
  const zone = reportingZone.value;
  const monthly = startOf('month', from, zone) === from && (named === 'month' || addMonths(from, 1, zone) === to);
  const days = named ? PERIODS[named].days : Math.round((to - from) / dayMs);
  // The hour that is still going on counts as one of the six.
  const lengthMs = named === '6h' ? 6 * hourMs : to - from;
  const end = monthly ? addMonths(from, 1, zone) : named === '6h' ? from + lengthMs : named && named !== '24h' ? addDays(startOf('day', to, zone), 1, zone) : to;
  const moved = (at: number) => (monthly ? addMonths(at, by, zone) : days >= 1 ? addDays(at, by * days, zone) : at + by * lengthMs);
  if (moved(from) >= now.value) return;
  if (moved(end) > now.value) return go(addressWith({ from: monthly ? 'now-month' : named ? parameter('from') : new Date(moved(from)).toISOString(), to: null }));
  go(addressWith({ from: new Date(moved(from)).toISOString(), to: new Date(moved(end)).toISOString() }));
}
/** Puts two instants into the address in place of times that move. */
export const choose = ({ from, to }: Range): void => go(addressWith({ from: new Date(from).toISOString(), to: new Date(to).toISOString() }));
/** Back to the page's own period. */
export const unzoom = (): void => go(addressWith({ from: null, to: null }));
/** What carries the period on screen over to another page, whose own standard may differ. */
export const periodParameters = (): { from: string; to: string | null } => ({ from: parameter('from') ?? `now-${periodName.value ?? '7d'}`, to: parameter('to') });

export const compareWith = (what: Comparison): void => go(addressWith({ cmp: what === 'previous' ? null : what }));
export const toggleCompare = (): void => compareWith(comparison.value === 'off' ? 'previous' : 'off');

/** What puts one bucket's time into an address. */
export const timeOf = (bucket: Range): { from: string; to: string } => ({ from: new Date(bucket.from).toISOString(), to: new Date(bucket.to).toISOString() });

/** Names the period without its moving end, so that the passing of time is not a new question. */
export const periodKey = computed(() => periodName.value ?? `${parameter('from')}/${parameter('to')}`);
