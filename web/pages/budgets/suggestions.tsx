// web/pages/budgets/suggestions.tsx: no budget yet: three that fit the spend of the last 30 days, or a start where there is none.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { costOf } from '../../figures.ts';
import { dollarsForDrawing, shortMoney } from '../../format.ts';
import { Snippet } from '../../parts/marks.tsx';
import { Answered } from '../../parts/panel.tsx';
import { address, useAsk } from '../../server.ts';
import { now } from '../../state/period.ts';
import { dayMs } from '../../state/zone.ts';

const DAYS = 30;

/** Two figures are enough for a limit that people agree on; never under a dollar. */
export function roundLimit(dollars: number): number {
  const wanted = Math.max(1, dollars);
  const step = 10 ** (Math.floor(Math.log10(wanted)) - 1);
  return Number((Math.ceil(wanted / step) * step).toFixed(2));
}

const START = `budgets:
  - id: everything-month
    scope: { organization: true }
    limit_usd: 500
    period: month
    mode: soft                    # only alerts; hard refuses
    alert_at: [50%, 80%, 100%]
`;

/** @param days spend by day, in dollars @param workspaces spend by workspace, in dollars, the dearest first */
export function suggestionOf(days: readonly number[], workspaces: readonly { readonly name: string; readonly dollars: number }[]): string {
  const total = days.reduce((a, b) => a + b, 0);
  const busiest = Math.max(...days);
  const first = workspaces[0]!;
  return `budgets:
  - id: everything-month            # a fifth above the last ${DAYS} days
    scope: { organization: true }
    limit_usd: ${roundLimit(total * 1.2)}
    period: month
    mode: soft                      # only alerts
    alert_at: [50%, 80%, 100%]
  - id: ${first.name}-month         # the dearest workspace, a fifth above
    scope: { workspace: ${first.name} }
    limit_usd: ${roundLimit(first.dollars * 1.2)}
    period: month
    mode: soft
    alert_at: [50%, 80%, 100%]
  - id: runaway-day                 # twice the dearest day; calls beyond it are refused
    scope: { organization: true }
    limit_usd: ${roundLimit(busiest * 2)}
    period: day
    mode: hard
    alert_at: [80%]
`;
}

export function Suggestions() {
  const over = { from: now.value - DAYS * dayMs, to: now.value };
  const days = useAsk<UsageAnswer>(address('/api/usage', { group_by: 'day', limit: 100 }, over), 'suggest-days', 'once');
  const workspaces = useAsk<UsageAnswer>(address('/api/usage', { group_by: 'workspace', limit: 100 }, over), 'suggest-workspaces', 'once');
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
