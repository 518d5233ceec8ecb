// server/ending.ts: how calls end: refused, or settled once whatever became of them.

import type { Admission } from './domain/admission.ts';
import type { Intent } from './domain/call.ts';
import type { OpenEntry, RefusedEntry, Settlement } from './domain/ledger.ts';
import type { Cost, Ending } from './domain/price.ts';
import type { Passage } from './domain/provider-queue.ts';
import { REFUSALS, tooLarge, type Refusal } from './domain/refusal.ts';
import type { Answer } from './forward/forward.ts';
import { ownerHeaders, promisedBatch } from './forwarding.ts';
import { promptMarks } from './identify/prompt-marks.ts';
import type { BatchCall, Call, InspectedBody, Services } from './served.ts';

/** What a call had to wait for before it went; `passage` is null where nobody counts what it takes of the provider's room. */
export interface Wait {
  readonly passage: Passage | null;
  readonly waitedMs: number;
}

/** The one place that every ending of a call with an open row passes. @param admission null where nothing was held */
export function settle(call: Call, body: InspectedBody | null, batch: BatchCall | null, opened: OpenEntry, price: { cost(ending: Ending): Cost }, admission: Admission | null, answer: Answer, wait: Wait | null, services: Services): void {
  const { result, reading } = answer;
  const endedAt = services.clock.monotonic();
  const refusal = result.answered || result.clientGone ? null : upstreamRefusal(answer, call);
  if (refusal !== null) call.refuse(refusal, ownerHeaders(opened.caller));
  const cost = price.cost({ status: result.head?.status ?? null, sent: result.sent, reading });
  if (batch !== null && admission !== null && !batch.taken) endNameless(batch, opened, admission, answer, services);
  // A wait for the provider is none of our doing.
  const queuedMs = wait?.waitedMs ?? 0;
  const overheadRequestMs = answer.startedAt - (body?.readAt ?? call.receivedAt) - queuedMs;
  admission?.release(cost.total, cost.tokens);
  if (result.sent) wait?.passage?.ended(cost.tokens.output);
  const settlement: Settlement = {
    id: opened.id,
    endedAt: services.clock.now(),
    outcome: answer.outcome,
    status: result.answered ? result.head!.status : refusal === null ? null : REFUSALS[refusal.reason].status,
    cost,
    timeToFirstTokenMs: reading.firstContentAt === null ? null : reading.firstContentAt - call.receivedAt,
    durationMs: endedAt - call.receivedAt,
    overheadMs: overheadRequestMs + (endedAt - result.lastByteAt),
    overheadRequestMs,
    queuedMs,
    attempts: answer.attempts,
    messageId: reading.messageId ?? null,
    stopReason: reading.stopReason,
    upstreamRequestId: answer.attempts.at(-1)?.upstreamRequestId ?? null,
    errorType: reading.errorType ?? result.errorCode,
    errorCode: reading.errorCode,
    obstacle: reading.obstacle,
    requestBytes: body?.bytes.length ?? Number(call.request.headers['content-length'] ?? 0),
    responseBytes: result.responseBytes,
    // The client has its answer by now, so it waits for none of this.
    prompt: body?.layout && body.ask ? promptMarks(body.decoded, body.layout, body.ask, services.prefixKey) : null,
  };
  services.ledger.settle(settlement).catch((error: unknown) => {
    services.log.error('settlement_failed', { call: opened.id, code: error instanceof Error ? error.name : 'unknown' });
    services.observer.lost?.('settlement');
  });
  services.observer.settled({ opened, settlement });
  const { containerId } = reading;
  if (containerId !== undefined && body?.ask?.containerIds?.includes(containerId) !== true) {
    services.desk.containerNamed(containerId, opened.caller, settlement.endedAt).catch((error: unknown) => services.log.error('container_not_recorded', { call: opened.id, code: error instanceof Error ? error.name : 'unknown' }));
  }
}

/**
 * A batch whose name we never learned was refused, or may run all the same: then what was held for it is its cost, flagged, by model. Its
 * results cannot be looked for, as nothing tells it from another client's batch.
 */
function endNameless(batch: BatchCall, opened: OpenEntry, admission: Admission, { result }: Answer, { batches }: Services): void {
  const mayRun = result.sent && (result.head === null || result.head.status < 300);
  if (mayRun) batches.lost(promisedBatch(opened, batch), admission.keep());
  else batches.refused(promisedBatch(opened, batch));
}

/** Our own words where the provider gave none. */
function upstreamRefusal({ result }: Answer, { bodyLimit }: Call): Refusal {
  if (result.stop === 'drained') return { reason: 'draining', message: 'The gateway is shutting down. Try again.', rule: null, retryAfterSeconds: 1 };
  if (result.stop === 'upload_cut') return { reason: 'malformed', message: 'The request body ended before it was complete, or came too slowly.', rule: null, retryAfterSeconds: null };
  if (result.stop === 'upload_too_large') return tooLarge(bodyLimit).refusal;
  if (result.stop === 'headers_timeout' || result.stop === 'idle_timeout') return { reason: 'upstream_timeout', message: 'The provider did not answer in time.', rule: null, retryAfterSeconds: null };
  const what = result.sent ? 'broke the connection before it answered' : 'could not be reached';
  return { reason: 'upstream_unreachable', message: `The provider ${what} (${result.errorCode ?? 'no detail'}).`, rule: null, retryAfterSeconds: null };
}

/** A call that is refused once its caller is known: a row in the ledger, no hold, no cost. */
export function refuse(call: Call, intent: Intent, refusal: Refusal, services: Services): void {
  call.refuse(refusal, ownerHeaders(intent.caller));
  const entry: RefusedEntry = {
    ...intent,
    decisions: refusal.rule === null ? intent.decisions : [...intent.decisions, { rule: refusal.rule, verdict: 'refuse', detail: refusal.message }],
    endedAt: services.clock.now(),
    refusal: refusal.reason,
    status: REFUSALS[refusal.reason].status,
    durationMs: services.clock.monotonic() - call.receivedAt,
  };
  services.ledger.refuse(entry).catch((error: unknown) => {
    services.log.error('refusal_not_recorded', { call: intent.id, code: error instanceof Error ? error.name : 'unknown' });
    services.observer.lost?.('refusal');
  });
  services.observer.refused(entry);
}

/** A call that is refused before anyone knows whose it is: counted, without a row, so that strangers cannot fill the ledger. */
export function turnAway(call: Call, refusal: Refusal, services: Services): void {
  call.refuse(refusal, []);
  services.observer.turnedAway(refusal.reason, call.route.endpoint);
}
