// server/forwarding.ts: one admitted call on its way to the provider and back: what goes out, and what becomes of the answer.

import { isClaudeCode, UNIFIED, warningHeaders } from './admit/claude-code.ts';
import type { Visit } from './batch/desk.ts';
import type { Admission, Clearance } from './domain/admission.ts';
import type { Batch, OwnCredential } from './domain/batch.ts';
import type { Caller, Endpoint } from './domain/call.ts';
import type { Clock, EpochMs } from './domain/ids.ts';
import type { OpenEntry } from './domain/ledger.ts';
import type { Meter } from './domain/meter.ts';
import { NO_MONEY, usdString } from './domain/money.ts';
import type { Cost, Ending, Pricing, Quote } from './domain/price.ts';
import type { ToldLimits } from './domain/provider-limits.ts';
import type { Passage } from './domain/provider-queue.ts';
import type { Seat } from './domain/roster.ts';
import type { Settings } from './domain/settings.ts';
import type { Reading } from './domain/usage.ts';
import type { Drain } from './forward/drains.ts';
import type { ExchangeOptions, OnTheWire, Outgoing } from './forward/exchange.ts';
import type { ForwardRequest } from './forward/forward.ts';
import { carryTrace, headerOf, requestHeaders } from './forward/headers.ts';
import { hopHeader } from './forward/hops.ts';
import type { ResponseHead } from './forward/response-head.ts';
import { allowsTries, nameOf, type Place, type Tries } from './forward/tries.ts';
import { uploadLength, uploadOf } from './forward/upload.ts';
import type { Upstream } from './forward/upstream.ts';
import { spliceModels } from './identify/ask.ts';
import type { BatchCall, Call, InspectedBody, Services } from './served.ts';

/** What the rooms before this one found out about the call. */
export interface Admitted {
  readonly call: Call;
  /** Null where nobody reads it, so that it goes by as it comes. */
  readonly body: InspectedBody | null;
  /** Null but for a call that creates a batch. */
  readonly batch: BatchCall | null;
  readonly opened: OpenEntry;
  readonly admission: Admission;
  readonly clearance: Clearance;
  readonly quote: Quote;
  /** As the call was identified by it: its key belongs to that origin, whatever a reload says since. */
  readonly upstreamSettings: Settings['upstream'];
  /** What it takes of a pool of the provider that has little left; null where nobody counts. */
  readonly passage: Passage | null;
}

/** What draws on the limits that answers tell of: batches and token counts have limits of their own. */
export const POOLED: ReadonlySet<Endpoint> = new Set(['messages', 'chat_completions', 'complete']);

/** Is what the exchange asks about its call, too: one object for each call, and no function of its own for each question. */
export class Forwarding implements ForwardRequest, ExchangeOptions {
  readonly upstream: Upstream;
  readonly reply: Call['reply'];
  readonly writeStallMs: number;
  readonly outgoing: Outgoing;
  readonly billed: boolean;
  readonly clock: Clock;
  readonly tries: Tries | null;
  readonly triesAgain: boolean;
  toldLimits: ToldLimits | null = null;
  readonly #about: Admitted;
  readonly #services: Services;
  readonly #pricing: Pricing;
  /** Of a call whose answer is read or changed; see `Desk.editor`. */
  readonly #visit: Visit | null;
  /** Whether the body that goes up is another than the one that came. */
  readonly #edited: boolean;
  readonly #body: Outgoing['body'];
  /** Whether the body goes by unread, as it comes. */
  readonly #uploads: boolean;
  readonly #warning: readonly string[];
  #known: { readonly reading: Reading; readonly cost: Cost } | null = null;
  #seat: Seat<OnTheWire> | null = null;

  constructor(about: Admitted, services: Services) {
    const { call, body, batch, opened, clearance, upstreamSettings } = about;
    const { ask = null } = body ?? {};
    this.#about = about;
    this.#services = services;
    this.#pricing = services.pricing();
    this.upstream = services.upstream;
    this.clock = services.clock;
    this.reply = call.reply;
    this.writeStallMs = services.settings().clients.writeStallMs;
    this.billed = call.route.billed;
    this.triesAgain = upstreamSettings.retry.most > 0;
    this.#visit = EDITED.has(call.route.endpoint) ? visitOf(call, opened.caller, services.settings()) : null;
    this.#warning = isClaudeCode(call.request.headers) ? warningHeaders(about.admission.tightest) : NOTHING;

    const edits = batch?.quote.edits ?? (ask !== null && clearance.model !== null && clearance.model !== ask.model ? [{ span: ask.modelSpan, model: clearance.model }] : NO_EDITS);
    this.#edited = edits.length > 0;
    this.#body = body === null ? uploadOf(call.request, call.reply, call.bodyLimit) : this.#edited ? spliceModels(body.decoded, edits) : body.bytes;
    this.#uploads = body === null && this.#body !== null;
    this.outgoing = this.elsewhere({ origin: upstreamSettings.origin, credential: opened.caller.upstream });
    // A body that goes by unread cannot go a second time.
    this.tries = this.#uploads || !allowsTries(upstreamSettings) ? null : services.upstream.retries.begin({
      settings: upstreamSettings, credential: opened.caller.upstream, model: opened.modelSent, movable: isMovable(call, body), clientRetry: call.clientRetry,
    }, services.clock.monotonic());
  }

  get options(): ExchangeOptions {
    return this;
  }

  monotonic(): number {
    return this.clock.monotonic();
  }

  /** What the call cost, by how it ended; asked for a header and again for the ledger, it works once. */
  cost(ending: Ending): Cost {
    if (this.#known?.reading !== ending.reading) this.#known = { reading: ending.reading, cost: this.#pricing.cost(this.#about.quote, ending) };
    return this.#known.cost;
  }

  /** The call as it goes to one place. */
  elsewhere({ origin, credential }: Pick<Place, 'origin' | 'credential'>): Outgoing {
    const { call, opened, upstreamSettings } = this.#about;
    const headers = requestHeaders(call.request.rawHeaders, credential, this.#edited);
    headers.push(...hopHeader(call.request, origin));
    if (call.trace !== null) carryTrace(headers, call.trace);
    if (this.#uploads) headers.push(...uploadLength(call.request));
    return {
      origin,
      method: call.route.method,
      path: call.target,
      headers: this.#visit === null ? headers : uncompressed(headers),
      body: this.#body,
      credential,
      headersTimeoutMs: opened.stream ? upstreamSettings.streamHeadersTimeoutMs : upstreamSettings.headersTimeoutMs,
    };
  }

  mayRetry(number: number, startedAt: EpochMs): Promise<boolean> {
    return this.#services.ledger.attempt(this.#about.opened.id, number, startedAt).then(() => true, () => false);
  }

  onWire(now: OnTheWire): void {
    this.leave();
    this.#seat = this.#services.onTheWire.enter(now);
  }

  /** It is not on the wire any more. */
  leave(): void {
    if (this.#seat !== null) this.#services.onTheWire.leave(this.#seat);
    this.#seat = null;
  }

  keepsBack(head: ResponseHead): boolean {
    return this.tries !== null && this.tries.keepsBack(head, this.clock.monotonic(), this.clock.now());
  }

  openMeter(head: ResponseHead, { credential }: Outgoing): Meter | null {
    const { call, opened, admission, quote, passage } = this.#about;
    const { clock } = this;
    if (opened.modelSent !== null && POOLED.has(call.route.endpoint)) {
      this.toldLimits = this.#services.headroom.note({ credential: nameOf(credential), model: opened.modelSent, at: clock.now(), status: head.status, raw: head.raw });
    }
    passage?.answered();
    if (!this.billed) return null;
    return this.#services.openMeter({
      endpoint: call.route.endpoint,
      status: head.status,
      contentType: headerOf(head.raw, 'content-type'),
      contentEncoding: headerOf(head.raw, 'content-encoding'),
      monotonic: () => clock.monotonic(),
      onStart: (started) => admission.started(started, this.#pricing.ceilingAfterStart(quote, started)),
      onContent: admission.onContent,
    });
  }

  extraHeaders(head: ResponseHead, reading: Reading | null): readonly string[] {
    const { call, opened: { caller }, clearance } = this.#about;
    const tags = ['x-tollgate-request-id', call.id];
    pushOwner(tags, caller);
    if (clearance.insteadOf !== undefined) tags.push(...switchedHeaders(clearance.model, clearance.insteadOf));
    if (this.#warning.length > 0 && head.status < 400) tags.push(...this.#warning);
    if (head.streamed) return tags;
    const free = !this.billed || head.status >= 400;
    if (reading !== null) tags.push('x-tollgate-cost-usd', usdString(this.cost({ status: head.status, sent: true, reading }).total));
    else if (free) tags.push('x-tollgate-cost-usd', usdString(NO_MONEY));
    return tags;
  }

  replaces(head: ResponseHead): string | null {
    return this.#warning.length > 0 && head.status < 400 ? UNIFIED : null;
  }

  editor(head: ResponseHead): ((body: Buffer) => Promise<Buffer>) | null {
    if (this.#visit === null) return null;
    const { batch, opened, admission } = this.#about;
    return this.#services.desk.editor(this.#visit, head, async ({ id, expiresAt }) => {
      if (batch === null) return;
      batch.taken = true;
      await this.#services.batches.opened({ ...promisedBatch(opened, batch), id, expiresAt }, admission.keep());
    });
  }

  /** A JSON answer is paid for whole whether anyone reads it or not, so it is read for its usage; a stream may stop being generated. */
  drainAfterAbort(head: ResponseHead | null): Drain | null {
    const worthIt = this.billed && (this.#services.settings().onAbort === 'drain' || (head === null ? !this.#about.opened.stream : !head.streamed));
    return worthIt ? this.#services.drains.begin() : null;
  }
}

/** A batch as it stands before its creation is answered. */
export function promisedBatch(opened: OpenEntry, { quote: { models } }: BatchCall): Batch {
  const { upstream, ...creator } = opened.caller;
  const credential = upstream.kind === 'configured' ? upstream.name : null;
  return { id: opened.id, call: opened.id, createdAt: opened.admittedAt, expiresAt: opened.admittedAt, caller: creator, credential, models, booked: new Map() };
}

/** The call as the desk sees it. */
export function visitOf(call: Call, caller: Caller, settings: Settings): Visit {
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

/** Tells the client that a cheaper model answers. Names are its own text: what no header can hold is left out. */
const switchedHeaders = (model: string | null, insteadOf: string): readonly string[] =>
  [['x-tollgate-model', model ?? ''], ['x-tollgate-model-instead-of', insteadOf]].filter(([, text]) => /^[\x21-\x7e]+$/.test(text!)).flat() as string[];

function pushOwner(headers: string[], { workspace, workflow }: Caller): void {
  headers.push('x-tollgate-workspace', workspace, 'x-tollgate-workflow', workflow);
}

/** Whose call it was, in headers. */
export function ownerHeaders(caller: Caller): readonly string[] {
  const headers: string[] = [];
  pushOwner(headers, caller);
  return headers;
}

const NOTHING: readonly string[] = [];
const NO_EDITS: Parameters<typeof spliceModels>[1] = [];
