// test/admin/gateway.ts: the admin port over a real ledger on disk, its reading thread and its key ring; only the clock and the config are the test's.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdvisor } from '../../server/advise/advisor.ts';
import type { Budget, ScopeSubject, Standing } from '../../server/domain/budget.ts';
import { periodAt } from '../../server/domain/calendar.ts';
import type { KeyRing } from '../../server/domain/directory.ts';
import type { BudgetId, WorkspaceId } from '../../server/domain/ids.ts';
import type { Ledger } from '../../server/domain/ledger.ts';
import { nanodollars, type Nanodollars } from '../../server/domain/money.ts';
import type { Reports } from '../../server/domain/reports.ts';
import type { Settings } from '../../server/domain/settings.ts';
import { createForecaster } from '../../server/http/admin/forecaster.ts';
import { createAlerts, type Alerts } from '../../server/alert/alerts.ts';
import { createAdminPort, type AdminPort } from '../../server/http/admin/port.ts';
import type { AdminServices, GatewayState } from '../../server/http/admin/services.ts';
import { createMetrics, type Metrics } from '../../server/observe/metrics.ts';
import { explain } from '../../server/price/explain.ts';
import { priceWarnings } from '../../server/price/check-prices.ts';
import { planOf } from '../../server/price/plan.ts';
import { createReckoning } from '../../server/reckoning.ts';
import { createReconciler } from '../../server/reconcile/reconciler.ts';
import { openReports } from '../../server/store/sqlite/reader-client.ts';
import { handClock, settings, workspace } from '../observe/gateway.ts';
import { shippedBook } from '../price/rows.ts';
import { logbook, NOON, price } from '../store/samples.ts';
import { scratch } from '../store/scratch.ts';

export const TOKEN = 'an-admin-token-of-32-characters!';

export const budget = (id: string, limit: bigint, more: Partial<Budget> = {}): Budget => ({
  id: id as BudgetId,
  scope: { workspace: 'support', workflow: null, key: null, user: null, model: null },
  limit: nanodollars(limit),
  period: 'month',
  mode: 'hard',
  tolerance: nanodollars(0n),
  alertAt: [0.5, 0.8, 1],
  alertForecast: true,
  notify: ['ops-slack'],
  ...more,
});

export interface AdminGateway {
  readonly port: AdminPort;
  readonly alerts: Alerts;
  readonly ledger: Ledger;
  readonly keys: KeyRing;
  readonly reports: Reports;
  readonly metrics: Metrics;
  readonly clock: ReturnType<typeof handClock>;
  readonly log: ReturnType<typeof logbook>;
  readonly dir: string;
  /** What the gate was told of corrections, in order. */
  readonly corrected: { subject: ScopeSubject; admittedAt: number; difference: Nanodollars }[];
  /** What the port sees; a test may change it while it runs. */
  state: { settings: Settings; gateway: Partial<GatewayState>; spent: Nanodollars; held: Nanodollars };
  /** Listens on a free port of loopback. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** @param more replaces services, for what a real one cannot be made to do */
export async function adminGateway(config: Partial<Settings> = {}, more: Partial<AdminServices> = {}): Promise<AdminGateway> {
  const clock = handClock();
  const log = logbook();
  const disk = scratch();
  const state: AdminGateway['state'] = {
    settings: settings({ budgets: [budget('support-month', 400_000_000_000n)], ...config }),
    gateway: {},
    spent: nanodollars(0n),
    held: nanodollars(0n),
  };
  const [, support] = workspace('support', ['triage', 'summary']);
  const store = await disk.open({ clock, declared: { keys: [], workspaces: new Map([['support' as WorkspaceId, support]]) } });
  const readerOf = (): Reports => openReports({ file: disk.file, workerEntry: new URL('../../dist/server/store/sqlite/reader.js', import.meta.url), timezone: 'Europe/Berlin' });
  const reports = readerOf();
  const standings = (): Standing[] => state.settings.budgets.map((b) => ({ budget: b, period: periodAt(b.period, clock.now(), state.settings.timezone), spent: state.spent, held: state.held }));
  const forecast = createForecaster({ reports, clock, zone: () => state.settings.timezone });
  const priceRows = () => [price('claude-haiku-4-5'), { ...price('claude-haiku-4-5', 'aaaa'), version: 'claude-haiku-4-5@2027-01-01#aaaa', effectiveFrom: periodAt('year', clock.now(), 'UTC').to }];
  const metrics = createMetrics({
    clock, version: '1.2.3', priceRows, bookName: () => null, standings, forecast, headroom: () => [], queue: () => [], ledgerHealth: () => store.ledger.health(), openHolds: () => 0, overload: () => ({ close: 0, in_flight: 0, held_bodies: 0, journal: 0, loop_lag: 0, accept: 0 }),
    clockSteps: () => ({ back: 0, forward: 0 }), sockets: () => ({ client: 0, upstream: 0 }), databaseBytes: () => 4096, config: () => ({ ok: true, loadedAt: NOON }), keys: () => store.keys.list(), opportunities: () => Promise.resolve([]),
  });
  metrics.configured(state.settings);
  const corrected: AdminGateway['corrected'] = [];
  const reckoning = createReckoning({
    reports, openReports: readerOf, ledger: store.ledger, clock, log, gate: { standings, correct: (subject, admittedAt, difference) => void corrected.push({ subject, admittedAt, difference }) },
    nameOf: () => null,
    corrected: (workspace, difference) => metrics.corrected(workspace, difference),
  });
  const alerts = createAlerts({
    settings: () => state.settings, store: store.alerts, clock, log: logbook(), keySecret: 'secret', reports, standings, reconciled: () => [], grants: () => store.grants.list(), headroom: () => [], ledgerHealth: () => store.ledger.health(), keys: () => store.keys.list(), priceRows,
  });
  const advisor = createAdvisor({
    file: disk.file, threadEntry: new URL('../../dist/server/advise/thread.js', import.meta.url), decisions: store.savings, clock, settings: () => state.settings, models: () => [], log,
  });
  const port = createAdminPort({
    alerts,
    advisor,
    settings: () => state.settings,
    clock,
    reports,
    ledger: store.ledger,
    keys: store.keys,
    grants: store.grants,
    gate: { standings, buckets: () => [{ scope: 'support/triage', of: { workspace: 'support', workflow: 'triage', key: null, modelClass: null }, dimension: 'requests', limit: 600, remaining: 599.5 }] },
    retriesLeft: () => [{ credential: 'default', tries: 7 }],
    headroom: { rows: () => [{ credential: 'default', modelClass: 'haiku-4-5', dimension: 'requests', limit: 4000, remaining: 1000, lowestRatio: 0.25, resetAt: NOON, seenAt: NOON }] },
    queue: { rows: () => [{ credential: 'default', modelClass: 'haiku-4-5', waiting: 3, oldestWaitMs: 2_500, workspaces: [{ workspace: 'support', waiting: 2 }, { workspace: 'engineering', waiting: 1 }] }] },
    priceRows,
    explain: (detail) => explain(detail, () => null),
    plan: (task, at) => planOf(task, shippedBook(), at),
    pricesCheck: (used, at, maxAgeDays) => priceWarnings(shippedBook(), used, at, maxAgeDays),
    reprice: (options) => reckoning.reprice(options, shippedBook()),
    lastReprice: () => reckoning.lastReprice(),
    verify: (range) => reckoning.verify(range),
    lastVerification: () => reckoning.lastVerification(),
    reconciler: createReconciler({ settings: () => state.settings, provider: { get: () => Promise.reject(new Error('nobody is there')) }, reports, clock, log }),
    forecast,
    metrics: (accept) => metrics.render(accept),
    async backup() {
      const file = join(disk.dir, `copy-${clock.wall}.db`);
      return { file, ...(await store.backup(file)) };
    },
    gateway: () => ({
      startedAt: NOON, baseUrl: 'http://127.0.0.1:4100', draining: false, inFlight: metrics.inFlight(), openHolds: 0, databaseBytes: 4096, recovery: store.recovery,
      configLoadedAt: NOON, lastReload: null, ceilingPriced: metrics.unpriced(), ...state.gateway,
    }),
    log,
    version: '1.2.3',
    webDir: join(disk.dir, 'web'),
    ...more,
  });
  const server = createServer(port.app);
  return {
    port, alerts, ledger: store.ledger, keys: store.keys, reports, metrics, clock, log, state, dir: disk.dir, corrected,
    async listen() {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    async close() {
      port.close();
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
      metrics.close();
      await reckoning.close();
      await advisor.close();
      await reports.close();
      await store.ledger.close();
      rmSync(disk.dir, { recursive: true, force: true });
    },
  };
}
