// grafana/alerts.ts: the alert rules for Prometheus: what is worth waking or telling somebody, and what to do then.

import { METRICS } from '../server/observe/metric-names.ts';
import { BUDGET_NEAR, BURN, ERROR_BUDGET, HEADROOM_LOW, JOB, PRICE_BOOK_STALE_DAYS, RECONCILIATION, SLOW_BUDGET, USAGE_MISSING, type BoardName } from './config.ts';
import { RECORDED } from './recording.ts';

export interface AlertRule {
  readonly alert: string;
  /** `page` wakes somebody; `ticket` can wait for the morning. */
  readonly severity: 'page' | 'ticket';
  /** How long the expression must hold; null fires at once. */
  readonly holds: string | null;
  readonly expr: string;
  /** One line, with the labels of the alert. */
  readonly summary: string;
  /** What it means, with the value. */
  readonly description: string;
  /** The board that shows the cause, and the labels that become its variables. */
  readonly board: BoardName;
  readonly variables: readonly ('workspace' | 'model')[];
}

const M = METRICS;
const above = (series: string, burn: number, budget: number): string => `${series} > ${burn} * ${budget}`;
const burning = (short: string, long: string, burn: number, budget: number): string => `(${above(long, burn, budget)} and ${above(short, burn, budget)})`;
const { errorRatio: e, slowRatio: s, errors } = RECORDED;
const spend = RECORDED.spend;
const k = RECORDED.cacheReadRatio;
const deliveries = (result: string): string => `sum by (job,channel) (increase(${M.alertDeliveries.name}{${result}}[30m]))`;

export const ALERTS: readonly AlertRule[] = [
  {
    alert: 'TollgateErrorBudgetBurnFast', severity: 'page', holds: '2m',
    expr: `(${burning(e('5m'), e('1h'), BURN.fast, ERROR_BUDGET)} or ${burning(e('30m'), e('6h'), BURN.medium, ERROR_BUDGET)}) and ${errors('1h')} >= 5`,
    summary: 'Calls of {{ $labels.workspace }} fail so often that the error budget is gone in days.',
    description: '{{ $value | humanizePercentage }} of the calls that count fail; 0.5% is allowed. The outcomes say whether the provider, its limits or the gateway is the cause.',
    board: 'reliability', variables: ['workspace'],
  },
  {
    alert: 'TollgateErrorBudgetBurnSlow', severity: 'ticket', holds: '15m',
    expr: `((${above(e('1d'), BURN.slow, ERROR_BUDGET)} and ${above(e('2h'), BURN.slow, ERROR_BUDGET)}) or (${above(e('3d'), BURN.even, ERROR_BUDGET)} and ${above(e('6h'), BURN.even, ERROR_BUDGET)})) and ${errors('1d')} >= 10`,
    summary: 'Calls of {{ $labels.workspace }} fail more often than the month allows.',
    description: '{{ $value | humanizePercentage }} of the calls that count fail over a day or more; 0.5% is allowed.',
    board: 'reliability', variables: ['workspace'],
  },
  {
    alert: 'TollgateTtftBudgetBurnFast', severity: 'page', holds: '2m',
    expr: `${above(s('1h'), BURN.fast, SLOW_BUDGET)} and ${above(s('5m'), BURN.fast, SLOW_BUDGET)} and on (job,workspace) sum by (job,workspace) (increase(${M.timeToFirstToken.name}_count[1h])) >= 20`,
    summary: 'First tokens of {{ $labels.workspace }} come late.',
    description: '{{ $value | humanizePercentage }} of the answers began after more than 2.5 s; 5% may.',
    board: 'reliability', variables: ['workspace'],
  },
  {
    alert: 'TollgateSpendAnomaly', severity: 'ticket', holds: '10m',
    expr: `${spend} > 3 * ${RECORDED.spendMedian} and ${spend} > 1.25 * ${RECORDED.spendMost} and ${spend} > 5 and ${RECORDED.spendWeeks} >= 2`,
    summary: '{{ $labels.workspace }} spends far more than in this hour of past weeks.',
    description: '${{ $value | humanize }} in the past hour: over three times the median and a quarter above the most of the same hour in the past four weeks.',
    board: 'cost', variables: ['workspace'],
  },
  {
    alert: 'TollgateBudgetNearLimit', severity: 'ticket', holds: null,
    expr: `${M.budgetSpent.name} / ${M.budgetLimit.name} >= ${BUDGET_NEAR}`,
    summary: 'Budget {{ $labels.budget }} is nearly spent.',
    description: '{{ $value | humanizePercentage }} of the limit is spent. A hard budget refuses calls at its limit.',
    board: 'overview', variables: [],
  },
  {
    alert: 'TollgateBudgetForecastExceeded', severity: 'ticket', holds: '1h',
    expr: `${M.budgetForecast.name}{bound="p50"} > ignoring(bound) ${M.budgetLimit.name} and ignoring(bound) ${M.budgetElapsed.name} > 0.1`,
    summary: 'Budget {{ $labels.budget }} will not last to the end of its period.',
    description: 'At the present pace ${{ $value | humanize }} will have been spent by then, which is more than the limit.',
    board: 'cost', variables: [],
  },
  {
    alert: 'TollgateUpstreamHeadroomLow', severity: 'ticket', holds: '5m',
    expr: `${M.headroom.name} < ${HEADROOM_LOW}`,
    summary: "Little is left of the provider's limit on {{ $labels.dimension }} for {{ $labels.model_class }}.",
    description: '{{ $value | humanizePercentage }} was left at the lowest point of the past minute, with the provider key {{ $labels.credential }}. At zero, calls are answered with 429.',
    board: 'reliability', variables: [],
  },
  {
    alert: 'TollgateBackgroundCallsRefused', severity: 'ticket', holds: '5m',
    expr: `sum by (job,workspace) (increase(${M.queueCalls.name}{result=~"expired|full"}[15m])) > 0`,
    summary: 'Background calls of {{ $labels.workspace }} wait for room at the provider in vain.',
    description: '{{ $value | humanize }} of them were refused within 15 minutes, at their deadline or because every place in the queue was taken.',
    board: 'reliability', variables: ['workspace'],
  },
  {
    alert: 'TollgateCacheHitCollapse', severity: 'ticket', holds: '15m',
    expr: `${k} < 0.5 * (${k} offset 1d) and (${k} offset 1d) > 0.3 and on (job,workspace,model) sum by (job,workspace,model) (increase(${M.tokens.name}{kind!="output"}[1h])) > 1e6`,
    summary: 'Prompts of {{ $labels.workspace }} to {{ $labels.model }} are no longer read from the cache.',
    description: '{{ $value | humanizePercentage }} of the input is read from the cache, less than half of what it was a day ago. A changed prefix costs full price again.',
    board: 'caching', variables: ['workspace', 'model'],
  },
  {
    alert: 'TollgateLedgerDroppingRecords', severity: 'page', holds: null,
    expr: `increase(${M.recordsDropped.name}[5m]) > 0`,
    summary: 'Rows of the ledger on {{ $labels.instance }} are lost.',
    description: '{{ $value | humanize }} rows ({{ $labels.reason }}) could not be written in five minutes. A lost settlement is booked at its ceiling at the next start.',
    board: 'internals', variables: [],
  },
  {
    alert: 'TollgateLedgerUnwritable', severity: 'page', holds: '1m',
    expr: `${M.ledgerWritable.name} == 0`,
    summary: 'The ledger on {{ $labels.instance }} cannot be written, so every call is refused.',
    description: 'The gateway lets nothing through that it could not account for. The disk may be full or read-only.',
    board: 'internals', variables: [],
  },
  {
    alert: 'TollgateUnpricedRequests', severity: 'ticket', holds: null,
    expr: `increase(${M.unpriced.name}[15m]) > 0`,
    summary: 'Calls went to a model that the price book does not know.',
    description: '{{ $value | humanize }} calls in 15 minutes were priced at the dearest known rates.',
    board: 'cost', variables: [],
  },
  {
    alert: 'TollgateUsageMissing', severity: 'ticket', holds: '10m',
    expr: `sum by (job) (increase(${M.usageIncomplete.name}{reason=~"undecodable|unparsable|usage_missing"}[1h])) / sum by (job) (increase(${M.requests.name}{outcome=~"ok|truncated|refused"}[1h])) > ${USAGE_MISSING}`,
    summary: 'Answers do not tell what they used.',
    description: '{{ $value | humanizePercentage }} of the answers of the past hour came whole and without usage that could be read: their cost is estimated.',
    board: 'cost', variables: [],
  },
  {
    alert: 'TollgateLabelOverflow', severity: 'ticket', holds: null,
    expr: `increase(${M.labelOverflow.name}[1h]) > 0`,
    summary: 'Names of the kind {{ $labels.label }} are counted under `other`.',
    description: '{{ $value | humanize }} times in the past hour a name that is not configured, or one too many, lost its own series. The ledger still has it.',
    board: 'internals', variables: [],
  },
  {
    alert: 'TollgatePriceBookStale', severity: 'ticket', holds: null,
    expr: `time() - ${M.priceBookVerified.name} > ${PRICE_BOOK_STALE_DAYS} * 86400`,
    summary: 'The price book was last compared with its source over 30 days ago.',
    description: 'The oldest price in force was checked {{ $value | humanizeDuration }} ago.',
    board: 'internals', variables: [],
  },
  {
    alert: 'TollgateReconciliationDrift', severity: 'ticket', holds: '6h',
    expr: `abs(${M.reconciliation.name}) > ${RECONCILIATION.red}`,
    summary: "The ledger and the provider's bill disagree.",
    description: 'They are {{ $value | humanizePercentage }} apart; 2% is the most that rounding and timing explain.',
    board: 'internals', variables: [],
  },
  {
    alert: 'TollgateAlertDeliveryFailing', severity: 'page', holds: '10m',
    // A try that will be made again, and one that was the last.
    expr: `${deliveries('result=~"retry|dead"')} > 0 unless on (job,channel) ${deliveries('result="delivered"')} > 0`,
    summary: 'Nothing gets through to the alert channel {{ $labels.channel }}.',
    description: '{{ $value | humanize }} tries failed in half an hour, and none arrived: budget alerts go unheard.',
    board: 'internals', variables: [],
  },
  {
    alert: 'TollgateConfigReloadFailed', severity: 'ticket', holds: '5m',
    expr: `${M.configReloadOk.name} == 0`,
    summary: 'The config of {{ $labels.instance }} has mistakes, and the one before stays in force.',
    description: 'What was changed last is not in effect. `tollgate check` names line and column.',
    board: 'internals', variables: [],
  },
  {
    alert: 'TollgateDown', severity: 'page', holds: '3m',
    expr: `up{job="${JOB}"} == 0 or absent(up{job="${JOB}"})`,
    summary: 'Tollgate does not answer Prometheus.',
    description: 'No scrape of {{ with $labels.instance }}{{ . }}{{ else }}any instance{{ end }} has worked for three minutes. Apps behind it may be without an answer.',
    board: 'internals', variables: [],
  },
];
