// server/http/data/port.ts: the data port. Turns sockets into calls on the pipeline, and answers what never becomes one.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ClaimedTags } from '../../domain/call.ts';
import { REFUSALS, type Refusal } from '../../domain/refusal.ts';
import type { Settings } from '../../domain/settings.ts';
import { readTags } from '../../identify/tags.ts';
import { serve, type Call, type Services } from '../../pipeline.ts';
import { BodyBudget, readBody } from './body.ts';
import { newCallId } from './call-id.ts';
import { framingFault } from './framing.ts';
import { sendRefusal } from './refusal-reply.ts';
import { matchRoute, type Matched } from './routes.ts';

export interface DataPort {
  readonly server: Server;
  /** Calls that are being served. */
  readonly inFlight: number;
  readonly heldBodyBytes: number;
  readonly draining: boolean;
  /**
   * Refuses new calls and lets those in flight finish, for at most `drainMs`; then cuts them, each with an error event and a
   * settled row. Resolves when the last has ended.
   */
  drain(drainMs: number): Promise<void>;
}

/** Answers to whether anybody is there; without a key, and without touching the provider. */
const GREETINGS = new Set(['HEAD /', 'GET /api/hello', 'HEAD /api/hello', 'GET /healthz', 'HEAD /healthz']);

export function createDataPort(services: Services): DataPort {
  const settings = services.settings;
  const bodies = new BodyBudget(settings().body.heldBytes);
  let inFlight = 0;
  let draining = false;
  let onIdle: (() => void) | null = null;

  const server = createServer(
    {
      // A client has ten seconds to say what it wants; a body of 500 MB may take its time.
      headersTimeout: 10_000,
      requestTimeout: 600_000,
      connectionsCheckingInterval: 5_000,
      // Longer than the pools of the usual clients and load balancers, so that they close first.
      keepAliveTimeout: 75_000,
      maxHeaderSize: 32_768,
    },
    (request, reply) => {
      if (GREETINGS.has(`${request.method} ${request.url}`)) return greet(reply);
      const now = services.clock.now();
      const id = newCallId(now);
      const turnAway = (refusal: Refusal): void => {
        sendRefusal(reply, refusal, id, []);
        services.observer.turnedAway(refusal.reason, null);
      };
      const fault = framingFault(request);
      if (fault !== null) {
        reply.shouldKeepAlive = false;
        return turnAway({ reason: 'malformed', message: fault, rule: null, retryAfterSeconds: null });
      }
      if (draining) {
        reply.shouldKeepAlive = false;
        return turnAway(DRAINING);
      }
      if (inFlight >= settings().maxInFlight) return turnAway(OVERLOADED);
      const matched = matchRoute(request.method ?? '', request.url ?? '');
      if (matched === 'malformed') return turnAway(MALFORMED_PATH);
      if (matched === 'unknown') return turnAway(UNKNOWN_PATH);
      const claimed = readTags({ header: (name) => oneHeader(request, name), pathWorkspace: matched.workspace, pathWorkflow: matched.workflow });
      if (!claimed.ok) return turnAway(claimed.refusal);

      inFlight++;
      const call = callOf(id, now, matched, claimed.value, request, reply);
      serve(call, services)
        .catch((error: unknown) => {
          // Not foreseen, so nothing is known of the answer: no detail leaves the house.
          services.log.error('call_failed', { call: id, code: error instanceof Error ? error.name : 'unknown', detail: firstFrame(error) });
          if (reply.headersSent) reply.destroy();
          else reply.writeHead(500, { 'content-type': 'application/json', 'request-id': id, 'x-tollgate-request-id': id }).end(internalError(id));
        })
        .finally(() => {
          inFlight--;
          if (inFlight === 0) onIdle?.();
        });
    },
  );
  server.on('clientError', answerClientError);

  function callOf(id: Call['id'], now: Call['admittedAt'], matched: Matched, claimed: ClaimedTags, request: IncomingMessage, reply: ServerResponse): Call {
    let gone: AbortController | null = null;
    const retry = request.headers['x-stainless-retry-count'];
    return {
      id,
      admittedAt: now,
      receivedAt: services.clock.monotonic(),
      route: matched.route,
      target: matched.path + matched.query,
      credentials: { apiKey: oneHeader(request, 'x-api-key'), bearer: bearerOf(request.headers.authorization) },
      claimed,
      clientRetry: typeof retry === 'string' && /^\d{1,4}$/.test(retry) ? Number(retry) : null,
      request,
      reply,
      // Made when somebody waits on it, which few calls do.
      get gone() {
        if (gone === null) {
          const made = (gone = new AbortController());
          if (reply.destroyed) made.abort();
          else reply.on('close', () => made.abort());
        }
        return gone.signal;
      },
      readBody: () => readBody(request, bodyLimit(matched, settings()), bodies),
      refuse: (refusal, tags) => sendRefusal(reply, refusal, id, tags),
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
    get draining() {
      return draining;
    },
    async drain(drainMs) {
      draining = true;
      server.closeIdleConnections();
      if (inFlight > 0) await idleWithin(drainMs);
      for (const exchange of services.onTheWire) exchange.drain();
      if (inFlight > 0) await idleWithin(2_000);
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

/** What Node's parser refuses never becomes a request; it gets an answer in the API's shape and a closed socket. */
function answerClientError(error: NodeJS.ErrnoException, socket: import('node:stream').Duplex): void {
  if (!socket.writable || (socket as Socket).bytesWritten > 0) return void socket.destroy();
  const [status, reason] = error.code === 'HPE_HEADER_OVERFLOW' ? [431, 'Request Header Fields Too Large'] : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? [408, 'Request Timeout'] : [400, 'Bad Request'];
  const body = JSON.stringify({ type: 'error', error: { type: REFUSALS.malformed.type, message: `${reason}: this is not an HTTP request that the gateway can read.` } });
  socket.end(`HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nx-tollgate-refusal: malformed\r\nconnection: close\r\n\r\n${body}`);
}

const internalError = (id: string): string => JSON.stringify({ type: 'error', error: { type: 'api_error', message: 'The gateway failed on this call; the log names the request id.' }, request_id: id });

/** Where it broke, without the message: a message can quote what the client sent. */
const firstFrame = (error: unknown): string => (error instanceof Error ? (error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '))?.trim() ?? '') : '');

const DRAINING: Refusal = { reason: 'draining', message: 'The gateway is shutting down. Try again.', rule: null, retryAfterSeconds: 1 };
const OVERLOADED: Refusal = { reason: 'overloaded', message: 'The gateway serves as many calls as it can. Try again in a second.', rule: null, retryAfterSeconds: 1 };
const MALFORMED_PATH: Refusal = { reason: 'malformed', message: 'The path holds something that no path of the API can: an encoded or double slash, a dot segment, or bytes outside printable ASCII.', rule: null, retryAfterSeconds: null };
const UNKNOWN_PATH: Refusal = { reason: 'unknown_path', message: 'This gateway does not serve that method and path. It serves the Claude API: /v1/messages, /v1/models, /v1/files and so on, also behind /w/{workspace}/{workflow}.', rule: null, retryAfterSeconds: null };
