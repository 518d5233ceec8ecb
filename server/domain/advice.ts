// server/domain/advice.ts: what the savings advisor finds: money that need not be spent, how certain that is, and what people decided about it.

import type { EpochMs } from './ids.ts';
import type { Nanodollars } from './money.ts';

/**
 * How far a figure can be trusted. `exact`: recorded facts times price. `bounded`: the truth lies in the range. `estimate`: needs a trial, and
 * is in no total. `signal`: money at stake, of which none is claimed.
 */
export const GRADES = ['exact', 'bounded', 'estimate', 'signal'] as const;
export type Grade = (typeof GRADES)[number];

/** In the order in which they take their share of a call, so that none counts what another did. */
export const LEVERS = [
  'repeated_calls', 'superseded_tries', 'premiums', 'long_prompt_band', 'broken_cache', 'unread_cache_writes', 'cache_lifetime', 'uncached_prefix', 'batch', 'smaller_model',
  'cut_answers', 'too_short_to_cache', 'unused_max_tokens', 'history_growth', 'unused_tools', 'server_tools',
] as const;
export type Lever = (typeof LEVERS)[number];

/** What a lever can be at most certain of; a finding can be less. Bounds the labels of a metric. */
export const LEVER_GRADES = {
  repeated_calls: ['exact'], superseded_tries: ['exact'], premiums: ['exact'], long_prompt_band: ['bounded'], broken_cache: ['exact', 'bounded'], unread_cache_writes: ['exact', 'bounded'],
  cache_lifetime: ['exact', 'bounded'], uncached_prefix: ['exact', 'bounded'], batch: ['bounded'], smaller_model: ['estimate'], cut_answers: ['signal'], too_short_to_cache: ['signal'],
  unused_max_tokens: ['signal'], history_growth: ['signal'], unused_tools: ['signal'], server_tools: ['signal'],
} as const satisfies Record<Lever, readonly Grade[]>;

export const SAVING_STATES = ['open', 'doing', 'done', 'dismissed'] as const;
export type SavingState = (typeof SAVING_STATES)[number];

/** One lever in one workflow. Amounts are of the advice's whole window. */
export interface Finding {
  /** `lever:workspace/workflow`; stays the same from run to run. */
  readonly id: string;
  readonly lever: Lever;
  readonly grade: Grade;
  readonly workspace: string;
  readonly workflow: string;
  /** Models of the calls behind it, the dearest first. */
  readonly models: readonly string[];
  /** What would be saved, at least and at most; both zero for a signal. */
  readonly low: Nanodollars;
  readonly high: Nanodollars;
  /** The money that the calls behind a signal cost; zero for others. */
  readonly atStake: Nanodollars;
  /** Calls behind it. */
  readonly calls: number;
  /** Ids of a few of them, the latest first. */
  readonly examples: readonly string[];
  /** `low` and `high` by day of the window. */
  readonly days: readonly { readonly low: Nanodollars; readonly high: Nanodollars }[];
  /** Figures for the advice in words, e.g. `tokens`, `ttl`, `candidate`. */
  readonly facts: Readonly<Record<string, string | number>>;
}

/** One workflow over the window, by day. */
export interface WorkflowDays {
  readonly workspace: string;
  readonly workflow: string;
  readonly cost: readonly Nanodollars[];
  /** What caching and batches saved already, less what cache writes cost extra; can be negative. */
  readonly captured: readonly Nanodollars[];
  readonly calls: readonly number[];
  /** Distinct actions of the client, a call without one counting as its own. */
  readonly actions: readonly number[];
}

export interface Advice {
  readonly at: EpochMs;
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** When each local day of the window begins; the first may be cut. */
  readonly dayStarts: readonly EpochMs[];
  readonly findings: readonly Finding[];
  readonly workflows: readonly WorkflowDays[];
  /** Calls that were answered, and those of them whose prompt has hashes. */
  readonly calls: number;
  readonly hashed: number;
  /** How long the look took, in milliseconds. */
  readonly tookMs: number;
}

/** What a workflow cost per action over the two weeks before something was done about it. */
export interface Baseline {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly actions: number;
  readonly cost: Nanodollars;
  /** What the finding claimed of a day, at most. */
  readonly perDay: Nanodollars;
}

/** What someone decided about a finding; findings that nobody touched have none. */
export interface SavingDecision {
  readonly id: string;
  readonly state: SavingState;
  readonly at: EpochMs;
  readonly actor: string;
  readonly owner: string | null;
  /** Why it was dismissed; null for other states. */
  readonly reason: string | null;
  /** Null before it was done. */
  readonly baseline: Baseline | null;
}

/** What came of a finding that was done, with volume held constant. */
export interface Effect {
  /** Actions since. */
  readonly actions: number;
  /** Cost of one action, before and since. */
  readonly before: Nanodollars;
  readonly since: Nanodollars;
  /** The difference times the actions since; negative where it became dearer. */
  readonly saved: Nanodollars;
}

/** A finding with all that is known of it. */
export interface Saving {
  readonly finding: Finding;
  /** As it stands: a finding that was done and has come back is open. */
  readonly state: SavingState;
  /** True where it was done and has come back. */
  readonly reopened: boolean;
  readonly decision: SavingDecision | null;
  /** Null before it was done, and while too few actions came since. */
  readonly effect: Effect | null;
}

export interface SavingsView {
  readonly advice: Advice;
  /** Dearest first. Those that were decided on are here too, even when nothing is left of them. */
  readonly savings: readonly Saving[];
}

/** The savings advisor, as the admin port sees it. */
export interface Advisor {
  /** The latest advice, or a new one where it is old. @throws AdviceUnavailable when the ledger cannot be read now */
  view(): Promise<SavingsView>;
  /** Durable and audited when it resolves. @throws AdviceError `unknown_saving` when there is no such finding */
  decide(request: { id: string; state: SavingState; owner: string | null; reason: string | null; actor: string }): Promise<Saving>;
}

/** `unknown_saving`; the message is for a person. */
export class AdviceError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'AdviceError';
    this.code = code;
  }
}

/** Where the saved ledger of decisions is. */
export interface SavingDecisions {
  list(): Promise<readonly SavingDecision[]>;
  save(decision: SavingDecision): Promise<void>;
}
