// test/bench/scrape.ts: how long a scrape takes once 100,000 models, users, tags and paths went by: the metrics at all of their caps, asked over HTTP.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Standing } from '../../server/domain/budget.ts';
import { periodAt } from '../../server/domain/calendar.ts';
import type { Caller } from '../../server/domain/call.ts';
import { epochMs, type CallId, type KeyId, type WorkflowId, type WorkspaceId } from '../../server/domain/ids.ts';
import type { LedgerEntry } from '../../server/domain/ledger.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { OVERLOAD_RUNGS } from '../../server/domain/observer.ts';
import { createMetrics } from '../../server/observe/metrics.ts';
import { loadBook } from '../../server/price/load-files.ts';
import { loadSettings } from '../../server/settings/load.ts';

const NAMES = 100_000;

/** How much a config names. */
export interface Size {
  readonly workspaces: number;
  /** In each. */
  readonly workflows: number;
  readonly budgets: number;
  readonly keys: number;
}
export const SMALL: Size = { workspaces: 4, workflows: 3, budgets: 6, keys: 12 };
/** Past every cap of the metrics. */
export const LARGEST: Size = { workspaces: 60, workflows: 5, budgets: 100, keys: 500 };
const PRICES = fileURLToPath(new URL('../../../config/prices.yaml', import.meta.url));

export interface ScrapeFigures {
  /** Milliseconds of each scrape, from the request to the last byte. */
  readonly ms: readonly number[];
  /** The same in CPU time of this process, which also reads the answer. */
  readonly cpuMs: readonly number[];
  /** The longest that one scrape held up the event loop, in milliseconds; median over the scrapes. */
  readonly heldUpMs: number;
  readonly series: number;
  readonly bytes: number;
}

export async function measureScrapes(scrapes: number, size: Size): Promise<ScrapeFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-scrape-'));
  const file = join(folder, 'tollgate.yaml');
  writeFileSync(file, JSON.stringify(configOf(size)));
  const loaded = loadSettings({ file, env: {}, overrides: { dataDir: folder } });
  rmSync(folder, { recursive: true, force: true });
  if (!loaded.ok) throw new Error(loaded.mistakes.map(({ what }) => what).join('\n'));
  const { settings } = loaded;
  const booked = loadBook(settings.prices, (path) => readFileSync(path, 'utf8'));
  if (!booked.ok) throw new Error(booked.message);
  const { book } = booked;

  const at = epochMs(Date.now());
  let monotonic = 0;
  const clock = { now: () => at, monotonic: () => monotonic };
  const standings = settings.budgets.map((budget): Standing => ({ budget, period: periodAt(budget.period, at, settings.timezone), spent: nanodollars(1n), held: nanodollars(1n) }));
  const metrics = createMetrics({
    clock, version: '0.0.0',
    priceRows: () => book.rows(),
    bookName: (model) => book.lookup(model, at)?.row.model ?? null,
    standings: () => standings,
    forecast: () => Promise.resolve({ p50: nanodollars(1n), p90: nanodollars(2n) }),
    queue: () => [], headroom: () => [],
    ledgerHealth: () => ({ writable: true, queued: 0, lastCommitMs: 1, trouble: null }),
    openHolds: () => 0,
    overload: () => Object.fromEntries(OVERLOAD_RUNGS.map((rung) => [rung, 0])) as Record<(typeof OVERLOAD_RUNGS)[number], number>,
    clockSteps: () => ({ back: 0, forward: 0 }),
    sockets: () => ({ client: 1, upstream: 1 }),
    databaseBytes: () => 1,
    config: () => ({ ok: true, loadedAt: at }),
    keys: () => Promise.resolve(settings.keys),
    opportunities: () => Promise.resolve([]),
  });
  metrics.configured(settings);
  const models = book.models().map(({ id }) => id);
  for (let n = 0; n < NAMES; n++) metrics.observer.settled(entry(n, models, size));

  const server = createServer((_request, reply) => void metrics.render().then(({ contentType, body }) => reply.writeHead(200, { 'content-type': contentType }).end(body)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  const ms: number[] = [];
  const cpuMs: number[] = [];
  const held: number[] = [];
  let text = '';
  for (let n = 0; n < scrapes; n++) {
    // What was told within a second is told again.
    monotonic += 10_000;
    const loop = watchLoop();
    const used = process.cpuUsage();
    const began = performance.now();
    text = await (await fetch(url)).text();
    ms.push(performance.now() - began);
    const { user, system } = process.cpuUsage(used);
    cpuMs.push((user + system) / 1000);
    held.push(loop.longest());
  }
  server.close();
  metrics.close();
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
  return { ms, cpuMs, heldUpMs: held.sort((a, b) => a - b)[held.length >> 1] ?? NaN, series, bytes: Buffer.byteLength(text) };
}

/** Turns of the event loop, as a stream that is going by would feel them. */
function watchLoop(): { longest(): number } {
  let longest = 0;
  let last = performance.now();
  let on = true;
  const turn = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (on) setImmediate(turn);
  };
  setImmediate(turn);
  return { longest: () => ((on = false), longest) };
}

function configOf({ workspaces: many, workflows, budgets, keys }: Size): Record<string, unknown> {
  const workspaces = Array.from({ length: many }, (_, w) => ({ id: `workspace-${w}`, workflows: Array.from({ length: workflows }, (__, f) => ({ id: `workflow-${f}` })), open_workflows: true }));
  return {
    access: 'open',
    prices: { file: PRICES },
    workspaces,
    budgets: Array.from({ length: budgets }, (_, b) => ({ id: `budget-${b}`, scope: { workspace: `workspace-${b % many}` }, limit_usd: 100, period: 'month' })),
    keys: Array.from({ length: keys }, (_, k) => ({ id: `key-${k}`, workspace: `workspace-${k % many}`, secret: `a-secret-of-the-bench-${k}` })),
  };
}

/** A call whose every name is new; now and then one of the price book's models, so that those have series as well. */
function entry(n: number, models: readonly string[], { workspaces, workflows, budgets, keys }: Size): LedgerEntry {
  const model = n % 3 === 0 ? models[(n / 3) % models.length]! : `made-up-model-${n}`;
  const at = epochMs(1_790_000_000_000 + n);
  const caller: Caller = {
    workspace: `workspace-${n % workspaces}` as WorkspaceId, workflow: (n % 2 === 0 ? `workflow-${n % workflows}` : `path-${n}`) as WorkflowId, key: `key-${n % keys}` as KeyId,
    user: `user-${n}`, session: `session-${n}`, action: `action-${n}`, tags: new Map([[`tag-${n}`, `value-${n}`]]), priority: 'interactive', upstream: { kind: 'callers_own' },
  };
  const tokens = { input: 400, cacheWrite5m: 20, cacheWrite1h: 0, cacheRead: 4_000, output: n % 2_000 };
  const id = `req_${n}` as CallId;
  const total = nanodollars(BigInt(n) * 1_000n);
  return {
    opened: { id, admittedAt: at, caller, endpoint: 'messages', stream: n % 4 !== 0, modelRequested: model, clientRetry: n % 5 === 0 ? 1 : null, decisions: [{ rule: `budget:budget-${n % budgets}`, verdict: 'allow', detail: null }], modelSent: model, held: total, price: null },
    settlement: {
      id, endedAt: at, outcome: n % 7 === 0 ? 'upstream_error' : 'ok', status: n % 7 === 0 ? 529 : 200, timeToFirstTokenMs: n % 3_000, durationMs: n % 60_000, overheadMs: 0.5, overheadRequestMs: 0.3,
      cost: { lines: [], total, tokens, serverTools: { webSearch: 0, webFetch: 0, codeExecution: 0 }, parts: [], estimated: false, estimateMethod: null, cacheSavings: nanodollars(0n), modelServed: model, speed: null, serviceTier: null, inferenceGeo: null, prices: [], basis: 'ceiling' },
      attempts: [{ number: 1, startedAt: at, status: 200, outcome: 'ok', upstreamRequestId: null, headersMs: 1, durationMs: 2, errorType: null }],
      stopReason: 'end_turn', upstreamRequestId: null, errorType: null, requestBytes: 1, responseBytes: 1,
    },
  };
}
