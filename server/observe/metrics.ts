// server/observe/metrics.ts: the metrics: counted by the tallies, read from the services at a scrape, written out by prom-client.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Registry, type Gauge } from 'prom-client';
import type { Standing } from '../domain/budget.ts';
import type { VirtualKey } from '../domain/directory.ts';
import type { Clock, EpochMs } from '../domain/ids.ts';
import type { LedgerHealth } from '../domain/ledger.ts';
import type { Nanodollars } from '../domain/money.ts';
import type { HeadroomRow, Observer } from '../domain/observer.ts';
import type { PriceRow } from '../domain/price.ts';
import type { Settings } from '../domain/settings.ts';
import { createLabels } from './labels.ts';
import { METRICS, type MetricKey } from './metric-names.ts';
import { samplesOf, type Sample } from './samples.ts';
import { createTallies } from './tallies.ts';

/** What gauges are read from, when somebody scrapes and never before. */
export interface MetricSources {
  readonly clock: Clock;
  readonly version: string;
  priceRows(): readonly PriceRow[];
  standings(at: EpochMs): readonly Standing[];
  /** Null while there is too little to go by. */
  forecast(standing: Standing): Promise<{ readonly p50: Nanodollars; readonly p90: Nanodollars } | null>;
  headroom(at: EpochMs): readonly HeadroomRow[];
  ledgerHealth(): LedgerHealth;
  openHolds(): number;
  /** Bytes; null when it cannot be told. */
  databaseBytes(): number | null;
  /** `ok`: whether the latest load of the config succeeded; `loadedAt`: when the one in force was. */
  config(): { readonly ok: boolean; readonly loadedAt: EpochMs };
  keys(): Promise<readonly VirtualKey[]>;
}

export interface Metrics {
  readonly observer: Observer;
  /** To be called with the first config and after every reload. */
  configured(settings: Settings): void;
  /** The text of a scrape; at most one second old. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Calls of models that the price book does not know, since the start. */
  unpriced(): number;
  /** Calls admitted and not yet ended. */
  inFlight(): number;
  close(): void;
}

const FRESH_MS = 1000;
const SLICE = 250;

export function createMetrics(sources: MetricSources): Metrics {
  const labels = createLabels();
  const tallies = createTallies(labels);
  const eventLoop = monitorEventLoopDelay({ resolution: 10 });
  eventLoop.enable();
  const registry = new Registry();
  const read = samplesOf({ sources, labels, tallies, eventLoop });
  const keys = Object.keys(METRICS) as MetricKey[];
  const shown: { values: readonly Sample[] } = { values: [] };
  for (const key of keys) register(registry, key, shown);

  let last: { at: number; text: Promise<string> } | null = null;
  const render = async (): Promise<string> => {
    const texts: string[] = [];
    // A few hundred samples a turn of the event loop: a scrape must not hold up the streams that are going by.
    for (const key of keys) {
      const samples = await read[key]();
      for (let from = 0; from === 0 || from < samples.length; from += SLICE) {
        shown.values = samples.slice(from, from + SLICE);
        const text = await registry.getSingleMetricAsString(METRICS[key].name);
        // Help and type are said once.
        texts.push(from === 0 ? text : text.split('\n').slice(2).join('\n'));
        await new Promise(setImmediate);
      }
    }
    eventLoop.reset();
    return `${texts.join('\n')}\n`;
  };

  return {
    observer: tallies.observer,
    configured(settings) {
      labels.configured(settings, sources.priceRows());
      tallies.prepare();
    },
    async render() {
      const now = sources.clock.monotonic();
      if (last === null || now - last.at >= FRESH_MS) {
        last = { at: now, text: render() };
        last.text.catch(() => (last = null));
      }
      return { contentType: registry.contentType, body: await last.text };
    },
    unpriced: () => tallies.unpriced(),
    inFlight: () => [...tallies.inFlight.values()].reduce((sum, n) => sum + n, 0),
    close: () => void eventLoop.disable(),
  };
}

/**
 * Puts a metric into the registry that shows the values of the moment. The registry asks a metric for its name and its `get`
 * only; its own counters hash the labels at every increment, which costs the data path some thirty times more than an array.
 */
function register(registry: Registry, key: MetricKey, shown: { readonly values: readonly Sample[] }): void {
  const { name, help, type } = METRICS[key];
  const metric = { name, help, type, aggregator: 'sum', get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: shown.values }) };
  registry.registerMetric(metric as unknown as Gauge);
}
