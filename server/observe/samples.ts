// server/observe/samples.ts: every metric of the catalogue as samples, from the tallies and the services.

import type { monitorEventLoopDelay } from 'node:perf_hooks';
import { limitOf } from '../domain/budget.ts';
import { usdNumber } from '../domain/money.ts';
import { rowsInForce } from '../domain/price.ts';
import { QUEUE_RESULTS } from '../domain/provider-queue.ts';
import { SIGNALS, SPAN_RESULTS } from '../domain/trace.ts';
import { TOKEN_KIND_NAMES, TOKEN_KINDS } from '../domain/usage.ts';
import type { Exemplar, Histogram } from './histogram.ts';
import type { Labels } from './labels.ts';
import { COST_KINDS, METRIC_ENDPOINTS, METRIC_OUTCOMES, METRICS, OTHER, OVERHEAD_PHASES, POLICY_ACTIONS, RETRY_REASONS, type MetricKey } from './metric-names.ts';
import type { MetricSources } from './metrics.ts';
import type { CallSeries } from './series.ts';
import type { Tallies } from './tallies.ts';

type LabelSet = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: LabelSet;
  /** More labels, in an object that is the same at every scrape: the registry keeps their text, which is most of the work of a scrape. */
  readonly sharedLabels?: LabelSet;
  readonly value: number;
  /** Where it differs from the metric's own: `_bucket`, `_sum` and `_count` of a histogram. */
  readonly metricName?: string;
  /** A call to look at; shown in OpenMetrics only. `timestamp` in seconds. */
  readonly exemplar?: { readonly labelSet: LabelSet; readonly value: number; readonly timestamp: number } | undefined;
}

export interface SampleSources {
  readonly sources: MetricSources;
  readonly labels: Labels;
  readonly tallies: Tallies;
  readonly eventLoop: ReturnType<typeof monitorEventLoopDelay>;
}

/** How long a scrape waits for forecasts, all together. */
const PATIENCE_MS = 250;
/** Series of one key of a virtual-key gauge at most. */
const MOST_KEYS = 500;
const MOST_BUDGETS = 100;
const MOST_ALERTS = 200;

/** Pico-dollars as dollars, for a scrape only. */
const dollars = (pico: bigint): number => Number(pico) / 1e12;
const one = (value: number | null): Sample[] => (value === null ? [] : [{ labels: {}, value }]);
const seconds = (at: number): number => at / 1000;
const callLabels = ({ workspace, workflow, model }: CallSeries): Record<string, string> => ({ workspace, workflow, model });

export function samplesOf({ sources, labels, tallies, eventLoop }: SampleSources): Record<MetricKey, () => Sample[] | Promise<Sample[]>> {
  const { series } = tallies;
  const now = () => sources.clock.now();
  const standings = () => sources.standings(now()).slice(0, MOST_BUDGETS);
  return {
    requests: () =>
      series.calls.flatMap((s) =>
        METRIC_ENDPOINTS.flatMap((endpoint, at) => {
          const counts = s.outcomes[at];
          return counts ? known(counts, () => METRIC_OUTCOMES.map((outcome) => ({ ...callLabels(s), endpoint, outcome })), (o) => counts[o] ?? 0) : [];
        }),
      ),
    turnedAway: () => [...tallies.turnedAway].map(([reason, value]) => ({ labels: { reason }, value })),
    tokens: () => series.calls.flatMap((s) => known(s.tokens, () => TOKEN_KINDS.map((kind) => ({ ...callLabels(s), kind: TOKEN_KIND_NAMES[kind] })), (at) => s.tokens[at] ?? 0)),
    cost: () => series.calls.flatMap((s) => known(s.cost, () => COST_KINDS.map((kind) => ({ ...callLabels(s), kind })), (at) => dollars(s.cost[at] ?? 0n))),
    costCorrections: () => [...tallies.corrections].map(([workspace, value]) => ({ labels: { workspace }, value: Number(value) / 1e9 })),
    cacheDiscount: () => series.pairs.map(({ workspace, model, cacheDiscount }) => ({ labels: { workspace, model }, value: dollars(cacheDiscount) })),
    cachePremium: () => series.pairs.map(({ workspace, model, cachePremium }) => ({ labels: { workspace, model }, value: dollars(cachePremium) })),
    retries: () =>
      series.pairs.flatMap(({ workspace, model, retries, clientRetries }) => [
        ...RETRY_REASONS.map((reason, at) => ({ labels: { workspace, model, source: 'proxy', reason }, value: retries[at] ?? 0 })),
        { labels: { workspace, model, source: 'client', reason: 'unknown' }, value: clientRetries },
      ]),
    rateLimited: () => [...tallies.rateLimited].map(([limit, value]) => ({ labels: { limit }, value })),
    failovers: () => [...tallies.failovers].map(([failover, value]) => ({ labels: { failover }, value })),
    policyDecisions: () =>
      [...series.decisions.values()].flatMap(({ workspace, policy, counts }) => POLICY_ACTIONS.map((action, at) => ({ labels: { workspace, policy, action }, value: counts[at] ?? 0 }))),
    duration: () =>
      series.pairs.flatMap(({ workspace, model, duration }) => [
        ...histogram('duration', { workspace, model, stream: 'true' }, duration.stream),
        ...histogram('duration', { workspace, model, stream: 'false' }, duration.whole),
      ]),
    timeToFirstToken: () => series.pairs.flatMap(({ workspace, model, timeToFirstToken }) => histogram('timeToFirstToken', { workspace, model }, timeToFirstToken)),
    outputSpeed: () => [...series.models].flatMap(([model, { speed }]) => histogram('outputSpeed', { model }, speed)),
    requestTokens: () =>
      [...series.models].flatMap(([model, { input, output }]) => [
        ...histogram('requestTokens', { model, direction: 'input' }, input),
        ...histogram('requestTokens', { model, direction: 'output' }, output),
      ]),
    requestCost: () => [...tallies.requestCost].flatMap(([workspace, costs]) => histogram('requestCost', { workspace }, costs)),
    overhead: () => OVERHEAD_PHASES.flatMap((phase) => histogram('overhead', { phase }, tallies.overhead[phase])),
    inFlight: () => [...tallies.inFlight].map(([workspace, value]) => ({ labels: { workspace }, value })),

    budgetLimit: () => standings().map((standing) => ({ labels: { budget: standing.budget.id }, value: usdNumber(limitOf(standing)) })),
    budgetSpent: () => standings().map(({ budget, spent }) => ({ labels: { budget: budget.id }, value: usdNumber(spent) })),
    budgetHeld: () => standings().map(({ budget, held }) => ({ labels: { budget: budget.id }, value: usdNumber(held) })),
    budgetElapsed: () => standings().map(({ budget, period }) => ({ labels: { budget: budget.id }, value: (now() - period.from) / (period.to - period.from) })),
    async budgetForecast() {
      const samples: Sample[] = [];
      // A forecast reads the ledger, and a scrape waits for no disk: what is not there in time is missing this once.
      const asked = standings().map((standing) => ({ standing, outlook: sources.forecast(standing).catch(() => null) }));
      const late = new Promise<null>((resolve) => setTimeout(resolve, PATIENCE_MS, null).unref());
      for (const { standing, outlook } of asked) {
        const forecast = await Promise.race([outlook, late]);
        if (forecast === null) continue;
        for (const bound of ['p50', 'p90'] as const) samples.push({ labels: { budget: standing.budget.id, bound }, value: usdNumber(forecast[bound]) });
      }
      return samples;
    },
    headroom: () =>
      sources
        .headroom(now())
        .filter((row) => row.limit > 0)
        .map((row) => ({ labels: { credential: row.credential, model_class: row.modelClass, dimension: row.dimension }, value: row.lowestRatio })),
    upstreamRequestsLimit: () =>
      sources
        .headroom(now())
        .filter((row) => row.dimension === 'requests')
        .map((row) => ({ labels: { credential: row.credential, model_class: row.modelClass }, value: row.limit })),
    upstreamTokensLimit: () =>
      sources
        .headroom(now())
        .filter((row) => row.dimension !== 'requests')
        .map((row) => ({ labels: { credential: row.credential, model_class: row.modelClass, direction: { tokens: 'all', input_tokens: 'input', output_tokens: 'output', requests: '' }[row.dimension] }, value: row.limit })),

    queueLength: () => sources.queue().map(({ credential, modelClass, waiting }) => ({ labels: { credential, model_class: modelClass }, value: waiting })),
    queueOldest: () => sources.queue().map(({ credential, modelClass, oldestWaitMs }) => ({ labels: { credential, model_class: modelClass }, value: seconds(oldestWaitMs) })),
    queueCalls: () => [...tallies.queue.results].flatMap(([workspace, results]) => known(results, () => QUEUE_RESULTS.map((result) => ({ workspace, result })), (at) => results[at] ?? 0)),
    queueWait: () => histogram('queueWait', {}, tallies.queue.waits),

    async opportunity() {
      const sums = new Map<string, Sample>();
      for (const { workspace, lever, confidence, usd } of await sources.opportunities()) {
        // Workspaces of an older config are summed under one name.
        const label = labels.isWorkspace(workspace) ? workspace : OTHER;
        const key = `${label} ${lever} ${confidence}`;
        sums.set(key, { labels: { workspace: label, lever, confidence }, value: (sums.get(key)?.value ?? 0) + usd });
      }
      return [...sums.values()];
    },
    alertsActive: () => (sources.alerts?.().active ?? []).slice(0, MOST_ALERTS).map(({ rule, severity, count }) => ({ labels: { rule, severity }, value: count })),
    alertDeliveries: () => (sources.alerts?.().deliveries ?? []).slice(0, MOST_ALERTS).map(({ channel, result, count }) => ({ labels: { channel, result }, value: count })),
    telemetrySpans: () => SPAN_RESULTS.map((result) => ({ labels: { result }, value: sources.telemetry?.()?.spans[result] ?? 0 })),
    telemetryExports: () => SIGNALS.flatMap((signal) => (['ok', 'failed'] as const).map((result) => ({ labels: { signal, result }, value: sources.telemetry?.()?.exports[signal][result] ?? 0 }))),
    recordsDropped: () => [...tallies.lost].map(([reason, value]) => ({ labels: { reason }, value })),
    recordQueue: () => one(sources.ledgerHealth().queued),
    ledgerWritable: () => one(sources.ledgerHealth().writable ? 1 : 0),
    ledgerWrite: () => histogram('ledgerWrite', {}, tallies.ledgerWrite),
    overload: () => Object.entries(sources.overload()).map(([rung, value]) => ({ labels: { rung }, value })),
    openSockets: () => Object.entries(sources.sockets()).map(([side, value]) => ({ labels: { side }, value })),
    clockSteps: () => Object.entries(sources.clockSteps()).map(([direction, value]) => ({ labels: { direction }, value })),
    holdExceeded: () => one(tallies.holdExceeded()),
    openHolds: () => one(sources.openHolds()),
    unpriced: () => one(tallies.unpriced()),
    unreadableAnswers: () => [...tallies.obstacles].map(([obstacle, value]) => ({ labels: { obstacle }, value })),
    usageIncomplete: () => [...tallies.incomplete].map(([reason, value]) => ({ labels: { reason }, value })),
    labelOverflow: () => [...labels.overflow].map(([label, value]) => ({ labels: { label }, value })),
    priceBookVerified() {
      const inForce = rowsInForce(sources.priceRows(), now());
      const verified = sources.priceRows().filter((row) => inForce.has(row.version)).map((row) => Date.parse(row.verifiedOn));
      return verified.length === 0 ? [] : one(seconds(Math.min(...verified)));
    },
    reconciliation: () => one(sources.reconciliation?.() ?? null),
    ledgerVerified: () => one(sources.verification?.()?.at === undefined ? null : seconds(sources.verification()!.at)),
    ledgerDrift: () => one(sources.verification?.()?.drift ?? null),
    async keyLastUsed() {
      const keys = await sources.keys();
      return keys
        .filter((key) => key.revokedAt === null)
        .slice(0, MOST_KEYS)
        .map((key) => ({ labels: { key: key.id }, value: key.lastUsedAt === null ? 0 : seconds(key.lastUsedAt) }));
    },
    databaseSize: () => one(sources.databaseBytes()),
    configReloadOk: () => one(sources.config().ok ? 1 : 0),
    configReloadAt: () => one(seconds(sources.config().loadedAt)),
    buildInfo: () => [{ labels: { version: sources.version, node: process.version }, value: 1 }],
    eventLoopDelay: () =>
      // Without a sample since the last reset the histogram says NaN or an enormous number.
      eventLoop.count === 0
        ? []
        : [
            { labels: { percentile: 'p50' }, value: eventLoop.percentile(50) / 1e9 },
            { labels: { percentile: 'p99' }, value: eventLoop.percentile(99) / 1e9 },
            { labels: { percentile: 'p99.9' }, value: eventLoop.percentile(99.9) / 1e9 },
            { labels: { percentile: 'max' }, value: eventLoop.max / 1e9 },
          ],
    memory() {
      try {
        return one(process.memoryUsage.rss());
      } catch {
        // It is read from a file, and there may be no descriptor left to open one; all else can still be told.
        return [];
      }
    },
    cpu() {
      const { user, system } = process.cpuUsage();
      return one((user + system) / 1e6);
    },
    startTime: () => one(Math.round(Date.now() / 1000 - process.uptime())),
  };
}

function histogram(key: 'duration' | 'timeToFirstToken' | 'outputSpeed' | 'requestTokens' | 'requestCost' | 'overhead' | 'ledgerWrite' | 'queueWait', labels: Record<string, string>, values: Histogram): Sample[] {
  const { name } = METRICS[key];
  const metricName = `${name}_bucket`;
  const samples: Sample[] = [];
  let count = 0;
  for (const [at, sharedLabels] of labelSetsOf(values, () => [...values.bounds.map(String), '+Inf'].map((le) => ({ ...labels, le }))).entries()) {
    count += values.counts[at] ?? 0;
    const latest = values.exemplars[at];
    samples.push(latest === undefined ? { metricName, labels: NO_LABELS, sharedLabels, value: count } : { metricName, labels: NO_LABELS, sharedLabels, value: count, exemplar: exemplarOf(latest) });
  }
  const [sharedLabels = labels] = labelSetsOf(values.counts, () => [labels]);
  samples.push({ metricName: `${name}_sum`, labels: NO_LABELS, sharedLabels, value: values.sum }, { metricName: `${name}_count`, labels: NO_LABELS, sharedLabels, value: count });
  return samples;
}

const exemplarOf = ({ call, value, at }: Exemplar): Sample['exemplar'] => ({ labelSet: { call }, value, timestamp: at / 1000 });

const NO_LABELS: LabelSet = {};
const labelSets = new WeakMap<object, readonly LabelSet[]>();

/** Made once for `owner`, and kept as long as it is. */
function labelSetsOf(owner: object, make: () => readonly LabelSet[]): readonly LabelSet[] {
  const made = labelSets.get(owner);
  if (made !== undefined) return made;
  const sets = make();
  labelSets.set(owner, sets);
  return sets;
}

/** One sample for each label set of `owner`. */
const known = (owner: object, make: () => readonly LabelSet[], value: (at: number) => number): Sample[] =>
  labelSetsOf(owner, make).map((sharedLabels, at) => ({ labels: NO_LABELS, sharedLabels, value: value(at) }));
