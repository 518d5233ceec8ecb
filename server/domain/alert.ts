// server/domain/alert.ts: the contract of alerts: what a rule sees, what state it leads to, what is sent to whom, and what is kept of it.

import type { EpochMs } from './ids.ts';
import type { Silence, SilenceRequest } from './silence.ts';

export const ALERT_RULES = [
  'budget', 'budget_refusing', 'pace', 'forecast', 'anomaly', 'errors', 'first_token', 'headroom', 'provider_cap',
  'key_unused', 'key_leak', 'no_traffic', 'unpriced', 'usage_missing', 'ledger', 'price_book', 'reconciliation', 'delivery',
] as const;
export type AlertRule = (typeof ALERT_RULES)[number];

/** From the least to the most urgent. */
export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];
export const atLeast = (severity: Severity, least: Severity): boolean => SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);

/** A figure as a message shows it. */
export interface Fact {
  readonly label: string;
  readonly value: string;
}

/** What a message says of an alert. */
export interface AlertText {
  readonly severity: Severity;
  /** One line. */
  readonly title: string;
  /** One or two sentences. */
  readonly text: string;
  readonly facts: readonly Fact[];
  /** For comparing and charts only; money is in dollars here. */
  readonly value: number;
  readonly threshold: number;
  readonly unit: 'usd' | 'ratio' | 'count' | 'days';
  /** Channels by id; null: every channel. */
  readonly notify: readonly string[] | null;
}

/** How an alert that stands at a tier ends. */
export interface TierEnd {
  /** That it is not over for an alert that stands there, though it would be for one that stood higher. */
  readonly holds: boolean;
  /** In place of the reading's. */
  readonly clearMs: number;
  /** What the message about the end says: how things are then, not how they were when it fired. */
  readonly text: Pick<AlertText, 'title' | 'text' | 'facts' | 'value'>;
}

/** What a rule saw of one scope. Rule, scope and period are its fingerprint. */
export interface Reading extends AlertText {
  readonly rule: AlertRule;
  /** A budget, a workspace, a credential and model class, a key, a model; `gateway` for the gateway itself. */
  readonly scope: string;
  /** Where the period begins; null for rules without one. */
  readonly period: EpochMs | null;
  /** What the tiers are measured against, e.g. a limit: when it changes, tiers that are not reached any more may be told anew. */
  readonly basis: string;
  /** The highest tier reached; 0: none. */
  readonly tier: number;
  /** The highest tier that is not cleared: `tier`, or above it within the hysteresis. */
  readonly keeps: number;
  /** How long a tier must be seen before it fires, and be cleared before it is resolved. */
  readonly forMs: number;
  readonly clearMs: number;
  /** What an hour like the last costs beyond the usual, in dollars; absent where the rule is not about spend. */
  readonly excessPerHour?: number;
  /** How each tier ends, from tier 1, where that is not the same for all. */
  readonly ends?: readonly TierEnd[];
  /** After so long a calm the same tier is told again; null: not in this period. */
  readonly rearmMs: number | null;
}

/** `ok` has no row. A resolved row stays, so that a tier is told once. */
export interface AlertState {
  readonly fingerprint: string;
  readonly rule: AlertRule;
  readonly scope: string;
  readonly period: EpochMs | null;
  readonly state: 'pending' | 'firing' | 'acked' | 'resolved';
  readonly tier: number;
  /** The highest tier that was told; a lower or equal one is not told again. */
  readonly notified: number;
  /** Whether this firing was told, so that its end is told too. */
  readonly announced: boolean;
  /** How urgent it was when it was told last: its end concerns whoever heard of its beginning, however calm it had become. Absent in states of older versions. */
  readonly toldSeverity?: Severity;
  readonly basis: string;
  readonly pendingSince: EpochMs | null;
  /** Looks in a row that saw it; two at least where a rule asks for time, so that a clock that steps cannot fire it. */
  readonly sightings: number;
  readonly since: EpochMs | null;
  readonly clearSince: EpochMs | null;
  readonly resolvedAt: EpochMs | null;
  /** When each tier was reached, from tier 1. */
  readonly reachedAt: readonly (EpochMs | null)[];
  readonly peak: number;
  /** What it has cost beyond the usual so far, in dollars, about; absent where the rule is not about spend. */
  readonly extra?: number;
  /** Names this firing in every message about it. */
  readonly incident: string;
  readonly ackedBy: string | null;
  /** The silence that keeps back what is to be told of it, by id; absent or null: none does. When that ends and the alert still fires, it is told. */
  readonly silence?: string | null;
  readonly lastSentAt: EpochMs | null;
  readonly updatedAt: EpochMs;
  readonly text: AlertText;
}

/** One thing to be told. */
export interface Notice extends AlertText {
  readonly id: string;
  /** `alert.acknowledged` goes only to channels that keep a state of their own. */
  readonly type: 'alert.firing' | 'alert.acknowledged' | 'alert.resolved' | 'alert.test';
  readonly fingerprint: string;
  readonly incident: string;
  readonly rule: AlertRule;
  readonly scope: string;
  readonly at: EpochMs;
  readonly since: EpochMs | null;
  readonly peak: number;
  /** What it cost beyond the usual, in dollars, about; absent or null where the rule is not about spend. */
  readonly extra?: number | null;
  readonly ackedBy: string | null;
  readonly repeated: boolean;
  /** How urgent it was before it rose; absent or null: it begins. */
  readonly raisedFrom?: Severity | null;
  /** Whether it stands for an end: `alert.resolved`, or the test of one. */
  readonly resolved: boolean;
}

/** What goes to a channel as one message: one notice, or a digest of several. */
export interface OutboxMessage {
  /** Stays the same over retries, so that a receiver can tell them. */
  readonly id: string;
  readonly channel: string;
  /** `gathering` still takes notices; `held` likewise, until quiet hours end; `collapsed` had nothing left to say. */
  readonly state: 'gathering' | 'held' | 'sending' | 'sent' | 'dead' | 'collapsed';
  readonly createdAt: EpochMs;
  /** When it is to be sent, or tried again. */
  readonly dueAt: EpochMs;
  readonly attempts: number;
  /** Set once the fallback channel was asked. */
  readonly fellBack: boolean;
  readonly notices: readonly Notice[];
}

/** One try of a message. Without addresses or secrets. */
export interface Delivery {
  readonly id: string;
  readonly message: string;
  readonly channel: string;
  readonly rule: string;
  readonly at: EpochMs;
  readonly attempt: number;
  /** `silenced`: it was not sent, because somebody wanted no messages about it. */
  readonly result: 'delivered' | 'retry' | 'dead' | 'collapsed' | 'silenced';
  /** HTTP or SMTP status; null when there was no answer. */
  readonly status: number | null;
  readonly ms: number;
  /** At most 200 characters of what the receiver said, or why there was no answer. */
  readonly detail: string;
  readonly nextAt: EpochMs | null;
}

/** That a key was used from a network, or with a client: a keyed hash of the key with either, never the address or the name itself. */
export interface KeyMark {
  readonly key: string;
  readonly kind: 'network' | 'client';
  readonly mark: string;
  readonly firstAt: EpochMs;
  readonly lastAt: EpochMs;
}

export interface AlertChanges {
  readonly states: readonly AlertState[];
  /** Fingerprints whose rows go. */
  readonly forgotten: readonly string[];
  readonly messages: readonly OutboxMessage[];
  readonly deliveries: readonly Delivery[];
  /** New ones, and those that were ended early. */
  readonly silences: readonly Silence[];
  readonly keyMarks: readonly KeyMark[];
}

export interface AlertsKept {
  readonly states: readonly AlertState[];
  /** Those not sent yet. */
  readonly messages: readonly OutboxMessage[];
  /** The latest, newest first. */
  readonly deliveries: readonly Delivery[];
  /** Those in force, and those that ended in the past 90 days. */
  readonly silences: readonly Silence[];
  /** Those seen in the past 90 days. */
  readonly keyMarks: readonly KeyMark[];
}

/** Where alerts are kept. `save` writes all of it or nothing, and rejects with `LedgerUnavailable` when it cannot. */
export interface AlertStore {
  load(): Promise<AlertsKept>;
  save(changes: AlertChanges): Promise<void>;
}

/** What would have fired, as a replay of the ledger tells it. */
export interface Replayed {
  readonly at: EpochMs;
  readonly event: 'fired' | 'raised' | 'resolved';
  readonly rule: AlertRule;
  readonly scope: string;
  readonly severity: Severity;
  readonly title: string;
}

export interface Replay {
  readonly rows: readonly Replayed[];
  /** What the ledger does not hold, so that the rule is silent here, wholly or in part. */
  readonly gaps: readonly { readonly rule: AlertRule; readonly whole: boolean; readonly why: string }[];
}

export interface TestRequest {
  readonly channel: string;
  readonly rule: AlertRule;
  readonly severity: Severity;
  readonly resolve: boolean;
  /** Shows what would be sent, and sends nothing. */
  readonly print: boolean;
}

export interface TestResult {
  readonly payload: string;
  /** Null where nothing was sent. */
  readonly delivery: Delivery | null;
}

/** Whether it fires, taken on or not. */
export const isActive = ({ state }: Pick<AlertState, 'state'>): boolean => state === 'firing' || state === 'acked';

/** Something that open pages show at once. `state` null: a silence was made or ended. */
export interface AlertHappening {
  readonly at: EpochMs;
  readonly event: 'fired' | 'raised' | 'resolved' | 'acknowledged' | 'silenced' | 'unsilenced';
  readonly state: AlertState | null;
  /** How many fire now that nobody has taken on or silenced. */
  readonly open: number;
}

/** Alerts as the admin port and the metrics see them. */
export interface AlertDesk {
  /** Pending, firing, acknowledged, and what was resolved of late; the newest first. */
  states(): readonly AlertState[];
  deliveries(): readonly Delivery[];
  waiting(): readonly OutboxMessage[];
  /** Null: nothing of that fingerprint fires. */
  acknowledge(fingerprint: string, by: string): Promise<AlertState | null>;
  /** In force, and those that ended in the past 90 days; the newest first. */
  silences(): readonly Silence[];
  /** In force and durable when it resolves. Null: there are `MOST_SILENCES` in force. @throws LedgerUnavailable */
  silence(request: SilenceRequest): Promise<Silence | null>;
  /** Ends one early; ending twice is no error. What it kept back and still fires is told. Null: there is none of that id. @throws LedgerUnavailable */
  lift(id: string): Promise<Silence | null>;
  /** How many fire that nobody has taken on or silenced, and how urgent the worst is; null where none does. */
  open(): { readonly count: number; readonly worst: Severity | null };
  /** Null: no such channel. */
  test(request: TestRequest): Promise<TestResult | null>;
  replay(query: { readonly since: EpochMs; readonly rule: AlertRule | null }): Promise<Replay>;
}
