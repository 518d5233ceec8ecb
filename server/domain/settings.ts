// server/domain/settings.ts: the config, parsed once into a complete, readonly value. Everything has its default already.

import type { Severity } from './alert.ts';
import type { Budget } from './budget.ts';
import type { Priority } from './call.ts';
import type { VirtualKey } from './directory.ts';
import type { BudgetId, WorkflowId, WorkspaceId } from './ids.ts';
import type { Nanodollars } from './money.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Globs: `*` any run of characters, `?` one; anchored at both ends, matched in linear time. */
export interface ModelRules {
  /** Null allows every model. An empty list allows none. */
  readonly allow: readonly string[] | null;
  /** Wins over `allow`. */
  readonly deny: readonly string[];
  /** What the client may write → the model that goes upstream and is checked and priced. */
  readonly alias: ReadonlyMap<string, string>;
  /** True records what would be refused, and lets it pass. */
  readonly dryRun?: boolean;
}

/** Features that have a name of their own behind a colon, and those that are one as a whole. */
export const FEATURE_KINDS = ['server_tool:', 'tool:', 'mcp_server:', 'beta:', 'geo:', 'speed:'] as const;
export const FEATURE_WORDS = ['thinking', 'files', 'skills', 'container', 'batches'] as const;

/** Globs over features, e.g. `server_tool:web_search_*`, `thinking`. */
export interface FeatureRules {
  /** Closes the kinds that it names to all but these; kinds that it does not name stay open. */
  readonly allow: readonly string[];
  /** Wins over `allow`. */
  readonly deny: readonly string[];
  /** True records what would be refused, and lets it pass. */
  readonly dryRun?: boolean;
}

/** Null is no limit. Minutes are 60-second refills of a bucket, not calendar minutes. */
export interface Limits {
  readonly requestsPerMinute: number | null;
  /** Cache writes count, cache reads do not. */
  readonly inputTokensPerMinute: number | null;
  readonly outputTokensPerMinute: number | null;
  readonly concurrent: number | null;
  /** True records what would be refused, and lets it pass. */
  readonly dryRun?: boolean;
}

/** Which models stand in for others in sessions that begin once so much of a budget is spent. */
export interface CheaperModels {
  readonly budget: BudgetId;
  /** In millionths of the budget's limit. */
  readonly at: number;
  /** Glob over the model asked for, aliases resolved → the model that is called instead; the first that matches. */
  readonly models: ReadonlyMap<string, string>;
  /** True records which model would be called, and calls what was asked for. */
  readonly dryRun?: boolean;
}

/** Limits on calls wherever they come from, beside those of their workspace and workflow. */
export interface LimitRule {
  readonly id: string;
  /** Every field given must match; all null is every call. The class of models is a glob over the pools that `modelClassOf` names. */
  readonly scope: { readonly workspace: string | null; readonly workflow: string | null; readonly key: string | null; readonly modelClass: string | null };
  /** Limits of its own for each key, or each class of models, that the scope covers; null: one for all of them together. */
  readonly each: 'key' | 'model_class' | null;
  readonly limits: Limits;
}

export interface Policy {
  readonly models: ModelRules;
  readonly limits: Limits;
  /** A call that asks for more is refused; null sets no maximum. */
  readonly maxOutputTokens: number | null;
  /** True records what `maxOutputTokens` would refuse, and lets it pass. */
  readonly maxOutputDryRun?: boolean;
  /** Absent allows every feature. */
  readonly features?: FeatureRules;
  /** The narrower scope's counts. Absent: every session is called as it asks. */
  readonly cheaper?: CheaperModels;
  /**
   * Held, besides what its bytes can cost, for a call that may read more than it says, such as one with server tools. The narrower
   * scope's counts. Absent: the most that it can read, which is a context window each time that the model is asked.
   */
  readonly flatHold?: Nanodollars;
  /** Of calls that do not say it themselves. The narrower scope's counts. Absent: interactive. */
  readonly priority?: Priority;
}

export interface Workflow extends Policy {
  readonly id: WorkflowId;
}

export interface Workspace extends Policy {
  readonly id: WorkspaceId;
  /** A name in `upstream.keys`. */
  readonly upstreamKey: string;
  readonly workflows: readonly Workflow[];
  /** True lets calls name workflows that are not declared; they are metered under that name, and labelled `other` in metrics. */
  readonly openWorkflows: boolean;
}

export interface Channel {
  readonly id: string;
  readonly type: 'slack' | 'teams' | 'pagerduty' | 'webhook' | 'email' | 'alertmanager';
  /** The channel's own fields as written, secrets resolved; each channel parses its own. */
  readonly fields: ReadonlyMap<string, unknown>;
  /** What is less urgent is not told here. */
  readonly minSeverity: Severity;
  /** Null: none. */
  readonly quiet: QuietHours | null;
  /** An alert that nobody acknowledged is told again after so long; null: it is not. */
  readonly repeatMs: number | null;
  /** The channel that is told when this one fails at something critical; null: none. */
  readonly fallback: string | null;
}

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** From one time of day to another, past midnight where `to` is not later; the day is that on which they begin. Minutes since midnight. */
export interface QuietHours {
  readonly timezone: string;
  readonly days: readonly Weekday[];
  readonly from: number;
  readonly to: number;
  /** What is as urgent as this is told all the same. */
  readonly bypass: Severity;
}

/** Which rules look, and from where on they speak. Shares are fractions of 1. */
export interface AlertRuleSettings {
  /** `spent` of the budget at `factor` times the even pace. */
  readonly pace: { readonly enabled: boolean; readonly spent: number; readonly factor: number };
  readonly forecast: { readonly enabled: boolean };
  readonly budgetRefusing: { readonly enabled: boolean };
  /** `objective`: the share of calls that goes well. Fewer bad calls than `leastBad` in a window are nobody's page. */
  readonly errors: { readonly enabled: boolean; readonly objective: number; readonly leastBad: number };
  readonly firstToken: { readonly enabled: boolean; readonly objective: number; readonly slowerThanMs: number; readonly leastBad: number };
  readonly headroom: { readonly enabled: boolean; readonly warnBelow: number; readonly criticalBelow: number; readonly limitedRatio: number };
  readonly providerCap: { readonly enabled: boolean };
  /** Ascending. */
  readonly keyUnused: { readonly enabled: boolean; readonly afterDays: readonly number[] };
  readonly keyLeak: { readonly enabled: boolean };
  /** No call in an hour that usually has `leastCalls` or more. */
  readonly noTraffic: { readonly enabled: boolean; readonly leastCalls: number };
  readonly unpriced: { readonly enabled: boolean };
  /** More than `above` of the answers that came whole told no usage, and `least` of them. */
  readonly usageMissing: { readonly enabled: boolean; readonly above: number; readonly least: number };
  readonly ledger: { readonly enabled: boolean };
  readonly priceBook: { readonly enabled: boolean; readonly afterDays: number };
  /** Apart by more than `above` of the bill, and by `floorUsd`. */
  readonly reconciliation: { readonly enabled: boolean; readonly above: number; readonly floorUsd: number };
  readonly delivery: { readonly enabled: boolean };
}

/** When a call is tried again. A connection that failed is, once, unless `most` is 0: nothing of the call was sent then. */
export interface RetrySettings {
  /** Statuses of the provider after which there is another try; empty leaves them to the client. */
  readonly on: ReadonlySet<number>;
  /** Further tries of one call at most. */
  readonly most: number;
  /** Further tries after such a status as a part of the calls, 0 to 1. */
  readonly budget: number;
  /** A provider that asks to wait longer than this gets no further try: the client hears it instead. */
  readonly maxWaitMs: number;
}

/** Where a call goes when it cannot be served at `upstream.origin` with its own key: another key, another origin, or both. */
export interface Failover {
  readonly id: string;
  readonly origin: string;
  /** Its secrets, by the name in `upstream.keys` of the key that each stands in for; an entry whose variable was empty is absent. */
  readonly keys: ReadonlyMap<string, string>;
}

/** Where OpenTelemetry goes, by OTLP over HTTP, and how much of it. */
export interface TelemetrySettings {
  /** Without a trailing slash; `/v1/traces` and `/v1/metrics` are below it. */
  readonly endpoint: string;
  readonly protocol: 'http/protobuf' | 'http/json';
  /** Secrets among them. */
  readonly headers: ReadonlyMap<string, string>;
  readonly timeoutMs: number;
  readonly compression: 'none' | 'gzip';
  /** `sample`: the part of calls without a sampled parent that is traced, 0 to 1. Null: no spans. */
  readonly traces: { readonly sample: number } | null;
  /** Null: no metrics. */
  readonly metrics: { readonly intervalMs: number; readonly temporality: 'cumulative' | 'delta' } | null;
  /** Attributes of the resource, over our own `service.name` and `service.version`. */
  readonly resource: ReadonlyMap<string, string>;
}

export interface WrittenValue {
  /** As it may be shown: never a secret, though perhaps the name of the variable that holds one. */
  readonly shown: string;
  /** Of the text as it stands in the file, to see that a value changed which is not shown; null where only what may be shown is known. */
  readonly digest: string | null;
}

/** By place, such as `workspaces.support.limits.concurrent`, in the order of the file. */
export type WrittenConfig = ReadonlyMap<string, WrittenValue>;

/** Null: it was not there, or is there no more. */
export interface ConfigChange {
  readonly place: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface Settings {
  /** The file it came from, absolute. */
  readonly file: string;
  /** SHA-256 of the file's bytes, to see whether it changed. */
  readonly digest: string;
  /** What the file says, without secrets, so that its next version can be compared with it. */
  readonly written: WrittenConfig;
  readonly listen: HostPort;
  readonly admin: {
    readonly listen: HostPort;
    /** Null: open, on loopback only. */
    readonly token: string | null;
    /** Names it answers to besides loopback and its own address; lower case, without port. */
    readonly hosts: readonly string[];
  };
  /** What clients reach the data port by, without a trailing slash; null: as each call says it did. */
  readonly publicUrl: string | null;
  readonly access: 'open' | 'keys';
  readonly timezone: string;
  readonly dataDir: string;
  readonly upstream: {
    /** Scheme, host and port; no path, no trailing slash. */
    readonly origin: string;
    /** Secrets by name, for `origin` and for no other; an entry whose variable was empty is absent. */
    readonly keys: ReadonlyMap<string, string>;
    readonly connectTimeoutMs: number;
    /** To the response headers, of streams. */
    readonly streamHeadersTimeoutMs: number;
    /** To the response headers, of everything else. */
    readonly headersTimeoutMs: number;
    /** Silence in a response body. */
    readonly idleTimeoutMs: number;
    /** Sockets to the origin at most. */
    readonly connections: number;
    readonly retry: RetrySettings;
    /** In the order in which they are tried. */
    readonly failover: readonly Failover[];
    /** Where background calls wait. */
    readonly queue: {
      /** They wait while less than this share of a limit of the provider's is left, 0 to 1; 0: they never do. */
      readonly below: number;
      /** One call at most so long. */
      readonly maxWaitMs: number;
      /** Calls at once, over all pools of the provider. */
      readonly length: number;
    };
  };
  readonly prices: {
    /** Absolute. */
    readonly file: string;
    /** Absolute; null where there are no contract prices. */
    readonly contract: string | null;
    /** SHA-256 over the bytes of these files, to see whether one changed. */
    readonly digest: string;
    readonly unknownModel: 'ceiling' | 'refuse';
    /** The provider's workspace runs in the US by default, so that calls which name no place may cost the US factor too. */
    readonly assumeUsInference: boolean;
  };
  readonly workspaces: ReadonlyMap<WorkspaceId, Workspace>;
  readonly keys: readonly VirtualKey[];
  readonly budgets: readonly Budget[];
  readonly limitRules: readonly LimitRule[];
  readonly alerts: {
    readonly channels: readonly Channel[];
    readonly anomaly: { readonly enabled: boolean; readonly floorUsdPerHour: number; /** Deviations above the median. */ readonly mad: number; readonly weeks: number; readonly forMs: number };
    readonly rules: AlertRuleSettings;
    /** Who is told of what is no budget's, and of budgets that name nobody; null: every channel. */
    readonly notify: readonly string[] | null;
    /** Whether channels may be on loopback or in a private network. Link-local and metadata addresses never may. */
    readonly privateAddresses: boolean;
    /** Where people open the dashboard, for links in messages; null: no links. */
    readonly dashboardUrl: string | null;
    /** How long the first alert of a message waits for others. */
    readonly gatherMs: number;
  };
  readonly reconciliation: {
    /** For the provider's usage and cost reports; null: the ledger is not compared. */
    readonly adminKey: string | null;
    /** Our workspace → the provider's; empty compares everything as one. */
    readonly workspaces: ReadonlyMap<string, string>;
  };
  readonly retention: { readonly requestsDays: number };
  /** Spans and metrics for an OpenTelemetry collector; null: off. */
  readonly telemetry: TelemetrySettings | null;
  readonly savings: { /** Whether keyed hashes of prompts' prefixes go into the ledger, for the savings advisor. */ readonly prefixHashes: boolean };
  readonly batches: { /** Between two looks at a batch that has not ended. */ readonly pollMs: number };
  /** When a client leaves a stream: `drain` reads upstream to its final usage, `cut` ends it and estimates. */
  readonly onAbort: 'drain' | 'cut';
  /** At most so many answers are read on at once after their client left, each at most so long; one beyond that is cut. */
  readonly drainAbort: { readonly max: number; readonly forMs: number };
  readonly body: { readonly messagesBytes: number; readonly batchesBytes: number; readonly filesBytes: number; /** Bodies held in memory at once, all together. */ readonly heldBytes: number };
  /** What is asked of clients, so that slow and idle ones cost little. */
  readonly clients: {
    /** To send a whole request head. */
    readonly headersTimeoutMs: number;
    /** Least bytes per second of a request body, once ten seconds have passed. */
    readonly bodyBytesPerSecond: number;
    /** A client that takes nothing of an answer for this long is taken for gone. */
    readonly writeStallMs: number;
    /** Connections at most. */
    readonly connections: number;
    /** Connections from one address at most; null sets no limit, since all of a house may come through one proxy. */
    readonly connectionsPerAddress: number | null;
  };
  readonly maxInFlight: number;
  /** How long streams may go on after SIGTERM. */
  readonly drainMs: number;
  readonly ledger: { /** SQLite's `synchronous`: `full` survives power loss, `normal` may lose the last second then; both survive kill -9. */ readonly durability: 'full' | 'normal' };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' };
}
