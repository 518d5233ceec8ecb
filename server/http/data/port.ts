// server/http/data/port.ts: the data port. Turns sockets into calls on the pipeline, and answers what never becomes one.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ClaimedTags } from '../../domain/call.ts';
import type { OverloadRung } from '../../domain/observer.ts';
import { granted, type Refusal } from '../../domain/refusal.ts';
import type { Settings } from '../../domain/settings.ts';
import { loops } from '../../forward/hops.ts';
import { hasTags, readTags, untagged } from '../../identify/tags.ts';
import { serve } from '../../pipeline.ts';
import type { Call, Services } from '../../served.ts';
import { BodyBudget, readBody } from './body.ts';
import { newCallId } from './call-id.ts';
import { answerClientError, answerRaw } from './client-error.ts';
import { Connections, SWEEP_MS } from './connections.ts';
import { framingFault } from './framing.ts';
import { closesAfter, noOverloads, overloaded, refuseFor, refusesConnections, Strain, type Load } from './overload.ts';
import { sendRefusal } from './refusal-reply.ts';
import { matchRoute, type Matched } from './routes.ts';

export interface DataPort {
  readonly server: Server;
  /** Calls that are being served. */
  readonly inFlight: number;
  readonly heldBodyBytes: number;
  /** Connections of clients that are open. */
  readonly sockets: number;
  readonly draining: boolean;
  /** Times each rung of the overload ladder was taken. */
  readonly overload: Readonly<Record<OverloadRung, number>>;
  /**
   * Refuses new calls and lets those in flight finish, for at most `drainMs`; then cuts them, each with an error event and a
   * settled row. Resolves when the last has ended.
   */
  drain(drainMs: number): Promise<void>;
}

/** Answers to whether anybody is there; without a key, and without touching the provider. */
const GREETING = /^(?:\/w\/[^/?]+(?:\/[^/?]+)?)?(\/api\/hello|\/healthz|\/?)(?:\?.*)?$/;
/** Changes that may wait for the ledger before it refuses more by itself. */
const MOST_JOURNALED = 10_000;
/** How long calls that were cut at the end of a drain have to settle, and their clients to read why. */
const SETTLE_MS = 2_000;

export function createDataPort(services: Services): DataPort {
  const settings = services.settings;
  const connections = new Connections(() => settings().clients, () => services.clock.monotonic());
  const strain = new Strain(() => services.clock.monotonic(), () => ({ inFlight, maxInFlight: settings().maxInFlight }));
  const overload = noOverloads();
  const bodies = new BodyBudget(() => settings().body.heldBytes, () => overload.held_bodies++);
  let inFlight = 0;
  let draining = false;
  let onIdle: (() => void) | null = null;

  const server = createServer({
    headersTimeout: settings().clients.headersTimeoutMs,
    // A body of 500 MB may take its time; `Connections` sees to it that it comes at all.
    requestTimeout: 0,
    connectionsCheckingInterval: SWEEP_MS,
    // Longer than the pools of the usual clients and load balancers, so that they close first.
    keepAliveTimeout: 75_000,
    maxHeaderSize: 32_768,
    // `framingFault` says it in the API's shape.
    requireHostHeader: false,
  });
  server.on('connection', (socket) => {
    if (strain.takesOfTheLast(socket) || refusesConnections(load()) || !connections.opened(socket)) {
      overload.accept++;
      socket.destroy();
    }
  });
  server.on('request', onRequest);
  // The body is asked for when somebody is about to read it, so that one that is refused is never sent.
  server.on('checkContinue', onRequest);
  server.on('connect', (_request, socket) => answerRaw(socket, 405, 'Method Not Allowed'));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => answerClientError(error, socket, connections));
  const sweep = setInterval(() => connections.sweep(SWEEP_MS), SWEEP_MS);
  sweep.unref();

  function onRequest(request: IncomingMessage, reply: ServerResponse): void {
    const { url = '' } = request;
    const now = services.clock.now();
    const id = newCallId(now);
    const turnAway = (refusal: Refusal): void => {
      sendRefusal(reply, refusal, id, []);
      services.observer.turnedAway(refusal.reason, null);
    };
    connections.began(request, reply);
    const fault = framingFault(request, reply);
    if (fault !== null) {
      reply.shouldKeepAlive = false;
      return turnAway({ reason: 'malformed', message: fault, rule: null, retryAfterSeconds: null });
    }
    if (isGreeting(request.method, url)) return greet(reply);
    if (request.method === 'TRACE') return answerRaw(request.socket, 405, 'Method Not Allowed');
    if (draining) {
      reply.shouldKeepAlive = false;
      return turnAway(DRAINING);
    }
    const pressure = load();
    const tooMuch = refuseFor(pressure);
    if (closesAfter(pressure, tooMuch !== null)) {
      overload.close++;
      reply.shouldKeepAlive = false;
    }
    if (tooMuch !== null) {
      overload[tooMuch]++;
      return turnAway(overloaded(tooMuch));
    }
    const matched = matchRoute(request.method ?? '', url);
    if (matched === 'malformed') {
      reply.shouldKeepAlive = false;
      return turnAway(MALFORMED_PATH);
    }
    if (matched === 'unknown') {
      // No path of the API has encoded bytes: nothing that comes behind them on this connection is believed.
      if (url.includes('%')) reply.shouldKeepAlive = false;
      return turnAway(UNKNOWN_PATH);
    }
    if (loops(request)) return turnAway(LOOP);
    const { workspace, workflow } = matched;
    const claimed = hasTags(request.rawHeaders) ? readTags({ header: (name) => oneHeader(request, name), pathWorkspace: workspace, pathWorkflow: workflow }) : granted(untagged(workspace, workflow));
    if (!claimed.ok) return turnAway(claimed.refusal);

    inFlight++;
    const call = new ReceivedCall(id, now, services.clock.monotonic(), matched, claimed.value, services.telemetry.tracing?.begin(request.headers, now) ?? null, request, reply, bodyLimit(matched, settings()), bodies);
    serve(call, services)
      .catch((error: unknown) => {
        // Not foreseen, so nothing is known of the answer: no detail leaves the house.
        services.log.error('call_failed', { call: id, code: error instanceof Error ? error.name : 'unknown', detail: firstFrame(error) });
        if (reply.headersSent) reply.destroy();
        // With words of our own: those of an answer that failed to go out may be what was wrong with it.
        else reply.writeHead(500, 'Internal Server Error', { 'content-type': 'application/json', 'request-id': id, 'x-tollgate-request-id': id }).end(internalError(id));
      })
      .finally(() => {
        inFlight--;
        if (inFlight === 0) onIdle?.();
      });
  }

  function load(): Load {
    const { body, clients, maxInFlight } = settings();
    return {
      inFlight,
      maxInFlight,
      heldBodyBytes: bodies.held,
      maxHeldBodyBytes: body.heldBytes,
      connections: connections.open,
      maxConnections: clients.connections,
      journal: services.ledger.health().queued,
      maxJournal: MOST_JOURNALED,
      room: strain.room,
      exhaustion: strain.exhaustion,
    };
  }

  return {
    server,
    get inFlight() {
      return inFlight;
    },
    get heldBodyBytes() {
      return bodies.held;
    },
    get sockets() {
      return connections.open;
    },
    get draining() {
      return draining;
    },
    overload,
    async drain(drainMs) {
      draining = true;
      const until = services.clock.monotonic() + drainMs + SETTLE_MS;
      connections.closeIdle();
      if (inFlight > 0) await idleWithin(drainMs);
      for (const exchange of services.onTheWire) exchange.drain();
      // Those on the wire know already why their upload ends.
      connections.failBodies(DRAINING);
      if (inFlight > 0) await idleWithin(SETTLE_MS);
      // A closed connection takes with it what its client has not read yet.
      await connections.delivered(Math.max(0, until - services.clock.monotonic()));
      clearInterval(sweep);
      strain.close();
      server.close();
      server.closeAllConnections();
    },
  };

  function idleWithin(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** A request that has a route. */
class ReceivedCall implements Call {
  readonly route: Call['route'];
  readonly target: string;
  readonly credentials: Call['credentials'];
  readonly clientRetry: number | null;
  readonly id: Call['id'];
  readonly admittedAt: Call['admittedAt'];
  readonly receivedAt: number;
  readonly claimed: ClaimedTags;
  readonly trace: Call['trace'];
  readonly request: IncomingMessage;
  readonly reply: ServerResponse;
  readonly bodyLimit: number;
  readonly #bodies: BodyBudget;
  #gone: AbortController | null = null;

  constructor(id: Call['id'], admittedAt: Call['admittedAt'], receivedAt: number, matched: Matched, claimed: ClaimedTags, trace: Call['trace'], request: IncomingMessage, reply: ServerResponse, limit: number, bodies: BodyBudget) {
    const { headers } = request;
    const retry = headers['x-stainless-retry-count'];
    this.id = id;
    this.admittedAt = admittedAt;
    this.receivedAt = receivedAt;
    this.route = matched.route;
    this.target = matched.query === '' ? matched.path : matched.path + matched.query;
    this.credentials = { apiKey: oneHeader(request, 'x-api-key'), bearer: bearerOf(headers.authorization) };
    this.claimed = claimed;
    this.trace = trace;
    this.clientRetry = typeof retry === 'string' && /^\d{1,4}$/.test(retry) ? Number(retry) : null;
    this.request = request;
    this.reply = reply;
    this.bodyLimit = limit;
    this.#bodies = bodies;
  }

  /** Made when somebody waits on it, which few calls do. */
  get gone(): AbortSignal {
    if (this.#gone === null) {
      const made = (this.#gone = new AbortController());
      if (this.reply.destroyed) made.abort();
      else this.reply.on('close', () => made.abort());
    }
    return this.#gone.signal;
  }

  readBody(): ReturnType<Call['readBody']> {
    return readBody(this.request, this.reply, this.bodyLimit, this.#bodies);
  }

  refuse(refusal: Refusal, tags: readonly string[]): void {
    // No further request is taken on any connection.
    if (refusal.reason === 'draining') this.reply.shouldKeepAlive = false;
    sendRefusal(this.reply, refusal, this.id, tags);
  }
}

/** With tags or without: a client asks the base URL that it was given. */
function isGreeting(method: string | undefined, url: string): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const asked = GREETING.exec(url)?.[1];
  return asked !== undefined && (method === 'HEAD' || asked.length > 1);
}

function greet(reply: ServerResponse): void {
  reply.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok","service":"tollgate"}');
}

/** A header's value; Node joins repeated ones with a comma, which then match no key and no name. Null when absent or empty. */
function oneHeader(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

const bearerOf = (authorization: string | undefined): string | null => (authorization === undefined ? null : (/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? null));

function bodyLimit({ route }: Matched, { body }: Settings): number {
  if (route.inspect === 'batch') return body.batchesBytes;
  return route.inspect === 'ask' ? body.messagesBytes : body.filesBytes;
}

const internalError = (id: string): string => JSON.stringify({ type: 'error', error: { type: 'api_error', message: 'The gateway failed on this call; the log names the request id.' }, request_id: id });

/** Where it broke, without the message: a message can quote what the client sent. */
const firstFrame = (error: unknown): string => (error instanceof Error ? (error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '))?.trim() ?? '') : '');

const DRAINING: Refusal = { reason: 'draining', message: 'The gateway is shutting down. Try again.', rule: null, retryAfterSeconds: 1 };
const LOOP: Refusal = { reason: 'loop', message: 'This call has passed this gateway already, or one gateway too many: `upstream.origin` of one of them leads back.', rule: null, retryAfterSeconds: null };
const MALFORMED_PATH: Refusal = { reason: 'malformed', message: 'The path holds something that no path of the API can: an encoded or double slash, a dot segment, or bytes outside printable ASCII.', rule: null, retryAfterSeconds: null };
const UNKNOWN_PATH: Refusal = { reason: 'unknown_path', message: 'This gateway does not serve that method and path. It serves the Claude API: /v1/messages, /v1/models, /v1/files and so on, also behind /w/{workspace}/{workflow}.', rule: null, retryAfterSeconds: null };
