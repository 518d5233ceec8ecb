// web/pages/overview/cards.tsx: six figures that say whether all is well, each with its course and its change.

import type { ComponentChildren } from 'preact';
import type { BudgetsAnswer, UsageAnswer, UsageFigures } from '../../../server/http/admin/wire.ts';
import { change, compact, duration, exactMoney, nanos, percent, shortMoney, whole } from '../../format.ts';
import { Delta, Sparkline } from '../../parts/marks.tsx';
import { address, filterQuestion, useAsk } from '../../server.ts';
import { filterCount } from '../../state/location.ts';
import { buckets, bucketUnit, comparedName, now, reportingZone } from '../../state/period.ts';
import { forecastRange, monthEndOf } from './forecast.ts';

const FEW = 20;
const share = (part: number, all: number): number => (all > 0 ? part / all : 0);

/** A change between two shares, in percentage points: a percentage of a percentage misleads. */
function points(now: number, before: number, enough: boolean): ReturnType<typeof change> {
  const size = Math.abs(now - before) * 100;
  if (!enough) return { text: 'too few to compare', direction: 'flat' };
  if (size < 0.05) return { text: 'about the same', direction: 'flat' };
  return { text: `${size.toFixed(1)} pt`, direction: now > before ? 'up' : 'down' };
}

/** The budget's own forecast where one covers everything for a month, so that two screens cannot disagree; else ours. */
function useMonthEnd(budgets: BudgetsAnswer | null): { p50: bigint; p90: bigint; spent: bigint } | 'asking' | null {
  const zone = reportingZone.value;
  const question = { ...filterQuestion(), group_by: 'day', limit: 100, times: 'no' };
  const days = useAsk<UsageAnswer>(address('/api/usage', question, forecastRange(now.value, zone)), address('forecast', question));
  if (!days.data) return days.failure ? null : 'asking';
  const own = budgets?.rows.find((budget) => budget.scope.organization && budget.period.kind === 'month' && budget.forecast_usd);
  if (own?.forecast_usd && filterCount.value === 0) return { p50: nanos(own.forecast_usd.p50), p90: nanos(own.forecast_usd.p90), spent: nanos(own.spent_usd) };
  return monthEndOf(days.data.rows.map((row) => ({ at: Date.parse(row.day ?? ''), cost: nanos(row.cost_usd) })), now.value, zone);
}

export function Cards({ usage, before, budgets }: { usage: UsageAnswer; before: UsageAnswer | null; budgets: BudgetsAnswer | null }) {
  const month = useMonthEnd(budgets);
  const forecast = month === 'asking' ? null : month;
  const total = usage.total;
  const past = before?.total ?? null;
  const enough = total.requests >= FEW && (past?.requests ?? 0) >= FEW;
  const line = (of: (figures: UsageFigures) => number | null) => {
    const rows = new Map(usage.rows.map((row) => [Date.parse(row[bucketUnit.value] ?? ''), row]));
    // The bucket that is still filling would read as a fall, and what is to come as nothing.
    const full = buckets.value.filter((bucket) => !bucket.running && bucket.from < now.value);
    return (full.length > 1 ? full : buckets.value).map((bucket) => {
      const row = rows.get(bucket.key);
      return row ? of(row) : 0;
    });
  };
  const delta = (of: (figures: UsageFigures) => number, text: (value: number) => string, good: 'up' | 'down' | null) =>
    past && <><Delta {...change(of(total), of(past), enough)} good={good} detail={`Compared with ${comparedName.value}`} /> <span class="muted">from {text(of(past))}</span></>;
  const failed = share(total.errors, total.requests);
  const saved = nanos(total.cache_savings_usd);
  return (
    <dl class="cards">
      <Card name="Spend" figure={shortMoney(nanos(total.cost_usd))} exact={exactMoney(nanos(total.cost_usd))} line={line((f) => Number(nanos(f.cost_usd)))}>
        {delta((f) => Number(nanos(f.cost_usd)), (value) => shortMoney(BigInt(value)), null)}
      </Card>
      <Card name="Forecast, month end" figure={forecast ? shortMoney(forecast.p50) : '–'} exact={forecast ? `p50 ${exactMoney(forecast.p50)}, p90 ${exactMoney(forecast.p90)}` : undefined}>
        <span class="muted">{forecast ? <>up to {shortMoney(forecast.p90)} at 90%; {shortMoney(forecast.spent)} so far</> : month === 'asking' ? '…' : 'after three full days of traffic'}</span>
      </Card>
      <Card name="Requests" figure={compact(total.requests)} exact={whole(total.requests)} line={line((f) => f.requests)}>
        {delta((f) => f.requests, compact, null)}
      </Card>
      <Card name="Failed" figure={total.requests ? percent(failed) : '–'} exact={`${whole(total.errors)} of ${whole(total.requests)}`} line={line((f) => share(f.errors, f.requests))}>
        {past ? <><Delta {...points(failed, share(past.errors, past.requests), enough)} good="down" detail={`Compared with ${comparedName.value}`} /> <span class="muted">from {percent(share(past.errors, past.requests))}</span></> : <span class="muted">{whole(total.errors)} of {compact(total.requests)}</span>}
      </Card>
      <Card name="First token, p95" figure={duration(total.ttft_ms.p95)} exact={`p50 ${duration(total.ttft_ms.p50)}, p95 ${duration(total.ttft_ms.p95)}`} line={line((f) => f.ttft_ms.p95)}>
        {past?.ttft_ms.p95 != null && total.ttft_ms.p95 != null ? delta((f) => f.ttft_ms.p95 ?? 0, duration, 'down') : <span class="muted">p50 {duration(total.ttft_ms.p50)}</span>}
      </Card>
      <Card name="Caching, net" figure={shortMoney(saved)} exact={exactMoney(saved)} line={line((f) => Number(nanos(f.cache_savings_usd)))}>
        <span class={saved < 0n ? 'delta bad' : 'muted'}>{saved < 0n ? 'writes cost more than reads saved' : saved === 0n ? 'nothing saved yet' : 'saved, cache writes deducted'}</span>
      </Card>
    </dl>
  );
}

function Card({ name, figure, exact, line, children }: { name: string; figure: string; exact?: string | undefined; line?: readonly (number | null)[]; children?: ComponentChildren }) {
  return (
    <div class="card">
      <dt>{name}</dt>
      <dd>
        <span class="card-figure" title={exact}>{figure}</span>
        <span class="card-change">{children}</span>
        {line ? <Sparkline values={line} /> : <span class="spark" />}
      </dd>
    </div>
  );
}
