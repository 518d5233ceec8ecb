// server/pipeline.ts: the way of a call, from its first byte to its ledger entry, in one function.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Desk, Visit } from './batch/desk.ts';
import { quoteBatch, type BatchQuote } from './batch/quote-batch.ts';
import { isClaudeCode, UNIFIED, warningHeaders } from './admit/claude-code.ts';
import type { Admission, Clearance, Gate } from './domain/admission.ts';
import type { Batch, BatchCare, OwnCredential } from './domain/batch.ts';
import type { Ask, BatchItemAsk, Caller, ClaimedTags, Credentials, Decision, Endpoint, Intent, Route } from './domain/call.ts';
import type { Directory } from './domain/directory.ts';
import type { CallId, Clock, EpochMs } from './domain/ids.ts';
import { LedgerUnavailable, type Ledger, type OpenEntry, type RefusedEntry, type Settlement } from './domain/ledger.ts';
import type { OpenMeter } from './domain/meter.ts';
import { NO_MONEY, usdString, type Nanodollars } from './domain/money.ts';
import type { Headroom, Log, Observer } from './domain/observer.ts';
import type { Cost, Ending, Pricing, Quote } from './domain/price.ts';
import type { Passage, ProviderQueue, Turn } from './domain/provider-queue.ts';
import { REFUSALS, granted, type Refusal, type Verdict } from './domain/refusal.ts';
import type { Roster, Seat } from './domain/roster.ts';
import type { Settings } from './domain/settings.ts';
import type { CallTrace, Tracing } from './domain/trace.ts';
import type { Reading, Tokens } from './domain/usage.ts';
import type { Drains } from './forward/drains.ts';
import type { ExchangeOptions, OnTheWire, Outgoing, ResponseHead } from './forward/exchange.ts';
import { forward, type Answer } from './forward/forward.ts';
import { carryTrace, headerOf, requestHeaders } from './forward/headers.ts';
import { hopHeader } from './forward/hops.ts';
import { allowsTries, nameOf, type Place } from './forward/tries.ts';
import { uploadLength, uploadOf } from './forward/upload.ts';
import type { Upstream } from './forward/upstream.ts';
import { scanAsk, spliceModels } from './identify/ask.ts';
import { scanBatch } from './identify/batch.ts';
import { DECODE_CAPS, decodeBody } from './identify/body.ts';
import { identify, withBodyUser } from './identify/caller.ts';
import { PromptLayout } from './identify/prompt-layout.ts';
import { promptMarks } from './identify/prompt-marks.ts';

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
  /** Null where traces are off: what the client sent of one passes as it came. */
  readonly trace: CallTrace | null;
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
  readonly queue: ProviderQueue;
  readonly desk: Desk;
  readonly batches: BatchCare;
  readonly observer: Observer;
  readonly telemetry: { readonly tracing: Tracing | null };
  readonly log: Log;
  /** The key that prefixes of prompts are hashed with, 43 characters of base64url. */
  readonly prefixKey: string;
  /** Answers that are read on after their client left. */
  readonly drains: Drains;
  /** Calls on the wire, for draining. */
  readonly onTheWire: Roster<OnTheWire>;
}

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
    const hidden = await objectsRefusal(call, caller, body, services);
    if (hidden !== null) return refuse(call, intent, hidden, services);

    let planned = await plan(call, caller, body, services);
    if (!planned.ok) return refuse(call, intent, planned.refusal, services);
    if (caller.priority === 'background' && services.queue.watches && body !== null && POOLED.has(call.route.endpoint)) {
      turn = await takeTurn(call, caller, body, intent, planned.value, services);
      if (turn === null) return;
      if (turn.anew !== null) ({ settings, caller, intent, planned } = turn.anew);
    }
    const { clearance, quote } = planned.value;
    const batch = planned.value.batch === null ? null : { quote: planned.value.batch, taken: false };
    const admitted = await services.gate.admit({ caller, endpoint: call.route.endpoint, clearance, quote, ...(batch === null ? {} : { shares: batch.quote.shares }), get signal() { return call.gone; } });
    if (!admitted.ok) return refuse(call, intent, admitted.refusal, services);

    const opened = openEntry(intent, clearance, quote, admitted.value);
    if (!(await openInLedger(opened, batch, admitted.value, services))) {
      admitted.value.release(NO_MONEY, null);
      return refuse(call, intent, LEDGER_UNAVAILABLE, services);
    }
    services.observer.started(caller.workspace, call.route.endpoint);
    const price = pricer(services.pricing(), quote);
    try {
      const answer = await send(call, body, batch, opened, price, { admission: admitted.value, clearance, upstream: settings.upstream, passage: turn?.passage ?? null }, services);
      settle(call, body, batch, opened, price, admitted.value, answer, turn, services);
    } catch (error) {
      // Not foreseen: the row stays open, and the next start books it at what was held. The budgets say the same from now on.
      admitted.value.release(opened.held, null);
      throw error;
    }
  } finally {
    turn?.passage?.unused();
    body?.release();
  }
}

/** What draws on the limits that `noteHeadroom` is told of: batches and token counts have limits of their own. */
const POOLED: ReadonlySet<Endpoint> = new Set(['messages', 'chat_completions', 'complete']);

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
  settle(call, body, null, opened, pricer(services.pricing(), quote), null, { outcome: 'client_abort', result, reading, attempts: [], startedAt: now }, { ...NO_WAIT, waitedMs }, services);
}

/** A body that was read for its governed fields. */
interface InspectedBody {
  /** Null for a batch, whose items each have their own. */
  readonly ask: Ask | null;
  /** Null but for a batch. */
  readonly items: readonly BatchItemAsk[] | null;
  /** As received; what goes upstream unless the model is an alias. */
  readonly bytes: Buffer;
  /** Without its content-encoding; the same buffer where there is none. */
  readonly decoded: Buffer;
  /** Where the parts of the prompt stand in `decoded`; null where nobody wants to know. */
  readonly layout: PromptLayout | null;
  /** Milliseconds on the monotonic clock. */
  readonly readAt: number;
  release(): void;
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

/** A batch that is being created. */
interface BatchCall {
  readonly quote: BatchQuote;
  /** True once the provider said that it has it, and it is cared for from there on. */
  taken: boolean;
}

async function plan(call: Call, caller: Caller, body: InspectedBody | null, { gate, pricing }: Services): Promise<Verdict<Plan>> {
  const { route: { endpoint }, admittedAt: at } = call;
  const betas = betasOf(call.request.headers['anthropic-beta']);
  if (body !== null && body.items !== null) {
    const book = pricing();
    const batch = await quoteBatch(body.items, { at, clear: (ask) => gate.clear(caller, endpoint, ask, betas), quote: (ask, model, flatHold) => book.quote({ endpoint, ask, model, at, flatHold: flatHold ?? null }) });
    return batch.ok ? granted({ clearance: batch.value.clearance, quote: batch.value.quote, batch: batch.value }) : batch;
  }
  const recalled = gate.recall(caller, body?.ask ?? null);
  if (recalled !== null) await recalled;
  const cleared = gate.clear(caller, endpoint, body?.ask ?? null, betas);
  if (!cleared.ok) return cleared;
  const quoted = pricing().quote({ endpoint, ask: body?.ask ?? null, model: cleared.value.model, at, flatHold: cleared.value.flatHold ?? null });
  return quoted.ok ? granted({ clearance: cleared.value, quote: quoted.value, batch: null }) : quoted;
}

/** Whether the batch, file or skill that the call names is its workspace's own; null where it is, or names none. */
async function objectsRefusal(call: Call, caller: Caller, body: InspectedBody | null, { desk, settings }: Services): Promise<Refusal | null> {
  const fileIds = body?.ask?.fileIds ?? body?.items?.flatMap(({ ask }) => ask.fileIds) ?? [];
  if (fileIds.length === 0 && !call.route.template.includes('*')) return null;
  try {
    return await desk.enter(visitOf(call, caller, settings()), fileIds);
  } catch (error) {
    if (error instanceof LedgerUnavailable) return LEDGER_UNAVAILABLE;
    throw error;
  }
}

function visitOf(call: Call, caller: Caller, settings: Settings): Visit {
  const { route, target, admittedAt: at, claimed: { pathWorkspace, pathWorkflow } } = call;
  const prefix = pathWorkspace === null ? '' : pathWorkflow === null ? `/w/${pathWorkspace}` : `/w/${pathWorkspace}/${pathWorkflow}`;
  return { route, target, at, caller, credential: credentialHeaders(call, caller), base: (settings.publicUrl ?? reachedBy(call)) + prefix };
}

/** A proxy that ends TLS before us says so; the worst that a client can do with it is to get an address that it cannot use. */
function reachedBy({ request: { headers } }: Call): string {
  return `${headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'}://${headers.host ?? ''}`;
}

/** Headers for a call of our own in a client's name. */
function credentialHeaders({ request }: Call, { upstream }: Caller): OwnCredential {
  const headers = requestHeaders(request.rawHeaders, upstream, false);
  const pairs: [string, string][] = [];
  for (let i = 0; i < headers.length; i += 2) if (OF_A_CREDENTIAL.has(headers[i]!.toLowerCase())) pairs.push([headers[i]!, headers[i + 1]!]);
  return pairs;
}
const OF_A_CREDENTIAL = new Set(['x-api-key', 'authorization', 'anthropic-version', 'anthropic-beta']);

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

/** A batch as it stands before its creation is answered. */
function promisedBatch(opened: OpenEntry, { quote: { models } }: BatchCall): Batch {
  const { upstream, ...creator } = opened.caller;
  const credential = upstream.kind === 'configured' ? upstream.name : null;
  return { id: opened.id, call: opened.id, createdAt: opened.admittedAt, expiresAt: opened.admittedAt, caller: creator, credential, models, booked: new Map() };
}

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

/** @param passed with `upstream` as the call was identified by it: its key belongs to that origin, whatever a reload says since */
function send(call: Call, body: InspectedBody | null, batch: BatchCall | null, opened: OpenEntry, price: Pricer, passed: { admission: Admission; clearance: Clearance; upstream: Settings['upstream']; passage: Passage | null }, services: Services): Promise<Answer> {
  const { admission, clearance, upstream: upstreamSettings, passage } = passed;
  const { caller } = opened;
  const edits = batch?.quote.edits ?? (body !== null && body.ask !== null && opened.modelSent !== null && opened.modelSent !== body.ask.model ? [{ span: body.ask.modelSpan, model: opened.modelSent }] : []);
  const edited = edits.length > 0;
  const visit = EDITED.has(call.route.endpoint) ? visitOf(call, caller, services.settings()) : null;
  const warning = isClaudeCode(call.request.headers) ? warningHeaders(admission.tightest) : NOTHING;
  const switched = clearance.insteadOf === undefined ? NOTHING : switchedHeaders(clearance.model, clearance.insteadOf);
  const extraHeaders = (head: ResponseHead, reading: Reading | null): readonly string[] => {
    const tags = ['x-tollgate-request-id', call.id, ...ownerHeaders(caller), ...switched, ...(head.status < 400 ? warning : NOTHING)];
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
    replaces: (head) => (warning.length > 0 && head.status < 400 ? UNIFIED : null),
    openMeter: (head, { credential }) => {
      noteHeadroom(call, opened, nameOf(credential), head, services);
      passage?.answered();
      if (!call.route.billed) return null;
      return services.openMeter({
        endpoint: call.route.endpoint,
        status: head.status,
        contentType: headerOf(head.raw, 'content-type'),
        contentEncoding: headerOf(head.raw, 'content-encoding'),
        monotonic: () => services.clock.monotonic(),
        onStart: (started) => admission.started(started, price.ceilingAfterStart(started)),
        onContent: admission.onContent,
      });
    },
    editor: (head) => (visit === null ? null : services.desk.editor(visit, head, async ({ id, expiresAt }) => {
      if (batch === null) return;
      batch.taken = true;
      await services.batches.opened({ ...promisedBatch(opened, batch), id, expiresAt }, admission.keep());
    })),
    // A JSON answer is paid for whole whether anyone reads it or not, so it is read for its usage; a stream may stop being generated.
    drainAfterAbort: (head) => {
      const worthIt = call.route.billed && (services.settings().onAbort === 'drain' || (head === null ? !opened.stream : !head.streamed));
      return worthIt ? services.drains.begin() : null;
    },
  };
  const upload = body === null ? uploadOf(call.request, call.reply) : null;
  const bytes = body === null ? upload : edited ? spliceModels(body.decoded, edits) : body.bytes;
  const outgoing = ({ origin, credential }: Pick<Place, 'origin' | 'credential'>): Outgoing => {
    const headers = requestHeaders(call.request.rawHeaders, credential, edited);
    headers.push(...hopHeader(call.request, origin));
    if (call.trace !== null) carryTrace(headers, call.trace);
    if (upload !== null) headers.push(...uploadLength(call.request));
    return {
      origin,
      method: call.route.method,
      path: call.target,
      headers: visit === null ? headers : uncompressed(headers),
      body: bytes,
      credential,
      headersTimeoutMs: opened.stream ? upstreamSettings.streamHeadersTimeoutMs : upstreamSettings.headersTimeoutMs,
    };
  };
  // A body that goes by unread cannot go a second time.
  const tries = upload !== null || !allowsTries(upstreamSettings) ? null : services.upstream.retries.begin({
    settings: upstreamSettings, credential: caller.upstream, model: opened.modelSent, movable: isMovable(call, body), clientRetry: call.clientRetry,
  }, services.clock.monotonic());
  let seat: Seat<OnTheWire> | null = null;
  return forward({
    outgoing: outgoing({ origin: upstreamSettings.origin, credential: caller.upstream }),
    options,
    billed: call.route.billed,
    clock: services.clock,
    tries,
    triesAgain: upstreamSettings.retry.most > 0,
    elsewhere: outgoing,
    mayRetry: (number, startedAt) => services.ledger.attempt(opened.id, number, startedAt).then(() => true, () => false),
    onWire: (now) => {
      if (seat !== null) services.onTheWire.leave(seat);
      seat = services.onTheWire.enter(now);
    },
  }).finally(() => {
    if (seat !== null) services.onTheWire.leave(seat);
  });
}

/** Whether another key would serve a call as well: files, skills, batches and containers are there for the workspace of one key only. */
const isMovable = ({ route }: Call, body: InspectedBody | null): boolean =>
  !EDITED.has(route.endpoint) && route.endpoint !== 'batch_results' && (body === null || (body.ask !== null && body.ask.fileIds.length === 0 && body.ask.features?.container !== true));

/** Endpoints whose answers are read, and some changed; see `Desk.editor`. */
const EDITED: ReadonlySet<Endpoint> = new Set(['batches', 'files', 'skills']);

/** What is to be read is asked for uncompressed. */
function uncompressed(headers: string[]): string[] {
  for (let i = 0; i < headers.length; i += 2) if (headers[i]!.toLowerCase() === 'accept-encoding') headers[i + 1] = 'identity';
  return headers;
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
function settle(call: Call, body: InspectedBody | null, batch: BatchCall | null, opened: OpenEntry, price: Pricer, admission: Admission | null, answer: Answer, turn: TurnTaken | null, services: Services): void {
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

/** Tells the client that a cheaper model answers. Names are its own text: what no header can hold is left out. */
const switchedHeaders = (model: string | null, insteadOf: string): readonly string[] =>
  [['x-tollgate-model', model ?? ''], ['x-tollgate-model-instead-of', insteadOf]].filter(([, text]) => /^[\x21-\x7e]+$/.test(text!)).flat() as string[];

const ownerHeaders = (caller: Caller): readonly string[] => ['x-tollgate-workspace', caller.workspace, 'x-tollgate-workflow', caller.workflow];

function noteHeadroom(call: Call, opened: OpenEntry, credential: string, head: ResponseHead, services: Services): void {
  if (opened.modelSent === null || !POOLED.has(call.route.endpoint)) return;
  services.headroom.note({
    credential,
    model: opened.modelSent,
    at: services.clock.now(),
    status: head.status,
    raw: head.raw,
  });
}

const LEDGER_UNAVAILABLE: Refusal = {
  reason: 'ledger_unavailable',
  message: 'The gateway cannot write to its ledger right now, so it lets nothing through that it could not account for. Try again.',
  rule: null,
  retryAfterSeconds: 5,
};
