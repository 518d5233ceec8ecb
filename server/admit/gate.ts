// server/admit/gate.ts: the gate: policy, limits and budgets, decided together in one tick.

import type { Admission, AdmissionRequest, Gate, StandingHold } from '../domain/admission.ts';
import { fits, limitOf, type Budget, type ScopeSubject, type Standing } from '../domain/budget.ts';
import type { Period } from '../domain/calendar.ts';
import type { Ask, Caller, Decision, Endpoint } from '../domain/call.ts';
import type { Grant } from '../domain/grant.ts';
import type { BudgetId, Clock, EpochMs } from '../domain/ids.ts';
import { nanodollars, usdString, type Nanodollars } from '../domain/money.ts';
import { granted, type Refusal, type Verdict } from '../domain/refusal.ts';
import type { CheaperModels, Settings } from '../domain/settings.ts';
import { budgetRefusal } from './budget-refusal.ts';
import { Budgets, type Charge, type Overrun } from './budgets.ts';
import { Expectations } from './expectations.ts';
import { layersOf, limitsIn, NO_LAYERS, type Layered, type Layers } from './layers.ts';
import { LimitRules } from './limit-rules.ts';
import { clearCall, resolveAlias, substituteFor } from './model-policy.ts';
import { OpenAdmission } from './open-admission.ts';
import type { ScopeLimits } from './scope-limits.ts';
import { OpenStandingHold } from './standing-hold.ts';
import { Sessions, type Course } from './sessions.ts';
import { WaitingRoom } from './waiting-room.ts';

/** How long a call waits for holds of others to end, before `budget_held`. */
const WAIT_MS = 2_000;

/** Reads what a budget has spent in a period; see `Budgets.replace` for what it must count. */
export type SpentOf = (budget: Budget, period: Period) => Promise<Nanodollars>;

export interface ReloadableGate extends Gate {
  /**
   * Puts new settings in force for the next call: policies, limits and budgets together, when the promise resolves. Sums and
   * calls in flight go on. Rejects when a new budget's past cannot be read; then the old settings stay, whole.
   */
  reload(settings: Settings, spentOf: SpentOf): Promise<void>;
  /** Puts these temporary raises of budgets in force for the next call, and no others. */
  grant(grants: readonly Grant[]): void;
  /** A settled call costs something else than it was settled at. Must not run beside a reload, which would count it twice. */
  correct(subject: ScopeSubject, admittedAt: EpochMs, difference: Nanodollars): void;
  /** Calls that wait for holds to end, now. */
  waiting(): number;
  /** Learns from the ledger what calls probably cost, where a budget wants to know; to be waited for before the first call. Never rejects. */
  remember(): Promise<void>;
}

/** How many rows of the ledger are read to learn what calls probably cost: a tenth of a second's work, however many there are. */
const REMEMBERED = 20_000;
/** What the newest `most` calls held and cost, by key and model, the oldest first. */
export type PastOf = (most: number) => Promise<readonly { readonly key: string | null; readonly workspace: string; readonly workflow: string; readonly modelSent: string | null; readonly held: BigInt64Array; readonly cost: BigInt64Array }[]>;

/** Models of calls that a session made before, newest first, as far as they were let through. */
export type CallsOf = (caller: Caller) => Promise<readonly { readonly modelRequested: string | null; readonly modelSent: string | null }[]>;

/**
 * @param standingsAtStart what each budget has spent in its current period, from the ledger
 * @param callsOf only asked where sessions may run on cheaper models; left out: what is not in memory is not known
 * @param pastOf only asked where a budget counts with what calls probably cost; left out: nothing is known at first
 */
export function createGate({ settings, clock, standingsAtStart, callsOf = async () => [], pastOf = async () => [] }: { settings: Settings; clock: Clock; standingsAtStart: readonly Standing[]; callsOf?: CallsOf; pastOf?: PastOf }): ReloadableGate {
  return new RunningGate(settings, clock, standingsAtStart, callsOf, pastOf);
}

class RunningGate implements ReloadableGate {
  readonly #clock: Clock;
  readonly #budgets: Budgets;
  readonly #callsOf: CallsOf;
  readonly #pastOf: PastOf;
  #remembered = false;
  readonly #sessions = new Sessions();
  readonly #waitingRoom = new WaitingRoom();
  readonly #limitRules: LimitRules;
  readonly #expectations = new Expectations();
  /** Whether any budget counts with what calls probably cost. */
  #expects: boolean;
  #layers: Layers;
  /** Reloads follow one another, so that each starts from what the one before put in force. */
  #reloading: Promise<void> = Promise.resolve();

  constructor(settings: Settings, clock: Clock, standingsAtStart: readonly Standing[], callsOf: CallsOf, pastOf: PastOf) {
    this.#callsOf = callsOf;
    this.#pastOf = pastOf;
    this.#clock = clock;
    this.#budgets = new Budgets(settings.budgets, settings.timezone, standingsAtStart);
    this.#layers = layersOf(settings, new Map(), clock.monotonic());
    this.#expects = expects(settings);
    this.#limitRules = new LimitRules(settings.limitRules, clock.monotonic());
  }

  clear(...[caller, endpoint, ask, betas = NO_BETAS]: Parameters<Gate['clear']>): ReturnType<Gate['clear']> {
    const { policies, cheaper, flatHold } = this.#layersFor(caller);
    const course = cheaper !== null && ask !== null && caller.session !== null && SESSIONS.has(endpoint) ? this.#sessions.courseOf(caller, ask.continues, () => this.#courseNow(cheaper)) : 'asked';
    const cleared = clearCall(policies, endpoint, ask, betas, course === 'cheaper' || (course === 'rehearsed' && cheaper!.dryRun) ? { ...cheaper!, dryRun: course === 'rehearsed' } : null);
    return flatHold === null || !cleared.ok ? cleared : granted({ ...cleared.value, flatHold });
  }

  recall(caller: Caller, ask: Ask | null): Promise<void> | null {
    const { policies, cheaper } = this.#layersFor(caller);
    if (cheaper === null || ask === null || caller.session === null || this.#sessions.knows(caller)) return null;
    return this.#callsOf(caller).then(
      (calls) => {
        const known = calls.filter(({ modelRequested, modelSent }) => modelRequested !== null && modelSent !== null);
        // Another call of the session may have been quicker.
        if (known.length === 0 || this.#sessions.knows(caller)) return;
        this.#sessions.remember(caller, known.some(({ modelRequested, modelSent }) => substituteFor(cheaper, resolveAlias(policies, modelRequested!, [])) === modelSent) ? 'cheaper' : 'asked');
      },
      // What cannot be read is as if it had been forgotten; the conversation itself still tells a beginning from the rest.
      () => undefined,
    );
  }

  #courseNow({ budget, at, dryRun }: CheaperModels): Course {
    const standing = this.#budgets.standing(budget, this.#clock.now());
    if (standing === null || standing.spent * 1_000_000n < limitOf(standing) * BigInt(at)) return 'asked';
    return dryRun === true ? 'rehearsed' : 'cheaper';
  }

  exhausted({ caller, clearance, quote }: Parameters<Gate['exhausted']>[0]): Refusal | null {
    if (quote.ceiling === 0n) return null;
    const at = this.#clock.now();
    const likely = this.#expects ? this.#expectations.likely(caller, clearance.model, quote.ceiling) : quote.ceiling;
    const overrun = this.#budgets.overrun(this.#budgets.covering(subjectOf(caller, clearance.model), at), quote.ceiling, likely);
    return overrun?.exhausted ? this.#exhausted(overrun, quote.ceiling, at) : null;
  }

  async admit(request: AdmissionRequest): Promise<Verdict<Admission>> {
    let outcome: Decided = this.#decide(request);
    if (outcome.kind === 'held') {
      const attempt = (): boolean => {
        if (outcome.kind === 'held' && this.#budgets.holdsUp(outcome.by, outcome.ask, outcome.likely, this.#clock.now())) return false;
        outcome = this.#decide(request);
        return outcome.kind !== 'held';
      };
      await this.#waitingRoom.wait(attempt, WAIT_MS, request.signal);
    }
    return outcome.kind === 'admitted' ? granted(outcome.admission) : { ok: false, refusal: outcome.refusal };
  }

  adopt({ caller, shares, admittedAt }: Parameters<Gate['adopt']>[0]): StandingHold {
    const holds = shares.map(({ model, amount }) => this.#budgets.hold(subjectOf(caller, model), amount, admittedAt));
    return new OpenStandingHold(this.#budgets, holds, this.#onFreed);
  }

  grant(grants: readonly Grant[]): void {
    this.#budgets.grant(grants);
    this.#waitingRoom.wake();
  }

  standings(at: EpochMs): readonly Standing[] {
    return this.#budgets.standings(at);
  }

  buckets(): ReturnType<Gate['buckets']> {
    const now = this.#clock.monotonic();
    return [...limitsIn(this.#layers).flatMap((limits) => limits.buckets(now)), ...this.#limitRules.buckets(now)];
  }

  reload(settings: Settings, spentOf: SpentOf): Promise<void> {
    const reloaded = this.#reloading.then(async () => {
      if (expects(settings)) await this.#learnPast();
      const putInForce = await this.#budgets.replace(settings.budgets, settings.timezone, this.#clock.now(), spentOf);
      putInForce();
      const now = this.#clock.monotonic();
      this.#layers = layersOf(settings, new Map(limitsIn(this.#layers).map((limits) => [limits.scope, limits])), now);
      this.#limitRules.change(settings.limitRules, now);
      this.#expects = expects(settings);
      this.#waitingRoom.wake();
    });
    // The next reload starts from the old settings when this one failed; who called hears of it.
    this.#reloading = reloaded.catch(() => undefined);
    return reloaded;
  }

  correct(subject: ScopeSubject, admittedAt: EpochMs, difference: Nanodollars): void {
    this.#budgets.correct(subject, admittedAt, difference);
    if (difference < 0n) this.#waitingRoom.wake();
  }

  async remember(): Promise<void> {
    if (this.#expects) await this.#learnPast();
  }

  /** Once: what a call costs from then on is learned when it ends. A ledger that cannot be read keeps nobody out: the worst case counts until enough is known. */
  async #learnPast(): Promise<void> {
    if (this.#remembered) return;
    this.#remembered = true;
    const past = await this.#pastOf(REMEMBERED).catch(() => []);
    for (const kind of past) kind.held.forEach((held, at) => this.#expectations.learn(kind, kind.modelSent, nanodollars(held), nanodollars(kind.cost[at]!)));
  }

  waiting(): number {
    return this.#waitingRoom.size;
  }

  /**
   * One tick: asks every budget and limit, then takes from all of them or from none. A budget that is exhausted is named before
   * a limit, as waiting would not help; a limit before a hold, as a call does not wait here for limits.
   */
  #decide(request: AdmissionRequest): Decided {
    const { caller, clearance, quote } = request;
    const at = this.#clock.now();
    const now = this.#clock.monotonic();
    const layered = this.#layersFor(caller);
    const limits = this.#limitRules.isEmpty ? layered.limits : [...layered.limits, ...this.#limitRules.covering(caller, clearance.model, now)];
    const subject = subjectOf(caller, clearance.model);
    const shares = request.shares?.map(({ model, amount }) => ({ subject: subjectOf(caller, model), amount })) ?? null;

    // What costs nothing is let through whatever is spent: clients count tokens to stay within a budget.
    const free = quote.ceiling === 0n;
    const charges = free || shares === null ? [] : this.#budgets.charges(shares, at);
    const standings = free ? [] : shares === null ? this.#budgets.covering(subject, at) : charges.map(({ standing }) => standing);
    const likely = this.#expects && shares === null ? this.#expectations.likely(caller, clearance.model, quote.ceiling) : quote.ceiling;
    const overrun = shares === null ? this.#budgets.overrun(standings, quote.ceiling, likely) : this.#budgets.overrunOf(charges);
    const ask = overrun !== null && 'ask' in overrun ? (overrun as Charge).ask : quote.ceiling;
    if (overrun?.exhausted) return { kind: 'refused', refusal: this.#exhausted(overrun, ask, at) };
    // A batch runs when the provider has room, and its own limits are others than those of calls.
    const inputTokens = free || shares !== null ? null : quote.likelyInputTokens;
    /** Limits that only rehearse, and would have refused: the call takes nothing from them, as it would not have. */
    let rehearsed: Map<ScopeLimits, Refusal> | null = null;
    for (const each of limits) {
      const obstacle = each.obstacle(inputTokens, now);
      if (obstacle === null) continue;
      if (!each.dryRun) return { kind: 'refused', refusal: obstacle };
      (rehearsed ??= new Map()).set(each, obstacle);
    }
    if (overrun !== null) return { kind: 'held', by: overrun.standing.budget.id, ask, likely: shares === null ? likely : ask, refusal: budgetRefusal(overrun, ask, at) };

    const decisions = [...clearance.decisions];
    for (const each of limits) {
      const obstacle = rehearsed?.get(each);
      if (obstacle === undefined) decisions.push(...each.decisions);
      else decisions.push({ rule: obstacle.rule ?? obstacle.reason, verdict: 'would_refuse', detail: obstacle.message });
    }
    if (shares === null) for (const standing of standings) decisions.push(budgetDecision(standing, quote.ceiling, likely));
    else for (const charge of charges) decisions.push(budgetDecision(charge.standing, charge.ask, charge.ask));
    const taking = rehearsed === null ? limits : limits.filter((each) => !rehearsed!.has(each));
    const limitHolds = taking.map((each) => each.take(inputTokens, now));
    const budgetHolds = shares === null ? [this.#budgets.hold(subject, quote.ceiling, at, likely)] : shares.map((share) => this.#budgets.hold(share.subject, share.amount, at));
    const onCost = this.#expects && shares === null && !free ? (cost: Nanodollars): void => this.#expectations.learn(caller, clearance.model, quote.ceiling, cost) : null;
    return { kind: 'admitted', admission: new OpenAdmission(quote, decisions, at, { limitHolds, budgetHolds, standings, budgets: this.#budgets, clock: this.#clock, onFreed: this.#onFreed, onCost }) };
  }

  #exhausted(overrun: Overrun, ask: Nanodollars, at: EpochMs): Refusal {
    this.#budgets.refused(overrun.standing.budget.id, at);
    return budgetRefusal(overrun, ask, at);
  }

  readonly #onFreed = (): void => this.#waitingRoom.wake();

  #layersFor(caller: Caller): Layered {
    const workspace = this.#layers.get(caller.workspace);
    return workspace === undefined ? NO_LAYERS : (workspace.workflows.get(caller.workflow) ?? workspace.own);
  }
}

type Decided = { kind: 'admitted'; admission: Admission } | { kind: 'refused'; refusal: Refusal } | { kind: 'held'; by: BudgetId; ask: Nanodollars; likely: Nanodollars; refusal: Refusal };

/** Where conversations happen. */
const SESSIONS: ReadonlySet<Endpoint> = new Set(['messages', 'chat_completions', 'complete']);

const NO_BETAS: readonly string[] = [];

const subjectOf = (caller: Omit<Caller, 'upstream'>, model: string | null): ScopeSubject => ({ workspace: caller.workspace, workflow: caller.workflow, key: caller.key, user: caller.user, model });

const expects = ({ budgets }: Settings): boolean => budgets.some(({ expected }) => expected !== undefined);

/** Only soft budgets, and those that rehearse, can be overrun here. */
function budgetDecision(standing: Standing, ask: Nanodollars, likely: Nanodollars): Decision {
  const { budget } = standing;
  const counted = budget.expected === undefined || likely === ask ? '' : `, counted as ${usdString(likely)}`;
  return { rule: `budget:${budget.id}`, verdict: fits(standing, ask, likely) ? 'allow' : 'would_refuse', detail: `held ${usdString(ask)} of ${usdString(limitOf(standing))}${counted}` };
}
