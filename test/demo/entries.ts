// test/demo/entries.ts: one planned call as the ledger would have got it from the gateway: the quote, the hold, the usage and the cost by the real price book.

import type { Ask, Attempt, Caller, Decision, Outcome } from '../../server/domain/call.ts';
import { epochMs, type CallId, type KeyId, type WorkflowId, type WorkspaceId } from '../../server/domain/ids.ts';
import type { OpenEntry, RefusedEntry, Settlement } from '../../server/domain/ledger.ts';
import { usdString } from '../../server/domain/money.ts';
import type { Pricing, Quote } from '../../server/domain/price.ts';
import type { ToldLimit, ToldLimits } from '../../server/domain/provider-limits.ts';
import { REFUSALS } from '../../server/domain/refusal.ts';
import type { Reading, Tokens, Usage } from '../../server/domain/usage.ts';
import type { Chance } from '../standin/chance.ts';
import { findModel } from '../standin/models.ts';
import { speedOf } from './cast.ts';
import type { PlannedCall } from './plot.ts';
import { marksOf } from './prompts.ts';

export type Entries = { readonly refused: RefusedEntry } | { readonly opened: OpenEntry; readonly settlement: Settlement };

/** How much of the prompt the cache knew when the call came. */
export interface CacheState {
  readonly read: number;
  readonly written: number;
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const BYTES_PER_TOKEN = 3.6;

export function entriesOf(call: PlannedCall, cache: CacheState, pricing: Pricing, chance: Chance): Entries {
  const { part, fate } = call;
  const ask = askOf(call);
  const intent = {
    id: callId(call.at, chance),
    admittedAt: epochMs(call.at),
    caller: callerOf(call),
    endpoint: 'messages' as const,
    stream: part.stream,
    modelRequested: part.alias ?? call.model,
    clientRetry: call.retry,
    traceId: call.trace,
  };
  if (fate.kind === 'refused') {
    const decisions: Decision[] = [{ rule: fate.rule, verdict: 'refuse', detail: null }];
    const durationMs = 1 + Math.round(chance.next() * 3);
    return { refused: { ...intent, decisions, endedAt: epochMs(call.at + durationMs), refusal: fate.reason, status: REFUSALS[fate.reason].status, durationMs } };
  }
  const verdict = pricing.quote({ endpoint: 'messages', ask, model: call.model, at: intent.admittedAt });
  if (!verdict.ok) throw new Error(`the demo uses a model without a price: ${call.model}`);
  const quote = verdict.value;
  const decisions: Decision[] = [
    ...(part.alias === undefined ? [] : [{ rule: `models:${part.workspace}`, verdict: 'rewrite' as const, detail: `${part.alias} stands for ${call.model}` }]),
    ...onTrial(call),
    { rule: `budget:${part.workspace}-month`, verdict: 'allow', detail: `held ${usdString(quote.ceiling)}` },
  ];
  const opened: OpenEntry = { ...intent, decisions, modelSent: call.model, held: quote.ceiling, price: quote.row };
  return { opened, settlement: settlementOf(call, cache, opened, quote, pricing, chance) };
}

/** What the dry runs of the demo's config say of a call. */
function onTrial({ part: { workspace }, model, searches }: PlannedCall): Decision[] {
  if (workspace === 'editorial' && model.startsWith('claude-opus-4-')) return [{ rule: 'models:editorial', verdict: 'would_refuse', detail: `model ${model} is not allowed in editorial. Allowed: every model but claude-opus-4-*` }];
  if (workspace === 'marketing' && searches > 0) return [{ rule: 'features:marketing', verdict: 'would_refuse', detail: 'server_tool:web_search_20260209 is not allowed in marketing. Allowed: every server_tool but server_tool:web_search_*' }];
  return [];
}

function settlementOf(call: PlannedCall, cache: CacheState, opened: OpenEntry, quote: Quote, pricing: Pricing, chance: Chance): Settlement {
  const { part, fate } = call;
  const failed = fate.kind === 'error';
  const speed = speedOf(call.model);
  const firstMs = failed ? chance.int(40, 900) : Math.round((speed.firstMs[0] + (speed.firstMs[1] - speed.firstMs[0]) * chance.next() ** 2) * (1 + cache.written / 90_000));
  // A client that left, and a connection that broke, saw a part of the answer.
  const seen = fate.kind === 'abort' || fate.kind === 'reset' ? chance.next() : 1;
  const generated = fate.kind === 'refusal' ? 0 : fate.kind === 'max_tokens' ? part.maxTokens : Math.min(call.outputTokens, part.maxTokens);
  const durationMs = failed ? firstMs : Math.round(firstMs + ((generated * seen) / speed.tokensPerSecond) * 1000 * (0.85 + 0.3 * chance.next()) + call.searches * 2_400);
  const reading = readingOf(call, cache, generated, seen, failed);
  const status = failed ? fate.status : 200;
  const cost = pricing.cost(quote, { status, sent: true, reading });
  const outcome = outcomeOf(call, status);
  const requestId = `req_011${Array.from({ length: 21 }, () => CROCKFORD[chance.int(0, 31)]).join('')}`;
  const errorType = failed ? fate.type : fate.kind === 'reset' ? 'ECONNRESET' : null;
  const attempt: Attempt = { number: 1, startedAt: opened.admittedAt, status, outcome, upstreamRequestId: requestId, headersMs: failed ? firstMs : Math.round(firstMs * 0.8), durationMs, errorType, limits: limitsOf(call, status) };
  return {
    id: opened.id,
    endedAt: epochMs(call.at + durationMs),
    outcome, status, cost,
    timeToFirstTokenMs: failed || !part.stream ? null : firstMs,
    durationMs,
    overheadMs: 0.4 + chance.next() ** 3 * 6,
    attempts: [attempt],
    stopReason: reading.stopReason,
    upstreamRequestId: requestId,
    errorType,
    requestBytes: Math.round((call.prefixTokens + call.freshTokens) * BYTES_PER_TOKEN),
    prompt: marksOf(call),
    responseBytes: failed ? 180 : Math.round(generated * seen * (part.stream ? 34 : BYTES_PER_TOKEN) + 900),
  };
}

/** As the provider tells them with each answer but that of an overload, on a tier that leaves most of them untouched. */
function limitsOf({ at, prefixTokens, freshTokens }: PlannedCall, status: number): ToldLimits {
  if (status >= 500) return { limits: [], retryAfterSeconds: null };
  const told = (dimension: ToldLimit['dimension'], limit: number, used: number): ToldLimit => ({ dimension, limit, remaining: limit - used, resetAt: epochMs(at + Math.ceil((used / limit) * 60) * 1000) });
  const inputTokens = Math.ceil((prefixTokens + freshTokens) / 1_000) * 1_000;
  const used = status === 429 ? 4_000 : 20 + (at % 300);
  return {
    limits: [told('requests', 4_000, used), told('tokens', 400_000, 2_000), told('input_tokens', 2_000_000, Math.min(inputTokens, 2_000_000)), told('output_tokens', 400_000, 2_000)],
    retryAfterSeconds: status === 429 ? 12 : null,
  };
}

function outcomeOf({ fate }: PlannedCall, status: number): Outcome {
  if (fate.kind === 'error') return status < 429 ? 'client_error' : 'upstream_error';
  if (fate.kind === 'abort') return 'client_abort';
  if (fate.kind === 'reset') return 'upstream_reset';
  return fate.kind === 'max_tokens' ? 'truncated' : 'ok';
}

function readingOf(call: PlannedCall, cache: CacheState, generated: number, seen: number, failed: boolean): Reading {
  const { fate } = call;
  const cut = fate.kind === 'abort' || fate.kind === 'reset';
  const base = { contentBytes: 0, errorCode: null, firstContentAt: null, obstacle: null } as const;
  if (failed) return { ...base, usage: null, complete: false, stopReason: null, errorType: fate.kind === 'error' ? fate.type : null };
  // A JSON answer that was cut tells nothing of its usage; a stream has told its prompt.
  if (cut && !call.part.stream) return { ...base, usage: null, complete: false, stopReason: null, errorType: null };
  const found = call.searches * 2_900;
  const tokens: Tokens = { input: call.freshTokens + found + call.prefixTokens - cache.read - cache.written, cacheRead: cache.read, cacheWrite5m: cache.written, cacheWrite1h: 0, output: cut ? 3 : generated };
  const model = findModel(call.model);
  const usage: Usage = {
    tokens, parts: [],
    serverTools: { webSearch: cut ? 0 : call.searches, webFetch: 0, codeExecution: 0 },
    modelServed: model?.id ?? call.model, speed: 'standard', serviceTier: 'standard', inferenceGeo: model?.geo === true ? 'global' : 'not_available',
  };
  const stopReason = cut ? null : fate.kind === 'refusal' ? 'refusal' : fate.kind === 'max_tokens' ? 'max_tokens' : 'end_turn';
  return { ...base, usage, complete: !cut, stopReason, errorType: null, contentBytes: Math.round(generated * seen * BYTES_PER_TOKEN) };
}

function askOf(call: PlannedCall): Ask {
  const search = call.part.searches > 0;
  return {
    model: call.part.alias ?? call.model, modelSpan: [0, 0], stream: call.part.stream, maxTokens: call.part.maxTokens, includeUsage: false, userId: null, speed: null, serviceTier: null, inferenceGeo: null,
    cacheTtl: call.cacheKey === null ? null : '5m', fallbackModels: [], serverTools: search ? ['web_search_20260209'] : [], samplings: search ? 4 : 1, compactions: 0, continues: false, maxSearches: search ? 3 : 0, inlineImages: 0, unboundedInput: search, fileIds: [], skillIds: [], billedElsewhere: false,
    bodyBytes: Math.round((call.prefixTokens + call.freshTokens) * BYTES_PER_TOKEN),
  };
}

function callerOf({ part, user, session, action }: PlannedCall): Caller {
  return {
    workspace: part.workspace as WorkspaceId, workflow: part.workflow as WorkflowId, key: part.key as KeyId, user, session, action,
    tags: new Map(), priority: part.shape === 'night' ? 'background' : 'interactive',
    upstream: { kind: 'configured', name: 'default', secret: '' },
  };
}

/** A ULID of the demo's past, from the seed, so that the same history has the same ids. */
function callId(at: number, chance: Chance): CallId {
  let id = 'req_';
  for (let shift = 45; shift >= 0; shift -= 5) id += CROCKFORD[Math.floor(at / 2 ** shift) % 32];
  for (let i = 0; i < 16; i += 1) id += CROCKFORD[chance.int(0, 31)];
  return id as CallId;
}
