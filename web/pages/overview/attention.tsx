// web/pages/overview/attention.tsx: what needs a person, the worst first, each with one thing to do.

import type { AlertsAnswer, BudgetsAnswer, StatusAnswer, UsageFigures } from '../../../server/http/admin/wire.ts';
import { calls, nanos, percent, shortMoney, whole } from '../../format.ts';
import { Copy, Prose } from '../../parts/marks.tsx';
import { Skeleton } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { addressWith, FILTERS, follow, parameter } from '../../state/location.ts';
import { periodName } from '../../state/period.ts';
import { limitOf } from '../budgets/scale.ts';
import { nobodysYet } from '../budgets/state.ts';

type Weight = 'bad' | 'warn' | 'note';
interface Matter {
  readonly weight: Weight;
  readonly what: string;
  readonly detail: string;
  readonly action: { readonly name: string; readonly to: string } | { readonly copy: string; readonly what: string };
}

const FAILED = ['upstream_error', 'connect_failed', 'upstream_reset', 'upstream_timeout', 'upstream_protocol', 'client_error'];
const ORDER: Readonly<Record<Weight, number>> = { bad: 0, warn: 1, note: 2 };
const MOST = 7;

/** Rules that other rows of the list tell already. */
const TOLD_ELSEWHERE: readonly string[] = ['budget', 'pace', 'forecast', 'ledger', 'unpriced'];

export function mattersOf(status: StatusAnswer | null, budgets: BudgetsAnswer | null, alerts: AlertsAnswer | null, total: UsageFigures): Matter[] {
  const matters: Matter[] = [];
  const requestsWith = (outcomes: readonly string[]) => ({ name: 'See them', to: addressWith({ [FILTERS.outcome]: outcomes, from: parameter('from') ?? `now-${periodName.value ?? '7d'}` }, 'requests') });
  const toBudgets = { name: 'Open budgets', to: addressWith({}, 'budgets') };

  for (const budget of budgets?.rows ?? []) {
    const limit = limitOf(budget);
    const used = nanos(budget.spent_usd);
    const ratio = limit > 0n ? Number(used) / Number(limit) : 0;
    // Half a budget used is news for a channel, not a matter for a person; from four fifths on it is.
    const crossed = ratio >= 0.8 && budget.alerts.some((alert) => ratio >= alert.at);
    if (used + nanos(budget.held_usd) >= limit) {
      matters.push({ weight: 'bad', what: `Budget ${budget.id} is used up`, detail: budget.mode === 'hard' ? 'Calls in its scope are refused until the period ends.' : 'It is soft: calls go on.', action: toBudgets });
    } else if (budget.forecast_usd && nanos(budget.forecast_usd.p50) > limit) {
      matters.push({ weight: 'warn', what: `Budget ${budget.id} will not last`, detail: `${percent(ratio)} used; at this pace ${shortMoney(nanos(budget.forecast_usd.p50))} against a limit of ${shortMoney(limit)}.`, action: toBudgets });
    } else if (crossed) {
      matters.push({ weight: 'warn', what: `Budget ${budget.id} is ${percent(ratio)} used`, detail: `${shortMoney(limit - used)} of ${shortMoney(limit)} left.`, action: toBudgets });
    }
  }
  for (const alert of alerts?.firing ?? []) {
    if (!nobodysYet(alert) || TOLD_ELSEWHERE.includes(alert.rule)) continue;
    matters.push({ weight: alert.severity === 'critical' ? 'bad' : alert.severity === 'warning' ? 'warn' : 'note', what: alert.title, detail: alert.text, action: { name: 'Open alerts', to: addressWith({}, 'budgets') } });
  }
  if (status?.ledger.trouble) matters.push({ weight: 'bad', what: 'The ledger has trouble', detail: status.ledger.trouble, action: { copy: status.ledger.trouble, what: 'the message' } });
  if (status && !status.provider_key_configured) {
    matters.push({
      weight: status.access === 'open' ? 'note' : 'bad', what: 'No provider key is configured',
      detail: status.access === 'open' ? 'Only calls that bring their own key get through.' : 'Calls cannot reach the provider.',
      action: { copy: 'upstream:\n  keys: { default: "${ANTHROPIC_API_KEY}" }\n', what: 'the setting' },
    });
  }
  const errorShare = total.requests ? total.errors / total.requests : 0;
  if (total.requests >= 20 && errorShare >= 0.02) {
    matters.push({ weight: errorShare >= 0.1 ? 'bad' : 'warn', what: `${percent(errorShare)} of requests failed`, detail: `${whole(total.errors)} of ${whole(total.requests)} in this period.`, action: requestsWith(FAILED) });
  }
  if (status && status.pricing.ceiling_priced > 0) {
    matters.push({ weight: 'warn', what: 'Models without a price', detail: `${calls(status.pricing.ceiling_priced)} priced at the dearest known rates.`, action: { name: 'See models', to: addressWith({ by: 'model' }, 'overview') } });
  }
  const estimated = nanos(total.estimated_cost_usd);
  const cost = nanos(total.cost_usd);
  if (estimated > 0n && Number(estimated) / Number(cost) >= 0.005) {
    matters.push({ weight: 'note', what: `${shortMoney(estimated)} is an estimate`, detail: `${percent(Number(estimated) / Number(cost))} of the spend: answers that were cut before their usage came.`, action: { name: 'See them', to: addressWith({ [FILTERS.estimated]: 'true', from: parameter('from') ?? `now-${periodName.value ?? '7d'}` }, 'requests') } });
  }
  if (total.refused > 0) matters.push({ weight: 'note', what: `${whole(total.refused)} ${total.refused === 1 ? 'request was' : 'requests were'} refused`, detail: 'By a budget, a limit or a policy of yours.', action: requestsWith(['refused']) });
  return matters.sort((a, b) => ORDER[a.weight] - ORDER[b.weight]).slice(0, MOST);
}

const SIGNS: Readonly<Record<Weight, string>> = { bad: '✕', warn: '!', note: 'i' };
const WORDS: Readonly<Record<Weight, string>> = { bad: 'Urgent', warn: 'Soon', note: 'To know' };

/** @param from what the list is made of: nothing is said before all of it has been heard, and what could not be loaded is named */
export function Attention({ matters, from }: { matters: readonly Matter[]; from: Readonly<Record<string, Asked<unknown>>> }) {
  const asking = Object.values(from).some((one) => one.data === null && !one.failure);
  const missing = Object.keys(from).filter((name) => from[name]!.data === null && from[name]!.failure);
  return (
    <section class="panel" aria-label="Needs attention" aria-busy={asking}>
      <header class="panel-head"><h2>Needs attention</h2></header>
      {missing.length > 0 && <p class="note warn">Without {missing.join(' and ')}, which could not be loaded.</p>}
      {asking ? <Skeleton kind="row" /> : matters.length === 0 ? missing.length === 0 && (
        <p class="calm"><span aria-hidden="true">✓</span> Nothing needs you.</p>
      ) : (
        <ul class="matters">
          {matters.map((matter) => (
            <li key={matter.what}>
              <span class={`sign ${matter.weight}`} title={WORDS[matter.weight]}><span aria-hidden="true">{SIGNS[matter.weight]}</span><span class="unseen">{WORDS[matter.weight]}: </span></span>
              <div>
                <p class="matter-what">{matter.what}</p>
                <p class="muted"><Prose text={matter.detail} /></p>
              </div>
              {'to' in matter.action ? <a class="button" href={matter.action.to} onClick={follow}>{matter.action.name}</a> : <Copy text={matter.action.copy} what={matter.action.what} />}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
