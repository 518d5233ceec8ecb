// server/domain/trace.ts: where a call stands in its caller's trace (W3C Trace Context, https://www.w3.org/TR/trace-context/).

import type { EpochMs } from './ids.ts';

/** What the next hop is told, as header values. */
export interface CallTrace {
  readonly traceparent: string;
  /** Null: none. */
  readonly tracestate: string | null;
}

export interface Tracing {
  /**
   * Opens the span of a call under the one that its caller names; a `traceparent` that is none begins a new trace. Never throws; null
   * when no trace could be begun. A call that nobody ever tells the end of leaves nothing behind.
   * @param headers lower-case names, as Node has them
   */
  begin(headers: Readonly<Record<string, string | string[] | undefined>>, at: EpochMs): CallTrace | null;
}

/** What became of spans, and of attempts to send spans and metrics away. */
export const SPAN_RESULTS = ['exported', 'queue_full', 'export_failed', 'rejected'] as const;
export type SpanResult = (typeof SPAN_RESULTS)[number];
export const SIGNALS = ['traces', 'metrics'] as const;
export type Signal = (typeof SIGNALS)[number];

export interface TelemetryCounts {
  readonly spans: Readonly<Record<SpanResult, number>>;
  readonly exports: Readonly<Record<Signal, { readonly ok: number; readonly failed: number }>>;
}
