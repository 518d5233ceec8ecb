// server/price/verify-run.ts: works the ledger out anew: every call's cost from its usage and prices, every sum from its rows.

import type { Standing } from '../domain/budget.ts';
import { epochMs, type Clock, type EpochMs } from '../domain/ids.ts';
import type { Ledger } from '../domain/ledger.ts';
import { nanodollars } from '../domain/money.ts';
import type { BilledCall, Reports } from '../domain/reports.ts';
import type { Drift, Verification } from '../domain/verify.ts';
import { guessesOf, standsAtHold, storedCost, type NameOf } from './explain.ts';

/** Calls per page: few enough that pricing them holds no stream up. */
const PAGE = 200;
const EXAMPLES = 100;
/** How often a budget is compared again when calls that end keep the two sums from standing still. */
const CALM_TRIES = 50;
const CALM_PAUSE_MS = 20;

export interface VerifyServices {
  readonly reports: Pick<Reports, 'bills' | 'daysKept' | 'checkDay'>;
  readonly ledger: Pick<Ledger, 'spent' | 'health'>;
  standings(at: EpochMs): readonly Standing[];
  readonly nameOf: NameOf;
  readonly clock: Clock;
}

export interface RunningVerification {
  now(): Verification;
  /** Resolves when it is over, also when it failed. */
  readonly ended: Promise<Verification>;
}

/** Begins a check. @param range null: everything that retention has left */
export function startVerification(range: { from: EpochMs; to: EpochMs } | null, services: VerifyServices): RunningVerification {
  const { clock, reports } = services;
  const startedAt = clock.now();
  let state: Verification = {
    state: 'running', from: range?.from ?? startedAt, to: range?.to ?? startedAt, startedAt, endedAt: null, reachedAt: range?.from ?? startedAt, calls: 0, atHold: 0, days: 0, budgets: 0,
    cost: nanodollars(0n), estimatedCost: nanodollars(0n), drift: 0, examples: [], error: null,
  };
  const found = (drift: readonly Drift[]): void => {
    state = { ...state, drift: state.drift + drift.length, examples: [...state.examples, ...drift].slice(0, EXAMPLES) };
  };

  const walk = async (): Promise<void> => {
    const kept = await reports.daysKept();
    if (kept !== null) {
      const from = epochMs(Math.max(range?.from ?? kept.from, kept.from));
      const to = epochMs(Math.min(range?.to ?? kept.to, kept.to));
      state = { ...state, from, to, reachedAt: from };
      for (let day: EpochMs = from; day < to; ) {
        const checked = await reports.checkDay(day);
        found(checked.drift);
        await costs(day, epochMs(Math.min(to, checked.to)));
        state = { ...state, days: state.days + 1, reachedAt: checked.to };
        day = checked.to;
      }
    }
    for (const standing of services.standings(clock.now())) found(await budgetDrift(standing));
  };

  const costs = async (from: EpochMs, to: EpochMs): Promise<void> => {
    for (let cursor: string | null = null; ; ) {
      const page: Awaited<ReturnType<Reports['bills']>> = await reports.bills({ from, to, limit: PAGE, cursor });
      for (const call of page.rows) look(call);
      cursor = page.nextCursor;
      if (cursor === null) return;
    }
  };

  const look = (call: BilledCall): void => {
    const { row } = call;
    state = {
      ...state,
      calls: state.calls + 1,
      atHold: state.atHold + (standsAtHold(call) ? 1 : 0),
      cost: nanodollars(state.cost + row.cost),
      estimatedCost: nanodollars(state.estimatedCost + (row.estimated ? row.cost : 0n)),
    };
    found(costDrift(call, services.nameOf));
  };

  const budgetDrift = async ({ budget, period }: Standing): Promise<Drift[]> => {
    const spent = (): bigint | undefined => services.standings(clock.now()).find((s) => s.budget.id === budget.id && s.period.from === period.from)?.spent;
    for (let tries = 0; tries < CALM_TRIES; tries++) {
      const before = spent();
      const calm = services.ledger.health().queued === 0;
      const expected = await services.ledger.spent(budget.scope, period.from, period.to);
      // A settlement in between is in one sum and not yet in the other.
      if (before === undefined) return [];
      if (calm && services.ledger.health().queued === 0 && spent() === before) {
        state = { ...state, budgets: state.budgets + 1 };
        return expected === before ? [] : [{ kind: 'budget', subject: budget.id, figure: 'spent', expected, found: before }];
      }
      await new Promise((resolve) => setTimeout(resolve, CALM_PAUSE_MS));
    }
    return [];
  };

  const ended = walk().then(
    () => void (state = { ...state, state: 'done', endedAt: clock.now() }),
    (error: unknown) => void (state = { ...state, state: 'failed', endedAt: clock.now(), error: error instanceof Error ? error.message : String(error) }),
  );
  return { now: () => state, ended: ended.then(() => state) };
}

/** A call whose stored usage and prices do not give what it costs. What stands at its hold has no usage to go by. */
export function costDrift(call: BilledCall, nameOf: NameOf): Drift[] {
  const [own] = call.prices;
  if (own === undefined || call.row.outcome === null || standsAtHold(call)) return [];
  const costs = guessesOf(call).map((guess) => storedCost(call, own, guess, nameOf).total);
  if (costs.some((cost) => cost === call.row.cost)) return [];
  return [{ kind: 'cost', subject: call.row.id, figure: 'cost', expected: costs[0] ?? 0n, found: call.row.cost }];
}
