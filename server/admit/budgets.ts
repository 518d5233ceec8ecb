// server/admit/budgets.ts: what every budget has spent and holds, in memory, and the rule that lets a call through all of them or none.

import { covers, firstOverrun, type Budget, type Scope, type ScopeSubject, type Standing } from '../domain/budget.ts';
import { periodAt, type Period } from '../domain/calendar.ts';
import { sumInForce, type Grant } from '../domain/grant.ts';
import { epochMs, type BudgetId, type EpochMs } from '../domain/ids.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from '../domain/money.ts';
import { Roster, type Seat } from '../domain/roster.ts';

/** Past periods whose last calls are still under way are kept beside the current one; more than this many cannot be needed. */
const WINDOWS_KEPT = 6;

/** One budget in one period. Old periods live on in the holds of their calls, so a late settlement lands where the call was admitted. */
export interface Window {
  readonly account: Account;
  readonly period: Period;
  spent: Nanodollars;
  /** What calls in flight can cost at most. */
  held: Nanodollars;
  /** How much less than that they will probably cost. */
  unlikely: Nanodollars;
  /** See `Standing.refused`; null: none. */
  refused: Standing['refused'] | null;
}

const NO_GRANTS: readonly Grant[] = [];

/** One budget over all its periods. */
class Account {
  budget: Budget;
  readonly zone: string;
  /** Temporary raises, those that are over included. */
  grants: readonly Grant[] = NO_GRANTS;
  /** Newest last. */
  #windows: Window[] = [];

  constructor(budget: Budget, zone: string) {
    this.budget = budget;
    this.zone = zone;
  }

  /** The window that holds an instant; a new one is empty. Found again when the wall clock steps back. */
  at(at: EpochMs): Window {
    return this.kept(at) ?? this.open(periodAt(this.budget.period, at, this.zone), NO_MONEY);
  }

  /** The window of an instant where it is kept; an older period is in the ledger alone. */
  kept(at: EpochMs): Window | undefined {
    for (let i = this.#windows.length - 1; i >= 0; i--) {
      const { period } = this.#windows[i]!;
      if (at >= period.from && at < period.to) return this.#windows[i];
    }
    return undefined;
  }

  open(period: Period, spent: Nanodollars): Window {
    const window: Window = { account: this, period, spent, held: NO_MONEY, unlikely: NO_MONEY, refused: null };
    this.#windows.push(window);
    this.#windows.sort((a, b) => a.period.from - b.period.from);
    if (this.#windows.length > WINDOWS_KEPT) this.#windows.shift();
    return window;
  }

  /** True when an edited budget goes on with the same sums. */
  continuesAs(budget: Budget, zone: string): boolean {
    return this.zone === zone && this.budget.period === budget.period && sameScope(this.budget.scope, budget.scope);
  }
}

/** What one call holds in the budgets that cover it. */
export interface BudgetHold {
  readonly subject: ScopeSubject;
  readonly admittedAt: EpochMs;
  /** The most that it can cost. */
  amount: Nanodollars;
  /** What it will probably cost; `amount` where nobody learns that. */
  readonly likely: Nanodollars;
  readonly windows: Window[];
  /** Its place among the open holds; null before it has one. */
  seat: Seat<BudgetHold> | null;
}

/** A budget that a call does not fit into. `exhausted`: it would not fit either if no other call were in flight. */
export interface Overrun {
  readonly standing: Standing;
  readonly exhausted: boolean;
}

const unlikelyOf = ({ amount, likely }: BudgetHold): bigint => (amount > likely ? amount - likely : 0n);

/** A budget and what a call for several models asks of it: those of its shares that it covers. */
export interface Charge {
  readonly standing: Standing;
  readonly ask: Nanodollars;
}

/**
 * All budgets. Nothing here waits, so a check and the hold that follows it in the same tick are one step: two calls cannot
 * both take the last dollar. The sums are those of the ledger's rows: what was spent at the start, plus every settlement since.
 */
export class Budgets {
  #accounts = new Map<BudgetId, Account>();
  /** Budgets that a reload brings: they hold and count already, but do not decide before their past is known. */
  #joining: Account[] = [];
  /** By budget; those of budgets that are not declared wait for them. */
  #grants: ReadonlyMap<BudgetId, readonly Grant[]> = new Map();
  readonly #open = new Roster<BudgetHold>();
  /** The latest instant at which a call was admitted; ahead of the wall clock after that stepped back. */
  #latest = 0 as EpochMs;

  /** @param standings `spent` of each budget in its current period; a budget without one has spent nothing */
  constructor(budgets: readonly Budget[], zone: string, standings: readonly Standing[]) {
    for (const budget of budgets) this.#accounts.set(budget.id, new Account(budget, zone));
    for (const { budget, period, spent } of standings) this.#accounts.get(budget.id)?.open(period, spent);
  }

  /** Every budget that covers a subject, as it stands. */
  covering(subject: ScopeSubject, at: EpochMs): readonly Standing[] {
    const standings: Standing[] = [];
    for (const account of this.#accounts.values()) if (covers(account.budget.scope, subject)) standings.push(standingOf(account.at(at), at));
    return standings;
  }

  /** The budget that keeps a call out, or null. An exhausted one is named before one that is only held up: waiting would not help. */
  overrun(standings: readonly Standing[], ask: Nanodollars, likely = ask): Overrun | null {
    const first = firstOverrun(standings, ask, likely);
    if (first === null) return null;
    const exhausted = firstOverrun(standings.map((standing) => ({ ...standing, held: NO_MONEY, expected: NO_MONEY })), ask, likely);
    return exhausted === null ? { standing: first, exhausted: false } : { standing: standings.find(({ budget }) => budget === exhausted.budget)!, exhausted: true };
  }

  /** One budget as it stands; null where there is none of that id. */
  standing(id: BudgetId, at: EpochMs): Standing | null {
    const account = this.#accounts.get(id);
    return account === undefined ? null : standingOf(account.at(at), at);
  }

  /** What a call for several models asks of each budget that covers any of them. `subjects` differ in their model. */
  charges(shares: readonly { readonly subject: ScopeSubject; readonly amount: Nanodollars }[], at: EpochMs): readonly Charge[] {
    const charges: Charge[] = [];
    for (const account of this.#accounts.values()) {
      const covered = shares.filter(({ subject }) => covers(account.budget.scope, subject));
      if (covered.length > 0) charges.push({ standing: standingOf(account.at(at), at), ask: nanodollars(covered.reduce((sum, { amount }) => sum + amount, 0n)) });
    }
    return charges;
  }

  /** As `overrun`, where each budget is asked for an amount of its own. */
  overrunOf(charges: readonly Charge[]): (Overrun & { readonly ask: Nanodollars }) | null {
    const overruns = charges.flatMap(({ standing, ask }) => {
      const overrun = this.overrun([standing], ask);
      return overrun === null ? [] : [{ ...overrun, ask }];
    });
    return overruns.find(({ exhausted }) => exhausted) ?? overruns[0] ?? null;
  }

  /** Whether one budget alone still keeps a call waiting: quick, since every waiting call is asked whenever something becomes free. */
  holdsUp(id: BudgetId, ask: Nanodollars, likely: Nanodollars, at: EpochMs): boolean {
    const standing = this.standing(id, at);
    if (standing === null) return false;
    const overrun = this.overrun([standing], ask, likely);
    return overrun !== null && !overrun.exhausted;
  }

  /** Holds `amount` in every budget that covers the subject. Must follow `overrun` in the same tick. */
  hold(subject: ScopeSubject, amount: Nanodollars, at: EpochMs, likely = amount): BudgetHold {
    const hold: BudgetHold = { subject, admittedAt: at, amount, likely, windows: [], seat: null };
    for (const account of this.#accounts.values()) join(account, hold);
    for (const account of this.#joining) join(account, hold);
    hold.seat = this.#open.enter(hold);
    if (at > this.#latest) this.#latest = at;
    return hold;
  }

  /** True when the hold became smaller; it never grows. */
  shrink(hold: BudgetHold, amount: Nanodollars): boolean {
    if (amount >= hold.amount || amount < 0n) return false;
    const unlikely = unlikelyOf(hold);
    const less = hold.amount - amount;
    hold.amount = amount;
    for (const window of hold.windows) {
      window.held = nanodollars(window.held - less);
      if (unlikely > 0n) window.unlikely = nanodollars(window.unlikely - unlikely + unlikelyOf(hold));
    }
    return true;
  }

  /** Replaces the hold by what the call cost, in the period it was admitted in. Exactly once per hold. */
  settle(hold: BudgetHold, cost: Nanodollars): void {
    const unlikely = unlikelyOf(hold);
    for (const window of hold.windows) {
      window.held = nanodollars(window.held - hold.amount);
      if (unlikely > 0n) window.unlikely = nanodollars(window.unlikely - unlikely);
      window.spent = nanodollars(window.spent + cost);
    }
    if (hold.seat !== null) this.#open.leave(hold.seat);
  }

  /**
   * Moves a part of a hold to what is spent: `cost` in the windows that held when it was handed to the ledger (`windows`), and as
   * much of the hold, as far as it goes, in all that hold now. A window that joined in between has read the cost from the ledger.
   */
  spend(hold: BudgetHold, windows: readonly Window[], cost: Nanodollars): void {
    this.shrink(hold, nanodollars(hold.amount > cost ? hold.amount - cost : 0n));
    for (const window of windows) window.spent = nanodollars(window.spent + cost);
  }

  /** A call was refused because it would not have fitted into this budget either with nothing else in flight. */
  refused(id: BudgetId, at: EpochMs): void {
    const window = this.#accounts.get(id)?.at(at);
    if (window !== undefined) window.refused = { calls: (window.refused?.calls ?? 0) + 1, lastAt: at };
  }

  /** Puts temporary raises in force, in the place of all there were. Sums stay as they are. */
  grant(grants: readonly Grant[]): void {
    const byBudget = new Map<BudgetId, Grant[]>();
    for (const grant of grants) byBudget.set(grant.budget, [...(byBudget.get(grant.budget) ?? []), grant]);
    this.#grants = byBudget;
    for (const [id, account] of this.#accounts) account.grants = this.#grants.get(id) ?? NO_GRANTS;
  }

  /** Changes what was spent in the periods that a call was admitted in, as far as they are still kept. */
  correct(subject: ScopeSubject, admittedAt: EpochMs, difference: Nanodollars): void {
    for (const account of this.#accounts.values()) {
      const window = covers(account.budget.scope, subject) ? account.kept(admittedAt) : undefined;
      if (window !== undefined) window.spent = nanodollars(window.spent + difference);
    }
  }

  standings(at: EpochMs): Standing[] {
    return [...this.#accounts.values()].map((account) => standingOf(account.at(at), at));
  }

  /**
   * Puts edited budgets in force. One that keeps its id, scope and period keeps its sums; any other is new, and comes in with
   * what the ledger says was spent, plus what settles from this tick on. Rejects, changing nothing, when that cannot be read.
   * The periods before and after are read too, and the one that a stepping clock has left, so that such a step finds true sums.
   * @param spentOf must count every row whose settlement was handed to the ledger before it was called, and no later one
   */
  async replace(budgets: readonly Budget[], zone: string, at: EpochMs, spentOf: (budget: Budget, period: Period) => Promise<Nanodollars>): Promise<() => void> {
    const fresh = budgets.filter((budget) => !this.#accounts.get(budget.id)?.continuesAs(budget, zone)).map((budget) => new Account(budget, zone));
    for (const account of fresh) for (const hold of this.#open) join(account, hold);
    this.#joining = fresh;
    try {
      await Promise.all(
        fresh.flatMap((account) => {
          const current = account.at(at);
          const windows = new Set([current, account.at(epochMs(current.period.from - 1)), account.at(current.period.to), account.at(epochMs(Math.max(at, this.#latest)))]);
          return [...windows].map(async (window) => {
            const before = await spentOf(account.budget, window.period);
            window.spent = nanodollars(window.spent + before);
          });
        }),
      );
    } catch (cause) {
      this.#joining = [];
      throw cause;
    }
    return () => {
      const arrived = new Map(fresh.map((account) => [account.budget.id, account]));
      const next = new Map<BudgetId, Account>();
      for (const budget of budgets) {
        const account = arrived.get(budget.id) ?? this.#accounts.get(budget.id)!;
        account.budget = budget;
        account.grants = this.#grants.get(budget.id) ?? NO_GRANTS;
        next.set(budget.id, account);
      }
      this.#accounts = next;
      this.#joining = [];
    };
  }
}

function join(account: Account, hold: BudgetHold): void {
  if (!covers(account.budget.scope, hold.subject)) return;
  const window = account.at(hold.admittedAt);
  window.held = nanodollars(window.held + hold.amount);
  if (hold.likely < hold.amount) window.unlikely = nanodollars(window.unlikely + hold.amount - hold.likely);
  hold.windows.push(window);
}

function standingOf({ account, period, spent, held, unlikely, refused }: Window, at: EpochMs): Standing {
  const { budget, grants } = account;
  const standing = grants.length === 0 ? { budget, period, spent, held } : { budget, period, spent, held, granted: sumInForce(grants, at) };
  if (budget.expected === undefined && refused == null) return standing;
  return { ...standing, ...(budget.expected === undefined ? {} : { expected: nanodollars(held - unlikely) }), ...(refused == null ? {} : { refused }) };
}

const sameScope = (a: Scope, b: Scope): boolean =>
  a.workspace === b.workspace && a.workflow === b.workflow && a.key === b.key && a.user === b.user && a.model === b.model;
