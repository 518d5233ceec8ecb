// web/pages/overview/page.tsx: are we fine, what changed, what needs me?

import { useEffect, useState } from 'preact/hooks';
import type { AlertsAnswer, BudgetsAnswer, StatusAnswer, UsageAnswer } from '../../../server/http/admin/wire.ts';
import { NoMatch } from '../../parts/no-match.tsx';
import { Panel } from '../../parts/panel.tsx';
import { address, filterQuestion, useAsk, type Asked } from '../../server.ts';
import { bucketUnit, compared, periodKey, range } from '../../state/period.ts';
import { Attention, mattersOf } from './attention.tsx';
import { Cards } from './cards.tsx';
import { Heat } from './heat.tsx';
import { FirstRun } from './first-run.tsx';
import { firstTokenAsked, groupName, MainChart } from './main-chart.tsx';
import { Movers } from './movers.tsx';

export function Overview({ status }: { status: Asked<StatusAnswer> }) {
  const [welcoming, setWelcoming] = useState(false);
  const untouched = status.data !== null && !status.data.first_run.has_traffic;
  useEffect(() => {
    if (untouched) setWelcoming(true);
  }, [untouched]);
  if (status.data && (untouched || welcoming)) return <FirstRun status={status.data} onDone={() => setWelcoming(false)} />;
  return <Figures status={status} />;
}

const MOST_ROWS = 10_000;

function Figures({ status }: { status: Asked<StatusAnswer> }) {
  const by = groupName();
  const unit = bucketUnit.value;
  const filter = filterQuestion();
  const other = compared.value;
  const ask = (groupBy: string, over: { from: number; to: number } | null, name: string, times: 'yes' | 'no' = 'no') => {
    const question = { ...filter, group_by: groupBy, limit: MOST_ROWS, times };
    return useAsk<UsageAnswer>(over && address('/api/usage', question, over), address(`${name}:${periodKey.value}`, question));
  };
  const usage = ask(unit, range.value, 'now', 'yes');
  const before = ask(unit, other, 'before', 'yes');
  const grouped = ask(`${by},${unit}`, range.value, 'grouped', firstTokenAsked() ? 'yes' : 'no');
  const groupedBefore = ask(by, other, 'grouped-before');
  const byModel = by === 'model' ? 'model' : `${by},model`;
  const models = ask(byModel, other && range.value, 'models');
  const modelsBefore = ask(byModel, other, 'models-before');
  const budgets = useAsk<BudgetsAnswer>('/api/budgets', 'budgets');
  const alerts = useAsk<AlertsAnswer>('/api/alerts', 'alerts');
  // A period without a single call is nothing to compare with.
  const past = other && before.data && before.data.total.requests > 0 ? before.data : null;
  return (
    <>
      <Panel asked={usage} skeleton="row" class="bare">
        {(answer) => (answer.total.requests === 0 ? <NoMatch what="requests" /> : <Cards usage={answer} before={past} budgets={budgets.data} />)}
      </Panel>
      {(usage.data === null || usage.data.total.requests > 0) && (
        <>
          {usage.data ? <MainChart usage={usage.data} before={past} grouped={grouped} /> : !usage.failure && <Panel title="Spend" asked={usage} skeleton="chart">{() => null}</Panel>}
          <div class="columns">
            {usage.data && <Attention matters={mattersOf(status.data, budgets.data, alerts.data, usage.data.total)} from={{ 'the state of the gateway': status, budgets, alerts }} />}
            {grouped.data && <Movers answer={grouped.data} before={past && groupedBefore.data} by={by} models={models.data && modelsBefore.data && { now: models.data, before: modelsBefore.data }} />}
          </div>
          <Heat />
        </>
      )}
    </>
  );
}
