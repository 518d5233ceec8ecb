// server/admit/open-admission.ts: what one admitted call holds, from its admission to its end.

import type { Admission, StandingHold } from '../domain/admission.ts';
import { limitOf, type Standing } from '../domain/budget.ts';
import type { Decision } from '../domain/call.ts';
import type { Clock, EpochMs } from '../domain/ids.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from '../domain/money.ts';
import type { Quote } from '../domain/price.ts';
import type { Tokens } from '../domain/usage.ts';
import type { BudgetHold, Budgets } from './budgets.ts';
import type { LimitHold } from './scope-limits.ts';
import { OpenStandingHold } from './standing-hold.ts';

/** A middling guess, for limits on output while it streams; the end of the call corrects it. Hidden thinking shows no bytes. */
const BYTES_PER_TOKEN = 4;
/** Tokens gathered before they are charged, so that most events of a stream cost one addition. */
const CHARGED_AT_ONCE = 16;

export interface Parts {
  readonly limitHolds: readonly LimitHold[];
  readonly budgetHolds: readonly BudgetHold[];
  /** Of the budgets covering the call, as they stood when it was admitted. */
  readonly standings: readonly Standing[];
  readonly budgets: Budgets;
  readonly clock: Clock;
  readonly onFreed: () => void;
  /** Told what the call cost; null where nobody learns from it. */
  readonly onCost: ((cost: Nanodollars) => void) | null;
}

/** One admitted call. */
export class OpenAdmission implements Admission {
  readonly quote: Quote;
  readonly decisions: readonly Decision[];
  readonly admittedAt: EpochMs;
  readonly #parts: Parts;
  #released = false;
  #contentBytes = 0;
  #tokensCharged = 0;

  constructor(quote: Quote, decisions: readonly Decision[], admittedAt: EpochMs, parts: Parts) {
    this.quote = quote;
    this.decisions = decisions;
    this.admittedAt = admittedAt;
    this.#parts = parts;
  }

  get tightest(): Standing | null {
    let tightest: Standing | null = null;
    for (const standing of this.#parts.standings) {
      if (standing.budget.mode === 'hard' && (tightest === null || standing.spent * limitOf(tightest) > tightest.spent * limitOf(standing))) tightest = standing;
    }
    return tightest;
  }

  get held(): Nanodollars {
    return this.#parts.budgetHolds.reduce((sum, { amount }) => nanodollars(sum + amount), NO_MONEY);
  }

  get onContent(): ((bytes: number) => void) | null {
    return this.#parts.limitHolds.some(({ limitsOutput }) => limitsOutput) ? this.#content : null;
  }

  started(tokens: Tokens, ceiling: Nanodollars): void {
    if (this.#released) return;
    const { limitHolds, budgetHolds, budgets, clock, onFreed } = this.#parts;
    const now = clock.monotonic();
    for (const hold of limitHolds) hold.correctInput(limitedInput(tokens), now);
    // Only a call for one model has a `message_start`.
    if (budgetHolds.length === 1 && budgets.shrink(budgetHolds[0]!, ceiling)) onFreed();
  }

  release(cost: Nanodollars, tokens: Tokens | null): void {
    if (this.#released) return;
    this.#leaveLimits(tokens);
    const { budgetHolds, budgets, onFreed } = this.#parts;
    this.#chargedBy(cost).forEach((amount, at) => budgets.settle(budgetHolds[at]!, amount));
    if (tokens !== null) this.#parts.onCost?.(cost);
    onFreed();
  }

  keep(): StandingHold {
    const { budgetHolds, budgets, onFreed } = this.#parts;
    if (!this.#released) this.#leaveLimits(null);
    onFreed();
    return new OpenStandingHold(budgets, budgetHolds, onFreed);
  }

  readonly #content = (bytes: number): void => {
    if (this.#released) return;
    this.#contentBytes += bytes;
    const tokens = Math.floor(this.#contentBytes / BYTES_PER_TOKEN);
    if (tokens < this.#tokensCharged + CHARGED_AT_ONCE) return;
    this.#tokensCharged = tokens;
    const now = this.#parts.clock.monotonic();
    for (const hold of this.#parts.limitHolds) hold.correctOutput(tokens, now);
  };

  #leaveLimits(tokens: Tokens | null): void {
    this.#released = true;
    const { limitHolds, clock } = this.#parts;
    const now = clock.monotonic();
    for (const hold of limitHolds) {
      hold.correctInput(tokens === null ? 0 : limitedInput(tokens), now);
      hold.leave(tokens?.output ?? 0, now);
    }
  }

  /** A cost by hold: a call for several models that ends with one is charged to each as far as it was held there. */
  #chargedBy(cost: Nanodollars): readonly Nanodollars[] {
    let rest = cost;
    const { budgetHolds } = this.#parts;
    return budgetHolds.map((hold, at) => {
      const part = at === budgetHolds.length - 1 || rest < hold.amount ? rest : hold.amount;
      rest = nanodollars(rest - part);
      return part;
    });
  }
}

/** Input as the provider's own limits count it: what is read from the cache is free of them. */
const limitedInput = (tokens: Tokens): number => tokens.input + tokens.cacheWrite5m + tokens.cacheWrite1h;
