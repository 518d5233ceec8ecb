// server/cli/show.ts: how answers look in a terminal.

import { nanoFromUsd } from '../domain/money.ts';

/** Columns padded to their widest cell; those named in `right` are aligned to the right, as figures are. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[], right: readonly string[] = []): string {
  const cells = [columns, ...rows].map((row) => row.map(printable));
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]!.length)));
  return cells
    .map((row) => row.map((cell, index) => (right.includes(columns[index]!) ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!))).join('  ').trimEnd())
    .join('\n');
}

/** Names come from clients: what could move the cursor or colour the terminal is shown as `?`. */
export const printable = (text: string): string => text.replace(/\p{C}/gu, '?');

/** Dollars as a person reads them: four places, rounded up, so that nothing that cost money looks free. */
export const dollars = (usd: string): string => fourPlaces(nanoFromUsd(usd), 99_999n);

/** The same of money that is left, rounded down: never more than there is, and what is overspent never less than it is. */
export function dollarsLeft(usd: string): string {
  const nano = nanoFromUsd(usd);
  return fourPlaces(nano, nano < 0n ? 99_999n : 0n);
}

/** @param more in nano-dollars, on top of the magnitude before it is cut: 0 rounds towards nothing, 99,999 away from it */
function fourPlaces(nano: bigint, more: bigint): string {
  const units = ((nano < 0n ? -nano : nano) + more) / 100_000n;
  return `${nano < 0n ? '-' : ''}$${grouped(units / 10_000n)}.${(units % 10_000n).toString().padStart(4, '0')}`;
}

/** Dollars that a person wrote, such as a limit: all their places, and four at least. */
export function exactDollars(usd: string): string {
  const nano: bigint = nanoFromUsd(usd);
  const magnitude = nano < 0n ? -nano : nano;
  const places = (magnitude % 1_000_000_000n).toString().padStart(9, '0').replace(/0{1,5}$/, '');
  return `${nano < 0n ? '-' : ''}$${grouped(magnitude / 1_000_000_000n)}.${places}`;
}

const grouped = (whole: bigint): string => whole.toString().replace(/\B(?=(\d{3})+$)/g, ',');

export const count = (value: number): string => value.toLocaleString('en-US');

/** To the minute, UTC; `none` where there is no instant. */
export const minute = (instant: string | null, none: string): string => (instant === null ? none : `${instant.slice(0, 16).replace('T', ' ')} UTC`);
