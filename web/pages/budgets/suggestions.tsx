// web/pages/budgets/suggestions.tsx: no budget yet: three that fit the spend of the last 30 days, or a start where there is none.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { costOf } from '../../figures.ts';
import { dollarsForDrawing, shortMoney } from '../../format.ts';
import { Snippet } from '../../parts/marks.tsx';
import { Answered } from '../../parts/panel.tsx';
import { address, useAsk } from '../../server.ts';
import { now } from '../../state/period.ts';
import { dayMs } from '../../state/zone.ts';
import { DAYS, suggestionOf } from './suggest.ts';


const START = `budgets:
  - id: everything-month
    scope: { organization: true }
    limit_usd: 500
    period: month
    mode: soft                    # only alerts; hard refuses
    alert_at: [50%, 80%, 100%]
`;

export function Suggestions() {
  const over = { from: now.value - DAYS * dayMs, to: now.value };
  const days = useAsk<UsageAnswer>(address('/api/usage', { group_by: 'day', limit: 100, times: 'no' }, over), 'suggest-days', 'once');
  const workspaces = useAsk<UsageAnswer>(address('/api/usage', { group_by: 'workspace', limit: 100, times: 'no' }, over), 'suggest-workspaces', 'once');
  return (
    <section class="panel empty-feature" aria-label="No budget is set">
      <h2>No budget is set</h2>
      <p>A budget holds the most a call can cost before it leaves, so a hard one cannot be overspent. Paste this into the configuration file and save; it is in force at once.</p>
      <Answered asked={days} skeleton="row">
        {(answer) => {
          const spent = answer.rows.map((row) => dollarsForDrawing(costOf(row)));
          const rows = (workspaces.data?.rows ?? []).map((row) => ({ name: row.workspace ?? '', dollars: dollarsForDrawing(costOf(row)) }));
          const known = costOf(answer.total) > 0n && rows.length > 0;
          return (
            <>
              {known && <p>Three that fit the {shortMoney(costOf(answer.total))} of the last {DAYS} days:</p>}
              <Snippet text={known ? suggestionOf(spent, rows) : START} what="the budgets" />
            </>
          );
        }}
      </Answered>
    </section>
  );
}
