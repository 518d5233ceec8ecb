// server/domain/budget.ts: a limit in nano-dollars over a scope and a period, and the rule that decides whether a call fits.

import type { PeriodKind, Period } from './calendar.ts';
import type { BudgetId, EpochMs, KeyId, WorkflowId, WorkspaceId } from './ids.ts';
import { nanodollars, type Nanodollars } from './money.ts';

/** Every field given must match; all null is the organization. A model is compared with the id that is asked for, aliases resolved. */
export interface Scope {
  readonly workspace: string | null;
  readonly workflow: string | null;
  readonly key: string | null;
  readonly user: string | null;
  readonly model: string | null;
}

export interface Budget {
  readonly id: BudgetId;
  readonly scope: Scope;
  readonly limit: Nanodollars;
  readonly period: PeriodKind;
  /** `hard` refuses, `soft` only alerts. */
  readonly mode: 'hard' | 'soft';
  /** How far the sum of holds may overshoot a hard limit, in nano-dollars; 0 is strict. */
  readonly tolerance: Nanodollars;
  /** Fractions of the limit, ascending, e.g. [0.5, 0.8, 1]. */
  readonly alertAt: readonly number[];
  readonly alertForecast: boolean;
  /** Channels by id; empty: none; null: those of `alerts.notify`, which are all unless it names some. */
  readonly notify: readonly string[] | null;
  /**
   * Where calls in flight count at what they will probably cost, as learned, and not at the most that they can: how far their worst
   * case may then stand above limit and tolerance, in nano-dollars. Absent: they count at their worst case.
   */
  readonly expected?: { readonly overshoot: Nanodollars };
  /** True makes a hard budget record what it would refuse, and let it pass. */
  readonly dryRun?: boolean;
}

/** The channels that hear of a budget. @param channels all there are, by id @param usual those of `alerts.notify`; null: all */
export const toldOf = ({ notify }: Pick<Budget, 'notify'>, usual: readonly string[] | null, channels: readonly { readonly id: string }[]): readonly string[] =>
  notify ?? usual ?? channels.map(({ id }) => id);

/** What a scope is compared with. */
export interface ScopeSubject {
  readonly workspace: WorkspaceId;
  readonly workflow: WorkflowId;
  readonly key: KeyId | null;
  readonly user: string | null;
  readonly model: string | null;
}

export function covers(scope: Scope, subject: ScopeSubject): boolean {
  return (
    (scope.workspace === null || scope.workspace === subject.workspace) &&
    (scope.workflow === null || scope.workflow === subject.workflow) &&
    (scope.key === null || scope.key === subject.key) &&
    (scope.user === null || scope.user === subject.user) &&
    (scope.model === null || scope.model === subject.model)
  );
}

/** How a budget stands in one period. */
export interface Standing {
  readonly budget: Budget;
  readonly period: Period;
  /** The sum of settled rows admitted in the period. */
  readonly spent: Nanodollars;
  /** What calls in flight may still cost. */
  readonly held: Nanodollars;
  /** What they will probably cost, where the budget counts with that; absent is `held`. */
  readonly expected?: Nanodollars;
  /** What grants in force add to the limit at this instant; absent is nothing. */
  readonly granted?: Nanodollars;
  /** Calls of this period that did not fit into what was left of it, in flight or not, since the process began; absent is none. */
  readonly refused?: { readonly calls: number; readonly lastAt: EpochMs };
}

/** The most that may be spent and held together: the limit, what is granted on top of it, and the tolerance. */
export const mostOf = ({ budget, granted }: Standing): bigint => budget.limit + (granted ?? 0n) + budget.tolerance;

/** The limit with what is granted on top of it, without the tolerance. */
export const limitOf = ({ budget, granted }: Standing): Nanodollars => (granted === undefined ? budget.limit : nanodollars(budget.limit + granted));

/** How far what is spent may come to stand above the limit, grants included, when every call in flight costs the most it can; 0 when it cannot. */
export const atRiskOf = (standing: Standing): bigint => {
  const above = standing.spent + standing.held - limitOf(standing);
  return above > 0n ? above : 0n;
};

/**
 * Whether a call fits what is left. Equality fits: a $10 budget is there to be spent to its last nano-dollar.
 * @param ask the most the call can cost
 * @param likely what it will probably cost
 */
export function fits(standing: Standing, ask: Nanodollars, likely: Nanodollars): boolean {
  const { budget: { expected }, spent, held } = standing;
  const most = mostOf(standing);
  if (expected === undefined) return spent + held + ask <= most;
  return spent + (standing.expected ?? held) + likely <= most && spent + held + ask <= most + expected.overshoot;
}

/**
 * The first hard budget that `ask` would overrun, or null when the call fits all of them.
 * Pure: it runs in the same tick as the hold it decides, so two calls cannot both take the last dollar.
 */
export function firstOverrun(standings: readonly Standing[], ask: Nanodollars, likely = ask): Standing | null {
  return standings.find((standing) => standing.budget.mode === 'hard' && standing.budget.dryRun !== true && !fits(standing, ask, likely)) ?? null;
}
