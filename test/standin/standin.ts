// test/standin/standin.ts: a stand-in for the Claude API on a loopback port: for tests, benchmarks and the demo.
//
// Why our own: a gateway that accounts for money is tested against what a provider says it used. The mock servers on npm that
// speak this API (tried: @copilotkit/aimock 1.43) drop cache counts and server tools from `usage`, tell the final output count
// in `message_start` already, send no pings, no `request-id` and no rate-limit headers, know neither batches nor count_tokens,
// and validate nothing; OpenAPI mocks have no document to serve. Here usage follows the rules of the prompt cache, every byte is
// written down, and everything that can go wrong does so on demand.

import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openPromptCache } from './cache.ts';
import { chanceOf } from './chance.ts';
import { answerFixed } from './fixed.ts';
import { openRateLimits, SCALE_TIER, type StandinLimits } from './limits.ts';
import type { LogBounds, RecordedRequest } from './log.ts';
import type { BilledOn } from './usage-reports.ts';
import { receive } from './receive.ts';
import type { Pace } from './wire.ts';
import type { Plan, World } from './world.ts';

export type { Plan } from './world.ts';
export type { RecordedRequest, RecordedResponse, ReportedUsage } from './log.ts';

export interface StandinOptions {
  /** The same seed and the same requests give the same bytes. Default `standin`. */
  readonly seed?: string | number;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Cache lifetimes, rate limits, batches and times in the log go by it. Default: the wall clock. */
  readonly clock?: { now(): number };
  /** Key → workspace. Keys that share a workspace share its prompt cache. Without it, any `sk-ant-…` is taken, each a workspace of its own. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Enforced when given; without it the headers tell the Scale tier and nobody is refused. */
  readonly limits?: Partial<StandinLimits>;
  readonly pace?: Partial<Pace>;
  /** True compresses answers for clients that offer an encoding. */
  readonly compress?: boolean;
  /** How long after its creation a batch ends, on the clock. Default 2,000. */
  readonly batchMs?: number;
  readonly log?: LogBounds;
  /** Opens the usage and cost reports of the Admin API to a key of their own. `pageDays`: 5 unless told. */
  readonly reports?: { readonly adminKey: string; readonly billedOn: BilledOn; readonly pageDays?: number };
}

export interface Standin {
  readonly url: string;
  readonly port: number;
  /** Newest last. Requests of the fast path are not in it. */
  readonly log: readonly RecordedRequest[];
  /** Requests so far, those of the fast path and those dropped from the log included. */
  requests(): number;
  /** Queues a plan for the next request that it fits; a text is a fault. Several calls queue up. */
  next(...plans: readonly (Plan | string)[]): void;
  /** Asks `choose` about every request for which no plan is queued; null takes it away. */
  script(choose: ((request: RecordedRequest) => Plan | string | null) | null): void;
  /** Resolves when no answer is under way. */
  idle(): Promise<void>;
  /** Drops the log and the plans; the cache, batches and files stay. */
  forget(): void;
  close(): Promise<void>;
}

/** Starts a stand-in; resolves when it listens. */
export async function startStandin(options: StandinOptions = {}): Promise<Standin> {
  const now = options.clock ? () => options.clock!.now() : Date.now;
  const log: RecordedRequest[] = [];
  const queue: Plan[] = [];
  const seen = new Map<string, number>();
  const open = new Set<ServerResponse>();
  const stopping = new AbortController();
  // One listener per answer under way.
  setMaxListeners(0, stopping.signal);
  let choose: ((request: RecordedRequest) => Plan | string | null) | null = null;
  let count = 0;
  const idle: (() => void)[] = [];

  const planFor = (request: RecordedRequest, path: string): Plan => {
    const at = queue.findIndex((plan) => plan.path === undefined || plan.path === path);
    const queued = at === -1 ? undefined : queue.splice(at, 1)[0];
    return queued ?? asPlan(choose?.(request) ?? null);
  };

  const server = createServer({ maxHeaderSize: 128 * 1024, keepAliveTimeout: 65_000, requestTimeout: 0 });
  const world: World = {
    now,
    cache: openPromptCache(now),
    limits: openRateLimits({ ...SCALE_TIER, ...options.limits }, options.limits !== undefined, now),
    origin: () => `http://${options.host ?? '127.0.0.1'}:${(server.address() as AddressInfo).port}`,
    batchMs: options.batchMs ?? 2_000,
    batches: new Map(),
    files: new Map(),
    reports: options.reports === undefined ? null : { pageDays: 5, ...options.reports },
  };
  const settings = {
    seed: options.seed ?? 'standin',
    keys: options.keys ?? null,
    compress: options.compress ?? false,
    pace: { firstByteMs: [0, 0], msPerToken: 0, ...options.pace } as const,
    bounds: { requests: options.log?.requests ?? Infinity, bodyBytes: options.log?.bodyBytes ?? Infinity },
  };

  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    count += 1;
    const fixed = req.headers['x-standin-fixed'] ?? req.headers['x-standin-sse'];
    if (fixed !== undefined) return answerFixed(req, res);
    open.add(res);
    res.once('close', () => {
      open.delete(res);
      if (open.size === 0) for (const resolve of idle.splice(0)) resolve();
    });
    void receive(req, res, { number: count, log, seen, planFor, world, settings, chance: chanceOf, stopping: stopping.signal });
  };
  server.on('request', serve);
  // Without this listener node answers an `Expect` by itself and well; with `early-answer` the answer must come first.
  server.on('checkContinue', (req, res) => {
    if (!String(req.headers['x-standin-fault'] ?? '').includes('early-answer')) res.writeContinue();
    serve(req, res);
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', listening);
  });

  return {
    url: world.origin(),
    port: (server.address() as AddressInfo).port,
    log,
    requests: () => count,
    next: (...plans) => void queue.push(...plans.map(asPlan)),
    script: (chooser) => void (choose = chooser),
    idle: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
    forget: () => {
      log.length = 0;
      queue.length = 0;
      seen.clear();
    },
    close: () => new Promise((closed) => {
      stopping.abort();
      server.close(() => closed());
      server.closeAllConnections();
    }),
  };
}

const asPlan = (plan: Plan | string | null): Plan => (plan === null ? {} : typeof plan === 'string' ? { fault: plan } : plan);
