// web/pages/budgets/page.tsx: will we exceed, and who gets told?

import type { AlertsAnswer, BudgetsAnswer } from '../../../server/http/admin/wire.ts';
import { Panel } from '../../parts/panel.tsx';
import { useAsk } from '../../server.ts';
import { Budget, BurnLegend } from './card.tsx';
import { Channels } from './channels.tsx';
import { Deliveries } from './deliveries.tsx';
import { Firing } from './firing.tsx';
import { History } from './history.tsx';
import { Rules } from './rules.tsx';
import { Silences } from './silences.tsx';
import { byUrgency, nobodysYet, stateOf } from './state.ts';
import { Suggestions } from './suggestions.tsx';

export function Budgets() {
  const asked = useAsk<BudgetsAnswer>('/api/budgets', 'budgets');
  const alerts = useAsk<AlertsAnswer>('/api/alerts', 'alerts');
  return (
    <>
      {asked.data && alerts.data && <Lead budgets={asked.data} alerts={alerts.data} />}
      <Panel title="Firing" asked={alerts} skeleton="row" class="firing">
        {(answer) => <Firing answer={answer} budgets={asked.data?.rows ?? []} />}
      </Panel>
      <Panel asked={asked} skeleton="list" class="bare">
        {(answer) =>
          answer.rows.length === 0 ? <Suggestions /> : (
            <>
              <header class="section-head"><h2>Budgets</h2><BurnLegend /></header>
              <ul class="budgets">{answer.rows.toSorted(byUrgency).map((budget) => <Budget key={budget.id} budget={budget} now={Date.parse(answer.at)} />)}</ul>
            </>
          )}
      </Panel>
      <Panel title="Who is told" asked={alerts} skeleton="row">{(answer) => <Channels answer={answer} />}</Panel>
      <Silences asked={alerts} />
      <History asked={alerts} />
      <Deliveries asked={alerts} />
      <Panel title="Rules" asked={alerts} skeleton="list" aside={<span class="muted">as in force</span>}>{(answer) => <Rules answer={answer} />}</Panel>
    </>
  );
}

/** The page's question, answered in a sentence or two. */
function Lead({ budgets, alerts }: { budgets: BudgetsAnswer; alerts: AlertsAnswer }) {
  const troubled = budgets.rows.filter((budget) => stateOf(budget).tone !== 'good').toSorted(byUrgency);
  const open = alerts.firing.filter(nobodysYet);
  const urgent = open.filter((one) => one.severity !== 'info').length;
  const names = troubled.slice(0, 3).map((budget, i) => <span key={budget.id}>{i > 0 && (i === Math.min(troubled.length, 3) - 1 && troubled.length <= 3 ? ' and ' : ', ')}<strong>{budget.id}</strong></span>);
  return (
    <p class="lead">
      {budgets.rows.length === 0 ? 'No budget holds the spend. ' : troubled.length === 0 ? `${budgets.rows.length === 1 ? 'The one budget is' : budgets.rows.length === 2 ? 'Both budgets are' : `All ${budgets.rows.length} budgets are`} on track. ` : <>{names}{troubled.length > 3 && ` and ${troubled.length - 3} more`} of {budgets.rows.length} {budgets.rows.length === 1 ? 'budget' : 'budgets'} {troubled.length === 1 ? 'needs' : 'need'} a look. </>}
      {open.length === 0 ? 'Nothing fires that nobody has taken on. ' : <><strong>{open.length}</strong> {open.length === 1 ? 'alert fires' : 'alerts fire'} that nobody has taken on{urgent === open.length ? '' : urgent === 0 ? ', only to know' : `, ${open.length - urgent} of them only to know`}. </>}
      {alerts.channels.length === 0 ? 'No channel is set, so nobody is told.' : `Told: ${alerts.channels.map((one) => one.id).join(', ')}.`}
    </p>
  );
}
