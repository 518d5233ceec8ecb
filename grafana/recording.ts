// grafana/recording.ts: the recording rules: what alerts and slow panels look at, computed once a minute by Prometheus.

import { METRICS } from '../server/observe/metric-names.ts';
import { BURN_WINDOWS, SLOW_ABOVE_SECONDS, type BurnWindow } from './config.ts';

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  /** The labels of its series: recorded series are sums over instances. */
  readonly labels: readonly string[];
}

/** Failures that count against availability, and calls that count at all: what the client did wrong or a rule forbade does not. */
export const BAD = 'outcome=~"upstream_error|overloaded|timeout|rate_limited"';
export const VALID = 'outcome!~"client_error|client_abort|blocked"';

const BY_WORKSPACE = ['job', 'workspace'] as const;
const BY_MODEL = ['job', 'workspace', 'model'] as const;
const by = (labels: readonly string[]): string => `by (${labels.join(',')})`;

/** Names of recorded series; `level:metric:operations`, as Prometheus recommends. */
export const RECORDED = {
  errorRatio: (window: BurnWindow) => `workspace:tollgate_errors:ratio_rate${window}`,
  errors: (window: '1h' | '1d') => `workspace:tollgate_errors:increase${window}`,
  slowRatio: (window: BurnWindow) => `workspace:tollgate_slow_ttft:ratio_rate${window}`,
  spend: 'workspace:tollgate_cost_usd:increase1h',
  spendMedian: 'workspace:tollgate_cost_usd:increase1h_median4w',
  spendMost: 'workspace:tollgate_cost_usd:increase1h_max4w',
  spendWeeks: 'workspace:tollgate_cost_usd:increase1h_weeks',
  cacheReadRatio: 'workspace_model:tollgate_cache_read:ratio_rate1h',
  writeAmortization: 'workspace_model:tollgate_cache:write_amortization1d',
} as const;

const { requests, tokens, cost, timeToFirstToken } = METRICS;

const errorRatio = (window: BurnWindow): string =>
  `sum ${by(BY_WORKSPACE)} (rate(${requests.name}{${BAD}}[${window}])) / sum ${by(BY_WORKSPACE)} (rate(${requests.name}{${VALID}}[${window}]))`;

const slowRatio = (window: BurnWindow): string =>
  `1 - sum ${by(BY_WORKSPACE)} (rate(${timeToFirstToken.name}_bucket{le="${SLOW_ABOVE_SECONDS}"}[${window}])) / sum ${by(BY_WORKSPACE)} (rate(${timeToFirstToken.name}_count[${window}]))`;

/** The same hour of the past four weeks, each under its own label. */
const PAST_WEEKS = [1, 2, 3, 4].map((week) => `label_replace(${RECORDED.spend} offset ${week}w, "wk", "${week}", "", "")`).join(' or ');

const workspaceRule = (record: string, expr: string): RecordingRule => ({ record, expr, labels: BY_WORKSPACE });
const modelRule = (record: string, expr: string): RecordingRule => ({ record, expr, labels: BY_MODEL });

export const RECORDING_GROUPS: readonly { readonly name: string; readonly rules: readonly RecordingRule[] }[] = [
  {
    name: 'tollgate-burn-rates',
    rules: [
      ...BURN_WINDOWS.map((window) => workspaceRule(RECORDED.errorRatio(window), errorRatio(window))),
      ...(['1h', '1d'] as const).map((window) => workspaceRule(RECORDED.errors(window), `sum ${by(BY_WORKSPACE)} (increase(${requests.name}{${BAD}}[${window}]))`)),
      ...BURN_WINDOWS.map((window) => workspaceRule(RECORDED.slowRatio(window), slowRatio(window))),
    ],
  },
  {
    name: 'tollgate-spend',
    rules: [
      workspaceRule(RECORDED.spend, `sum ${by(BY_WORKSPACE)} (increase(${cost.name}[1h]))`),
      workspaceRule(RECORDED.spendMedian, `quantile ${by(BY_WORKSPACE)} (0.5, ${PAST_WEEKS})`),
      workspaceRule(RECORDED.spendMost, `max ${by(BY_WORKSPACE)} (${PAST_WEEKS})`),
      workspaceRule(RECORDED.spendWeeks, `count ${by(BY_WORKSPACE)} (${PAST_WEEKS})`),
    ],
  },
  {
    name: 'tollgate-caching',
    rules: [
      modelRule(RECORDED.cacheReadRatio, `sum ${by(BY_MODEL)} (rate(${tokens.name}{kind="cache_read"}[1h])) / sum ${by(BY_MODEL)} (rate(${tokens.name}{kind!="output"}[1h]))`),
      modelRule(RECORDED.writeAmortization, `sum ${by(BY_MODEL)} (increase(${tokens.name}{kind="cache_read"}[1d])) / sum ${by(BY_MODEL)} (increase(${tokens.name}{kind=~"cache_write_.+"}[1d]))`),
    ],
  },
];
