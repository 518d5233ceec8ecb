// server/observe/otel/otlp.ts: the official OpenTelemetry SDK with its OTLP exporters, set up from our config and from nothing else.
//
// Loaded only where the config asks for it: the packages are optional, and nothing outside this file touches them. Of the SDK's parts
// those are taken that read no OTEL_* variable: what was set there for another program, headers with a credential say, must not go to
// this collector.

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span, type Tracer } from '@opentelemetry/api';
import { ExportResultCode, TraceState, parseTraceParent, type ExportResult } from '@opentelemetry/core';
import { createOtlpHttpExportDelegate, httpAgentFactoryFromOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import { JsonMetricsSerializer, JsonTraceSerializer, MetricsExporterMetricsHelper, ProtobufMetricsSerializer, ProtobufTraceSerializer, TraceExporterMetricsHelper } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import { AggregationTemporality, MeterProvider, PeriodicExportingMetricReader, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace';
import type { LedgerEntry, RefusedEntry } from '../../domain/ledger.ts';
import type { TelemetrySettings } from '../../domain/settings.ts';
import type { CallTrace, Tracing } from '../../domain/trace.ts';
import { promptTokens } from '../../domain/usage.ts';
import type { Labels } from '../labels.ts';
import { attemptSpan, errorOf, operationOf, refusedSpan, settledSpan, type Attributes, type ServerOf, type SpanFacts } from './call-span.ts';
import { ATTRIBUTES, INSTRUMENTS, OWN } from './names.ts';
import type { Sending } from './sending.ts';

/** Spans that wait to be sent, or are being sent; one more is dropped and counted. */
const MOST_SPANS = 4096;
const BATCH_SPANS = 512;
const BATCH_EVERY_MS = 1_000;
/** Exports under way at once; a flush at the end sends all that waits. */
const MOST_EXPORTS = 12;
/** Nothing that a client names itself makes an attribute longer than this. */
const MOST_CHARACTERS = 256;

export interface OtlpOptions {
  readonly settings: TelemetrySettings;
  readonly version: string;
  readonly labels: Labels;
  readonly serverOf: ServerOf;
  readonly sending: Sending;
}

export interface Otlp {
  /** Null where no traces are wanted. */
  readonly tracing: Tracing | null;
  settled(entry: LedgerEntry): void;
  refused(entry: RefusedEntry): void;
  /** Sends what waits, and stops; never rejects. Takes as long as the collector does. */
  close(): Promise<void>;
}

export function startOtlp(options: OtlpOptions): Otlp {
  const { settings, version } = options;
  const resource = resourceFromAttributes({ 'service.name': 'tollgate', 'service.version': version, ...Object.fromEntries(settings.resource) });
  const spans = settings.traces === null ? null : new Spans(options, resource, settings.traces.sample);
  const measures = settings.metrics === null ? null : new Measures(options, resource, settings.metrics);
  return {
    tracing: spans,
    settled(entry) {
      measures?.settled(entry);
      spans?.settled(entry);
    },
    refused: (entry) => spans?.refused(entry),
    close: async () => void (await Promise.allSettled([spans?.close(), measures?.close()])),
  };
}

/** A call's span, while the call runs. */
class OpenTrace implements CallTrace {
  readonly span: Span;
  readonly startedAt: number;
  readonly traceparent: string;
  readonly tracestate: string | null;

  constructor(span: Span, startedAt: number) {
    const { traceId, spanId, traceFlags, traceState } = span.spanContext();
    this.span = span;
    this.startedAt = startedAt;
    this.traceparent = `00-${traceId}-${spanId}-0${traceFlags & 1}`;
    const state = traceState?.serialize() ?? '';
    this.tracestate = state === '' ? null : state;
  }
}

class Spans implements Tracing {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  readonly #serverOf: ServerOf;
  readonly #sending: Sending;

  constructor({ settings, version, serverOf, sending }: OtlpOptions, resource: Resource, sample: number) {
    this.#serverOf = serverOf;
    this.#sending = sending;
    this.#provider = new TracerProvider({
      resource,
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sample) }),
      spanLimits: { attributeValueLengthLimit: MOST_CHARACTERS },
      spanProcessors: [boundedProcessor(spanExporter(settings, version, sending), settings.timeoutMs, sending)],
    });
    this.#tracer = this.#provider.getTracer('tollgate', version);
  }

  begin(headers: Parameters<Tracing['begin']>[0], at: number): CallTrace | null {
    try {
      return new OpenTrace(this.#tracer.startSpan('call', { kind: SpanKind.CLIENT, startTime: at }, parentOf(headers['traceparent'], headers['tracestate'])), at);
    } catch (error) {
      // A request is being taken in: it goes on without a trace.
      this.#sending.broke(error);
      return null;
    }
  }

  settled(entry: LedgerEntry): void {
    const { opened: { trace: open }, settlement } = entry;
    // An item of a batch was in no trace; a call that began before traces were wanted is in none either.
    if (!(open instanceof OpenTrace) || !open.span.isRecording()) return;
    const below = trace.setSpan(ROOT_CONTEXT, open.span);
    for (const attempt of settlement.attempts) {
      const { name, attributes, error } = attemptSpan(attempt, this.#serverOf);
      const span = this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime: attempt.startedAt, attributes }, below);
      if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(attempt.startedAt + attempt.durationMs);
    }
    end(open, settledSpan(entry, this.#serverOf), settlement.durationMs);
  }

  refused(entry: RefusedEntry): void {
    if (entry.trace instanceof OpenTrace && entry.trace.span.isRecording()) end(entry.trace, refusedSpan(entry, this.#serverOf), entry.durationMs);
  }

  close(): Promise<void> {
    return this.#provider.shutdown();
  }
}

function end({ span, startedAt }: OpenTrace, { name, attributes, error, events }: SpanFacts, durationMs: number): void {
  span.updateName(name.slice(0, MOST_CHARACTERS)).setAttributes(attributes);
  for (const event of events) span.addEvent(event.name, event.attributes, startedAt + event.afterMs);
  if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(startedAt + durationMs);
}

/** Node joins a header that came twice with a comma: two parents are none, two states are one. */
function parentOf(traceparent: string | string[] | undefined, tracestate: string | string[] | undefined): Context {
  const parent = typeof traceparent === 'string' ? parseTraceParent(traceparent) : null;
  if (parent === null) return ROOT_CONTEXT;
  const traceState = typeof tracestate === 'string' ? new TraceState(tracestate) : undefined;
  return trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true, ...(traceState ? { traceState } : {}) });
}

class Measures {
  readonly #provider: MeterProvider;
  readonly #options: OtlpOptions;
  readonly #histograms: Readonly<Record<keyof typeof INSTRUMENTS, { record(value: number, attributes: Attributes): void }>>;

  constructor(options: OtlpOptions, resource: Resource, { intervalMs, temporality }: NonNullable<TelemetrySettings['metrics']>) {
    const { settings, version, sending } = options;
    this.#options = options;
    const exporter = metricExporter(settings, version, temporality, sending);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: intervalMs, exportTimeoutMillis: Math.min(intervalMs, settings.timeoutMs) });
    this.#provider = new MeterProvider({ resource, readers: [reader] });
    const meter = this.#provider.getMeter('tollgate', version);
    const histogram = ({ name, unit, description, buckets }: (typeof INSTRUMENTS)[keyof typeof INSTRUMENTS]) => meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries: [...buckets] } });
    this.#histograms = { tokens: histogram(INSTRUMENTS.tokens), duration: histogram(INSTRUMENTS.duration), timeToFirstChunk: histogram(INSTRUMENTS.timeToFirstChunk), timeToFirstToken: histogram(INSTRUMENTS.timeToFirstToken) };
  }

  settled({ opened, settlement }: LedgerEntry): void {
    const { labels, serverOf } = this.#options;
    const { cost, attempts, timeToFirstTokenMs } = settlement;
    const last = attempts.at(-1);
    const { address, port } = serverOf(last?.failover ?? null);
    const attributes: Attributes = { [ATTRIBUTES.operation]: operationOf(opened), [ATTRIBUTES.provider]: 'anthropic', [ATTRIBUTES.serverAddress]: address, [ATTRIBUTES.serverPort]: port, [OWN.workspace]: labels.workspace(opened.caller.workspace) };
    // As Prometheus has them: the price book's own names, and `other`. The span has the name as it was sent.
    if (opened.modelSent !== null) attributes[ATTRIBUTES.requestModel] = labels.model(opened.modelSent);
    if (cost.modelServed !== null) attributes[ATTRIBUTES.responseModel] = labels.model(cost.modelServed);

    const prompt = promptTokens(cost.tokens);
    if (prompt + cost.tokens.output > 0) {
      this.#histograms.tokens.record(prompt, { ...attributes, [ATTRIBUTES.tokenType]: 'input' });
      this.#histograms.tokens.record(cost.tokens.output, { ...attributes, [ATTRIBUTES.tokenType]: 'output' });
    }
    // What was never on the wire, an item of a batch, took no time that anybody waited.
    if (last === undefined) return;
    const error = errorOf(settlement);
    this.#histograms.duration.record(settlement.durationMs / 1000, error === null ? attributes : { ...attributes, [ATTRIBUTES.errorType]: error });
    if (timeToFirstTokenMs === null || !opened.stream) return;
    this.#histograms.timeToFirstChunk.record(timeToFirstTokenMs / 1000, attributes);
    const fromAttempt = settlement.endedAt - settlement.durationMs + timeToFirstTokenMs - last.startedAt;
    if (error === null) this.#histograms.timeToFirstToken.record(Math.max(0, fromAttempt) / 1000, attributes);
  }

  close(): Promise<void> {
    return this.#provider.shutdown();
  }
}

/** The SDK's batching, with a bound that counts what is on its way as well, and that tells what it drops. */
function boundedProcessor(exporter: SpanExporter, timeoutMs: number, sending: Sending): SpanProcessor {
  let waiting = 0;
  const counting: SpanExporter = {
    export(spans, done) {
      exporter.export(spans, (result) => {
        waiting -= spans.length;
        if (result.code === ExportResultCode.SUCCESS) sending.sent('traces', spans.length);
        else sending.failed('traces', spans.length, result.error);
        done(result);
      });
    },
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    shutdown: () => exporter.shutdown(),
  };
  // The exporter keeps its own time; the processor only must not give up before it.
  const batches = new BatchSpanProcessor({ exporter: counting, maxQueueSize: MOST_SPANS, maxExportBatchSize: BATCH_SPANS, scheduledDelayMillis: BATCH_EVERY_MS, exportTimeoutMillis: timeoutMs * 2 });
  return {
    onStart() {},
    onEnd(span) {
      if (waiting >= MOST_SPANS) return sending.full();
      waiting++;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}

function spanExporter(settings: TelemetrySettings, version: string, sending: Sending): SpanExporter {
  const { serializeRequest, deserializeResponse } = settings.protocol === 'http/json' ? JsonTraceSerializer : ProtobufTraceSerializer;
  const serializer: typeof ProtobufTraceSerializer = {
    serializeRequest,
    deserializeResponse(data) {
      const response = deserializeResponse(data);
      // A count of 64 bits: a number, or its digits.
      const rejected = Number(response.partialSuccess?.rejectedSpans ?? 0);
      if (rejected > 0) sending.rejected(rejected);
      return response;
    },
  };
  return createOtlpHttpExportDelegate(transport(settings, version, 'v1/traces'), serializer, 'otlp_http_span_exporter', TraceExporterMetricsHelper, undefined);
}

function metricExporter(settings: TelemetrySettings, version: string, temporality: 'cumulative' | 'delta', sending: Sending): PushMetricExporter {
  const serializer = settings.protocol === 'http/json' ? JsonMetricsSerializer : ProtobufMetricsSerializer;
  const delegate = createOtlpHttpExportDelegate(transport(settings, version, 'v1/metrics'), serializer, 'otlp_http_metric_exporter', MetricsExporterMetricsHelper, undefined);
  return {
    export(metrics, done: (result: ExportResult) => void) {
      delegate.export(metrics, (result) => {
        if (result.code === ExportResultCode.SUCCESS) sending.sent('metrics', 0);
        else sending.failed('metrics', 0, result.error);
        done(result);
      });
    },
    selectAggregationTemporality: () => (temporality === 'delta' ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE),
    forceFlush: () => delegate.forceFlush(),
    shutdown: () => delegate.shutdown(),
  };
}

function transport({ endpoint, protocol, headers, timeoutMs, compression }: TelemetrySettings, version: string, path: string): Parameters<typeof createOtlpHttpExportDelegate>[0] {
  return {
    url: `${endpoint}/${path}`,
    // A new object each time: the transport adds to it.
    headers: () => Promise.resolve({ ...Object.fromEntries(headers), 'Content-Type': protocol === 'http/json' ? 'application/json' : 'application/x-protobuf' }),
    timeoutMillis: timeoutMs,
    concurrencyLimit: MOST_EXPORTS,
    compression,
    userAgent: `tollgate/${version}`,
    agentFactory: httpAgentFactoryFromOptions({ keepAlive: true }),
  };
}
