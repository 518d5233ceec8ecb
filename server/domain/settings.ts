// server/domain/settings.ts: the config, parsed once into a complete, readonly value. Everything has its default already.

import type { Budget } from './budget.ts';
import type { VirtualKey } from './directory.ts';
import type { WorkflowId, WorkspaceId } from './ids.ts';

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
}

/** Null is no limit. Minutes are 60-second refills of a bucket, not calendar minutes. */
export interface Limits {
  readonly requestsPerMinute: number | null;
  /** Cache writes count, cache reads do not. */
  readonly inputTokensPerMinute: number | null;
  readonly outputTokensPerMinute: number | null;
  readonly concurrent: number | null;
}

export interface Policy {
  readonly models: ModelRules;
  readonly limits: Limits;
  /** A call that asks for more is refused; null sets no maximum. */
  readonly maxOutputTokens: number | null;
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
  readonly type: 'slack' | 'teams' | 'pagerduty' | 'webhook' | 'email';
  /** The channel's own fields as written, secrets resolved; each channel parses its own. */
  readonly fields: ReadonlyMap<string, unknown>;
}

export interface Settings {
  /** The file it came from, absolute. */
  readonly file: string;
  /** SHA-256 of the file's bytes, to see whether it changed. */
  readonly digest: string;
  readonly listen: HostPort;
  readonly admin: { readonly listen: HostPort; /** Null: open, on loopback only. */ readonly token: string | null };
  readonly access: 'open' | 'keys';
  readonly timezone: string;
  readonly dataDir: string;
  readonly upstream: {
    /** Scheme, host and port; no path, no trailing slash. */
    readonly origin: string;
    /** Secrets by name; an entry whose variable was empty is absent. */
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
  readonly alerts: {
    readonly channels: readonly Channel[];
    readonly anomaly: { readonly enabled: boolean; readonly floorUsdPerHour: number };
  };
  readonly retention: { readonly requestsDays: number };
  /** When a client leaves a stream: `drain` reads upstream to its final usage, `cut` ends it and estimates. */
  readonly onAbort: 'drain' | 'cut';
  readonly body: { readonly messagesBytes: number; readonly batchesBytes: number; readonly filesBytes: number; /** Bodies held in memory at once, all together. */ readonly heldBytes: number };
  readonly maxInFlight: number;
  /** How long streams may go on after SIGTERM. */
  readonly drainMs: number;
  readonly ledger: { /** SQLite's `synchronous`: `full` survives power loss, `normal` may lose the last second then; both survive kill -9. */ readonly durability: 'full' | 'normal' };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' };
  /** Billed features that cannot be metered yet, turned on by name. */
  readonly unmetered: readonly string[];
}
