// test/grafana/promised.ts: the catalogue of metrics as it was promised to those who build on it: names, types, labels, buckets, and the values of labels whose set is closed.

export interface Promised {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
  /** Values that a label has at least under mixed traffic; it creates no batches, so `endpoint` is without `batch`. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
}

const CALL = ['workspace', 'workflow', 'model'];
const KINDS = ['input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'output'];

export const PROMISED: Readonly<Record<string, Promised>> = {
  tollgate_requests_total: { type: 'counter', labels: [...CALL, 'endpoint', 'outcome'], values: { endpoint: ['messages', 'count_tokens', 'other'], outcome: ['ok', 'truncated', 'refused', 'client_error', 'client_abort', 'blocked', 'rate_limited', 'overloaded', 'upstream_error', 'timeout'] } },
  tollgate_tokens_total: { type: 'counter', labels: [...CALL, 'kind'], values: { kind: KINDS } },
  tollgate_cost_usd_total: { type: 'counter', labels: [...CALL, 'kind'], values: { kind: [...KINDS, 'server_tool'] } },
  tollgate_cache_read_discount_usd_total: { type: 'counter', labels: ['workspace', 'model'] },
  tollgate_cache_write_premium_usd_total: { type: 'counter', labels: ['workspace', 'model'] },
  tollgate_retries_total: { type: 'counter', labels: ['workspace', 'model', 'source', 'reason'], values: { source: ['proxy', 'client'] } },
  tollgate_policy_decisions_total: { type: 'counter', labels: ['workspace', 'policy', 'action'], values: { action: ['block', 'warn', 'downgrade'] } },
  tollgate_request_duration_seconds: { type: 'histogram', labels: ['workspace', 'model', 'stream'], buckets: [0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600] },
  tollgate_time_to_first_token_seconds: { type: 'histogram', labels: ['workspace', 'model'], buckets: [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 4, 6, 10, 15, 30, 60] },
  tollgate_output_tokens_per_second: { type: 'histogram', labels: ['model'], buckets: [5, 10, 20, 30, 45, 60, 80, 100, 150, 200, 300] },
  tollgate_request_tokens: { type: 'histogram', labels: ['model', 'direction'], buckets: [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304], values: { direction: ['input', 'output'] } },
  tollgate_request_cost_usd: { type: 'histogram', labels: ['workspace'], buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30] },
  tollgate_proxy_overhead_seconds: { type: 'histogram', labels: ['phase'], buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1], values: { phase: ['request', 'response'] } },
  tollgate_requests_in_flight: { type: 'gauge', labels: ['workspace'] },
  tollgate_budget_limit_usd: { type: 'gauge', labels: ['budget'] },
  tollgate_budget_spent_usd: { type: 'gauge', labels: ['budget'] },
  tollgate_budget_elapsed_ratio: { type: 'gauge', labels: ['budget'] },
  tollgate_budget_forecast_usd: { type: 'gauge', labels: ['budget', 'bound'], values: { bound: ['p50', 'p90'] } },
  tollgate_upstream_headroom_ratio_min: { type: 'gauge', labels: ['credential', 'model_class', 'dimension'], values: { dimension: ['requests', 'tokens', 'input_tokens', 'output_tokens'] } },
  tollgate_upstream_requests_per_minute_limit: { type: 'gauge', labels: ['credential', 'model_class'] },
  tollgate_upstream_tokens_per_minute_limit: { type: 'gauge', labels: ['credential', 'model_class', 'direction'] },
  tollgate_opportunity_usd: { type: 'gauge', labels: ['workspace', 'lever', 'confidence'] },
  tollgate_alerts_active: { type: 'gauge', labels: ['rule', 'severity'] },
  tollgate_alert_deliveries_total: { type: 'counter', labels: ['channel', 'result'] },
  tollgate_records_dropped_total: { type: 'counter', labels: ['reason'] },
  tollgate_record_queue_length: { type: 'gauge', labels: [] },
  tollgate_ledger_write_duration_seconds: { type: 'histogram', labels: [], buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1] },
  tollgate_unpriced_requests_total: { type: 'counter', labels: [] },
  tollgate_usage_incomplete_total: { type: 'counter', labels: ['reason'] },
  tollgate_label_overflow_total: { type: 'counter', labels: ['label'] },
  tollgate_price_book_verified_timestamp_seconds: { type: 'gauge', labels: [] },
  tollgate_reconciliation_difference_ratio: { type: 'gauge', labels: [] },
  tollgate_key_last_used_timestamp_seconds: { type: 'gauge', labels: ['key'] },
  tollgate_database_size_bytes: { type: 'gauge', labels: [] },
  tollgate_config_last_reload_success_timestamp_seconds: { type: 'gauge', labels: [] },
  tollgate_build_info: { type: 'gauge', labels: ['version', 'node'] },
};

export interface Exposed {
  readonly type: string;
  readonly help: string;
  /** Every set of label names that occurs, each as one text; `le` left out. */
  readonly labels: ReadonlySet<string>;
  /** Bounds that occur, ascending; of a histogram only. */
  readonly buckets: readonly number[];
  values(label: string): ReadonlySet<string>;
}

/** A scrape in the classic text format, by metric. */
export function exposed(text: string): ReadonlyMap<string, Exposed> {
  const families = new Map<string, { type: string; help: string; samples: { name: string; labels: Record<string, string> }[] }>();
  const family = (name: string) => families.get(name) ?? families.set(name, { type: '', help: '', samples: [] }).get(name)!;
  for (const line of text.split('\n')) {
    const said = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (said !== null) family(said[2]!)[said[1] === 'TYPE' ? 'type' : 'help'] = said[3]!;
    const sample = /^([a-z_:0-9]+)(?:\{(.*)\})? \S+$/.exec(line);
    if (sample === null) continue;
    const [, name, inside = ''] = sample;
    const labels = Object.fromEntries([...inside.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1]!, m[2]!]));
    const base = name!.replace(/_(?:bucket|sum|count)$/, '');
    family(families.get(base)?.type === 'histogram' ? base : name!).samples.push({ name: name!, labels });
  }
  return new Map([...families].map(([name, { type, help, samples }]) => [name, {
    type,
    help,
    labels: new Set(samples.map(({ labels }) => Object.keys(labels).filter((label) => label !== 'le').sort().join(' '))),
    buckets: [...new Set(samples.flatMap(({ labels }) => (labels['le'] === undefined || labels['le'] === '+Inf' ? [] : [Number(labels['le'])])))].sort((a, b) => a - b),
    values: (label) => new Set(samples.flatMap(({ labels }) => (labels[label] === undefined ? [] : [labels[label]]))),
  }]));
}
