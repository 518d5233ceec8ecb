// web/pages/budgets/card.tsx: one budget: how far it is used, where it goes, and whom it tells.

import type { BudgetRow, ScopeAnswer } from '../../../server/http/admin/wire.ts';
import { dayAndTime, exactMoney, fromNow, fullTime, money, nanos, percent, shortMoney, weekday } from '../../format.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { zone } from '../../state/period.ts';
import { Curve } from './curve.tsx';
import { burnOf, limitOf, reachedAt } from './scale.ts';
import { flightOf, stateOf, used } from './state.ts';

export function scopeWords(scope: ScopeAnswer): { name: string; filter: Record<string, string> } {
  const fields = (['workspace', 'workflow', 'key', 'user', 'model'] as const).filter((field) => scope[field] !== undefined);
  if (fields.length === 0) return { name: 'Everything', filter: {} };
  return { name: fields.map((field) => `${field} ${scope[field]}`).join(', '), filter: Object.fromEntries(fields.map((field) => [FILTERS[field], scope[field]!])) };
}

export function Budget({ budget, now }: { budget: BudgetRow; now: number }) {
  const state = stateOf(budget);
  const flight = flightOf(budget);
  const scope = scopeWords(budget.scope);
  const end = Date.parse(budget.period.to);
  const from = Date.parse(budget.period.from);
  const remaining = nanos(budget.remaining_usd);
  const over = nanos(budget.spent_usd) >= limitOf(budget);
  const reached = over ? null : reachedAt(budget, now);
  return (
    <li class="panel budget">
      <header class="panel-head">
        <h2>{budget.id}</h2>
        <span class={`outcome ${state.tone}`}><span class="outcome-sign" aria-hidden="true">{state.sign}</span>{state.word}</span>
      </header>
      <p class="muted budget-scope">
        {scope.name} <span aria-hidden="true">·</span> <span class={`mode ${budget.mode}`} title={budget.mode === 'hard' ? 'Calls that do not fit are refused' : 'Calls go on; it only alerts'}>{budget.mode}</span> <span aria-hidden="true">·</span> per {budget.period.kind}, ends <time dateTime={budget.period.to} title={fullTime(end, zone.value)}>{dayAndTime(end, zone.value)}</time> ({fromNow(end, now)})
      </p>
      <p class="budget-sum"><span class="card-figure" title={exactMoney(nanos(budget.spent_usd))}>{shortMoney(nanos(budget.spent_usd))}</span> <span class="muted">of</span> <span title={exactMoney(limitOf(budget))}>{shortMoney(limitOf(budget))}</span> <span class="muted">({percent(used(budget))}){nanos(budget.granted_usd) > 0n && <>, {shortMoney(nanos(budget.granted_usd))} of it granted</>}</span></p>
      <BurnBar budget={budget} now={now} />
      <Curve budget={budget} now={now} filter={scope.filter} />
      <dl class="figures">
        <div><dt>Held in flight</dt><dd title={exactMoney(flight.held)}>{money(flight.held)}{flight.counted !== null && <span class="muted" title={`What they will probably cost, as learned: ${exactMoney(flight.counted)}`}> counted as {money(flight.counted)}</span>}</dd></div>
        <div><dt>{remaining < 0n ? 'Overspent' : 'Remaining'}</dt><dd title={exactMoney(remaining)}>{money(remaining < 0n ? -remaining : remaining)}</dd></div>
        {flight.bound !== null && flight.bound > 0n && <div><dt>At risk</dt><dd title={`By how much the limit would be passed if every call in flight cost the most it can: ${exactMoney(flight.atRisk)}; never more than ${exactMoney(flight.bound)}`}>{money(flight.atRisk)} <span class="muted">of {money(flight.bound)} at most</span></dd></div>}
        <div><dt>Forecast</dt><dd>{budget.forecast_usd ? <>{shortMoney(nanos(budget.forecast_usd.p50))} <span class="muted">up to {shortMoney(nanos(budget.forecast_usd.p90))}</span></> : <span class="muted">too early to say</span>}</dd></div>
        <div><dt>Reaches its limit</dt><dd>{reached === null ? <span class="muted">{over ? 'it has' : budget.forecast_usd ? 'not in this period' : '–'}</span> : <time dateTime={new Date(reached).toISOString()} title={fullTime(reached, zone.value)}>{weekday(reached, zone.value)}</time>}</dd></div>
      </dl>
      <footer class="budget-foot">
        <ul class="thresholds" aria-label="Alerts">
          {budget.alerts.map((alert) => (
            <li key={alert.at} class={alert.state === 'firing' || used(budget) >= alert.at ? 'crossed' : ''}>
              <i class="threshold-dot" aria-hidden="true" /> {percent(alert.at)}
              <span class="muted"> {used(budget) >= alert.at ? `crossed${alert.since ? ` ${fromNow(Date.parse(alert.since), now)}` : ''}` : 'not yet'}</span>
            </li>
          ))}
          {budget.alerts.length === 0 && <li class="muted">No thresholds</li>}
          <li class="muted">{budget.notify.length ? `tells ${budget.notify.join(', ')}` : 'tells nobody'}</li>
        </ul>
        <a class="button" href={addressWith({ ...scope.filter, from: new Date(from).toISOString(), to: null }, 'requests')} onClick={follow}>Requests</a>
      </footer>
    </li>
  );
}

function BurnBar({ budget, now }: { budget: BudgetRow; now: number }) {
  const burn = burnOf(budget, now);
  const wide = (share: number) => `${(share * 100).toFixed(3)}%`;
  const over = nanos(budget.spent_usd) >= limitOf(budget);
  return (
    <div class="burn">
      <div
        class="burn-track"
        role="img"
        aria-label={`${percent(used(budget))} of the limit spent${burn.held > 0 ? `, ${money(nanos(budget.held_usd))} held` : ''}; an even pace would stand at ${percent(burn.pace / burn.limit)}${budget.forecast_usd ? `; forecast ${shortMoney(nanos(budget.forecast_usd.p50))} to ${shortMoney(nanos(budget.forecast_usd.p90))}` : ''}.`}
      >
        {burn.forecast && burn.forecast.p90 > burn.spent && <i class="burn-forecast" style={{ left: wide(Math.max(burn.spent, Math.min(burn.forecast.p50, burn.forecast.p90))), width: wide(Math.max(0, burn.forecast.p90 - Math.max(burn.spent, burn.forecast.p50))) }} />}
        <i class={`burn-spent ${over ? 'over' : ''}`} style={{ width: wide(burn.spent) }} />
        <i class="burn-held" style={{ left: wide(burn.spent), width: wide(burn.held) }} />
        {burn.forecast && burn.forecast.p50 > burn.spent && <i class="burn-p50" style={{ left: wide(burn.forecast.p50) }} />}
        {burn.ticks.map((tick) => <i key={tick.at} class="burn-tick" style={{ left: wide(tick.share) }} />)}
        <i class="burn-limit" style={{ left: wide(burn.limit) }} />
        <i class="burn-pace" style={{ left: wide(burn.pace) }} />
      </div>
    </div>
  );
}

/** What the marks of the bars mean; once for all of them. */
export function BurnLegend() {
  return (
    <p class="burn-legend muted" aria-hidden="true">
      <span><i class="key-spent" /> spent</span> <span><i class="key-held" /> held by calls in flight</span> <span><i class="key-pace" /> even pace</span> <span><i class="key-forecast" /> forecast, half to nine in ten</span> <span><i class="key-limit" /> limit</span>
    </p>
  );
}
