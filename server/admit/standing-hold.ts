// server/admit/standing-hold.ts: a hold that outlives its call: what a batch may still cost, by model, until its results are booked.

import type { Share, StandingHold } from '../domain/admission.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from '../domain/money.ts';
import type { BudgetHold, Budgets } from './budgets.ts';

export class OpenStandingHold implements StandingHold {
  readonly #budgets: Budgets;
  /** One per model. */
  readonly #holds: readonly BudgetHold[];
  readonly #onFreed: () => void;
  #released = false;

  constructor(budgets: Budgets, holds: readonly BudgetHold[], onFreed: () => void) {
    this.#budgets = budgets;
    this.#holds = holds;
    this.#onFreed = onFreed;
  }

  get amount(): Nanodollars {
    return this.#released ? NO_MONEY : nanodollars(this.#holds.reduce((sum, { amount }) => sum + amount, 0n));
  }

  charge(): (costs: readonly Share[]) => void {
    const windows = this.#holds.map((hold) => [...hold.windows]);
    return (costs) => {
      for (const { model, amount } of costs) {
        const at = Math.max(0, this.#holds.findIndex((hold) => hold.subject.model === model));
        this.#budgets.spend(this.#holds[at]!, windows[at]!, amount);
      }
      this.#onFreed();
    };
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const hold of this.#holds) this.#budgets.settle(hold, NO_MONEY);
    this.#onFreed();
  }
}
