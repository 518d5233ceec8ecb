// test/observe/gateway.ts: settings and sources for the metrics, with every figure known.

import { epochMs, type BudgetId, type Clock, type KeyId, type WorkflowId, type WorkspaceId } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import type { Settings, Workspace } from '../../server/domain/settings.ts';
import { createMetrics, type Metrics, type MetricSources } from '../../server/observe/metrics.ts';
import { NOON, price } from '../store/samples.ts';

const freely = { models: { allow: null, deny: [], alias: new Map<string, string>() }, limits: { requestsPerMinute: null, inputTokensPerMinute: null, outputTokensPerMinute: null, concurrent: null }, maxOutputTokens: null };

export const workspace = (id: string, workflows: readonly string[] = [], more: Partial<Workspace> = {}): [WorkspaceId, Workspace] => [
  id as WorkspaceId,
  { id: id as WorkspaceId, upstreamKey: 'default', openWorkflows: true, ...freely, workflows: workflows.map((w) => ({ id: w as WorkflowId, ...freely })), ...more },
];

export const settings = (more: Partial<Settings> = {}): Settings => ({
  file: '/etc/tollgate.yaml',
  digest: 'd1',
  written: new Map(),
  listen: { host: '127.0.0.1', port: 4100 },
  admin: { listen: { host: '127.0.0.1', port: 4101 }, token: null, hosts: [] },
  access: 'open',
  timezone: 'Europe/Berlin',
  dataDir: '/var/lib/tollgate',
  upstream: { origin: 'https://api.anthropic.com', keys: new Map([['default', 'sk-ant-secret']]), connectTimeoutMs: 1, streamHeadersTimeoutMs: 1, headersTimeoutMs: 1, idleTimeoutMs: 1, connections: 1, retry: { on: new Set(), most: 2, budget: 0.1, maxWaitMs: 10_000 }, queue: { below: 0.1, maxWaitMs: 30_000, length: 500 }, failover: [] },
  prices: { file: '/etc/prices.yaml', contract: null, digest: 'd', unknownModel: 'ceiling', assumeUsInference: false },
  workspaces: new Map([workspace('support', ['triage', 'summary'], { models: { allow: ['claude-haiku-4-5', 'claude-opus-*'], deny: [], alias: new Map([['fast', 'claude-haiku-4-5']]) } }), workspace('shop', ['texts'])]),
  keys: [],
  budgets: [],
  limitRules: [],
  alerts: { channels: [], anomaly: { enabled: false, floorUsdPerHour: 5, mad: 4, weeks: 8, forMs: 1_200_000 }, notify: null, privateAddresses: false, dashboardUrl: null, gatherMs: 30_000,
    rules: {
      pace: { enabled: true, spent: 0.5, factor: 2 }, forecast: { enabled: true }, budgetRefusing: { enabled: true }, errors: { enabled: true, objective: 0.99, leastBad: 10 },
      firstToken: { enabled: true, objective: 0.95, slowerThanMs: 10_000, leastBad: 20 }, headroom: { enabled: true, warnBelow: 0.2, criticalBelow: 0.1, limitedRatio: 0.01 },
      providerCap: { enabled: true }, keyUnused: { enabled: true, afterDays: [30, 90] }, keyLeak: { enabled: true }, noTraffic: { enabled: true, leastCalls: 50 }, unpriced: { enabled: true }, usageMissing: { enabled: true, above: 0.01, least: 5 }, ledger: { enabled: true },
      priceBook: { enabled: true, afterDays: 30 }, reconciliation: { enabled: true, above: 0.02, floorUsd: 1 }, delivery: { enabled: true },
    },
  },
  reconciliation: { adminKey: null, workspaces: new Map() },
  retention: { requestsDays: 90 }, savings: { prefixHashes: true },
  onAbort: 'drain',
  drainAbort: { max: 100, forMs: 600_000 },
  body: { messagesBytes: 1, batchesBytes: 1, filesBytes: 1, heldBytes: 1 },
  clients: { headersTimeoutMs: 1, bodyBytesPerSecond: 1, writeStallMs: 1, connections: 1, connectionsPerAddress: null },
  maxInFlight: 100,
  drainMs: 1,
  ledger: { durability: 'normal' },
  log: { level: 'info' },
  publicUrl: null,
  telemetry: null,
  batches: { pollMs: 60_000 },
  ...more,
});

const BOOK = new Set(['claude-haiku-4-5', 'claude-sonnet-4-6', 'claude-opus-5']);

/** A clock whose two hands the test moves. */
export const handClock = (): Clock & { wall: number; ran: number } => ({ wall: NOON, ran: 0, now() { return epochMs(this.wall); }, monotonic() { return this.ran; } });

export function metricsWith(more: Partial<MetricSources> = {}, config: Settings = settings()): { metrics: Metrics; clock: ReturnType<typeof handClock> } {
  const clock = handClock();
  const metrics = createMetrics({
    clock,
    version: '1.2.3',
    priceRows: () => [price('claude-haiku-4-5'), price('claude-sonnet-4-6'), price('claude-opus-5')],
    bookName: (model) => (BOOK.has(model) ? model : null),
    standings: () => [
      {
        budget: { id: 'support-month' as BudgetId, scope: { workspace: 'support', workflow: null, key: null, user: null, model: null }, limit: nanodollars(400_000_000_000n), period: 'month', mode: 'hard', tolerance: nanodollars(0n), alertAt: [0.5], alertForecast: true, notify: [] },
        period: { kind: 'month', from: epochMs(NOON - 1_000), to: epochMs(NOON + 3_000) },
        spent: nanodollars(100_000_000_001n),
        held: nanodollars(5_000_000_000n),
      },
    ],
    forecast: () => Promise.resolve({ p50: nanodollars(300_000_000_000n), p90: nanodollars(350_000_000_000n) }),
    headroom: () => [
      { credential: 'default', modelClass: 'haiku-4-5', dimension: 'requests', limit: 4000, remaining: 1000, lowestRatio: 0.125, resetAt: null, seenAt: NOON },
      { credential: 'default', modelClass: 'haiku-4-5', dimension: 'output_tokens', limit: 80_000, remaining: 80_000, lowestRatio: 1, resetAt: null, seenAt: NOON },
    ],
    queue: () => [{ credential: 'default', modelClass: 'haiku-4-5', waiting: 3, oldestWaitMs: 2_500, workspaces: [{ workspace: 'support', waiting: 3 }] }],
    ledgerHealth: () => ({ writable: true, queued: 3, lastCommitMs: 4, trouble: null }),
    openHolds: () => 2,
    overload: () => ({ close: 4, in_flight: 0, held_bodies: 0, journal: 0, loop_lag: 0, accept: 0 }),
    clockSteps: () => ({ back: 1, forward: 0 }),
    sockets: () => ({ client: 7, upstream: 5 }),
    databaseBytes: () => 4096,
    config: () => ({ ok: true, loadedAt: NOON }),
    keys: () =>
      Promise.resolve([
        { id: 'triage-prod' as KeyId, workspace: 'support' as WorkspaceId, workflow: null, workflows: null, secretHash: 'x', origin: 'issued' as const, createdAt: NOON, expiresAt: null, revokedAt: null, lastUsedAt: epochMs(NOON - 60_000), hint: null },
      ]),
    opportunities: () => Promise.resolve([]),
    ...more,
  });
  metrics.configured(config);
  return { metrics, clock };
}

/** The samples of a scrape: name and labels as written, to the value. */
export async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const { body } = await metrics.render();
  return new Map(body.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}
