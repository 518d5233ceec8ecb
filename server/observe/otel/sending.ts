// server/observe/otel/sending.ts: keeps account of what is sent to the collector and what is lost on the way, and tells of each trouble once.

import type { Log } from '../../domain/observer.ts';
import { SIGNALS, SPAN_RESULTS, type Signal, type SpanResult, type TelemetryCounts } from '../../domain/trace.ts';

/** A trouble that comes and goes is told no more often than this. */
const TOLD_EVERY_MS = 60_000;

type Trouble = Signal | 'rejected' | 'queue_full' | 'broke';

export class Sending {
  readonly #spans = Object.fromEntries(SPAN_RESULTS.map((result) => [result, 0])) as Record<SpanResult, number>;
  readonly #exports = Object.fromEntries(SIGNALS.map((signal) => [signal, { ok: 0, failed: 0 }])) as Record<Signal, { ok: number; failed: number }>;
  /** When each was last told, on the monotonic clock. */
  readonly #toldAt = new Map<Trouble, number>();
  /** Told, and not over yet. */
  readonly #failing = new Set<Signal>();
  /** Spans, since the latest that arrived. */
  #lost = 0;
  readonly #log: Log;
  readonly #monotonic: () => number;

  constructor(log: Log, monotonic: () => number) {
    this.#log = log;
    this.#monotonic = monotonic;
  }

  get counts(): TelemetryCounts {
    return { spans: this.#spans, exports: this.#exports };
  }

  /** @param spans that went with it; 0 for metrics */
  sent(signal: Signal, spans: number): void {
    this.#exports[signal].ok++;
    this.#spans.exported += spans;
    if (this.#failing.delete(signal)) this.#log.info('telemetry_recovered', { reason: signal, ...(signal === 'traces' ? { count: this.#lost } : {}) });
    if (signal === 'traces') this.#lost = 0;
  }

  /** @param error its code is told, never its message, which may quote what the collector said */
  failed(signal: Signal, spans: number, error: unknown): void {
    this.#exports[signal].failed++;
    this.#lose('export_failed', spans);
    if (this.#failing.has(signal) || !this.#tells(signal)) return;
    this.#failing.add(signal);
    this.#log.warn('telemetry_export_failed', { reason: signal, code: codeOf(error) });
  }

  /** The collector took the rest of what it was sent. */
  rejected(spans: number): void {
    this.#spans.exported -= spans;
    this.#lose('rejected', spans);
    if (this.#tells('rejected')) this.#log.warn('telemetry_spans_lost', { reason: 'rejected', count: spans });
  }

  /** A span found no room among those that wait. */
  full(): void {
    this.#lose('queue_full', 1);
    if (this.#tells('queue_full')) this.#log.warn('telemetry_spans_lost', { reason: 'queue_full' });
  }

  /** A call could not be told of at all. */
  broke(error: unknown): void {
    if (this.#tells('broke')) this.#log.error('telemetry_failed', { code: codeOf(error) });
  }

  #lose(result: SpanResult, spans: number): void {
    this.#spans[result] += spans;
    this.#lost += spans;
  }

  #tells(trouble: Trouble): boolean {
    const now = this.#monotonic();
    if (now - (this.#toldAt.get(trouble) ?? -Infinity) < TOLD_EVERY_MS) return false;
    this.#toldAt.set(trouble, now);
    return true;
  }
}

/** e.g. `ECONNREFUSED`, `503`. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as Error & { code?: unknown };
  return typeof code === 'string' || typeof code === 'number' ? String(code) : error.name;
}
