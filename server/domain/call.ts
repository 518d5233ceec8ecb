// server/domain/call.ts: one request from a client, who sent it, and what it asks for.

import type { CallId, EpochMs, KeyId, WorkflowId, WorkspaceId } from './ids.ts';
import type { ToldLimits } from './provider-limits.ts';
import type { CallTrace } from './trace.ts';

/** What of the API a call uses; one per family of routes. Bounded, so it may be a label. */
export const ENDPOINTS = ['messages', 'count_tokens', 'batches', 'batch_results', 'chat_completions', 'complete', 'models', 'files', 'skills'] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** Whether somebody waits for the answer. Background calls give way while the provider has little room left. */
export const PRIORITIES = ['interactive', 'background'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** One row of the closed table of what the data port serves. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'HEAD';
  /** Segments of the path; `*` stands for one id. */
  readonly template: readonly string[];
  readonly endpoint: Endpoint;
  /** What must be known of the body before the call may leave; null streams it through unread. */
  readonly inspect: 'ask' | 'batch' | null;
  /** Whether an answer to it can cost money. */
  readonly billed: boolean;
}

/** The tags that a client put on a call: from the path prefix, from headers, from the body. Unchecked text, at most 256 bytes each. */
export interface ClaimedTags {
  readonly pathWorkspace: string | null;
  readonly pathWorkflow: string | null;
  readonly headerWorkflow: string | null;
  readonly user: string | null;
  readonly session: string | null;
  readonly action: string | null;
  readonly tags: ReadonlyMap<string, string>;
  readonly priority: Priority | null;
}

/** The credentials that came with a call, each as sent, without `Bearer `. */
export interface Credentials {
  readonly apiKey: string | null;
  readonly bearer: string | null;
}

/** Who is calling; past `identify` nothing of it is checked twice. */
export interface Caller {
  readonly workspace: WorkspaceId;
  readonly workflow: WorkflowId;
  /** Null in open access without a key. */
  readonly key: KeyId | null;
  readonly user: string | null;
  readonly session: string | null;
  readonly action: string | null;
  readonly tags: ReadonlyMap<string, string>;
  readonly priority: Priority;
  /** The provider credential that the call goes out with. */
  readonly upstream: UpstreamCredential;
}

/** `configured`: a provider key of ours, by its name in the config. `callers_own`: open access passes the client's own headers on. */
export type UpstreamCredential = { readonly kind: 'configured'; readonly name: string; readonly secret: string } | { readonly kind: 'callers_own' };

/** The governed fields of a request body, read by a strict scan; everything else in the body is none of our business. */
export interface Ask {
  readonly model: string;
  /** Where the model's JSON string, quotes included, stands in the decoded body: [start, end). For an alias, the one edit we make. */
  readonly modelSpan: readonly [number, number];
  readonly stream: boolean;
  /** `max_tokens`, `max_completion_tokens` or `max_tokens_to_sample`; null when absent, where the model's own maximum is the bound. A fallback that allows itself more counts. */
  readonly maxTokens: number | null;
  /** `stream_options.include_usage` of the OpenAI-compatible endpoint. */
  readonly includeUsage: boolean;
  /** `metadata.user_id`, null when absent. */
  readonly userId: string | null;
  readonly speed: string | null;
  readonly serviceTier: string | null;
  readonly inferenceGeo: string | null;
  /** The dearest `cache_control` in the body; null when there is none. */
  readonly cacheTtl: '5m' | '1h' | null;
  /** Models of a `fallbacks` list, and of tools that call one of their own (advisor); each passes the same policy. `"default"` stays the word. */
  readonly fallbackModels: readonly string[];
  /** `type` of every tool that runs at the provider, e.g. `web_search_20260209`. */
  readonly serverTools: readonly string[];
  /**
   * `type` of every tool that the client runs itself and the provider explains to the model in words of its own, e.g. `bash_20250124`.
   * Absent: none.
   */
  readonly explainedTools?: readonly string[];
  /** The sum of `max_uses` of search tools, null when one has no limit; 0 when there is none. */
  readonly maxSearches: number | null;
  /**
   * How often a model may be asked in one attempt: once, and with tools that run at the provider once more for each use that the call
   * allows, up to the turns after which the provider pauses such a loop. Each time it reads the whole prompt, and what the tools added.
   */
  readonly samplings: number;
  /** How often the prompt may be summed up by a model besides: before each sampling where compaction is asked for, else 0. */
  readonly compactions: number;
  /** Whether the messages go on after an answer: false at the start of a conversation. */
  readonly continues: boolean;
  /** Images given inline; each has a fixed ceiling of tokens whatever its bytes. */
  readonly inlineImages: number;
  /** True when bytes do not bound the prompt of a sampling: images or documents by URL or file id, containers, server tools, MCP, compaction, threads. */
  readonly unboundedInput: boolean;
  /** Ids of uploaded files that the body refers to. */
  readonly fileIds: readonly string[];
  /** Skills that the body brings into its container; the provider's own among them. */
  readonly skillIds: readonly string[];
  /** Ids of containers that the body names. Absent: none. */
  readonly containerIds?: readonly string[];
  /** True when `billing_policy` charges another organization, and a header names whose profile. */
  readonly billedElsewhere: boolean;
  /** Bytes of the decoded body. */
  readonly bodyBytes: number;
  /** What only rules on features ask about; absent is none of it. */
  readonly features?: AskFeatures;
}

/** Parts of a request body that cost nothing by themselves, but that a rule may keep out. */
export interface AskFeatures {
  /** Names of all tools, the client's own ones included. */
  readonly toolNames: readonly string[];
  /** Addresses of MCP servers, since a client names them as it likes; the name where there is no address. */
  readonly mcpServers: readonly string[];
  readonly container: boolean;
  /** True when the container is to have skills. */
  readonly skills: boolean;
  /** True when thinking is asked for in any form but `disabled`. */
  readonly thinking: boolean;
}

/** After so many turns of a loop of server tools the provider pauses it (`pause_turn`), and the client has to ask again. Source: the API's documentation, August 2026. */
export const SERVER_LOOP_TURNS = 10;

/** One item of a batch: its name in the batch, and what it asks for. */
export interface BatchItemAsk {
  readonly customId: string;
  readonly ask: Ask;
}

/** What happened to a call, however it ended. */
export const OUTCOMES = [
  'ok', 'truncated', 'client_error', 'upstream_error', 'connect_failed', 'upstream_reset', 'upstream_timeout',
  'upstream_protocol', 'client_abort', 'drained', 'crashed', 'refused',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** One try of a call against the provider. Times in milliseconds. */
export interface Attempt {
  /** From 1. */
  readonly number: number;
  readonly startedAt: EpochMs;
  /** Null when no response headers came. */
  readonly status: number | null;
  readonly outcome: Outcome;
  /** The provider's `request-id`; null when none came. */
  readonly upstreamRequestId: string | null;
  /** To the response headers; null when none came. */
  readonly headersMs: number | null;
  readonly durationMs: number;
  /** The part of the duration in which the answer stood still because the client took no more of it. Null: not known, as of attempts before it was kept. Left out: none of it. */
  readonly clientWaitMs?: number | null;
  /** e.g. `ECONNREFUSED`, `overloaded_error`; null when it went well. Never a message: those can hold text of the client's. */
  readonly errorType: string | null;
  /** The failover that it went to; null or left out: the upstream's own origin, with the call's own key. */
  readonly failover?: string | null;
  /** What the answer's headers told of the provider's limits. Null or left out: no answer came, or nobody read them, as of endpoints with limits of their own. */
  readonly limits?: ToldLimits | null;
}

/** A rule that was asked about a call, and what it said. */
export interface Decision {
  /** e.g. `models:support`, `budget:support-month`, `limit:support/requests`. */
  readonly rule: string;
  readonly verdict: 'allow' | 'refuse' | 'would_refuse' | 'rewrite' | 'would_rewrite';
  /** One short sentence of figures, e.g. `held 0.024000000 of 400.000000000`; null when there is nothing to add. */
  readonly detail: string | null;
}

/** What rules say of calls that is counted and can be looked for: all but that a call may pass, and but that an alias stands for a model. */
export const COUNTED_VERDICTS = ['refuse', 'would_refuse', 'would_rewrite', 'rewrite'] as const satisfies readonly Decision['verdict'][];
export type CountedVerdict = (typeof COUNTED_VERDICTS)[number];

/** What opens in the ledger before the first byte goes upstream. */
export interface Intent {
  readonly id: CallId;
  readonly admittedAt: EpochMs;
  readonly caller: Caller;
  readonly endpoint: Endpoint;
  readonly stream: boolean;
  /** As the client wrote it, before aliases; null where the endpoint has no model. */
  readonly modelRequested: string | null;
  /** The `x-stainless-retry-count` of the client; null when not sent. */
  readonly clientRetry: number | null;
  readonly decisions: readonly Decision[];
  /** The trace that its caller says it belongs to, 32 hexadecimal digits in lower case. Null or absent: it named none. */
  readonly traceId?: string | null;
  /** Its place in its caller's trace, for those who watch; no row keeps it. Null or absent where traces are off. */
  readonly trace?: CallTrace | null;
}
