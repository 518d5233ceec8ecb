// server/alert/rules/show.ts: figures as people read them in a message.

import { DateTime } from 'luxon';
import { usdString, type Nanodollars } from '../../domain/money.ts';

/** Cents where they matter, four digits below a dollar; never "$0.00" for something. */
export function dollars(amount: Nanodollars): string {
  const number = Number(usdString(amount));
  const size = Math.abs(number);
  if (size > 0 && size < 0.01) return '<$0.01';
  return `${number < 0 ? '-' : ''}$${size.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: size < 1 ? 4 : 2 })}`;
}

export const percent = (ratio: number): string => `${Number((ratio * 100).toFixed(ratio < 0.1 ? 2 : 1))} %`;

/** In the zone of the config, named. */
export const when = (at: number, zone: string): string => DateTime.fromMillis(at, { zone }).toFormat("yyyy-MM-dd HH:mm 'in' ") + zone;

export const ratioOf = (part: bigint, whole: bigint): number => (whole === 0n ? 0 : Number((part * 1_000_000n) / whole) / 1_000_000);
