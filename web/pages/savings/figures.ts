// web/pages/savings/figures.ts: how savings are told apart on the page, and how their amounts read.

import type { SavingRow, SavingsAnswer } from '../../../server/http/admin/wire.ts';
import { dayMonth, nanos, shortMoney } from '../../format.ts';

export const GRADES: Readonly<Record<SavingRow['grade'], { readonly word: string; readonly meaning: string; readonly tone: 'good' | 'warn' | 'note' }>> = {
  exact: { word: 'Exact', meaning: 'Recorded facts times price.', tone: 'good' },
  bounded: { word: 'Bounded', meaning: 'The true figure lies in this range; the total counts its lower end.', tone: 'good' },
  estimate: { word: 'Estimate', meaning: 'Needs a trial on your own cases; in no total.', tone: 'warn' },
  signal: { word: 'Signal', meaning: 'Money at stake; none of it is claimed.', tone: 'note' },
};

export const STATES: Readonly<Record<SavingRow['state'], string>> = { open: 'Open', doing: 'Doing', done: 'Done', dismissed: 'Dismissed' };

/** `$12.40`, `$8.10 to $12.40`, `up to $12.40`; of a signal what is at stake. */
export function amountOf(row: Pick<SavingRow, 'grade' | 'low_usd' | 'high_usd' | 'at_stake_usd'>): string {
  if (row.grade === 'signal') return nanos(row.at_stake_usd) === 0n ? 'no dollars' : `${shortMoney(nanos(row.at_stake_usd))} at stake`;
  return rangeOf(nanos(row.low_usd), nanos(row.high_usd));
}

export function rangeOf(low: bigint, high: bigint): string {
  const [from, to] = [shortMoney(low), shortMoney(high)];
  if (from === to) return to;
  return low === 0n ? `up to ${to}` : `${from} to ${to}`;
}

interface Sorted {
  /** Of a dollar and more, still to be decided or under way. */
  readonly open: readonly SavingRow[];
  readonly signals: readonly SavingRow[];
  readonly decided: readonly SavingRow[];
  readonly small: readonly SavingRow[];
}

/** The order within each is the server's: the surest and dearest first. */
export function sortOut(rows: readonly SavingRow[]): Sorted {
  const isDecided = (row: SavingRow): boolean => row.state === 'done' || row.state === 'dismissed';
  // A card that someone works on stays in sight, however little is left of it.
  const isSmall = (row: SavingRow): boolean => row.small && row.state !== 'doing';
  const rest = rows.filter((row) => !isDecided(row));
  const big = rest.filter((row) => !isSmall(row));
  return { open: big.filter((row) => row.grade !== 'signal'), signals: big.filter((row) => row.grade === 'signal'), decided: rows.filter(isDecided), small: rest.filter(isSmall) };
}

export interface Week {
  readonly from: number;
  readonly to: number;
  readonly whole: boolean;
  readonly name: string;
  readonly captured: bigint;
  readonly low: bigint;
  readonly high: bigint;
}

export const weeksOf = (answer: Pick<SavingsAnswer, 'weeks'>, zone: string): Week[] =>
  answer.weeks.map((week) => ({
    from: Date.parse(week.from), to: Date.parse(week.to), whole: week.whole, name: `Week of ${dayMonth(Date.parse(week.from), zone)}`,
    captured: nanos(week.captured_usd), low: nanos(week.recoverable_usd), high: nanos(week.recoverable_most_usd),
  }));
