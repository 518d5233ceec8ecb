// grafana/queries.ts: every query of the boards as a named function, in PromQL with Grafana's variables.

import { METRICS } from '../server/observe/metric-names.ts';
import { ERROR_BUDGET } from './config.ts';
import { BAD, RECORDED, VALID } from './recording.ts';

const M = METRICS;

/** What the variables of a board narrow a query to: instances; those and workspaces; those and models; all three; recorded series, which have no instance. */
const J = 'job=~"$job",instance=~"$instance"';
const W = `${J},workspace=~"$workspace"`;
const MODEL = `${J},model=~"$model"`;
const F = `${W},model=~"$model"`;
const R = 'job=~"$job",workspace=~"$workspace"';
const RM = `${R},model=~"$model"`;

const STEP = '[$__rate_interval]';
const RANGE = '[$__range]';
/** Money per hour from money per second. */
const HOUR = 3600;

type Labels = readonly string[];
const sumBy = (labels: Labels, inner: string): string => (labels.length === 0 ? `sum(${inner})` : `sum by (${labels.join(', ')}) (${inner})`);
const quantile = (q: number, metric: string, selector: string, labels: Labels = []): string => `histogram_quantile(${q}, ${sumBy(['le', ...labels], `rate(${metric}_bucket{${selector}}${STEP})`)})`;

// Overview
export const spendInRange = (): string => `sum(increase(${M.cost.name}{${F}}${RANGE}))`;
export const spendChange = (): string => `${spendInRange()} / sum(increase(${M.cost.name}{${F}}${RANGE} offset $__range)) - 1`;
export const requestRateByWorkspace = (): string => sumBy(['workspace'], `rate(${M.requests.name}{${F}}${STEP})`);
export const failureRatio = (): string => `sum(rate(${M.requests.name}{${F},${BAD}}${STEP})) / sum(rate(${M.requests.name}{${F},${VALID}}${STEP}))`;
export const timeToFirstToken = (q: number): string => quantile(q, M.timeToFirstToken.name, F);
export const budgetsUsed = (): string => `sort_desc(max by (budget) (${M.budgetSpent.name}{${J}} / ${M.budgetLimit.name}{${J}}))`;
export const queueLengthByClass = (): string => `sum by (credential, model_class) (${M.queueLength.name}{${J}})`;
export const queueOldestByClass = (): string => `max by (credential, model_class) (${M.queueOldest.name}{${J}})`;
export const queueResults = (): string => sumBy(['result'], `rate(${M.queueCalls.name}{${W}}${STEP})`);
export const queueWait = (q: number): string => quantile(q, M.queueWait.name, J);
export const headroomByClass = (): string => `min by (model_class, dimension) (${M.headroom.name}{${J}})`;

// Cost
export const costPerHourByWorkspace = (): string => `${HOUR} * ${sumBy(['workspace'], `rate(${M.cost.name}{${F}}${STEP})`)}`;
export const dearestWorkflows = (): string => `topk(20, ${sumBy(['workspace', 'workflow'], `increase(${M.cost.name}{${F}}${RANGE})`)})`;
export const costPerHourByKind = (): string => `${HOUR} * ${sumBy(['kind'], `rate(${M.cost.name}{${F}}${STEP})`)}`;
export const tokensByKind = (): string => sumBy(['kind'], `rate(${M.tokens.name}{${F}}${STEP})`);
export const costPerThousandGood = (): string => `1000 * ${sumBy(['workflow'], `rate(${M.cost.name}{${F}}[1h])`)} / ${sumBy(['workflow'], `rate(${M.requests.name}{${F},outcome="ok"}[1h])`)}`;
export const spendThisHour = (): string => `${RECORDED.spend}{${R}}`;
export const spendUsualHour = (): string => `${RECORDED.spendMedian}{${R}}`;
export const budgetForecast = (): string => `max by (budget, bound) (${M.budgetForecast.name}{${J}})`;
export const budgetLimit = (): string => `max by (budget) (${M.budgetLimit.name}{${J}})`;
export const requestCost = (q: number): string => quantile(q, M.requestCost.name, W, ['workspace']);

// Reliability and limits
export const requestRateByOutcome = (): string => sumBy(['outcome'], `rate(${M.requests.name}{${F}}${STEP})`);
export const burnRate = (window: '1h' | '6h'): string => `${RECORDED.errorRatio(window)}{${R}} / ${ERROR_BUDGET}`;
export const errorBudgetLeft = (): string => `1 - (sum(increase(${M.requests.name}{${F},${BAD}}[30d])) / sum(increase(${M.requests.name}{${F},${VALID}}[30d]))) / ${ERROR_BUDGET}`;
export const durations = (): string => sumBy(['le'], `increase(${M.duration.name}_bucket{${F}}${STEP})`);
export const timeToFirstTokenByModel = (q: number): string => quantile(q, M.timeToFirstToken.name, F, ['model']);
export const outputSpeedByModel = (q: number): string => quantile(q, M.outputSpeed.name, MODEL, ['model']);
export const retryRate = (): string => sumBy(['source', 'reason'], `rate(${M.retries.name}{${F}}${STEP})`);
export const rateLimitedByLimit = (): string => sumBy(['limit'], `rate(${M.rateLimited.name}{${J}}${STEP})`);
export const policyDecisionRate = (): string => sumBy(['policy', 'action'], `rate(${M.policyDecisions.name}{${W}}${STEP})`);

// Caching and savings
export const cacheReadRatio = (): string => `${RECORDED.cacheReadRatio}{${RM}}`;
export const inputByKind = (): string => sumBy(['kind'], `rate(${M.tokens.name}{${F},kind!="output"}${STEP})`);
export const readsPerWrittenToken = (): string => `${RECORDED.writeAmortization}{${RM}}`;
export const netCaching = (): string => `sum(increase(${M.cacheDiscount.name}{${F}}${RANGE})) - sum(increase(${M.cachePremium.name}{${F}}${RANGE}))`;
export const opportunities = (): string => sumBy(['lever', 'confidence'], `${M.opportunity.name}{${W}}`);

// Gateway internals
export const overhead = (q: number): string => quantile(q, M.overhead.name, J, ['phase']);
export const inFlight = (): string => `sum(${M.inFlight.name}{${J}})`;
export const writeQueue = (): string => `sum(${M.recordQueue.name}{${J}})`;
export const ledgerWrite = (q: number): string => quantile(q, M.ledgerWrite.name, J);
export const rowsLost = (): string => sumBy(['reason'], `increase(${M.recordsDropped.name}{${J}}${STEP})`);
export const seriesExposed = (): string => `scrape_samples_post_metric_relabeling{${J}}`;
export const billDifference = (): string => `max(${M.reconciliation.name}{${J}})`;
export const estimatedShare = (): string => `sum(increase(${M.usageIncomplete.name}{${J}}${RANGE})) / sum(increase(${M.requests.name}{${J},outcome!="blocked"}${RANGE}))`;

// Variables
export const jobs = (): string => `label_values(${M.buildInfo.name}, job)`;
export const instances = (): string => `label_values(${M.buildInfo.name}{job=~"$job"}, instance)`;
export const workspaces = (): string => `label_values(${M.requests.name}{${J}}, workspace)`;
export const models = (): string => `label_values(${M.requests.name}{${W}}, model)`;
