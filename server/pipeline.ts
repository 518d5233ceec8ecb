// server/pipeline.ts: the way of a call, from its first byte to its ledger entry, in one function.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admission, Clearance, Gate } from './domain/admission.ts';
import type { Ask, Caller, ClaimedTags, Credentials, Intent, Route } from './domain/call.ts';
import type { Directory } from './domain/directory.ts';
import type { CallId, Clock, EpochMs } from './domain/ids.ts';
import type { Ledger, OpenEntry, RefusedEntry, Settlement } from './domain/ledger.ts';
import type { OpenMeter } from './domain/meter.ts';
import { NO_MONEY, usdString, type Nanodollars } from './domain/money.ts';
import type { Headroom, Log, Observer } from './domain/observer.ts';
import type { Cost, Ending, Pricing, Quote } from './domain/price.ts';
import { REFUSALS, granted, type Refusal, type Verdict } from './domain/refusal.ts';
import type { Roster, Seat } from './domain/roster.ts';
import type { Settings } from './domain/settings.ts';
import type { Reading, Tokens } from './domain/usage.ts';
import type { Exchange, ExchangeOptions, ResponseHead } from './forward/exchange.ts';
import { forward, type Answer } from './forward/forward.ts';
import { headerOf, requestHeaders } from './forward/headers.ts';
import type { Upstream } from './forward/upstream.ts';
import { scanAsk, spliceModel } from './identify/ask.ts';
import { decodeBody } from './identify/body.ts';
import { identify, withBodyUser } from './identify/caller.ts';

/** One request, as the data port hands it over: routed, and nothing more. */
export interface Call {
  readonly id: CallId;
  readonly admittedAt: EpochMs;
  /** Milliseconds on the monotonic clock. */
  readonly receivedAt: number;
  readonly route: Route;
  /** The path upstream, with its query string. */
  readonly target: string;
  readonly credentials: Credentials;
  readonly claimed: ClaimedTags;
  readonly clientRetry: number | null;
  readonly request: IncomingMessage;
  readonly reply: ServerResponse;
  /** Fires when the client leaves. */
  readonly gone: AbortSignal;
  /** Reads the body whole; called at most once, only where the route inspects it. */
  readonly readBody: () => Promise<Verdict<{ readonly bytes: Buffer; release(): void }>>;
  /** Answers with our own no, which names the call by itself. `tags`: further headers, name, value, name, value… */
  readonly refuse: (refusal: Refusal, tags: readonly string[]) => void;
}

export interface Services {
  readonly settings: () => Settings;
  readonly clock: Clock;
  readonly directory: Directory;
  readonly gate: Gate;
  readonly pricing: () => Pricing;
  readonly ledger: Ledger;
  readonly upstream: Upstream;
  readonly openMeter: OpenMeter;
  readonly headroom: Headroom;
  readonly observer: Observer;
  readonly log: Log;
  /** Exchanges on the wire, for draining. */
  readonly onTheWire: Roster<Exchange>;
}

/** Serves one call. A client that leaves or a provider that fails is an answer, not a throw. */
export async function serve(call: Call, services: Services): Promise<void> {
  const settings = services.settings();
  const identified = await identify({ credentials: call.credentials, claimed: call.claimed, bodyUserId: null }, { directory: services.directory, settings, at: call.admittedAt });
  if (!identified.ok) return turnAway(call, identified.refusal, services);

  const asked = await readAsk(call, services.clock);
  const body = asked.ok ? asked.value : null;
  try {
    // A user that only the body names is as good as one in a header; the header wins.
    const named = withBodyUser(identified.value, body?.ask?.userId ?? null);
    const caller = named.ok ? named.value : identified.value;
    const intent = intentOf(call, caller, body?.ask ?? null);
    if (!asked.ok) return refuse(call, intent, asked.refusal, services);
    if (!named.ok) return refuse(call, intent, named.refusal, services);
    if (call.route.inspect === 'batch' && !settings.unmetered.includes('batches')) return refuse(call, intent, BATCHES_ARE_OFF, services);

    const cleared = services.gate.clear(caller, call.route.endpoint, body?.ask ?? null);
    if (!cleared.ok) return refuse(call, intent, cleared.refusal, services);
    const quoted = services.pricing().quote({ endpoint: call.route.endpoint, ask: body?.ask ?? null, model: cleared.value.model, at: call.admittedAt });
    if (!quoted.ok) return refuse(call, intent, quoted.refusal, services);
    const admitted = await services.gate.admit({ caller, endpoint: call.route.endpoint, clearance: cleared.value, quote: quoted.value, get signal() { return call.gone; } });
    if (!admitted.ok) return refuse(call, intent, admitted.refusal, services);

    const opened = openEntry(intent, cleared.value, quoted.value, admitted.value);
    if (!(await openInLedger(opened, services))) {
      admitted.value.release(NO_MONEY, null);
      return refuse(call, intent, LEDGER_UNAVAILABLE, services);
    }
    services.observer.started(caller.workspace, call.route.endpoint);
    const price = pricer(services.pricing(), quoted.value);
    try {
      const answer = await send(call, body, opened, price, admitted.value, services);
      settle(call, body, opened, price, admitted.value, answer, services);
    } catch (error) {
      // Not foreseen: the row stays open, and the next start books it at what was held. The budgets say the same from now on.
      admitted.value.release(opened.held, null);
      throw error;
    }
  } finally {
    body?.release();
  }
}

/** A body that was read for its governed fields. */
interface InspectedBody {
  /** Null for a batch, whose items each have their own. */
  readonly ask: Ask | null;
  /** As received; what goes upstream unless the model is an alias. */
  readonly bytes: Buffer;
  /** Without its content-encoding; the same buffer where there is none. */
  readonly decoded: Buffer;
  /** Milliseconds on the monotonic clock. */
  readonly readAt: number;
  release(): void;
}

/** Null on routes whose body nobody reads. */
async function readAsk(call: Call, clock: Clock): Promise<Verdict<InspectedBody | null>> {
  if (call.route.inspect === null) return granted(null);
  const read = await call.readBody();
  if (!read.ok) return read;
  const { bytes, release } = read.value;
  const readAt = clock.monotonic();
  const encoding = call.request.headers['content-encoding'];
  const decoded = encoding === undefined ? granted(bytes) : await decodeBody(bytes, encoding);
  if (!decoded.ok) return release(), decoded;
  if (call.route.inspect === 'batch') return granted({ ask: null, bytes, decoded: decoded.value, readAt, release });
  const ask = scanAsk(decoded.value, call.route.endpoint);
  if (!ask.ok) return release(), ask;
  return granted({ ask: ask.value, bytes, decoded: decoded.value, readAt, release });
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
  modelSent: clearance.model,
  held: admission.held,
  price: quote.row,
});

async function openInLedger(entry: OpenEntry, { ledger, log }: Services): Promise<boolean> {
  try {
    await ledger.open(entry);
    return true;
  } catch (error) {
    log.error('ledger_unavailable', { call: entry.id, workspace: entry.caller.workspace, code: error instanceof Error ? error.name : 'unknown' });
    return false;
  }
}

/** Prices one call's ending; asked for the header and again for the ledger, it works once. */
interface Pricer {
  readonly ceilingAfterStart: (started: Tokens) => Nanodollars;
  readonly cost: (ending: Ending) => Cost;
}

function pricer(pricing: Pricing, quote: Quote): Pricer {
  let known: { reading: Reading; cost: Cost } | null = null;
  return {
    ceilingAfterStart: (started) => pricing.ceilingAfterStart(quote, started),
    cost: (ending) => {
      if (known?.reading !== ending.reading) known = { reading: ending.reading, cost: pricing.cost(quote, ending) };
      return known.cost;
    },
  };
}

function send(call: Call, body: InspectedBody | null, opened: OpenEntry, price: Pricer, admission: Admission, services: Services): Promise<Answer> {
  const { caller } = opened;
  const { settings: upstreamSettings } = services.upstream;
  const edited = body !== null && body.ask !== null && opened.modelSent !== null && opened.modelSent !== body.ask.model;
  const extraHeaders = (head: ResponseHead, reading: Reading | null): readonly string[] => {
    const tags = ['x-tollgate-request-id', call.id, ...ownerHeaders(caller)];
    if (head.streamed) return tags;
    const free = !call.route.billed || head.status >= 400;
    if (reading === null && !free) return tags;
    const cost = reading === null ? NO_MONEY : price.cost({ status: head.status, sent: true, reading }).total;
    return [...tags, 'x-tollgate-cost-usd', usdString(cost)];
  };
  const options: ExchangeOptions = {
    upstream: services.upstream,
    reply: call.reply,
    writeStallMs: services.settings().clients.writeStallMs,
    monotonic: () => services.clock.monotonic(),
    extraHeaders,
    openMeter: (head) => {
      noteHeadroom(call, opened, head, services);
      if (!call.route.billed) return null;
      return services.openMeter({
        endpoint: call.route.endpoint,
        status: head.status,
        contentType: headerOf(head.raw, 'content-type'),
        contentEncoding: headerOf(head.raw, 'content-encoding'),
        monotonic: () => services.clock.monotonic(),
        onStart: (started) => admission.started(started, price.ceilingAfterStart(started)),
      });
    },
    // A JSON answer is paid for whole whether anyone reads it or not, so it is read for its usage; a stream may stop being generated.
    drainAfterAbort: (head) => call.route.billed && (head === null ? !opened.stream : !head.streamed || services.settings().onAbort === 'drain'),
  };
  let seat: Seat<Exchange> | null = null;
  return forward({
    outgoing: {
      method: call.route.method,
      path: call.target,
      headers: requestHeaders(call.request.rawHeaders, caller.upstream, edited),
      body: body === null ? streamedBody(call) : edited ? spliceModel(body.decoded, body.ask!.modelSpan, opened.modelSent!) : body.bytes,
      credential: caller.upstream,
      headersTimeoutMs: opened.stream ? upstreamSettings.streamHeadersTimeoutMs : upstreamSettings.headersTimeoutMs,
    },
    options,
    billed: call.route.billed,
    clock: services.clock,
    mayRetry: (number, startedAt) => services.ledger.attempt(opened.id, number, startedAt).then(() => true, () => false),
    onExchange: (exchange) => {
      if (seat !== null) services.onTheWire.leave(seat);
      seat = services.onTheWire.enter(exchange);
    },
  }).finally(() => {
    if (seat !== null) services.onTheWire.leave(seat);
  });
}

/** The one place that every ending of a forwarded call passes. */
function settle(call: Call, body: InspectedBody | null, opened: OpenEntry, price: Pricer, admission: Admission, answer: Answer, services: Services): void {
  const { result, reading } = answer;
  const endedAt = services.clock.monotonic();
  const refusal = result.answered || result.clientGone ? null : upstreamRefusal(answer);
  if (refusal !== null) call.refuse(refusal, ownerHeaders(opened.caller));
  const cost: Cost = price.cost({ status: result.head?.status ?? null, sent: result.sent, reading });
  const overheadRequestMs = answer.startedAt - (body?.readAt ?? call.receivedAt);
  admission.release(cost.total, cost.tokens);
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
    attempts: answer.attempts,
    stopReason: reading.stopReason,
    upstreamRequestId: answer.attempts.at(-1)?.upstreamRequestId ?? null,
    errorType: reading.errorType ?? result.errorCode,
    requestBytes: body?.bytes.length ?? Number(call.request.headers['content-length'] ?? 0),
    responseBytes: result.responseBytes,
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

const ownerHeaders = (caller: Caller): readonly string[] => ['x-tollgate-workspace', caller.workspace, 'x-tollgate-workflow', caller.workflow];

function noteHeadroom(call: Call, opened: OpenEntry, head: ResponseHead, services: Services): void {
  if (opened.modelSent === null) return;
  const { upstream } = opened.caller;
  services.headroom.note({
    credential: upstream.kind === 'configured' ? upstream.name : 'caller',
    model: opened.modelSent,
    at: call.admittedAt,
    header: (name) => headerOf(head.raw, name),
  });
}

/** A body that nobody inspects goes through as it comes; null where there is none. */
const streamedBody = ({ request }: Call): IncomingMessage | null =>
  request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined ? null : request;

const LEDGER_UNAVAILABLE: Refusal = {
  reason: 'ledger_unavailable',
  message: 'The gateway cannot write to its ledger right now, so it lets nothing through that it could not account for. Try again.',
  rule: null,
  retryAfterSeconds: 5,
};

const BATCHES_ARE_OFF: Refusal = {
  reason: 'feature_not_allowed',
  message: 'Message batches are off here, because they are not metered yet. An operator can let them through unmetered with `unmetered: [batches]` in the config.',
  rule: 'unmetered',
  retryAfterSeconds: null,
};
