// test/grafana/alert-cases.ts: for every alert, series in which it fires and series in which it stays silent, in promtool's notation.

import { METRICS } from '../../server/observe/metric-names.ts';

export interface Case {
  readonly what: string;
  /** Series to values: `0+10x60` begins at 0 and grows by 10 sixty times; `_` is missing. */
  readonly series: Readonly<Record<string, string>>;
  readonly at: string;
  /** How many alerts of the name fire then. */
  readonly firing: number;
  /** Between two values; 1m unless told. */
  readonly step?: string;
  /** Between two evaluations; the step unless told. */
  readonly every?: string;
}

const M = METRICS;
const requests = (outcome: string): string => `${M.requests.name}{job="tollgate", instance="a", workspace="support", workflow="triage", model="m", endpoint="messages", outcome="${outcome}"}`;
const firstTokens = (le: string): string => `${M.timeToFirstToken.name}_bucket{job="tollgate", instance="a", workspace="support", model="m", le="${le}"}`;
const firstTokenCount = `${M.timeToFirstToken.name}_count{job="tollgate", instance="a", workspace="support", model="m"}`;
const spent = `${M.cost.name}{job="tollgate", instance="a", workspace="support", workflow="triage", model="m", kind="input"}`;
const tokens = (kind: string): string => `${M.tokens.name}{job="tollgate", instance="a", workspace="support", workflow="triage", model="m", kind="${kind}"}`;
const budget = (metric: { readonly name: string }, more = ''): string => `${metric.name}{job="tollgate", instance="a", budget="support-month"${more}}`;
const gauge = (metric: { readonly name: string }, labels = ''): string => `${metric.name}{job="tollgate", instance="a"${labels}}`;
const delivery = (result: string): string => gauge(M.alertDeliveries, `, channel="ops", result="${result}"`);

/** Values every quarter of an hour over 28 days and an hour: as much an hour as said, and in the last hour another amount. */
const PER_HOUR = 4;
const weeks = (hourly: number, lastHour: number, silentDays = 0): string => {
  const steps = (28 - silentDays) * 24 * PER_HOUR;
  const before = (hourly / PER_HOUR) * steps;
  return `${silentDays === 0 ? '' : `_x${silentDays * 24 * PER_HOUR} `}0+${hourly / PER_HOUR}x${steps} ${before + lastHour / PER_HOUR}+${lastHour / PER_HOUR}x5`;
};
const AFTER_WEEKS = `${28 * 24 + 1}h`;

export const CASES: Readonly<Record<string, readonly Case[]>> = {
  TollgateErrorBudgetBurnFast: [
    { what: '10 % of the calls fail', series: { [requests('ok')]: '0+9x120', [requests('overloaded')]: '0+1x120' }, at: '1h30m', firing: 1 },
    { what: 'clients make mistakes and rules block', series: { [requests('ok')]: '0+9x120', [requests('overloaded')]: '0x120', [requests('client_error')]: '0+9x120', [requests('blocked')]: '0+9x120' }, at: '1h30m', firing: 0 },
    { what: 'it has been over for three quarters of an hour', series: { [requests('ok')]: '0+9x120', [requests('overloaded')]: '0+1x70 70x50' }, at: '1h55m', firing: 0 },
    { what: 'four calls fail and hardly any are made', series: { [requests('ok')]: '0+1x20 20x100', [requests('timeout')]: '0 1 2 3 4x117' }, at: '30m', firing: 0 },
  ],
  TollgateErrorBudgetBurnSlow: [
    { what: '2 % of the calls fail all day', series: { [requests('ok')]: '0+245x310', [requests('upstream_error')]: '0+5x310' }, at: '25h', firing: 1, step: '5m' },
    { what: '0.4 % of the calls fail all day', series: { [requests('ok')]: '0+1245x310', [requests('upstream_error')]: '0+5x310' }, at: '25h', firing: 0, step: '5m' },
  ],
  TollgateTtftBudgetBurnFast: [
    { what: '90 % of the answers begin late', series: { [firstTokens('2.5')]: '0+1x120', [firstTokenCount]: '0+10x120' }, at: '1h30m', firing: 1 },
    { what: '4 % of the answers begin late', series: { [firstTokens('2.5')]: '0+24x120', [firstTokenCount]: '0+25x120' }, at: '1h30m', firing: 0 },
    { what: 'ten answers begin late', series: { [firstTokens('2.5')]: '0x120', [firstTokenCount]: '0+1x10 10x110' }, at: '30m', firing: 0 },
  ],
  TollgateSpendAnomaly: [
    { what: 'an hour costs ten times the usual', series: { [spent]: weeks(4, 40) }, at: AFTER_WEEKS, firing: 1, step: '15m', every: '30m' },
    { what: 'an hour costs twice the usual', series: { [spent]: weeks(4, 8) }, at: AFTER_WEEKS, firing: 0, step: '15m', every: '30m' },
    { what: 'an hour costs ten times the usual, and four dollars', series: { [spent]: weeks(0.4, 4) }, at: AFTER_WEEKS, firing: 0, step: '15m', every: '30m' },
    { what: 'there is one week to compare with', series: { [spent]: weeks(4, 40, 20) }, at: AFTER_WEEKS, firing: 0, step: '15m', every: '30m' },
  ],
  TollgateBudgetNearLimit: [
    { what: '80 % are spent', series: { [budget(M.budgetSpent)]: '320x10', [budget(M.budgetLimit)]: '400x10' }, at: '5m', firing: 1 },
    { what: '79 % are spent', series: { [budget(M.budgetSpent)]: '316x10', [budget(M.budgetLimit)]: '400x10' }, at: '5m', firing: 0 },
  ],
  TollgateBudgetForecastExceeded: [
    { what: 'the pace passes the limit', series: { [budget(M.budgetForecast, ', bound="p50"')]: '500x120', [budget(M.budgetForecast, ', bound="p90"')]: '600x120', [budget(M.budgetLimit)]: '400x120', [budget(M.budgetElapsed)]: '0.5x120' }, at: '90m', firing: 1 },
    { what: 'only the cautious bound passes the limit', series: { [budget(M.budgetForecast, ', bound="p50"')]: '300x120', [budget(M.budgetForecast, ', bound="p90"')]: '600x120', [budget(M.budgetLimit)]: '400x120', [budget(M.budgetElapsed)]: '0.5x120' }, at: '90m', firing: 0 },
    { what: 'the period has just begun', series: { [budget(M.budgetForecast, ', bound="p50"')]: '500x120', [budget(M.budgetLimit)]: '400x120', [budget(M.budgetElapsed)]: '0.05x120' }, at: '90m', firing: 0 },
    { what: 'the pace passed the limit half an hour ago', series: { [budget(M.budgetForecast, ', bound="p50"')]: '300x60 500x60', [budget(M.budgetLimit)]: '400x120', [budget(M.budgetElapsed)]: '0.5x120' }, at: '90m', firing: 0 },
  ],
  TollgateUpstreamHeadroomLow: [
    { what: '5 % are left for ten minutes', series: { [gauge(M.headroom, ', credential="default", model_class="opus-4", dimension="requests"')]: '0.05x20' }, at: '10m', firing: 1 },
    { what: '5 % are left for a minute', series: { [gauge(M.headroom, ', credential="default", model_class="opus-4", dimension="requests"')]: '0.9x5 0.05 0.9x20' }, at: '10m', firing: 0 },
  ],
  TollgateBackgroundCallsRefused: [
    { what: 'calls expire in the queue', series: { [gauge(M.queueCalls, ', workspace="support", result="expired"')]: '0x5 3+1x20', [gauge(M.queueCalls, ', workspace="support", result="passed"')]: '0+9x25' }, at: '20m', firing: 1 },
    { what: 'calls wait, and all of them pass', series: { [gauge(M.queueCalls, ', workspace="support", result="passed"')]: '0+9x25', [gauge(M.queueCalls, ', workspace="support", result="expired"')]: '0x25' }, at: '20m', firing: 0 },
  ],
  TollgateCacheHitCollapse: [
    { what: 'reads stop after a day', series: { [tokens('cache_read')]: '0+400000x300 120000000x24', [tokens('input')]: '0+100000x300 30000000+500000x24', [tokens('output')]: '0+9x324' }, at: '26h30m', firing: 1, step: '5m' },
    { what: 'reads stop, and hardly anybody calls', series: { [tokens('cache_read')]: '0+400x300 120000x24', [tokens('input')]: '0+100x300 30000+500x24' }, at: '26h30m', firing: 0, step: '5m' },
    { what: 'reads go on', series: { [tokens('cache_read')]: '0+400000x324', [tokens('input')]: '0+100000x324' }, at: '26h30m', firing: 0, step: '5m' },
  ],
  TollgateLedgerDroppingRecords: [
    { what: 'a settlement is lost', series: { [gauge(M.recordsDropped, ', reason="settlement"')]: '0x5 1x10' }, at: '8m', firing: 1 },
    { what: 'none is lost', series: { [gauge(M.recordsDropped, ', reason="settlement"')]: '0x15' }, at: '8m', firing: 0 },
  ],
  TollgateLedgerUnwritable: [
    { what: 'the disk is full', series: { [gauge(M.ledgerWritable)]: '1x5 0x10' }, at: '8m', firing: 1 },
    { what: 'the disk is fine', series: { [gauge(M.ledgerWritable)]: '1x15' }, at: '8m', firing: 0 },
  ],
  TollgateUnpricedRequests: [
    { what: 'an unknown model is called', series: { [gauge(M.unpriced)]: '0x5 2x10' }, at: '8m', firing: 1 },
    { what: 'one was called long ago', series: { [gauge(M.unpriced)]: '2x40' }, at: '30m', firing: 0 },
  ],
  TollgateUsageMissing: [
    { what: 'two answers in a hundred tell no usage', series: { [requests('ok')]: '0+40x120', [requests('truncated')]: '0+10x120', [gauge(M.usageIncomplete, ', reason="usage_missing"')]: '0+1x120' }, at: '1h30m', firing: 1 },
    { what: 'one in two hundred does not, and many are cut off', series: { [requests('ok')]: '0+200x120', [gauge(M.usageIncomplete, ', reason="usage_missing"')]: '0+1x120', [gauge(M.usageIncomplete, ', reason="client_abort"')]: '0+20x120' }, at: '1h30m', firing: 0 },
  ],
  TollgateLabelOverflow: [
    { what: 'an unknown workflow comes in', series: { [gauge(M.labelOverflow, ', label="workflow"')]: '0x5 7x10', [gauge(M.labelOverflow, ', label="model"')]: '0x15' }, at: '8m', firing: 1 },
    { what: 'all names are known', series: { [gauge(M.labelOverflow, ', label="workflow"')]: '0x15' }, at: '8m', firing: 0 },
  ],
  // The clock of a test begins at 1970, so a price checked then is 40 days old after 40 days.
  TollgatePriceBookStale: [
    { what: 'a price was checked 40 days ago', series: { [gauge(M.priceBookVerified)]: '0x1000' }, at: '40d', firing: 1, step: '1h' },
    { what: 'every price was checked 20 days ago', series: { [gauge(M.priceBookVerified)]: '0x1000' }, at: '20d', firing: 0, step: '1h' },
  ],
  TollgateReconciliationDrift: [
    { what: 'the bill is 3 % higher all day', series: { [gauge(M.reconciliation)]: '-0.03x600' }, at: '8h', firing: 1 },
    { what: 'the bill is 1 % higher all day', series: { [gauge(M.reconciliation)]: '-0.01x600' }, at: '8h', firing: 0 },
    { what: 'nobody compared the two', series: { [gauge(M.ledgerWritable)]: '1x600' }, at: '8h', firing: 0 },
  ],
  TollgateAlertDeliveryFailing: [
    { what: 'every message fails', series: { [delivery('retry')]: '0+1x60', [delivery('delivered')]: '0x60' }, at: '40m', firing: 1 },
    { what: 'some messages fail and others arrive', series: { [delivery('retry')]: '0+1x60', [delivery('delivered')]: '0+1x60' }, at: '40m', firing: 0 },
  ],
  TollgateConfigReloadFailed: [
    { what: 'a config with mistakes was found', series: { [gauge(M.configReloadOk)]: '1x5 0x20' }, at: '15m', firing: 1 },
    { what: 'it was mended after two minutes', series: { [gauge(M.configReloadOk)]: '1x5 0 0 1x20' }, at: '15m', firing: 0 },
  ],
  TollgateDown: [
    { what: 'the gateway does not answer', series: { 'up{job="tollgate", instance="a"}': '1x5 0x10' }, at: '10m', firing: 1 },
    { what: 'Prometheus knows of no gateway', series: { 'up{job="node", instance="a"}': '1x15' }, at: '10m', firing: 1 },
    { what: 'a scrape is missed', series: { 'up{job="tollgate", instance="a"}': '1x5 0 1x10' }, at: '10m', firing: 0 },
  ],
};
