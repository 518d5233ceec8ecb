// server/domain/reports.ts: the contract of everything that is read back: usage, requests, one request, audit. All of it is derived from ledger rows.

import type { Attempt, CountedVerdict, Decision, Endpoint, Outcome } from './call.ts';
import type { Scope } from './budget.ts';
import type { AuditEntry } from './ledger.ts';
import type { EpochMs } from './ids.ts';
import type { Nanodollars } from './money.ts';
import type { PriceRow } from './price.ts';
import type { ServerTools, Tokens, UsagePart } from './usage.ts';
import type { Drift } from './verify.ts';

export const GROUPINGS = ['workspace', 'workflow', 'user', 'model', 'key', 'outcome', 'hour', 'day', 'month'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Half-open in time of admission; within one list any value matches, between lists all must. Empty lists match everything. `user` and `key` match null as `''`. */
export interface Filter {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly workspace: readonly string[];
  readonly workflow: readonly string[];
  readonly user: readonly string[];
  readonly model: readonly string[];
  readonly key: readonly string[];
  readonly outcome: readonly string[];
  readonly session: readonly string[];
  readonly action: readonly string[];
  /** Ids of traces, 32 hexadecimal digits; absent matches everything, as do the ones below. */
  readonly trace?: readonly string[];
  /** Keyed hashes of beginnings of prompts, as `promptMarks` makes them: a call matches whose prompt has a boundary with one of them. */
  readonly prefix?: readonly string[];
  /** Why we said no. */
  readonly refusal?: readonly string[];
  /** The type of the error that a call ended with. */
  readonly error?: readonly string[];
  /** `name=value`. */
  readonly tag?: readonly string[];
  /** A rule that refused the call or changed its model, or would have; `''` for a refusal that no rule of the configuration made. */
  readonly policy?: readonly string[];
  /** What a rule said of the call: one of `COUNTED_VERDICTS`. Beside `policy`, what such a rule said. */
  readonly verdict?: readonly string[];
  /** Whether the cost came from something else than complete usage, corrections considered. */
  readonly estimated?: boolean;
}

export interface UsageQuery {
  readonly filter: Filter;
  readonly groupBy: readonly Grouping[];
  /** At most this many rows, the dearest; the rest is left to `total`. */
  readonly limit: number;
  /** False: `duration` and `timeToFirstToken` are left out, as null. Adding them up is most of the work where groups are many. */
  readonly times?: boolean;
}

export interface Percentiles {
  /** Milliseconds; null when nothing was measured. Within 3 % of the true value. */
  readonly p50: number | null;
  readonly p95: number | null;
}

export interface UsageFigures {
  /** Calls by clients, refused ones included. */
  readonly requests: number;
  /** Tries on the wire. */
  readonly attempts: number;
  /** Our own no. */
  readonly refused: number;
  /** Outcomes that are neither ok, truncated, refused nor the client's own leaving. */
  readonly errors: number;
  readonly tokens: Tokens;
  readonly webSearches: number;
  readonly cost: Nanodollars;
  /** The part of `cost` that is estimated. */
  readonly estimatedCost: Nanodollars;
  readonly cacheSavings: Nanodollars;
  readonly duration: Percentiles;
  readonly timeToFirstToken: Percentiles;
}

export interface UsageRow extends UsageFigures {
  /** One value per grouping asked for; `hour` and `day` as the instant they begin, `month` likewise; null for no user, key or model. */
  readonly group: Readonly<Partial<Record<Grouping, string | number | null>>>;
  /** Where grouped by user alone, for the dearest `LAST_SEEN` users: their last call in the range, of any kind, whose row is kept; else absent. */
  readonly lastAt?: EpochMs;
}

export const LAST_SEEN = 500;

export interface UsageReport {
  readonly rows: readonly UsageRow[];
  /** Over everything that matches, whatever `limit` left out. */
  readonly total: UsageFigures;
}

/** What actions are told apart by; nothing: all together. An action belongs to the time of its first call in the range. */
export const ACTION_GROUPINGS = ['workspace', 'workflow', 'hour', 'day', 'month'] as const;
export type ActionGrouping = (typeof ACTION_GROUPINGS)[number];

/** Calls that name one action within a workflow and a local day are one action; a call that names none is one by itself. Refused calls are none. */
export interface ActionFigures {
  readonly actions: number;
  readonly calls: number;
  /** Of these, calls that name their action. */
  readonly named: number;
  readonly cost: Nanodollars;
  /** Per action, by nearest rank: exact where rows tell all of it, else within 3 %; null where there is none. */
  readonly p50: Nanodollars | null;
  readonly p95: Nanodollars | null;
}

export interface ActionsReport {
  readonly rows: readonly (ActionFigures & { readonly group: Readonly<Partial<Record<ActionGrouping, string | number>>> })[];
  readonly total: ActionFigures;
  /** Actions by cost in steps of 1, 2 and 5 times a power of ten, half-open, from the cheapest to the dearest; those that cost nothing are left out. At an edge, as near as p50 is. */
  readonly steps: readonly { readonly from: Nanodollars; readonly to: Nanodollars; readonly actions: number }[];
  /** The dearest that were named. */
  readonly dearest: readonly { readonly workspace: string; readonly workflow: string; readonly action: string; readonly calls: number; readonly cost: Nanodollars; readonly at: EpochMs }[];
  /** Where the figures begin: later than was asked where more rows had to be read than are at once. */
  readonly from: EpochMs;
}

export interface ShapesReport {
  /** Served ones that match. */
  readonly calls: number;
  /** Answers by output tokens, in steps that double, half-open; within 3 % at the edges. */
  readonly sizes: readonly { readonly from: number; readonly to: number; readonly answers: number }[];
  /** Output tokens a second from the first token to the last, of streamed answers of 20 tokens and more; p5 is what one in twenty was slower than. */
  readonly speeds: readonly { readonly model: string | null; readonly answers: number; readonly p50: number; readonly p5: number }[];
  /** What calls spent in the gateway itself. */
  readonly overhead: Percentiles;
  /** Where the figures begin: later than was asked where more rows had to be read than are at once. */
  readonly from: EpochMs;
}

/** Steps of traces: the first answered call of each, the second, and so on, within one workflow. */
export interface StepsReport {
  /** Looked at: the newest, with an answered call each. */
  readonly traces: number;
  readonly calls: number;
  /** Where the figures begin: later than was asked where there are more traces than were looked at. */
  readonly from: EpochMs;
  readonly rows: readonly {
    /** From 1; null: all later ones together. */
    readonly step: number | null;
    readonly calls: number;
    /** That have such a step. */
    readonly traces: number;
    /** That most of the calls were served by, and how many. */
    readonly model: string | null;
    readonly modelCalls: number;
    /** Calls that ended with the wish to use a tool. */
    readonly toolUse: number;
    /** By nearest rank, as are the next two; as settled, without corrections. */
    readonly cost: { readonly p50: Nanodollars; readonly p95: Nanodollars };
    /** Of all kinds. */
    readonly tokens: { readonly p50: number; readonly p95: number };
    readonly durationMs: { readonly p50: number; readonly p95: number };
    /** The trace with the dearest call of this step. */
    readonly dearestTrace: string;
  }[];
}

/** What reasons are told apart by, beside themselves. */
export const REASON_GROUPINGS = ['workspace', 'workflow', 'hour', 'day', 'month'] as const;
export type ReasonGrouping = (typeof REASON_GROUPINGS)[number];

export interface ReasonsReport {
  readonly rows: readonly {
    readonly outcome: Outcome;
    readonly status: number | null;
    /** Of a refusal why, of an error its type; null where it has none. */
    readonly reason: string | null;
    readonly group: Readonly<Partial<Record<ReasonGrouping, string | number>>>;
    readonly calls: number;
  }[];
  readonly total: number;
}

/** What verdicts are told apart by, beside the rule and what it said. */
export const VERDICT_GROUPINGS = REASON_GROUPINGS;
export type VerdictGrouping = ReasonGrouping;

export interface VerdictsReport {
  readonly rows: readonly {
    /** The rule; null for refusals that no rule of the configuration made. */
    readonly policy: string | null;
    readonly verdict: CountedVerdict;
    readonly group: Readonly<Partial<Record<VerdictGrouping, string | number>>>;
    readonly calls: number;
  }[];
  /** Of all rows: a call that several rules spoke of is in it once for each. */
  readonly total: number;
}

/** A ledger row as it is read back. */
export interface CallRow {
  readonly id: string;
  readonly admittedAt: EpochMs;
  /** Null while the call is in flight. */
  readonly endedAt: EpochMs | null;
  readonly workspace: string;
  readonly workflow: string;
  readonly user: string | null;
  readonly session: string | null;
  readonly action: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly key: string | null;
  readonly endpoint: Endpoint;
  readonly stream: boolean;
  readonly modelRequested: string | null;
  /** What went upstream, aliases resolved. */
  readonly modelSent: string | null;
  readonly modelServed: string | null;
  /** Null while the call is in flight. */
  readonly outcome: Outcome | null;
  readonly status: number | null;
  readonly refusal: string | null;
  readonly tokens: Tokens;
  readonly serverTools: ServerTools;
  /** Corrections included, as are `estimated`, `cacheSavings` and `priceVersion`. */
  readonly cost: Nanodollars;
  /** What it was settled at; the same as `cost` where there are no corrections. */
  readonly settledCost: Nanodollars;
  readonly corrections: number;
  /** What was held when the call left. */
  readonly held: Nanodollars;
  readonly estimated: boolean;
  readonly estimateMethod: string | null;
  readonly cacheSavings: Nanodollars;
  readonly priceVersion: string | null;
  readonly timeToFirstTokenMs: number | null;
  readonly durationMs: number | null;
  readonly overheadMs: number | null;
  readonly attempts: number;
  readonly clientRetry: number | null;
  readonly stopReason: string | null;
  readonly errorType: string | null;
  readonly upstreamRequestId: string | null;
  /** The provider's id of the batch that the call created, or whose results it was booked from; null for others. */
  readonly batchId: string | null;
  /** The item's name in its batch; null for others. */
  readonly customId: string | null;
  /** The trace that the client said it belongs to, 32 hexadecimal digits; null where it said none. */
  readonly traceId: string | null;
}

/** A call with all that is needed to price it again. */
export interface BilledCall {
  readonly row: CallRow;
  readonly parts: readonly UsagePart[];
  readonly speed: string | null;
  readonly serviceTier: string | null;
  readonly inferenceGeo: string | null;
  /** Rows of the price book that priced it, as they were then; the latest correction's where there are any. */
  readonly prices: readonly PriceRow[];
  /** Oldest first. */
  readonly corrections: readonly CorrectionRow[];
}

export interface CallDetail extends BilledCall {
  readonly attempts: readonly Attempt[];
  readonly decisions: readonly Decision[];
}

/** A call with keyed hashes of its prompt's prefixes, as `promptMarks` wrote them. Corrections are left out. */
export interface CallPrompt {
  readonly row: CallRow;
  readonly prompt: string;
}

export interface PromptsReport {
  /** `prompt` null: none were taken, or the call has not ended. */
  readonly call: { readonly row: CallRow; readonly prompt: string | null };
  /** The call before it of its session; null where there is none, or none with hashes. */
  readonly sameSession: CallPrompt | null;
  /** Those before it of its workflow and model, newest first. */
  readonly recent: readonly CallPrompt[];
}

/** A correction as it is read back. */
export interface CorrectionRow {
  readonly at: EpochMs;
  readonly run: string;
  readonly reason: string;
  readonly actor: string;
  /** What it changed the cost by. */
  readonly difference: Nanodollars;
  /** What the call cost from then on. */
  readonly cost: Nanodollars;
  readonly estimated: boolean;
  readonly estimateMethod: string | null;
  readonly priceVersion: string;
}

/** A page of a list, newest first. `nextCursor` null: the end. A cursor stays valid while rows arrive. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly nextCursor: string | null;
}

/** What calls of one key and model held at first and cost in the end, in nano-dollars, the oldest first; packed, since there are many. */
export interface HeldAndCost {
  readonly workspace: string;
  readonly workflow: string;
  readonly key: string | null;
  readonly modelSent: string | null;
  readonly held: BigInt64Array;
  /** One for each of `held`. */
  readonly cost: BigInt64Array;
}

/**
 * Reads, off the main thread, so that a chart never stalls a stream.
 * @throws BadQuery for a cursor that is not one of ours
 * @throws ReportsUnavailable when too many reads wait, one takes too long, or the store cannot be read; asking again later may help
 */
export interface Reports {
  usage(query: UsageQuery): Promise<UsageReport>;
  requests(query: { filter: Filter; limit: number; cursor: string | null }): Promise<Page<CallRow>>;
  /** What actions cost; where rows must tell, of the newest `most` calls that match. */
  actions(query: { filter: Filter; groupBy: readonly ActionGrouping[]; most: number }): Promise<ActionsReport>;
  /** How long answers are, how fast they were written, and what the gateway took itself; where rows must tell, of the newest `most`. */
  shapes(query: { filter: Filter; most: number }): Promise<ShapesReport>;
  /** Why calls were refused or failed; those that came whole or cut are left out. */
  reasons(query: { filter: Filter; groupBy: readonly ReasonGrouping[] }): Promise<ReasonsReport>;
  /** What the steps of a workflow's newest `mostTraces` traces cost and take, fewer where they have `mostCalls` calls together; all past `mostSteps` are one. */
  steps(query: { from: EpochMs; to: EpochMs; workspace: string; workflow: string; mostTraces: number; mostCalls: number; mostSteps: number }): Promise<StepsReport>;
  /** What rules said of calls that have ended, other than that they may pass. */
  verdicts(query: { filter: Filter; groupBy: readonly VerdictGrouping[] }): Promise<VerdictsReport>;
  /** Every row, for an export; read in pages, never all at once. The oldest first unless told. */
  everyRequest(filter: Filter, order?: 'oldest' | 'newest'): AsyncIterable<CallRow>;
  /** Null: no such call, or its row is past retention. */
  request(id: string): Promise<CallDetail | null>;
  /** A call's prompt as hashes, with `most` of those before it. Null: no such call, or its row is past retention. */
  prompts(query: { readonly id: string; readonly most: number }): Promise<PromptsReport | null>;
  /** Ended calls that had a price, in order of admission. */
  bills(query: { from: EpochMs; to: EpochMs; limit: number; cursor: string | null; /** Of all, unless told. */ workspace?: string }): Promise<Page<BilledCall>>;
  /** The days whose rows retention has left whole; null where there is no row. */
  daysKept(): Promise<{ readonly from: EpochMs; readonly to: EpochMs } | null>;
  /** Sums of the local day that holds an instant which are not what its rows give; `to` is where that day ends. */
  checkDay(day: EpochMs): Promise<{ readonly to: EpochMs; readonly drift: readonly Drift[] }>;
  /** Spend per hour of a scope, for forecasts; hours without spend are absent. */
  hourlySpend(scope: Scope, from: EpochMs, to: EpochMs): Promise<readonly { hour: EpochMs; cost: Nanodollars }[]>;
  /** Of the newest `most` calls those that tell what such calls cost. */
  heldAndCost(query: { readonly most: number }): Promise<readonly HeldAndCost[]>;
  /** `action`, `actor`: any of them, or all where there is none. */
  audit(query: { limit: number; cursor: string | null; action?: readonly string[]; actor?: readonly string[] }): Promise<Page<AuditEntry & { readonly id: number }>>;
  /** The distinct values of the filter fields in a time range, for pickers; at most `limit` each, the busiest first. */
  facets(range: { from: EpochMs; to: EpochMs }, limit: number): Promise<Readonly<Record<'workspace' | 'workflow' | 'user' | 'model' | 'key' | 'outcome' | 'policy', readonly string[]>>>;
  close(): Promise<void>;
}

export class BadQuery extends Error {
  override readonly name = 'BadQuery';
}

export class ReportsUnavailable extends Error {
  override readonly name = 'ReportsUnavailable';
}
