// server/domain/usage.ts: what a call used, as the API reports it, in our words. Counts are whole tokens.

/** Kinds are disjoint, as in the API's own usage object: their sum is all that was processed. */
export interface Tokens {
  /** Prompt tokens neither read from nor written to the cache. */
  readonly input: number;
  /** Written to the cache with five minutes to live. */
  readonly cacheWrite5m: number;
  /** Written to the cache with one hour to live. */
  readonly cacheWrite1h: number;
  readonly cacheRead: number;
  /** Everything generated, thinking included. */
  readonly output: number;
}

export const TOKEN_KINDS = ['input', 'cacheWrite5m', 'cacheWrite1h', 'cacheRead', 'output'] as const satisfies readonly (keyof Tokens)[];
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** The same kinds as they are spelled outside: columns, labels, the admin API. */
export const TOKEN_KIND_NAMES = {
  input: 'input',
  cacheWrite5m: 'cache_write_5m',
  cacheWrite1h: 'cache_write_1h',
  cacheRead: 'cache_read',
  output: 'output',
} as const satisfies Record<TokenKind, string>;

export const NO_TOKENS: Tokens = { input: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0, output: 0 };

export const addTokens = (a: Tokens, b: Tokens): Tokens => ({
  input: a.input + b.input,
  cacheWrite5m: a.cacheWrite5m + b.cacheWrite5m,
  cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
  cacheRead: a.cacheRead + b.cacheRead,
  output: a.output + b.output,
});

/** All tokens of the prompt, cached or not; what prompt-length bands are decided on. */
export const promptTokens = (t: Tokens): number => t.input + t.cacheWrite5m + t.cacheWrite1h + t.cacheRead;

/** Uses of tools that run at the provider. */
export interface ServerTools {
  /** Successful searches; each has a fee. */
  readonly webSearch: number;
  readonly webFetch: number;
  readonly codeExecution: number;
}

export const NO_SERVER_TOOLS: ServerTools = { webSearch: 0, webFetch: 0, codeExecution: 0 };

/** One entry of `usage.iterations`: a model turn inside one call, which has its own model. */
export interface UsagePart {
  /** `message`, `compaction`, `advisor_message`, `fallback_message`, or a type that is newer than this code. */
  readonly type: string;
  /** The entry's own model; null means the one that the call itself was served by. */
  readonly model: string | null;
  readonly tokens: Tokens;
}

/** The usage of one call, merged: in a stream the last value of a field wins, fields are never added up. */
export interface Usage {
  /** The top-level counters. */
  readonly tokens: Tokens;
  readonly serverTools: ServerTools;
  /** `usage.iterations`; the bill where it is not empty. */
  readonly parts: readonly UsagePart[];
  /** The response's own words on how it was served; null when it said nothing. Prices follow these, never the request. */
  readonly modelServed: string | null;
  readonly speed: string | null;
  readonly serviceTier: string | null;
  readonly inferenceGeo: string | null;
  /** True when it counts uses of a server tool whose price nobody here knows. Absent: it does not. */
  readonly unmeteredTool?: boolean;
}

/** What the meter read from the bytes that went by. */
export interface Reading {
  /** Null when no usage was seen at all. */
  readonly usage: Usage | null;
  /** True when the usage is final and told both prompt and output: a whole JSON body with usage, or a stream's last `message_delta` before its end. Else it is "at least". */
  readonly complete: boolean;
  /** True when a usage was seen, but never how long the prompt was. Absent: it was told, or there was no usage. */
  readonly promptUntold?: boolean;
  /** True when the answer said itself that it is over: a stream's last word, or JSON that is whole. Absent or false: it did not, or could not be read that far. */
  readonly ended?: boolean;
  /**
   * Bytes of generated content that went by, for an estimate where the final count is missing: of a stream, its deltas; of a body that
   * could not be read or tells no output, what there was of it. 0 for a JSON body that tells its output, or holds no content.
   */
  readonly contentBytes: number;
  /** The answer's own `id`, for those who watch. Absent or null: it named none. */
  readonly messageId?: string | null;
  /** True when the answer is known to hold no content at all: an empty list, or a stream in which no block but a fallback's began. Absent: it holds some, or cannot tell. */
  readonly noContent?: boolean;
  /** True when the answer names a container for code. Absent: it names none. */
  readonly container?: boolean;
  /** Its id. Absent: there is none. */
  readonly containerId?: string;
  readonly stopReason: string | null;
  /** The `type` of an error body or of an `event: error` after a 200; null when there was none. */
  readonly errorType: string | null;
  /** `error.details.error_code`, or `specified_spend_limit_reached` where only the message says so; null when there was neither. */
  readonly errorCode: string | null;
  /** Milliseconds on the monotonic clock when the first content was relayed; null when none was. */
  readonly firstContentAt: number | null;
  /** What kept the meter from reading the body: an unknown encoding, broken JSON, an endless event. Null when nothing did. */
  readonly obstacle: 'undecodable' | 'unparsable' | 'oversized_event' | null;
}
