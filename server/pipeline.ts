// server/pipeline.ts: the way of a call, from its first byte to its ledger entry, in one function.

import type { IncomingMessage } from 'node:http';
import type { NamedObjects } from './batch/desk.ts';
import type { Admission, AdmissionRequest, Clearance } from './domain/admission.ts';
import type { Ask, Caller, Intent } from './domain/call.ts';
import type { Clock } from './domain/ids.ts';
import { LedgerUnavailable, type OpenEntry } from './domain/ledger.ts';
import { NO_MONEY } from './domain/money.ts';
import type { Quote } from './domain/price.ts';
import { granted, tooLarge, type Refusal, type Verdict } from './domain/refusal.ts';
import type { Settings } from './domain/settings.ts';
import { refuse, settle, turnAway } from './ending.ts';
import { forward } from './forward/forward.ts';
import { Forwarding, POOLED, promisedBatch, visitOf } from './forwarding.ts';
import { scanAsk } from './identify/ask.ts';
import { scanBatch } from './identify/batch.ts';
import { DECODE_CAPS, decodeBody } from './identify/body.ts';
import { identify, withBodyUser } from './identify/caller.ts';
import { PromptLayout } from './identify/prompt-layout.ts';
import { intentOf, onlyModel, plan } from './planning.ts';
import type { BatchCall, Call, InspectedBody, Services } from './served.ts';
import { takeTurn, type TurnTaken } from './turn.ts';

/** Serves one call. A client that leaves or a provider that fails is an answer, not a throw. */
export async function serve(call: Call, services: Services): Promise<void> {
  let settings = services.settings();
  const identified = await identify({ credentials: call.credentials, claimed: call.claimed, bodyUserId: null }, { directory: services.directory, settings, at: call.admittedAt });
  if (!identified.ok) {
    const { refusal, caller: owner } = identified;
    return owner === null ? turnAway(call, refusal, services) : refuse(call, intentOf(call, owner, null), refusal, services);
  }
  if (identified.value.key !== null) services.keyUsed(identified.value.key, call.request, call.admittedAt);

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
    // What had let it pass until then is part of why it was refused.
    if (!admitted.ok) return refuse(call, { ...intent, decisions: clearance.decisions }, admitted.refusal, services);

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

/** Null on routes whose body nobody reads. */
async function readAsk(call: Call, { body, savings }: Settings, clock: Clock): Promise<Verdict<InspectedBody | null>> {
  if (call.route.inspect === null) return Number(call.request.headers['content-length'] ?? 0) > call.bodyLimit ? tooLarge(call.bodyLimit) : granted(null);
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

/** Whether the batch, file, skill or container that the call names is its workspace's own; null where it is, or, at once, where the call names none. */
function objectsRefusal(call: Call, caller: Caller, body: InspectedBody | null, services: Services): Promise<Refusal | null> | null {
  const { items = null } = body ?? {};
  const named: NamedObjects = items === null ? (body?.ask ?? NOTHING_NAMED) : { fileIds: items.flatMap(({ ask }) => ask.fileIds), skillIds: items.flatMap(({ ask }) => ask.skillIds), containerIds: items.flatMap(({ ask }) => ask.containerIds ?? []) };
  return named.fileIds.length === 0 && named.skillIds.length === 0 && (named.containerIds ?? []).length === 0 && !call.route.template.includes('*') ? null : askDesk(call, caller, named, services);
}

async function askDesk(call: Call, caller: Caller, named: NamedObjects, { desk, settings }: Services): Promise<Refusal | null> {
  try {
    return await desk.enter(visitOf(call, caller, settings()), named);
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
  traceId: intent.traceId ?? null,
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

const NOTHING_NAMED: NamedObjects = { fileIds: [], skillIds: [] };

const LEDGER_UNAVAILABLE: Refusal = {
  reason: 'ledger_unavailable',
  message: 'The gateway cannot write to its ledger right now, so it lets nothing through that it could not account for. Try again.',
  rule: null,
  retryAfterSeconds: 5,
};
