// server/alert/rules/show.ts: figures as people read them in a message.

import { DateTime } from 'luxon';
import { usdString, type Nanodollars } from '../../domain/money.ts';

// Made once: a look shows dozens of amounts, and making a format costs more than using it a hundred times.
const CENTS = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const BELOW_A_DOLLAR = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 4 });

/** Cents where they matter, four digits below a dollar; never "$0.00" for something. */
export function dollars(amount: Nanodollars): string {
  const number = Number(usdString(amount));
  const size = Math.abs(number);
  if (size > 0 && size < 0.01) return '<$0.01';
  return `${number < 0 ? '-' : ''}$${(size < 1 ? BELOW_A_DOLLAR : CENTS).format(size)}`;
}

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });
const BELOW_ONE = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 2 });

/** As the dashboard writes them: tenths of a percent, and never 100% for what is not quite. Below one, two digits: objectives allow as little as 0.01%. */
export function percent(ratio: number): string {
  if (ratio > 0.999 && ratio < 1) return '>99.9%';
  const share = ratio * 100;
  return `${(Math.abs(share) < 1 ? BELOW_ONE : TENTHS).format(share)}%`;
}

/** A count, or what is nearest to one. */
export const count = (number: number): string => WHOLE.format(number);

/** Instants that were asked for: the ends of periods stay the same from look to look. */
const said = new Map<string, string>();
const MOST_SAID = 500;

/** In the zone of the config, named. */
export function when(at: number, zone: string): string {
  const asked = `${at} ${zone}`;
  const known = said.get(asked);
  if (known !== undefined) return known;
  if (said.size >= MOST_SAID) said.clear();
  const text = DateTime.fromMillis(at, { zone }).toFormat("yyyy-MM-dd HH:mm 'in' ") + zone;
  said.set(asked, text);
  return text;
}

export const ratioOf = (part: bigint, whole: bigint): number => (whole === 0n ? 0 : Number((part * 1_000_000n) / whole) / 1_000_000);
