// server/compose.ts: the one place that knows every room: picks the implementations and hands each what it needs.

import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { readFileSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createGate, type CallsOf, type SpentOf } from './admit/gate.ts';
import { createHeadroom } from './admit/headroom.ts';
import { createProviderQueue } from './admit/provider-queue.ts';
import { createAdvisor } from './advise/advisor.ts';
import { createAlerts } from './alert/alerts.ts';
import { createBatchCare } from './batch/care.ts';
import { createDesk } from './batch/desk.ts';
import { createObjects } from './batch/objects.ts';
import { createConfigNotes } from './config-notes.ts';
import { idleWarnings } from './config-warnings.ts';
import type { Standing } from './domain/budget.ts';
import { periodsAround } from './domain/calendar.ts';
import { DAY_MS, MINUTE_MS } from './domain/durations.ts';
import { epochMs, type Clock, type EpochMs } from './domain/ids.ts';
import type { Recovery } from './domain/ledger.ts';
import { NO_MONEY } from './domain/money.ts';
import type { Pricing } from './domain/price.ts';
import { latestRatio } from './domain/reconciliation.ts';
import type { Reports } from './domain/reports.ts';
import { Roster } from './domain/roster.ts';
import type { Settings } from './domain/settings.ts';
import { Drains } from './forward/drains.ts';
import type { OnTheWire } from './forward/exchange.ts';
import { createUpstream } from './forward/upstream.ts';
import { createForecaster } from './http/admin/forecaster.ts';
import { createAdminPort } from './http/admin/port.ts';
import { createDataPort, type DataPort } from './http/data/port.ts';
import { newCallId } from './http/data/call-id.ts';
import { readMessage } from './meter/json-body.ts';
import { openMeter } from './meter/meter.ts';
import { joinObservers } from './observe/join.ts';
import { tellLater } from './observe/later.ts';
import { createLog } from './observe/log.ts';
import { createMetrics } from './observe/metrics.ts';
import { createOpportunities } from './observe/opportunities.ts';
import { createTelemetry, TelemetryMissing } from './observe/otel/telemetry.ts';
import { createTroubleLog, logOverload } from './observe/trouble-log.ts';
import type { PriceBook } from './price/book.ts';
import { explain } from './price/explain.ts';
import { loadBook } from './price/load-files.ts';
import { priceWarnings } from './price/check-prices.ts';
import { planOf } from './price/plan.ts';
import { createPricing } from './price/pricing.ts';
import { packageVersion } from './package-version.ts';
import { createReckoning } from './reckoning.ts';
import { createReconciler } from './reconcile/reconciler.ts';
import { lastWritten } from './settings/written.ts';
import { SteadyClock } from './steady-clock.ts';
import { LedgerRefused, openLedger, type Declared } from './store/sqlite/open-ledger.ts';
import { openReports } from './store/sqlite/reader-client.ts';

export interface Gateway {
  readonly version: string;
  readonly dataPort: DataPort;
  readonly adminServer: Server;
  readonly recovery: Recovery;
  readonly settings: () => Settings;
  /** Puts new settings in force for the next call; rejects, and changes nothing, when it cannot. */
  reload(settings: Settings): Promise<void>;
  /** A config file with mistakes was found; the old one stays in force. */
  reloadFailed(mistakes: readonly string[]): void;
  /** Resolves, with the reason, when the ledger can never be written again by this process. */
  readonly ledgerLost: Promise<string>;
  /** Resolves, with a sentence for the operator, when damage was found in the ledger while it served. */
  readonly ledgerDamaged: Promise<string>;
  /** Lets calls finish for `drainMs`, settles all, and closes everything. */
  close(drainMs: number): Promise<void>;
}

/** What keeps the gateway from starting, in words for the operator. Exit code 3: the ledger's file is damaged or not ours. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** @throws StartFailure */
export async function compose(initial: Settings): Promise<Gateway> {
  const log = createLog(initial.log.level);
  const clock = new SteadyClock((direction, ms) => log.warn('clock_stepped', { reason: direction, ms }));
  const startedAt = clock.now();
  const version = packageVersion();
  let settings = initial;
  let configLoadedAt = startedAt;
  let lastReload: { at: typeof startedAt; error: string | null } | null = null;

  const nameInBook = (model: string): string | null => book.lookup(model, clock.now())?.row.model ?? null;
  const telemetry = createTelemetry({ log, clock, version, bookName: nameInBook });
  const startTelemetry = await telemetry.prepare(initial).catch((error: unknown) => {
    throw error instanceof TelemetryMissing ? new StartFailure(error.message, 1) : error;
  });

  const ledgerFile = join(initial.dataDir, 'tollgate.db');
  let onDeath: (trouble: string) => void = () => {};
  const ledgerLost = new Promise<string>((resolve) => (onDeath = resolve));
  let onDamage: (trouble: string) => void = () => {};
  const ledgerDamaged = new Promise<string>((resolve) => (onDamage = resolve));
  const opening = openLedger({
    file: ledgerFile,
    workerEntry: new URL('store/sqlite/writer.js', import.meta.url),
    timezone: initial.timezone,
    durability: initial.ledger.durability,
    retentionDays: initial.retention.requestsDays,
    declared: declaredIn(initial),
    log,
    clock,
    onDeath,
    onDamage,
  });
  // Read while the writing thread opens the ledger.
  let book: PriceBook;
  try {
    book = readPriceBook(initial);
  } catch (error) {
    await opening.then((opened) => opened.ledger.close(), () => undefined);
    throw error;
  }
  let pricing: Pricing = pricingOf(book, initial);
  const store = await opening.catch((error: unknown) => {
    if (error instanceof LedgerRefused) throw new StartFailure(error.message, error.code === 'held' ? 1 : 3);
    throw error;
  });
  const { ledger, keys } = store;
  const readerOf = (timeoutMs: number): Reports =>
    openReports({
      file: ledgerFile,
      workerEntry: new URL('store/sqlite/reader.js', import.meta.url),
      timezone: initial.timezone,
      timeoutMs,
      onCrash: (error) => log.error('reader_crashed', { code: error.name }),
    });
  const reports = readerOf(PAGE_TIMEOUT_MS);

  const spentOf: SpentOf = (budget, period) => ledger.spent(budget.scope, period.from, period.to);
  const gate = createGate({ settings: initial, clock, standingsAtStart: await standingsOf(initial, startedAt, spentOf), callsOf: (caller) => callsOfSession(caller, reports, clock.now()), pastOf: (most) => reports.heldAndCost({ most }) });
  await gate.remember();
  gate.grant(store.grants.list());
  const queue = createProviderQueue({ settings: initial, clock });
  const headroom = createHeadroom(queue);
  const upstream = createUpstream(initial.upstream, Math.random);
  const forecast = createForecaster({ reports, clock, zone: () => settings.timezone });
  const databaseBytes = (): number | null => sizeOf(ledgerFile);
  const reconciler = createReconciler({ settings: () => settings, provider: upstream.own, reports, clock, log });
  const alerts = createAlerts({
    settings: () => settings,
    store: store.alerts,
    clock,
    log,
    keySecret: `uses of keys ${store.installSecret}`,
    reports,
    standings: (at) => gate.standings(at),
    grants: () => store.grants.list(),
    headroom: (at) => headroom.rows(at),
    ledgerHealth: () => ledger.health(),
    keys: () => keys.list(),
    priceRows: () => book.rows(),
    reconciled: () => reconciler.latest().days,
    happened: (happening) => admin.live.alerted(happening),
  });
  store.grants.onChange = (grants) => {
    gate.grant(grants);
    alerts.limitsMoved();
  };
  const advisor = createAdvisor({
    file: ledgerFile,
    threadEntry: new URL('advise/thread.js', import.meta.url),
    decisions: store.savings,
    clock,
    settings: () => settings,
    models: () => book.models().flatMap(({ id, status, bytesPerToken }) => {
      const row = status === 'active' ? book.lookup(id, clock.now())?.row : undefined;
      return row === undefined ? [] : [{ row, bytesPerToken }];
    }),
    log,
  });
  const metrics = createMetrics({
    clock,
    version,
    priceRows: () => book.rows(),
    bookName: nameInBook,
    standings: (at) => gate.standings(at),
    forecast,
    headroom: (at) => headroom.rows(at),
    queue: () => queue.rows(),
    ledgerHealth: () => ledger.health(),
    openHolds: () => inFlight(),
    overload: () => dataPort.overload,
    clockSteps: () => clock.steps,
    sockets: () => ({ client: dataPort.sockets, upstream: upstream.sockets }),
    databaseBytes,
    config: () => ({ ok: lastReload?.error == null, loadedAt: configLoadedAt }),
    keys: () => keys.list(),
    verification: () => reckoning.verification(),
    opportunities: createOpportunities({ advisor }),
    reconciliation: () => latestRatio(reconciler.latest()),
    alerts: () => alerts.counts(),
    telemetry: () => telemetry.counts,
  });
  metrics.configured(initial);
  startTelemetry();
  /** Calls that hold money. */
  const inFlight = (): number => {
    watching.flush();
    return metrics.inFlight();
  };
  store.onCommit(metrics.committed);

  const reckoning = createReckoning({ reports, openReports: () => readerOf(CHECK_TIMEOUT_MS), ledger, gate, clock, log, nameOf: nameInBook, corrected: (workspace, difference) => metrics.corrected(workspace, difference) });

  const admin = createAdminPort({
    settings: () => settings,
    clock,
    reports,
    ledger,
    keys,
    gate,
    grants: store.grants,
    headroom,
    queue,
    retriesLeft: () => upstream.retries.left(clock.monotonic()),
    alerts,
    advisor,
    priceRows: () => book.rows(),
    explain: (detail) => explain(detail, nameInBook),
    plan: (task, at) => planOf(task, book, at),
    pricesCheck: (used, at, maxAgeDays) => priceWarnings(book, used, at, maxAgeDays),
    reprice: (options) => reckoning.reprice(options, book),
    lastReprice: () => reckoning.lastReprice(),
    verify: (range) => reckoning.verify(range),
    lastVerification: () => reckoning.lastVerification(),
    reconciler,
    forecast,
    metrics: (accept) => {
      watching.flush();
      return metrics.render(accept);
    },
    backup: async () => {
      const file = join(settings.dataDir, 'backups', `tollgate-${new Date(clock.now()).toISOString().replaceAll(/[:.]/g, '-')}.db`);
      return { file, ...(await store.backup(file)) };
    },
    gateway: () => ({
      startedAt,
      baseUrl: baseUrlOf(dataPort.server, settings),
      draining: dataPort.draining,
      inFlight: dataPort.inFlight,
      openHolds: inFlight(),
      databaseBytes: databaseBytes(),
      recovery: store.recovery,
      configLoadedAt,
      lastReload,
      ceilingPriced: metrics.unpriced(),
    }),
    log,
    version,
    webDir: fileURLToPath(new URL('../web', import.meta.url)),
  });
  const watching = tellLater(joinObservers(metrics.observer, admin.observer, alerts.observer, telemetry.observer));
  // A line in the log belongs beside what else is logged of the moment.
  const observer = joinObservers(watching, createTroubleLog(log));
  const batches = createBatchCare({
    settings: () => settings,
    store: store.batches,
    pricing: () => pricing,
    readMessage,
    observer,
    clock,
    newCallId,
    provider: upstream.own,
    adopt: ({ caller, createdAt }, shares) => gate.adopt({ caller, shares, admittedAt: createdAt }),
    log,
    chance: Math.random,
  });
  await batches.takeUp();
  const dataPort = createDataPort({
    settings: () => settings,
    clock,
    directory: keys,
    gate,
    pricing: () => pricing,
    ledger,
    upstream,
    openMeter,
    headroom,
    queue,
    desk: createDesk({ objects: createObjects({ store: store.batches, settings: () => settings }), care: batches, provider: upstream.own }),
    batches,
    observer,
    telemetry,
    log,
    keyUsed: (key, from, at) => alerts.keyUsed(key, from, at),
    prefixKey: createHash('sha256').update(`prefixes of prompts ${store.installSecret}`).digest('base64url'),
    drains: new Drains(() => settings.drainAbort),
    onTheWire: new Roster<OnTheWire>(),
  });
  const overloadLog = logOverload(() => dataPort.overload, log);
  const adminServer = createServer({ headersTimeout: ADMIN_HEADERS_MS, requestTimeout: ADMIN_REQUEST_MS, connectionsCheckingInterval: ADMIN_CHECK_MS }, admin.app);
  await alerts.start();
  reconciler.start();
  const warn = (): void => {
    for (const detail of idleWarnings(settings, book, clock.now())) log.warn('config_warning', { detail });
  };
  warn();
  const noteConfig = createConfigNotes({ ledger, clock, log });
  await noteConfig('config.start', lastWritten(initial.dataDir), initial, false);

  return {
    version,
    dataPort,
    adminServer,
    recovery: store.recovery,
    ledgerLost,
    ledgerDamaged,
    settings: () => settings,
    async reload(next) {
      const before = settings;
      const repriced = next.prices.digest !== settings.prices.digest;
      const nextBook = readPriceBook(next);
      const switchTelemetry = await telemetry.prepare(next);
      await reckoning.alone(() => gate.reload(next, spentOf));
      keys.declare(declaredIn(next));
      upstream.reload(next.upstream);
      queue.reload(next);
      book = nextBook;
      pricing = pricingOf(nextBook, next);
      settings = next;
      log.setLevel(next.log.level);
      metrics.configured(next);
      switchTelemetry();
      alerts.configured(next);
      reconciler.configured();
      configLoadedAt = clock.now();
      lastReload = { at: configLoadedAt, error: null };
      // What follows comes too late to turn the config down: it is in force.
      if (next.retention.requestsDays !== before.retention.requestsDays) {
        await store.retain(next.retention.requestsDays).catch((error: unknown) => log.warn('retention_failed', { detail: error instanceof Error ? error.message : String(error) }));
      }
      admin.configChanged();
      if (repriced) admin.live.priced({ digest: next.prices.digest, rows: book.rows().length });
      log.info('config_reloaded', { file: next.file });
      warn();
      await noteConfig('config.reload', before, next, repriced).catch(() => log.warn('audit_failed', { reason: 'config.reload' }));
    },
    reloadFailed(mistakes) {
      lastReload = { at: clock.now(), error: mistakes.join('\n') };
      for (const mistake of mistakes) log.error('config_mistake', { detail: mistake });
      admin.configChanged();
    },
    async close(drainMs) {
      const until = clock.monotonic() + drainMs;
      queue.drain();
      await dataPort.drain(drainMs);
      overloadLog.close();
      await batches.close();
      watching.flush();
      await telemetry.close(Math.max(LEAST_FLUSH_MS, until - clock.monotonic()));
      reconciler.close();
      await upstream.close();
      await reckoning.close();
      await admin.close();
      adminServer.close();
      adminServer.closeAllConnections();
      metrics.close();
      await alerts.close();
      await advisor.close();
      await reports.close();
      await ledger.close();
      clock.close();
    },
  };
}

/** Requests to the admin port are small: one that takes longer to arrive holds a connection, and brings nothing. */
const ADMIN_HEADERS_MS = 10_000;
const ADMIN_REQUEST_MS = 20_000;
const ADMIN_CHECK_MS = 5_000;

/** What waits for a page gives up after this long; what checks a day, after that. */
const PAGE_TIMEOUT_MS = 10_000;
const CHECK_TIMEOUT_MS = 10 * MINUTE_MS;

/** Where the drain took all of its time, the last spans have this. */
const LEAST_FLUSH_MS = 500;

const declaredIn = (settings: Settings): Declared => ({ keys: settings.keys, workspaces: settings.workspaces });

const pricingOf = (book: PriceBook, { prices }: Settings): Pricing => createPricing({ book, unknownModel: prices.unknownModel, assumeUsInference: prices.assumeUsInference });

function readPriceBook({ prices }: Settings): PriceBook {
  const loaded = loadBook(prices, (file) => readFileSync(file, 'utf8'));
  if (loaded.ok) return loaded.book;
  throw new StartFailure(loaded.message, 1);
}

const standingsOf = (settings: Settings, now: ReturnType<Clock['now']>, spentOf: SpentOf): Promise<readonly Standing[]> =>
  Promise.all(
    settings.budgets.flatMap((budget) =>
      periodsAround(budget.period, now, settings.timezone).map(async (period) => ({ budget, period, spent: await spentOf(budget, period), held: NO_MONEY })),
    ),
  );

/** Sessions that are older than this begin anew. */
const SESSION_MS = 30 * DAY_MS;

/** The newest calls of a caller's session, for the gate. */
async function callsOfSession({ workspace, workflow, session }: Parameters<CallsOf>[0], reports: Reports, now: EpochMs): ReturnType<CallsOf> {
  const filter = { from: epochMs(now - SESSION_MS), to: epochMs(now + 1), workspace: [workspace], workflow: [workflow], session: [session ?? ''], user: [], model: [], key: [], outcome: [], action: [] };
  return (await reports.requests({ filter, limit: 50, cursor: null })).rows;
}

function sizeOf(file: string): number | null {
  try {
    return statSync(file).size;
  } catch {
    return null;
  }
}

function baseUrlOf(server: Server, { listen }: Settings): string {
  const address = server.address() as AddressInfo | null;
  const host = listen.host === '0.0.0.0' ? '127.0.0.1' : listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return `http://${host}:${address?.port ?? listen.port}`;
}
