// server/observe/metrics.ts: the metrics: counted by the tallies, read from the services at a scrape, written out by prom-client.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Registry, type Gauge, type RegistryContentType } from 'prom-client';
import type { Standing } from '../domain/budget.ts';
import type { VirtualKey } from '../domain/directory.ts';
import type { Clock, EpochMs } from '../domain/ids.ts';
import type { LedgerHealth } from '../domain/ledger.ts';
import type { Nanodollars } from '../domain/money.ts';
import type { HeadroomRow, Observer, OverloadRung } from '../domain/observer.ts';
import type { ProviderQueueRow } from '../domain/provider-queue.ts';
import type { PriceRow } from '../domain/price.ts';
import type { Settings } from '../domain/settings.ts';
import type { TelemetryCounts } from '../domain/trace.ts';
import { createLabels } from './labels.ts';
import { observe } from './histogram.ts';
import { METRICS, type MetricKey } from './metric-names.ts';
import type { Opportunity } from './opportunities.ts';
import { samplesOf, type Sample } from './samples.ts';
import { createTallies } from './tallies.ts';

/** What gauges are read from, when somebody scrapes and never before. */
export interface MetricSources {
  readonly clock: Clock;
  readonly version: string;
  priceRows(): readonly PriceRow[];
  /** The price book's own name of a model, whichever way it was written; null when the book does not know it. */
  bookName(model: string): string | null;
  standings(at: EpochMs): readonly Standing[];
  /** Null while there is too little to go by. */
  forecast(standing: Standing): Promise<{ readonly p50: Nanodollars; readonly p90: Nanodollars } | null>;
  headroom(at: EpochMs): readonly HeadroomRow[];
  queue(): readonly ProviderQueueRow[];
  ledgerHealth(): LedgerHealth;
  openHolds(): number;
  /** Times each rung of the overload ladder was taken. */
  overload(): Readonly<Record<OverloadRung, number>>;
  /** Times the wall clock stepped, by direction. */
  clockSteps(): Readonly<Record<'back' | 'forward', number>>;
  /** Open connections, of clients and to the provider. */
  sockets(): Readonly<Record<'client' | 'upstream', number>>;
  /** Bytes; null when it cannot be told. */
  databaseBytes(): number | null;
  /** `ok`: whether the latest load of the config succeeded; `loadedAt`: when the one in force was. */
  config(): { readonly ok: boolean; readonly loadedAt: EpochMs };
  keys(): Promise<readonly VirtualKey[]>;
  opportunities(): Promise<readonly Opportunity[]>;
  /** What the gateway's own alerts say; none where no rule or channel is configured. Every rule and every channel at zero, too, so that a first one is seen. */
  alerts?(): AlertCounts;
  /** The latest check of the ledger's sums against its rows, and what it found to be otherwise; null, or no such source, until there was one. */
  verification?(): { readonly at: EpochMs; readonly drift: number } | null;
  /** What became of spans and exports; null, or no such source, reads as nothing yet. */
  telemetry?(): TelemetryCounts | null;
  /** How far the ledger is from the provider's bill, as a part of the bill; null, or no such source, until they were compared. */
  reconciliation?(): number | null;
}

export interface AlertCounts {
  readonly active: readonly { readonly rule: string; readonly severity: string; readonly count: number }[];
  /** Since the start. */
  readonly deliveries: readonly { readonly channel: string; readonly result: string; readonly count: number }[];
}

export interface Metrics {
  readonly observer: Observer;
  /** To be called with the first config and after every reload. */
  configured(settings: Settings): void;
  /**
   * The text of a scrape; at most one second old. OpenMetrics, which has exemplars, for who names it in `accept`;
   * otherwise the classic format.
   */
  render(accept?: string): Promise<{ readonly contentType: string; readonly body: string }>;
  /** A commit of the ledger took `ms`. */
  readonly committed: (ms: number) => void;
  /** A correction changed what a settled call of a workspace costs. */
  corrected(workspace: string, difference: Nanodollars): void;
  /** Calls of models that the price book does not know, since the start. */
  unpriced(): number;
  /** Calls admitted and not yet ended. */
  inFlight(): number;
  close(): void;
}

const FRESH_MS = 1000;
const SLICE = 250;
/** Those that calls make more series of. */
const GROWING: readonly MetricKey[] = ['requests', 'tokens', 'cost', 'duration', 'timeToFirstToken', 'requestTokens', 'outputSpeed', 'requestCost'];
const PREPARE_AFTER_MS = 500;

export function createMetrics(sources: MetricSources): Metrics {
  const labels = createLabels((model) => sources.bookName(model));
  let closed = false;
  let preparing: NodeJS.Timeout | null = null;
  const tallies = createTallies(labels, () => {
    if (closed) return;
    preparing ??= setTimeout(() => {
      preparing = null;
      // What goes wrong here goes wrong at the scrape, which says so.
      void prepare().catch(() => {});
    }, PREPARE_AFTER_MS).unref();
  });
  const eventLoop = monitorEventLoopDelay({ resolution: 10 });
  eventLoop.enable();
  const read = samplesOf({ sources, labels, tallies, eventLoop });
  const keys = Object.keys(METRICS) as MetricKey[];
  const classic = formatOf(Registry.PROMETHEUS_CONTENT_TYPE);
  const openMetrics = formatOf(Registry.OPENMETRICS_CONTENT_TYPE);

  const write = async ({ registry, shown }: Format): Promise<string> => {
    const texts: string[] = [];
    // A few hundred samples a turn of the event loop: a scrape must not hold up the streams that are going by. Small metrics share a
    // turn, for turns are long where there is much to do.
    let inTurn = 0;
    for (const key of keys) {
      const samples = await read[key]();
      for (let from = 0; from === 0 || from < samples.length; from += SLICE) {
        shown.values = samples.slice(from, from + SLICE);
        const text = await registry.getSingleMetricAsString(METRICS[key].name);
        // Help and type are said once.
        texts.push(from === 0 ? text : text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1));
        inTurn += shown.values.length;
        if (inTurn < SLICE) continue;
        await new Promise(setImmediate);
        inTurn = 0;
      }
    }
    eventLoop.reset();
    return `${texts.join('\n')}\n`;
  };

  /** The registry keeps the text of labels that it has written once, which is most of a scrape: whoever scrapes first after many series came up does not wait for all of theirs. */
  const prepare = async (): Promise<void> => {
    const { registry, shown } = formatOf(Registry.PROMETHEUS_CONTENT_TYPE);
    for (const key of GROWING) {
      const samples = await read[key]();
      for (let from = 0; from < samples.length && !closed; from += SLICE) {
        shown.values = samples.slice(from, from + SLICE);
        await registry.getSingleMetricAsString(METRICS[key].name);
        await new Promise(setImmediate);
      }
    }
  };

  return {
    observer: tallies.observer,
    committed: (ms) => observe(tallies.ledgerWrite, ms / 1000),
    configured(settings) {
      labels.configured(settings);
      for (const { id } of settings.upstream.failover) tallies.failovers.set(id, tallies.failovers.get(id) ?? 0);
      tallies.prepare();
    },
    async render(accept = '') {
      const now = sources.clock.monotonic();
      const format = accept.includes('application/openmetrics-text') ? openMetrics : classic;
      if (format.last === null || now - format.last.at >= FRESH_MS) {
        format.last = { at: now, text: write(format) };
        format.last.text.catch(() => (format.last = null));
      }
      const text = await format.last.text;
      return { contentType: format.registry.contentType, body: format === openMetrics ? `${text}# EOF\n` : text };
    },
    corrected: (workspace, difference) => tallies.corrected(workspace, difference),
    unpriced: () => tallies.unpriced(),
    inFlight: () => [...tallies.inFlight.values()].reduce((sum, n) => sum + n, 0),
    close() {
      closed = true;
      if (preparing !== null) clearTimeout(preparing);
      eventLoop.disable();
    },
  };
}

/** One of the two text formats: a registry writes the one it was made for, whatever it is asked. */
interface Format {
  readonly registry: Registry<RegistryContentType>;
  readonly shown: { values: readonly Sample[] };
  last: { readonly at: number; readonly text: Promise<string> } | null;
}

function formatOf(contentType: RegistryContentType): Format {
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(contentType);
  const shown: Format['shown'] = { values: [] };
  for (const key of Object.keys(METRICS) as MetricKey[]) register(registry, key, shown);
  return { registry, shown, last: null };
}

/**
 * Puts a metric into the registry that shows the values of the moment. The registry asks a metric for its name and its `get`
 * only; its own counters hash the labels at every increment, which costs the data path some thirty times more than an array.
 */
function register(registry: Registry<RegistryContentType>, key: MetricKey, shown: Format['shown']): void {
  const { name, help, type } = METRICS[key];
  // In OpenMetrics a counter is named without `_total`, which the registry then adds to its samples.
  const written = registry.contentType === Registry.OPENMETRICS_CONTENT_TYPE && type === 'counter' ? name.replace(/_total$/, '') : name;
  const metric = { name, help, type, aggregator: 'sum', get: () => Promise.resolve({ name: written, help, type, aggregator: 'sum', values: shown.values }) };
  registry.registerMetric(metric as unknown as Gauge);
}
