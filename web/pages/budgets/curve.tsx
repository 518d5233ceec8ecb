// web/pages/budgets/curve.tsx: a budget's burn-up: the spend of the period so far, the limit, and the forecast with its band.

import type { BudgetRow, UsageAnswer } from '../../../server/http/admin/wire.ts';
import { Lines } from '../../charts/lines.tsx';
import { axisMoney, bucketLabelFormats, dollarsForDrawing, money, nanos, shortMoney } from '../../format.ts';
import { Answered } from '../../parts/panel.tsx';
import { address, useAsk } from '../../server.ts';
import { addressWith, go } from '../../state/location.ts';
import { bucketName, reportingZone, timeOf } from '../../state/period.ts';
import { burnUnit, burnUpOf } from './burn-up.ts';
import { limitOf } from './scale.ts';

const MOST_ROWS = 1_000;

export function Curve({ budget, now, filter }: { budget: BudgetRow; now: number; filter: Readonly<Record<string, string>> }) {
  const fields = (['workspace', 'workflow', 'key', 'user', 'model'] as const).filter((field) => budget.scope[field] !== undefined);
  const question = { ...Object.fromEntries(fields.map((field) => [field, budget.scope[field]!])), group_by: burnUnit(budget), limit: MOST_ROWS, times: 'no' };
  const asked = useAsk<UsageAnswer>(address('/api/usage', question, { from: Date.parse(budget.period.from), to: now }), address(`burn:${budget.id}`, question));
  const zone = reportingZone.value;
  return (
    <Answered asked={asked} skeleton="row">
      {(answer) => {
        const burn = burnUpOf(budget, answer.rows, now, zone);
        const draw = (amounts: readonly (bigint | null)[]) => amounts.map((amount) => (amount === null ? null : dollarsForDrawing(amount)));
        const read = (amounts: readonly (bigint | null)[]) => amounts.map((amount) => (amount === null ? '' : money(amount)));
        const limit = limitOf(budget);
        return (
          <Lines
            title={`${budget.id}: spend added up`} axisName="Until" height="low" tick={axisMoney}
            points={burn.buckets.map((bucket) => ({ name: bucketName(bucket, burn.unit, zone), label: bucketLabelFormats[burn.unit](bucket.from, zone) }))}
            lines={[
              { name: 'Spent', slot: { colour: 0, striped: false }, values: draw(burn.spent), exact: read(burn.spent) },
              ...(budget.forecast_usd ? [{ name: 'Forecast', slot: { colour: 0, striped: false }, dashed: true, values: draw(burn.p50), exact: read(burn.p50) }] : []),
            ]}
            limit={{ value: dollarsForDrawing(limit), name: `limit ${shortMoney(limit)}` }}
            band={budget.forecast_usd ? { low: draw(burn.p50), high: draw(burn.p90), name: 'up to, at 90%' } : null}
            summary={`${budget.id}: ${shortMoney(nanos(budget.spent_usd))} spent so far of ${shortMoney(limit)}${budget.forecast_usd ? `, forecast ${shortMoney(nanos(budget.forecast_usd.p50))}, at most ${shortMoney(nanos(budget.forecast_usd.p90))} at 90%` : ''}.`}
            onPick={(index) => go(addressWith({ ...filter, ...timeOf(burn.buckets[index]!) }, 'requests'))}
          />
        );
      }}
    </Answered>
  );
}
