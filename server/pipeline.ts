// server/pipeline.ts: the way of a call, from its first byte to its ledger entry, in one function.

import type { IncomingMessage } from 'node:http';
import { quoteBatch, type BatchQuote } from './batch/quote-batch.ts';
import type { Admission, AdmissionRequest, Clearance } from './domain/admission.ts';
import type { Ask, Caller, Decision, Intent } from './domain/call.ts';
import type { Clock } from './domain/ids.ts';
import { LedgerUnavailable, type OpenEntry, type RefusedEntry, type Settlement } from './domain/ledger.ts';
import { NO_MONEY } from './domain/money.ts';
import type { Cost, Ending, Quote } from './domain/price.ts';
import type { Passage, Turn } from './domain/provider-queue.ts';
import { REFUSALS, granted, type Refusal, type Verdict } from './domain/refusal.ts';
import type { Settings } from './domain/settings.ts';
import type { Reading } from './domain/usage.ts';
import { forward, type Answer } from './forward/forward.ts';
import { scanAsk } from './identify/ask.ts';
import { scanBatch } from './identify/batch.ts';
import { DECODE_CAPS, decodeBody } from './identify/body.ts';
import { identify, withBodyUser } from './identify/caller.ts';
import { PromptLayout } from './identify/prompt-layout.ts';
import { promptMarks } from './identify/prompt-marks.ts';
import { Forwarding, ownerHeaders, POOLED, promisedBatch, visitOf } from './forwarding.ts';
import type { BatchCall, Call, InspectedBody, Services } from './served.ts';

/** Serves one call. A client that leaves or a provider that fails is an answer, not a throw. */
export async function serve(call: Call, services: Services): Promise<void> {
  let settings = services.settings();
  const identified = await identify({ credentials: call.credentials, claimed: call.claimed, bodyUserId: null }, { directory: services.directory, settings, at: call.admittedAt });
  if (!identified.ok) {
    const { refusal, caller: owner } = identified;
    return owner === null ? turnAway(call, refusal, services) : refuse(call, intentOf(call, owner, null), refusal, services);
  }

  const asked = await readAsk(call, settings, services.clock);
  const body = asked.ok ? asked.value : null;
  let turn: TurnTaken | null = null;
  try {
    // A user that only the body names is as good as one in a header; the header wins.
    const named = withBodyUser(identified.value, body?.ask?.userId ?? null);
    let caller = named.ok ? named.value : identified.value;
    let intent = intentOf(call, caller, body?.ask ?? onlyModel(body));
    if (!asked.ok) return refuse(call, intent, asked.refusal, services);
    if (!named.ok) return refuse(call, intent, named.refusal, services);
    const hidden = objectsRefusal(call, caller, body, services);
    const refusal = hidden === null ? null : await hidden;
    if (refusal !== null) return refuse(call, intent, refusal, services);

    const planning = plan(call, caller, body, services);
    let planned = planning instanceof Promise ? await planning : planning;
    if (!planned.ok) return refuse(call, intent, planned.refusal, services);
    if (caller.priority === 'background' && services.queue.watches && body !== null && POOLED.has(call.route.endpoint)) {
      turn = await takeTurn(call, caller, body, intent, planned.value, services);
      if (turn === null) return;
      if (turn.anew !== null) ({ settings, caller, intent, planned } = turn.anew);
    }
    const { clearance, quote } = planned.value;
    const batch = planned.value.batch === null ? null : { quote: planned.value.batch, taken: false };
    const admitted = await services.gate.admit(new Asking(call, caller, clearance, quote, batch));
    if (!admitted.ok) return refuse(call, intent, admitted.refusal, services);

    const opened = openEntry(intent, clearance, quote, admitted.value);
    if (!(await openInLedger(opened, batch, admitted.value, services))) {
      admitted.value.release(NO_MONEY, null);
      return refuse(call, intent, LEDGER_UNAVAILABLE, services);
    }
    services.observer.started(caller.workspace, call.route.endpoint);
    const forwarding = new Forwarding({ call, body, batch, opened, admission: admitted.value, clearance, quote, upstreamSettings: settings.upstream, passage: turn?.passage ?? null }, services);
    try {
      const answer = await forward(forwarding);
      settle(call, body, batch, opened, forwarding, admitted.value, answer, turn, services);
    } catch (error) {
      // Not foreseen: the row stays open, and the next start books it at what was held. The budgets say the same from now on.
      admitted.value.release(opened.held, null);
      throw error;
    } finally {
      forwarding.leave();
    }
  } finally {
    turn?.passage?.unused();
    body?.release();
  }
}

/** A turn to go upstream; `anew` is what the call is after its wait, null when it did not wait. */
interface TurnTaken {
  readonly passage: Passage | null;
  readonly waitedMs: number;
  readonly anew: { readonly settings: Settings; readonly caller: Caller; readonly intent: Intent; readonly planned: { readonly ok: true; readonly value: Plan } } | null;
}

/**
 * Waits, where it must, until the provider has room for a background call. It waits before anything is held for it and before it has a
 * row: a wait must keep no money from others. So whatever may have changed meanwhile (key, config, prices, budgets) is asked again
 * after it. Null: the call has its answer, or nobody to give one to.
 */
async function takeTurn(call: Call, caller: Caller, body: InspectedBody, intent: Intent, plan: Plan, services: Services): Promise<TurnTaken | null> {
  const { upstream } = caller;
  const { clearance: { model }, quote } = plan;
  // Two callers' own keys look the same here. Fast mode has pools of its own, which these figures say nothing of.
  if (upstream.kind !== 'configured' || model === null || body.ask?.speed === 'fast') return NO_WAIT;
  // Nobody waits for room only to hear that there is no money.
  const hopeless = services.gate.exhausted({ caller, clearance: plan.clearance, quote });
  if (hopeless !== null) {
    refuse(call, intent, hopeless, services);
    return null;
  }
  const need = { inputTokens: quote.likelyInputTokens, maxOutputTokens: body.ask?.maxTokens ?? null };
  const turn = await services.queue.enter({ workspace: caller.workspace, credential: upstream.name, model, need, bodyBytes: body.bytes.length, get signal() { return call.gone; } });
  if (turn.result !== 'passed' || turn.waitedMs > 0) services.observer.queued?.(caller.workspace, turn.result, turn.waitedMs);
  if (turn.result === 'left') {
    await leftWaiting(call, body, intent, plan, turn, services);
    return null;
  }
  if (turn.result !== 'passed') {
    refuse(call, intent, turn.refusal, services);
    return null;
  }
  const { passage, waitedMs, detail, rule } = turn;
  if (detail === null) return passage === null ? NO_WAIT : { passage, waitedMs, anew: null };
  const anew = await askAgain(call, body, { rule, verdict: 'allow', detail }, services);
  if (anew !== null) return { passage, waitedMs, anew };
  passage?.unused();
  return null;
}

const NO_WAIT: TurnTaken = { passage: null, waitedMs: 0, anew: null };

/** All that `serve` found out before a wait, found out after it. Null: the call has its refusal. */
async function askAgain(call: Call, body: InspectedBody, waited: Decision, services: Services): Promise<TurnTaken['anew']> {
  const settings = services.settings();
  const identified = await identify({ credentials: call.credentials, claimed: call.claimed, bodyUserId: body.ask?.userId ?? null }, { directory: services.directory, settings, at: services.clock.now() });
  if (!identified.ok) {
    const { refusal, caller: owner } = identified;
    if (owner === null) turnAway(call, refusal, services);
    else refuse(call, intentOf(call, owner, null), refusal, services);
    return null;
  }
  const caller = identified.value;
  const intent = intentOf(call, caller, body.ask);
  const planned = await plan(call, caller, body, services);
  if (!planned.ok) {
    refuse(call, intent, planned.refusal, services);
    return null;
  }
  const { clearance } = planned.value;
  return { settings, caller, intent, planned: granted({ ...planned.value, clearance: { ...clearance, decisions: [...clearance.decisions, waited] } }) as { ok: true; value: Plan } };
}

/** A row for a call whose client left while it waited: nothing was held for it and nothing sent. */
async function leftWaiting(call: Call, body: InspectedBody, intent: Intent, { clearance, quote }: Plan, { rule, detail, waitedMs }: Extract<Turn, { result: 'left' }>, services: Services): Promise<void> {
  const opened: OpenEntry = { ...intent, decisions: [...clearance.decisions, { rule, verdict: 'allow', detail }], modelSent: clearance.model, held: NO_MONEY, price: quote.row };
  try {
    await services.ledger.open(opened);
  } catch (error) {
    services.log.error('ledger_unavailable', { call: opened.id, workspace: opened.caller.workspace, code: error instanceof Error ? error.name : 'unknown' });
    return;
  }
  services.observer.started(opened.caller.workspace, call.route.endpoint);
  const now = services.clock.monotonic();
  const reading: Reading = { usage: null, complete: false, contentBytes: 0, stopReason: null, errorType: null, errorCode: null, firstContentAt: null, obstacle: null };
  const result: Answer['result'] = { stop: 'cut', head: null, reading, sent: false, answered: false, clientGone: true, clientMissed: false, errorCode: null, responseBytes: 0, headersAt: null, lastByteAt: now };
  const pricing = services.pricing();
  settle(call, body, null, opened, { cost: (ending) => pricing.cost(quote, ending) }, null, { outcome: 'client_abort', result, reading, attempts: [], startedAt: now }, { ...NO_WAIT, waitedMs }, services);
}

/** Null on routes whose body nobody reads. */
async function readAsk(call: Call, { body, savings }: Settings, clock: Clock): Promise<Verdict<InspectedBody | null>> {
  if (call.route.inspect === null) return granted(null);
  const read = await call.readBody();
  if (!read.ok) return read;
  const { bytes, release } = read.value;
  const readAt = clock.monotonic();
  const encoding = call.request.headers['content-encoding'];
  const mostBytes = call.route.inspect === 'batch' ? body.batchesBytes : body.messagesBytes;
  const decoded = encoding === undefined ? granted(bytes) : await decodeBody(bytes, encoding, { ...DECODE_CAPS, bytes: mostBytes });
  if (!decoded.ok) return release(), decoded;
  if (call.route.inspect === 'batch') {
    const items = await scanBatch(decoded.value);
    return items.ok ? granted({ ask: null, items: items.value.map((item) => (item.ask.billedElsewhere ? { ...item, ask: payable(item.ask, call.request) } : item)), bytes, decoded: decoded.value, layout: null, readAt, release }) : (release(), items);
  }
  const layout = savings.prefixHashes && call.route.billed ? new PromptLayout() : null;
  const ask = scanAsk(decoded.value, call.route.endpoint, layout);
  if (!ask.ok) return release(), ask;
  return granted({ ask: ask.value.billedElsewhere ? payable(ask.value, call.request) : ask.value, items: null, bytes, decoded: decoded.value, layout, readAt, release });
}

/** `billing_policy` charges the organization of the profile that a header names; without one the bill is ours. */
const payable = (ask: Ask, { headers }: IncomingMessage): Ask => (headers['anthropic-user-profile-id'] ? ask : { ...ask, billedElsewhere: false });

/** What a batch's row shows as its model: the one that all of its items ask for. */
function onlyModel(body: InspectedBody | null): Ask | null {
  const first = body?.items?.[0]?.ask ?? null;
  return first !== null && body!.items!.every(({ ask }) => ask.model === first.model) ? first : null;
}

/** What a call may use and what it may cost at most; `batch` is null but where it creates one. */
interface Plan {
  readonly clearance: Clearance;
  readonly quote: Quote;
  readonly batch: BatchQuote | null;
}

/** Node joins repeated headers with a comma, as the header itself does. */
const betasOf = (header: string | readonly string[] | undefined): readonly string[] =>
  header === undefined ? NOTHING : String(header).split(',').map((name) => name.trim()).filter((name) => name !== '');

/** At once, but for a batch and for a session that must be recalled first. */
function plan(call: Call, caller: Caller, body: InspectedBody | null, services: Services): Verdict<Plan> | Promise<Verdict<Plan>> {
  const betas = betasOf(call.request.headers['anthropic-beta']);
  if (body !== null && body.items !== null) return planBatch(call, caller, body.items, betas, services);
  const recalled = services.gate.recall(caller, body?.ask ?? null);
  return recalled === null ? planCall(call, caller, body, betas, services) : recalled.then(() => planCall(call, caller, body, betas, services));
}

async function planBatch({ route: { endpoint }, admittedAt: at }: Call, caller: Caller, items: NonNullable<InspectedBody['items']>, betas: readonly string[], { gate, pricing }: Services): Promise<Verdict<Plan>> {
  const book = pricing();
  const batch = await quoteBatch(items, { at, clear: (ask) => gate.clear(caller, endpoint, ask, betas), quote: (ask, model, flatHold) => book.quote({ endpoint, ask, model, at, flatHold: flatHold ?? null }) });
  return batch.ok ? granted({ clearance: batch.value.clearance, quote: batch.value.quote, batch: batch.value }) : batch;
}

function planCall({ route: { endpoint }, admittedAt: at }: Call, caller: Caller, body: InspectedBody | null, betas: readonly string[], { gate, pricing }: Services): Verdict<Plan> {
  const cleared = gate.clear(caller, endpoint, body?.ask ?? null, betas);
  if (!cleared.ok) return cleared;
  const quoted = pricing().quote({ endpoint, ask: body?.ask ?? null, model: cleared.value.model, at, flatHold: cleared.value.flatHold ?? null });
  return quoted.ok ? granted({ clearance: cleared.value, quote: quoted.value, batch: null }) : quoted;
}

/** Whether the batch, file or skill that the call names is its workspace's own; null where it is, or, at once, where the call names none. */
function objectsRefusal(call: Call, caller: Caller, body: InspectedBody | null, services: Services): Promise<Refusal | null> | null {
  const fileIds = body?.ask?.fileIds ?? body?.items?.flatMap(({ ask }) => ask.fileIds) ?? NOTHING;
  return fileIds.length === 0 && !call.route.template.includes('*') ? null : askDesk(call, caller, fileIds, services);
}

async function askDesk(call: Call, caller: Caller, fileIds: readonly string[], { desk, settings }: Services): Promise<Refusal | null> {
  try {
    return await desk.enter(visitOf(call, caller, settings()), fileIds);
  } catch (error) {
    if (error instanceof LedgerUnavailable) return LEDGER_UNAVAILABLE;
    throw error;
  }
}

/** What the gate is asked; the signal is made when somebody waits on it, which few calls do. */
class Asking implements AdmissionRequest {
  readonly caller: Caller;
  readonly endpoint: AdmissionRequest['endpoint'];
  readonly clearance: Clearance;
  readonly quote: Quote;
  readonly shares?: NonNullable<AdmissionRequest['shares']>;
  readonly #call: Call;

  constructor(call: Call, caller: Caller, clearance: Clearance, quote: Quote, batch: BatchCall | null) {
    this.caller = caller;
    this.endpoint = call.route.endpoint;
    this.clearance = clearance;
    this.quote = quote;
    if (batch !== null) this.shares = batch.quote.shares;
    this.#call = call;
  }

  get signal(): AbortSignal {
    return this.#call.gone;
  }
}

const intentOf = (call: Call, caller: Caller, ask: Ask | null): Intent => ({
  id: call.id,
  admittedAt: call.admittedAt,
  caller,
  endpoint: call.route.endpoint,
  stream: ask?.stream ?? false,
  modelRequested: ask?.model ?? null,
  clientRetry: call.clientRetry,
  decisions: [],
  trace: call.trace,
});

const openEntry = (intent: Intent, clearance: Clearance, quote: Quote, admission: Admission): OpenEntry => ({
  id: intent.id,
  // The budgets charge the period of admission, which a long body or a wait can move past the arrival's.
  admittedAt: admission.admittedAt,
  caller: intent.caller,
  endpoint: intent.endpoint,
  stream: intent.stream,
  modelRequested: intent.modelRequested,
  clientRetry: intent.clientRetry,
  decisions: admission.decisions,
  trace: intent.trace ?? null,
  modelSent: clearance.model,
  held: admission.held,
  price: quote.row,
});

async function openInLedger(entry: OpenEntry, batch: BatchCall | null, { tightest }: Admission, { ledger, batches, log }: Services): Promise<boolean> {
  try {
    const opened = ledger.open(entry);
    // In one tick, so that both are in one commit.
    await (batch === null ? opened : Promise.all([opened, batches.promised(promisedBatch(entry, batch))]));
    return true;
  } catch (error) {
    // Where no hard budget is at stake, people's work goes on before the disk does. A batch can wait.
    if (tightest === null && batch === null && error instanceof LedgerUnavailable && ledger.journal(entry)) return true;
    log.error('ledger_unavailable', { call: entry.id, workspace: entry.caller.workspace, code: error instanceof Error ? error.name : 'unknown' });
    return false;
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

/** The one place that every ending of a call with an open row passes. @param admission null where nothing was held */
function settle(call: Call, body: InspectedBody | null, batch: BatchCall | null, opened: OpenEntry, price: { cost(ending: Ending): Cost }, admission: Admission | null, answer: Answer, turn: TurnTaken | null, services: Services): void {
  const { result, reading } = answer;
  const endedAt = services.clock.monotonic();
  const refusal = result.answered || result.clientGone ? null : upstreamRefusal(answer);
  if (refusal !== null) call.refuse(refusal, ownerHeaders(opened.caller));
  const cost = price.cost({ status: result.head?.status ?? null, sent: result.sent, reading });
  if (batch !== null && admission !== null && !batch.taken) endNameless(batch, opened, admission, answer, services);
  // A wait for the provider is none of our doing.
  const queuedMs = turn?.waitedMs ?? 0;
  const overheadRequestMs = answer.startedAt - (body?.readAt ?? call.receivedAt) - queuedMs;
  admission?.release(cost.total, cost.tokens);
  if (result.sent) turn?.passage?.ended(cost.tokens.output);
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
}

/** Our own words where the provider gave none. */
function upstreamRefusal({ result }: Answer): Refusal {
  if (result.stop === 'drained') return { reason: 'draining', message: 'The gateway is shutting down. Try again.', rule: null, retryAfterSeconds: 1 };
  if (result.stop === 'upload_cut') return { reason: 'malformed', message: 'The request body ended before it was complete, or came too slowly.', rule: null, retryAfterSeconds: null };
  if (result.stop === 'headers_timeout' || result.stop === 'idle_timeout') return { reason: 'upstream_timeout', message: 'The provider did not answer in time.', rule: null, retryAfterSeconds: null };
  const what = result.sent ? 'broke the connection before it answered' : 'could not be reached';
  return { reason: 'upstream_unreachable', message: `The provider ${what} (${result.errorCode ?? 'no detail'}).`, rule: null, retryAfterSeconds: null };
}

/** A call that is refused once its caller is known: a row in the ledger, no hold, no cost. */
function refuse(call: Call, intent: Intent, refusal: Refusal, services: Services): void {
  call.refuse(refusal, ownerHeaders(intent.caller));
  const entry: RefusedEntry = {
    ...intent,
    decisions: refusal.rule === null ? intent.decisions : [...intent.decisions, { rule: refusal.rule, verdict: 'refuse', detail: null }],
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
function turnAway(call: Call, refusal: Refusal, services: Services): void {
  call.refuse(refusal, []);
  services.observer.turnedAway(refusal.reason, call.route.endpoint);
}

const NOTHING: readonly string[] = [];

const LEDGER_UNAVAILABLE: Refusal = {
  reason: 'ledger_unavailable',
  message: 'The gateway cannot write to its ledger right now, so it lets nothing through that it could not account for. Try again.',
  rule: null,
  retryAfterSeconds: 5,
};
