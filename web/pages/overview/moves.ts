// web/pages/overview/moves.ts: which groups moved the spend between two periods, and by what.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { change, nanos } from '../../format.ts';
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

/** Which part of a change more calls explain at the old cost of a call, and which part the cost of a call. */
export function cause({ now, before, calls, callsBefore }: Mover): string {
  if (before === 0n || callsBefore === 0) return 'new';
  if (now === 0n || calls === 0) return 'stopped';
  const volume = (Number(before) / callsBefore) * (calls - callsBefore);
  const rest = Number(now - before) - volume;
  if (Math.abs(volume) > 2 * Math.abs(rest)) return calls > callsBefore ? 'more calls' : 'fewer calls';
  if (Math.abs(rest) > 2 * Math.abs(volume)) return rest > 0 ? 'dearer calls' : 'cheaper calls';
  return 'both';
}

/** The change as a share of what was; no share of nothing. */
export function relative({ now, before }: Mover): string {
  const { text, direction } = change(Number(now), Number(before), true);
  if (before === 0n) return 'new';
  return direction === 'flat' ? '<0.5%' : `${direction === 'up' ? '+' : '−'}${text}`;
}
