// server/http/admin/encode-savings.ts: savings in the words of the wire, under a filter.

import { wordsFor } from '../../advise/words.ts';
import { LEVERS, type Saving, type SavingsView, type WorkflowDays } from '../../domain/advice.ts';
import { periodAt } from '../../domain/calendar.ts';
import type { EpochMs } from '../../domain/ids.ts';
import { nanodollars, usdString, type Nanodollars } from '../../domain/money.ts';
import { iso, isoOrNull } from './encode.ts';
import type * as wire from './wire.ts';

/** What is below a dollar a month is not worth a card. */
const SMALL = 1_000_000_000n;

export interface SavingsFilter {
  readonly workspace: readonly string[];
  readonly workflow: readonly string[];
  readonly model: readonly string[];
}

export function savingRow({ finding, decision, effect, state, reopened }: Saving): wire.SavingRow {
  const { id, lever, grade, workspace, workflow, models, low, high, atStake, calls, examples } = finding;
  return {
    id, lever, ...wordsFor(finding), grade, workspace, workflow, models: [...models],
    low_usd: usdString(low), high_usd: usdString(high), at_stake_usd: usdString(atStake),
    small: high < SMALL && atStake < SMALL,
    calls, examples: [...examples], state, reopened,
    owner: decision?.owner ?? null, reason: decision?.reason ?? null, decided_at: isoOrNull(decision?.at ?? null), decided_by: decision?.actor ?? null,
    effect: effect === null ? null : { actions: effect.actions, before_usd: usdString(effect.before), since_usd: usdString(effect.since), saved_usd: usdString(effect.saved) },
  };
}

/** True for what is still to be saved and in the totals. */
const isOpen = ({ state, finding: { grade } }: Saving): boolean => (state === 'open' || state === 'doing') && (grade === 'exact' || grade === 'bounded');

export function savingsAnswer({ advice, savings }: SavingsView, filter: SavingsFilter, timezone: string): wire.SavingsAnswer {
  const fits = (list: readonly string[], value: string): boolean => list.length === 0 || list.includes(value);
  const ofWorkflow = ({ workspace, workflow }: { readonly workspace: string; readonly workflow: string }): boolean => fits(filter.workspace, workspace) && fits(filter.workflow, workflow);
  const shown = savings.filter(({ finding }) => ofWorkflow(finding) && (filter.model.length === 0 || finding.models.some((model) => filter.model.includes(model))));
  const workflows = advice.workflows.filter(ofWorkflow);
  const open = shown.filter(isOpen);
  const days = advice.dayStarts.map((_, day) => day);
  const over = (some: readonly number[], value: (day: number) => bigint): string => usdString(nanodollars(some.reduce((sum, day) => sum + value(day), 0n)));
  const of = (figure: 'cost' | 'captured') => (day: number): bigint => workflows.reduce((sum, workflow: WorkflowDays) => sum + (workflow[figure][day] ?? 0n), 0n);
  const recoverable = (bound: 'low' | 'high') => (day: number): bigint => open.reduce((sum, { finding }) => sum + (finding.days[day]?.[bound] ?? 0n), 0n);
  const figures = (some: readonly number[]) => ({ spend_usd: over(some, of('cost')), captured_usd: over(some, of('captured')), recoverable_usd: over(some, recoverable('low')), recoverable_most_usd: over(some, recoverable('high')) });
  return {
    at: iso(advice.at), from: iso(advice.from), to: iso(advice.to), timezone,
    ...figures(days),
    estimated_usd: usdString(sum(shown.filter(({ state, finding }) => finding.grade === 'estimate' && (state === 'open' || state === 'doing')).map(({ finding }) => finding.high))),
    levers: LEVERS.length,
    calls: advice.calls,
    coverage: advice.calls === 0 ? null : advice.hashed / advice.calls,
    weeks: weeksOf(advice.dayStarts, advice.to, timezone).map(({ from, to, whole, days: some }) => ({ from: iso(from), to: iso(to), whole, ...figures(some) })),
    rows: shown.map(savingRow),
  };
}

const sum = (amounts: readonly Nanodollars[]): Nanodollars => nanodollars(amounts.reduce((all, amount) => all + amount, 0n));

/** The weeks from Monday that the days lie in; the first and the last may be cut. */
function weeksOf(dayStarts: readonly EpochMs[], to: EpochMs, timezone: string): { from: EpochMs; to: EpochMs; whole: boolean; days: number[] }[] {
  const weeks = new Map<EpochMs, { from: EpochMs; to: EpochMs; whole: boolean; days: number[] }>();
  dayStarts.forEach((start, day) => {
    const week = periodAt('week', start, timezone);
    const known = weeks.get(week.from) ?? { from: week.from, to: week.to, whole: week.from >= dayStarts[0]! && week.to <= to, days: [] };
    weeks.set(week.from, known);
    known.days.push(day);
  });
  return [...weeks.values()];
}
