// server/http/admin/alert-yaml.ts: an alert rule as it would be written in the config, with the values in force, to be copied and changed.

import { stringify } from 'yaml';
import type { AlertRule } from '../../domain/alert.ts';
import type { Budget, Scope } from '../../domain/budget.ts';
import { usdNumber } from '../../domain/money.ts';
import type { Settings } from '../../domain/settings.ts';

/** A rule of a budget's own shows all budgets, since they say when to tell; every other rule its part of `alerts`. */
export function ruleYaml(rule: AlertRule, { alerts, budgets }: Pick<Settings, 'alerts' | 'budgets'>): string {
  const { rules, anomaly } = alerts;
  if (rule === 'budget') return budgets.length === 0 ? '' : yaml({ budgets: budgets.map(budgetYaml) });
  if (rule === 'anomaly') {
    return yaml({ alerts: { anomaly: { enabled: anomaly.enabled, floor_usd_per_hour: anomaly.floorUsdPerHour, deviations: anomaly.mad, weeks: anomaly.weeks, for: seconds(anomaly.forMs) } } });
  }
  const thresholds = {
    pace: { enabled: rules.pace.enabled, spent: percent(rules.pace.spent), factor: rules.pace.factor },
    budget_refusing: rules.budgetRefusing,
    forecast: rules.forecast,
    errors: { enabled: rules.errors.enabled, objective: percent(rules.errors.objective), least: rules.errors.leastBad },
    first_token: { enabled: rules.firstToken.enabled, objective: percent(rules.firstToken.objective), slower_than: seconds(rules.firstToken.slowerThanMs), least: rules.firstToken.leastBad },
    headroom: { enabled: rules.headroom.enabled, warn_below: percent(rules.headroom.warnBelow), critical_below: percent(rules.headroom.criticalBelow), limited: percent(rules.headroom.limitedRatio) },
    provider_cap: rules.providerCap,
    key_unused: { enabled: rules.keyUnused.enabled, after_days: [...rules.keyUnused.afterDays] },
    key_leak: rules.keyLeak,
    no_traffic: { enabled: rules.noTraffic.enabled, least: rules.noTraffic.leastCalls },
    unpriced: rules.unpriced,
    usage_missing: { enabled: rules.usageMissing.enabled, above: percent(rules.usageMissing.above), least: rules.usageMissing.least },
    ledger: rules.ledger,
    price_book: { enabled: rules.priceBook.enabled, after_days: rules.priceBook.afterDays },
    reconciliation: { enabled: rules.reconciliation.enabled, above: percent(rules.reconciliation.above), floor_usd: rules.reconciliation.floorUsd },
    delivery: rules.delivery,
  } satisfies Record<Exclude<AlertRule, 'budget' | 'anomaly'>, object>;
  return yaml({ alerts: { rules: { [rule]: thresholds[rule] } } });
}

const yaml = (value: unknown): string => stringify(value, { flowCollectionPadding: true, lineWidth: 0 });
const percent = (share: number): string => `${Number((share * 100).toFixed(4))}%`;
const seconds = (ms: number): string => (ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`);

const scopeYaml = (scope: Scope): object => {
  const named = Object.entries(scope).filter(([, value]) => value !== null);
  return named.length === 0 ? { organization: true } : Object.fromEntries(named);
};

const budgetYaml = (budget: Budget): object => ({
  id: budget.id, scope: scopeYaml(budget.scope), limit_usd: usdNumber(budget.limit), period: budget.period, mode: budget.mode,
  alert_at: budget.alertAt.map(percent), alert_forecast: budget.alertForecast, ...(budget.notify === null ? {} : { notify: [...budget.notify] }),
});
