// server/domain/admission.ts: the contract of the gate: what a call needs before it may leave, and what it holds while it is out.

import type { Ask, Caller, Decision, Endpoint } from './call.ts';
import type { Standing } from './budget.ts';
import type { EpochMs } from './ids.ts';
import type { Nanodollars } from './money.ts';
import type { Quote } from './price.ts';
import type { Refusal, Verdict } from './refusal.ts';
import type { LimitRule } from './settings.ts';
import type { Tokens } from './usage.ts';

/** What the policy made of the call's model. */
export interface Clearance {
  /** The model that goes upstream, aliases resolved; null where the endpoint has none. */
  readonly model: string | null;
  /** The model that a cheaper one stands in for, as the client wrote it; absent where it got what it asked for. */
  readonly insteadOf?: string;
  /** What is held for all that the call may read besides its bytes; absent: its worst case. */
  readonly flatHold?: Nanodollars;
  readonly decisions: readonly Decision[];
}

/** Money by model: of one call or of a whole batch. */
export interface Share {
  /** As sent, aliases resolved; null where there is none. */
  readonly model: string | null;
  readonly amount: Nanodollars;
}

/** A hold on money that outlives the call that took it, as a batch's does. */
export interface StandingHold {
  /** What is still held. */
  readonly amount: Nanodollars;
  /**
   * Call it when costs are handed to the ledger, and what it returns once they are written, with what they came to: they are spent
   * from then on, and held no more. Two steps, because a budget that joins in between reads those costs from the ledger itself.
   */
  charge(): (costs: readonly Share[]) => void;
  /** Ends what is left of the hold. The second and later calls do nothing. */
  release(): void;
}

/** What one admitted call holds: money in every budget that covers it, a place in the concurrency limits, tokens in the rate limits. */
export interface Admission {
  readonly admittedAt: EpochMs;
  readonly quote: Quote;
  readonly held: Nanodollars;
  /** The hard budget covering the call that has the smallest share left, as it stood at the admission; null where there is none. */
  readonly tightest: Standing | null;
  /** Every rule asked, in order, those of the clearance included. */
  readonly decisions: readonly Decision[];
  /**
   * To be told of bytes of generated content as they stream, so that limits on output feel them before the call has ended; null where
   * no such limit covers the call.
   */
  readonly onContent: ((bytes: number) => void) | null;
  /** At `message_start`: the true prompt corrects the input limit and the hold shrinks to `ceiling`; never grows. */
  started(tokens: Tokens, ceiling: Nanodollars): void;
  /** Ends the hold, however the call ended. The second and later calls do nothing. `tokens` null: nothing was used. */
  release(cost: Nanodollars, tokens: Tokens | null): void;
  /** Ends the call at no cost and no tokens, but not its hold on money. In place of `release`. */
  keep(): StandingHold;
}

export interface AdmissionRequest {
  readonly caller: Caller;
  readonly endpoint: Endpoint;
  readonly clearance: Clearance;
  readonly quote: Quote;
  /** The quote's ceiling by model, where a call is for several; left out, all of it is the clearance's model's. */
  readonly shares?: readonly Share[];
  /** Fires when the client leaves while it waits. */
  readonly signal: AbortSignal;
}

export interface Gate {
  /**
   * Makes sure that it is known with which models the call's session began, when that matters and was forgotten, e.g. in a restart;
   * null, nearly always, when there is nothing to wait for. To be asked before `clear`. Never rejects.
   */
  recall(caller: Caller, ask: Ask | null): Promise<void> | null;
  /** Models, aliases, deny lists, features, `max_output_tokens`: decided from the config alone. `ask` null: an endpoint without a model. `betas`: what the `anthropic-beta` header names. */
  clear(caller: Caller, endpoint: Endpoint, ask: Ask | null, betas?: readonly string[]): Verdict<Clearance>;
  /** Why a budget would refuse the call whatever else it waits for; null where none would. Takes nothing. */
  exhausted(request: Pick<AdmissionRequest, 'caller' | 'clearance' | 'quote'>): Refusal | null;
  /**
   * Takes the call's place in every limit and budget that covers it, all in one tick, or in none. Where only holds of calls in
   * flight are in the way it waits, at most two seconds, then refuses with `budget_held`.
   */
  admit(request: AdmissionRequest): Promise<Verdict<Admission>>;
  /** Holds what a batch of an earlier run still may cost, whatever room there is: it was admitted then. */
  adopt(earlier: { readonly caller: Omit<Caller, 'upstream'>; readonly shares: readonly Share[]; readonly admittedAt: EpochMs }): StandingHold;
  /** Every budget in its current period, for the admin API and metrics. */
  standings(at: EpochMs): readonly Standing[];
  /** Our own buckets as they are now. */
  buckets(at: EpochMs): readonly Bucket[];
}

/** One limit of one scope. */
export interface Bucket {
  /** In words: `workspace`, `workspace/workflow`, or the id of a rule and what of it this is the limit of. */
  readonly scope: string;
  /** The calls that count, as a rule says it: where a rule gives each key or class a limit of its own, this one's. */
  readonly of: LimitRule['scope'];
  readonly dimension: 'requests' | 'input_tokens' | 'output_tokens' | 'concurrent';
  /** Per minute, but for `concurrent`. */
  readonly limit: number;
  readonly remaining: number;
}
