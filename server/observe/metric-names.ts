// server/observe/metric-names.ts: the catalogue: every metric, declared once. Boards and alert rules take their names from here.
//
// Base units; counters end in `_total`; no label holds what a client types freely. A user is never a label.

import type { Reading } from '../domain/usage.ts';

export interface MetricEntry {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  /** Upper bounds, ascending; of histograms only. */
  readonly buckets?: readonly number[];
}

const CALL = ['workspace', 'workflow', 'model'] as const;

export const METRICS = {
  requests: { name: 'tollgate_requests_total', help: 'Calls by final outcome, after retries.', type: 'counter', labels: [...CALL, 'endpoint', 'outcome'] },
  turnedAway: { name: 'tollgate_turned_away_total', help: 'Requests refused before it was known whose they were; not in tollgate_requests_total.', type: 'counter', labels: ['reason'] },
  tokens: { name: 'tollgate_tokens_total', help: 'Tokens by kind; the kinds are disjoint.', type: 'counter', labels: [...CALL, 'kind'] },
  cost: { name: 'tollgate_cost_usd_total', help: 'Cost at list price by token kind, server_tool for tool fees, unitemized for estimates without lines.', type: 'counter', labels: [...CALL, 'kind'] },
  costCorrections: { name: 'tollgate_cost_corrections_usd', help: 'What corrections changed the cost of settled calls by, since the start: with tollgate_cost_usd_total it makes what the ledger says.', type: 'gauge', labels: ['workspace'] },
  cacheDiscount: { name: 'tollgate_cache_read_discount_usd_total', help: 'What cache reads cost less than the same tokens uncached.', type: 'counter', labels: ['workspace', 'model'] },
  cachePremium: { name: 'tollgate_cache_write_premium_usd_total', help: 'What cache writes cost more than the same tokens uncached.', type: 'counter', labels: ['workspace', 'model'] },
  retries: { name: 'tollgate_retries_total', help: 'Further tries of a call, by the gateway (with the reason) and by the client.', type: 'counter', labels: ['workspace', 'model', 'source', 'reason'] },
  rateLimited: { name: 'tollgate_upstream_rate_limited_total', help: 'Answers 429 of the provider, those before a further try included, by the limit that struck as far as the answer tells.', type: 'counter', labels: ['limit'] },
  failovers: { name: 'tollgate_failover_attempts_total', help: 'Tries that went to another place than upstream.origin, by its name in upstream.failover.', type: 'counter', labels: ['failover'] },
  policyDecisions: { name: 'tollgate_policy_decisions_total', help: 'Rules that blocked, would have blocked, or changed a call.', type: 'counter', labels: ['workspace', 'policy', 'action'] },
  duration: { name: 'tollgate_request_duration_seconds', help: 'From the arrival of a call to its end; refused calls left out.', type: 'histogram', labels: ['workspace', 'model', 'stream'], buckets: [0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600] },
  timeToFirstToken: { name: 'tollgate_time_to_first_token_seconds', help: 'From the arrival of a call to the first content relayed; a background call\'s wait for room at the provider left out.', type: 'histogram', labels: ['workspace', 'model'], buckets: [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 4, 6, 10, 15, 30, 60] },
  outputSpeed: { name: 'tollgate_output_tokens_per_second', help: 'Output tokens over the time from the first content to the end, of complete streams.', type: 'histogram', labels: ['model'], buckets: [5, 10, 20, 30, 45, 60, 80, 100, 150, 200, 300] },
  requestTokens: { name: 'tollgate_request_tokens', help: 'Tokens of a call, cached or not.', type: 'histogram', labels: ['model', 'direction'], buckets: [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304] },
  requestCost: { name: 'tollgate_request_cost_usd', help: 'Cost of a call.', type: 'histogram', labels: ['workspace'], buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30] },
  overhead: { name: 'tollgate_proxy_overhead_seconds', help: 'The part of a call that was ours: before it left, and after the last byte of the provider.', type: 'histogram', labels: ['phase'], buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1] },
  overload: { name: 'tollgate_overload_total', help: 'What was given up under too much load: connections closed after their answer, calls refused by what there was too much of, connections turned away.', type: 'counter', labels: ['rung'] },
  openSockets: { name: 'tollgate_open_sockets', help: 'Connections that are open, of clients and to the provider.', type: 'gauge', labels: ['side'] },
  inFlight: { name: 'tollgate_requests_in_flight', help: 'Calls admitted and not yet ended.', type: 'gauge', labels: ['workspace'] },
  budgetLimit: { name: 'tollgate_budget_limit_usd', help: 'The limit of a budget, with what grants in force add to it.', type: 'gauge', labels: ['budget'] },
  budgetSpent: { name: 'tollgate_budget_spent_usd', help: 'Settled spend in the current period.', type: 'gauge', labels: ['budget'] },
  budgetHeld: { name: 'tollgate_budget_held_usd', help: 'What calls in flight may still cost.', type: 'gauge', labels: ['budget'] },
  budgetElapsed: { name: 'tollgate_budget_elapsed_ratio', help: 'How much of the current period is over, 0 to 1.', type: 'gauge', labels: ['budget'] },
  budgetForecast: { name: 'tollgate_budget_forecast_usd', help: 'Spend expected at the end of the period; absent while there is too little to go by.', type: 'gauge', labels: ['budget', 'bound'] },
  headroom: { name: 'tollgate_upstream_headroom_ratio_min', help: "The least that was left of the provider's limit in the past minute, 0 to 1, by its response headers.", type: 'gauge', labels: ['credential', 'model_class', 'dimension'] },
  upstreamRequestsLimit: { name: 'tollgate_upstream_requests_per_minute_limit', help: "The provider's limit, from response headers.", type: 'gauge', labels: ['credential', 'model_class'] },
  upstreamTokensLimit: { name: 'tollgate_upstream_tokens_per_minute_limit', help: "The provider's limit, from response headers; direction all where it is one pool.", type: 'gauge', labels: ['credential', 'model_class', 'direction'] },
  queueLength: { name: 'tollgate_upstream_queue_length', help: 'Background calls that wait for room at the provider now.', type: 'gauge', labels: ['credential', 'model_class'] },
  queueOldest: { name: 'tollgate_upstream_queue_oldest_wait_seconds', help: 'How long the background call has waited that waits longest; 0 when none does.', type: 'gauge', labels: ['credential', 'model_class'] },
  queueCalls: { name: 'tollgate_upstream_queue_calls_total', help: 'Background calls that came out of the queue: passed after a wait, expired at their deadline, full without a place, left by the client, drained at a shutdown.', type: 'counter', labels: ['workspace', 'result'] },
  queueWait: { name: 'tollgate_upstream_queue_wait_seconds', help: 'How long background calls waited for room at the provider, however their wait ended.', type: 'histogram', labels: [], buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300] },
  opportunity: { name: 'tollgate_opportunity_usd', help: 'Money of the past 30 days that need not have been spent, at least, by what would save it; a signal is the money at stake.', type: 'gauge', labels: ['workspace', 'lever', 'confidence'] },
  alertsActive: { name: 'tollgate_alerts_active', help: 'Alerts of the gateway that are firing now.', type: 'gauge', labels: ['rule', 'severity'] },
  alertDeliveries: { name: 'tollgate_alert_deliveries_total', help: 'Messages about alerts, by what became of them.', type: 'counter', labels: ['channel', 'result'] },
  telemetrySpans: { name: 'tollgate_telemetry_spans_total', help: 'Spans for the OpenTelemetry collector, by what became of them; all but exported are lost.', type: 'counter', labels: ['result'] },
  telemetryExports: { name: 'tollgate_telemetry_exports_total', help: 'Requests to the OpenTelemetry collector, after retries.', type: 'counter', labels: ['signal', 'result'] },
  recordsDropped: { name: 'tollgate_records_dropped_total', help: 'Ledger rows that could not be written and are not tried again while the gateway runs.', type: 'counter', labels: ['reason'] },
  recordQueue: { name: 'tollgate_record_queue_length', help: 'Changes waiting for a commit of the ledger.', type: 'gauge', labels: [] },
  ledgerWritable: { name: 'tollgate_ledger_writable', help: '1 while the ledger can be written.', type: 'gauge', labels: [] },
  ledgerWrite: { name: 'tollgate_ledger_write_duration_seconds', help: 'How long a commit of the ledger took.', type: 'histogram', labels: [], buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1] },
  openHolds: { name: 'tollgate_open_holds', help: 'Calls that hold money in budgets now.', type: 'gauge', labels: [] },
  holdExceeded: { name: 'tollgate_hold_exceeded_total', help: 'Calls that cost more than was held for them; the excess is booked.', type: 'counter', labels: [] },
  unpriced: { name: 'tollgate_unpriced_requests_total', help: 'Calls of models that the price book does not know, priced at the dearest known rates.', type: 'counter', labels: [] },
  unreadableAnswers: { name: 'tollgate_unreadable_answers_total', help: 'Answers of which something could not be read, by what was in the way: a coding that cannot be undone, bytes that are no JSON, an event without end. What they used may be known all the same.', type: 'counter', labels: ['obstacle'] },
  usageIncomplete: { name: 'tollgate_usage_incomplete_total', help: 'Calls whose cost is estimated, by what kept the usage from being complete.', type: 'counter', labels: ['reason'] },
  labelOverflow: { name: 'tollgate_label_overflow_total', help: 'Times a value was counted under `other`.', type: 'counter', labels: ['label'] },
  priceBookVerified: { name: 'tollgate_price_book_verified_timestamp_seconds', help: 'When the price longest unchecked of those in force was last compared with its source.', type: 'gauge', labels: [] },
  reconciliation: { name: 'tollgate_reconciliation_difference_ratio', help: "How far the ledger is from the provider's bill, as a part of the bill; absent until the two were compared.", type: 'gauge', labels: [] },
  ledgerVerified: { name: 'tollgate_ledger_verified_timestamp_seconds', help: 'When the sums of the ledger were last worked out anew from its rows; absent until then.', type: 'gauge', labels: [] },
  ledgerDrift: { name: 'tollgate_ledger_drift_count', help: 'Sums and costs that the latest such check found to be otherwise; absent until then.', type: 'gauge', labels: [] },
  keyLastUsed: { name: 'tollgate_key_last_used_timestamp_seconds', help: 'When a virtual key was last used, to the minute or so.', type: 'gauge', labels: ['key'] },
  databaseSize: { name: 'tollgate_database_size_bytes', help: 'Size of the database file.', type: 'gauge', labels: [] },
  configReloadOk: { name: 'tollgate_config_last_reload_successful', help: '1 when the latest load of the config succeeded.', type: 'gauge', labels: [] },
  configReloadAt: { name: 'tollgate_config_last_reload_success_timestamp_seconds', help: 'When the config in force was loaded.', type: 'gauge', labels: [] },
  buildInfo: { name: 'tollgate_build_info', help: 'Always 1; the labels say what runs.', type: 'gauge', labels: ['version', 'node'] },
  eventLoopDelay: { name: 'tollgate_event_loop_delay_seconds', help: 'Delay of the event loop since the scrape before.', type: 'gauge', labels: ['percentile'] },
  clockSteps: { name: 'tollgate_clock_steps_total', help: 'Times the wall clock stepped by a second or more, by direction.', type: 'counter', labels: ['direction'] },
  memory: { name: 'process_resident_memory_bytes', help: 'Resident memory size in bytes.', type: 'gauge', labels: [] },
  cpu: { name: 'process_cpu_seconds_total', help: 'Total user and system CPU time spent in seconds.', type: 'counter', labels: [] },
  startTime: { name: 'process_start_time_seconds', help: 'Start time of the process since the Unix epoch in seconds.', type: 'gauge', labels: [] },
} as const satisfies Record<string, MetricEntry>;

export type MetricKey = keyof typeof METRICS;

/** Outcomes as metrics tell them: from the user's point of view, whatever the cause inside. */
export const METRIC_OUTCOMES = ['ok', 'truncated', 'refused', 'client_error', 'client_abort', 'blocked', 'rate_limited', 'overloaded', 'upstream_error', 'timeout'] as const;
export type MetricOutcome = (typeof METRIC_OUTCOMES)[number];

export const METRIC_ENDPOINTS = ['messages', 'chat_completions', 'complete', 'count_tokens', 'batch', 'other'] as const;
export type MetricEndpoint = (typeof METRIC_ENDPOINTS)[number];

export const COST_KINDS = ['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'server_tool', 'unitemized'] as const;
export const RETRY_REASONS = ['connect', 'reset', 'timeout', 'rate_limited', 'overloaded', 'upstream_error'] as const;
export const INCOMPLETE_REASONS = ['client_abort', 'drained', 'upstream_reset', 'upstream_timeout', 'upstream_protocol', 'upstream_error', 'undecodable', 'unparsable', 'usage_missing'] as const;
export const OBSTACLES = ['undecodable', 'unparsable', 'oversized_event'] as const satisfies NonNullable<Reading['obstacle']>[];
/** What the provider can run out of: what it counts per minute, then money of its customer, then the pace at which traffic may grow. */
export const STRIKING_LIMITS = ['input_tokens', 'output_tokens', 'requests', 'tokens', 'spend', 'ramp', 'other'] as const;
export const OVERHEAD_PHASES = ['request', 'response'] as const;
export const LOST_RECORDS = ['settlement', 'refusal'] as const;
export const DELIVERY_RESULTS = ['delivered', 'retry', 'dead', 'collapsed', 'silenced'] as const;
export const POLICY_ACTIONS = ['block', 'warn', 'downgrade'] as const;

/** What a label says when the value is not one of the known, and when there is none. */
export const OTHER = 'other';
export const NONE = 'none';
