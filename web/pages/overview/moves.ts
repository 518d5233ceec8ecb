// web/pages/overview/moves.ts: which groups moved the spend between two periods, and by what.

import type { UsageAnswer, UsageRow } from '../../../server/http/admin/wire.ts';
import { CAUSES, CAUSE_WORDS, causesOf, strongest, type Causes } from '../../causes.ts';
import { change, money, nanos } from '../../format.ts';
import { valueIn, type Group } from './measures.ts';

interface Mover {
  readonly value: string | null;
  readonly now: bigint;
  readonly before: bigint;
  readonly calls: number;
  readonly callsBefore: number;
}

function sum(answer: UsageAnswer, by: Group): Map<string | null, { cost: bigint; calls: number }> {
  const sums = new Map<string | null, { cost: bigint; calls: number }>();
  for (const row of answer.rows) {
    const one = sums.get(valueIn(row, by)) ?? { cost: 0n, calls: 0 };
    sums.set(valueIn(row, by), { cost: one.cost + nanos(row.cost_usd), calls: one.calls + row.requests });
  }
  return sums;
}

export const size = (amount: bigint): bigint => (amount < 0n ? -amount : amount);

/** The five that rose and the five that fell the most, in dollars; without a comparison, the eight dearest. */
export function moversOf(answer: UsageAnswer, before: UsageAnswer | null, by: Group): Mover[] {
  const now = sum(answer, by);
  const past = before ? sum(before, by) : new Map<string | null, { cost: bigint; calls: number }>();
  const all = [...new Set([...now.keys(), ...past.keys()])].map((value) => ({ value, now: now.get(value)?.cost ?? 0n, before: past.get(value)?.cost ?? 0n, calls: now.get(value)?.calls ?? 0, callsBefore: past.get(value)?.calls ?? 0 }));
  const rank = (weight: (mover: Mover) => bigint) => all.toSorted((a, b) => (weight(b) > weight(a) ? 1 : -1)).filter((mover) => weight(mover) > 0n);
  if (!before) return rank((mover) => mover.now).slice(0, 8);
  return [...rank((mover) => mover.now - mover.before).slice(0, 5), ...rank((mover) => mover.before - mover.now).slice(0, 5).reverse()];
}

/** Why a group's spend moved; null where it is new, gone, or not known yet. @param rows by group and model */
export function causesFor(mover: Mover, rows: readonly UsageRow[] | null, before: readonly UsageRow[] | null, by: Group): Causes | null {
  const of = (all: readonly UsageRow[]) => all.filter((row) => valueIn(row, by) === mover.value);
  return rows && before ? causesOf(of(rows), of(before)) : null;
}

/** The strongest cause or two, with their amounts: `more calls +$3.10, less caching −$0.40`. */
export function why(mover: Mover, causes: Causes | null): string {
  if (mover.before === 0n) return 'new';
  if (mover.now === 0n) return 'stopped';
  if (causes === null) return '';
  return strongest(causes).slice(0, 2).map((one) => `${one.word} ${one.amount > 0n ? '+' : ''}${money(one.amount)}`).join(', ');
}

/** Every cause, for who wants them all. */
export const inFull = (causes: Causes): string =>
  CAUSES.map((cause) => `${causes[cause] < 0n ? CAUSE_WORDS[cause].less : CAUSE_WORDS[cause].more} ${causes[cause] > 0n ? '+' : ''}${money(causes[cause])}`).join('\n');

/** The change as a share of what was; no share of nothing. */
export function relative({ now, before }: Mover): string {
  const { text, direction } = change(Number(now), Number(before), true);
  if (before === 0n) return 'new';
  return direction === 'flat' ? '<0.5%' : `${direction === 'up' ? '+' : '−'}${text}`;
}
