// server/observe/otel/call-span.ts: what a call's span, its attempts' spans and its measurements say. Pure.
//
// Everything here comes from the ledger's entry, which holds no prompt, no answer and no secret.

import type { Attempt, Endpoint, Outcome } from '../../domain/call.ts';
import type { LedgerEntry, OpenEntry, RefusedEntry } from '../../domain/ledger.ts';
import { usdNumber } from '../../domain/money.ts';
import { promptTokens } from '../../domain/usage.ts';
import { ATTRIBUTES, EVENTS, OWN } from './names.ts';

export type Attributes = Record<string, string | number | boolean | string[]>;

export interface SpanFacts {
  readonly name: string;
  readonly attributes: Attributes;
  /** The `error.type`; null when the call went well. */
  readonly error: string | null;
  /** `afterMs`: milliseconds from the call's arrival. */
  readonly events: readonly { readonly name: string; readonly afterMs: number; readonly attributes: Attributes }[];
}

/** Where calls go, by the name of the failover; null is `upstream.origin`. */
export type ServerOf = (failover: string | null) => Server;
export interface Server {
  readonly address: string;
  readonly port: number;
}

/** @param origin scheme, host and port */
export function serverOf(origin: string): Server {
  const { hostname, port, protocol } = new URL(origin);
  return { address: hostname.replace(/^\[|\]$/g, ''), port: port !== '' ? Number(port) : protocol === 'http:' ? 80 : 443 };
}

/** Of the conventions where they have one; the rest of the API under its own name. */
const OPERATIONS: Partial<Record<Endpoint, string>> = { messages: 'chat', chat_completions: 'chat', complete: 'text_completion' };
/** What a model is asked to write. */
export const operationOf = ({ endpoint, modelSent }: Pick<OpenEntry, 'endpoint' | 'modelSent'>): string =>
  // The items of a batch that has ended are booked under the reading of its results, each with its model.
  OPERATIONS[endpoint] ?? (endpoint === 'batch_results' && modelSent !== null ? 'chat' : endpoint);

/** The provider's own words for an error; others it may invent become the outcome, since a label must not grow. */
const PROVIDER_ERRORS = new Set([
  'invalid_request_error', 'authentication_error', 'billing_error', 'permission_error', 'not_found_error', 'request_too_large',
  'rate_limit_error', 'timeout_error', 'api_error', 'overloaded_error',
]);
/** Node's and the client library's codes, e.g. `ECONNREFUSED`, `UND_ERR_SOCKET`. */
const CODE = /^[A-Z][A-Z0-9_]{2,63}$/;

const GOOD: ReadonlySet<Outcome> = new Set<Outcome>(['ok', 'truncated']);

/** A class of error that is one of a few; null when it went well. */
export function errorOf({ outcome, errorType }: { readonly outcome: Outcome; readonly errorType: string | null }): string | null {
  if (GOOD.has(outcome)) return null;
  return errorType !== null && (PROVIDER_ERRORS.has(errorType) || CODE.test(errorType)) ? errorType : outcome;
}

export function settledSpan({ opened, settlement }: LedgerEntry, server: ServerOf): SpanFacts {
  const { cost, attempts, timeToFirstTokenMs } = settlement;
  const error = errorOf(settlement);
  const attributes = callAttributes(opened, opened.modelSent, server(attempts.at(-1)?.failover ?? null));
  attributes[OWN.outcome] = settlement.outcome;
  attributes[OWN.attempts] = attempts.length;
  attributes[OWN.cost] = usdNumber(cost.total);
  attributes[OWN.estimated] = cost.estimated;
  if (opened.modelRequested !== null && opened.modelRequested !== opened.modelSent) attributes[OWN.modelRequested] = opened.modelRequested;
  if (settlement.status !== null) attributes[ATTRIBUTES.status] = settlement.status;
  if (settlement.upstreamRequestId !== null) attributes[OWN.upstreamRequestId] = settlement.upstreamRequestId;
  if (settlement.stopReason !== null) attributes[ATTRIBUTES.finishReasons] = [settlement.stopReason];
  if (settlement.messageId != null) attributes[ATTRIBUTES.responseId] = settlement.messageId;
  if (cost.modelServed !== null) attributes[ATTRIBUTES.responseModel] = cost.modelServed;
  if (promptTokens(cost.tokens) + cost.tokens.output > 0) {
    attributes[ATTRIBUTES.inputTokens] = promptTokens(cost.tokens);
    attributes[ATTRIBUTES.cacheReadTokens] = cost.tokens.cacheRead;
    attributes[ATTRIBUTES.cacheCreationTokens] = cost.tokens.cacheWrite5m + cost.tokens.cacheWrite1h;
    attributes[ATTRIBUTES.outputTokens] = cost.tokens.output;
  }
  if (error !== null) attributes[ATTRIBUTES.errorType] = error;
  if (opened.stream && timeToFirstTokenMs !== null) attributes[ATTRIBUTES.timeToFirstChunk] = timeToFirstTokenMs / 1000;
  const events = timeToFirstTokenMs === null ? [] : [{ name: EVENTS.firstToken, afterMs: timeToFirstTokenMs, attributes: {} }];
  return { name: nameOf(opened, opened.modelSent), attributes, error, events };
}

/** Of a call that never left; it has no attempts. */
export function refusedSpan(entry: RefusedEntry, server: ServerOf): SpanFacts {
  const attributes = callAttributes(entry, entry.modelRequested, server(null));
  attributes[OWN.outcome] = 'refused';
  attributes[OWN.refusal] = entry.refusal;
  attributes[OWN.attempts] = 0;
  attributes[ATTRIBUTES.status] = entry.status;
  attributes[ATTRIBUTES.errorType] = entry.refusal;
  const rule = entry.decisions.find(({ verdict }) => verdict === 'refuse')?.rule;
  const event: Attributes = { [OWN.refusal]: entry.refusal, ...(rule === undefined ? {} : { [OWN.rule]: rule }) };
  return { name: nameOf({ ...entry, modelSent: null }, entry.modelRequested), attributes, error: entry.refusal, events: [{ name: EVENTS.refused, afterMs: entry.durationMs, attributes: event }] };
}

/** A try on the wire, as a span below the call's. */
export function attemptSpan(attempt: Attempt, server: ServerOf): Omit<SpanFacts, 'events'> {
  const { address, port } = server(attempt.failover ?? null);
  const error = errorOf(attempt);
  const attributes: Attributes = { [OWN.attempt]: attempt.number, [OWN.outcome]: attempt.outcome, [ATTRIBUTES.serverAddress]: address, [ATTRIBUTES.serverPort]: port };
  if (attempt.number > 1) attributes[ATTRIBUTES.resendCount] = attempt.number - 1;
  if (attempt.status !== null) attributes[ATTRIBUTES.status] = attempt.status;
  if (attempt.upstreamRequestId !== null) attributes[OWN.upstreamRequestId] = attempt.upstreamRequestId;
  if (attempt.failover != null) attributes[OWN.failover] = attempt.failover;
  if (error !== null) attributes[ATTRIBUTES.errorType] = error;
  return { name: 'attempt', attributes, error };
}

const nameOf = (entry: Pick<OpenEntry, 'endpoint' | 'modelSent'>, model: string | null): string => (model === null ? operationOf(entry) : `${operationOf(entry)} ${model}`);

function callAttributes(entry: OpenEntry | RefusedEntry, model: string | null, { address, port }: Server): Attributes {
  const { caller, endpoint, stream } = entry;
  const attributes: Attributes = {
    [ATTRIBUTES.operation]: operationOf({ endpoint, modelSent: null }),
    [ATTRIBUTES.provider]: 'anthropic',
    [ATTRIBUTES.serverAddress]: address,
    [ATTRIBUTES.serverPort]: port,
    [OWN.requestId]: entry.id,
    [OWN.workspace]: caller.workspace,
    [OWN.workflow]: caller.workflow,
    [OWN.endpoint]: endpoint,
  };
  if (model !== null) attributes[ATTRIBUTES.requestModel] = model;
  if (stream) attributes[ATTRIBUTES.requestStream] = true;
  if (caller.key !== null) attributes[OWN.key] = caller.key;
  if (caller.session !== null) attributes[ATTRIBUTES.conversation] = caller.session;
  return attributes;
}
