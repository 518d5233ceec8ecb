// server/http/admin/month.ts: a calendar month as people name it.

import { DateTime } from 'luxon';
import { periodAt, type Period } from '../../domain/calendar.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { badQuery } from './errors.ts';

/** The month of a name such as `2026-11`; the one that `now` lies in without a name. @throws AdminError 400 for no month, or one that has not begun */
export function monthAt(name: string | undefined, now: EpochMs, zone: string): Period {
  if (name === undefined) return periodAt('month', now, zone);
  const start = DateTime.fromFormat(name, 'yyyy-MM', { zone });
  if (!start.isValid || start.toMillis() > now || start.toMillis() < 0) throw badQuery(`month: expected a month that has begun, such as ${monthName(now, zone)}, found ${JSON.stringify(name)}`);
  return periodAt('month', epochMs(start.toMillis()), zone);
}

export const monthName = (at: EpochMs, zone: string): string => DateTime.fromMillis(at, { zone }).toFormat('yyyy-MM');

/** An instant's day, e.g. `2026-11-01`. */
export const dayName = (at: number | string, zone: string): string => (typeof at === 'string' ? DateTime.fromISO(at, { zone }) : DateTime.fromMillis(at, { zone })).toFormat('yyyy-MM-dd');

/** For the name of a file: what a header and a file system take. */
export const addressable = (text: string): string => text.replaceAll(/[^a-z0-9._-]/gi, '_').slice(0, 64);
