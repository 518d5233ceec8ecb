// grafana/boards/overview.ts: are we fine, what changed, what needs attention?

import type { BoardPlan } from '../board.ts';
import { ERROR_BUDGET } from '../config.ts';
import { barGauge, gauge, stat, timeSeries } from '../panels.ts';
import * as q from '../queries.ts';

const OPERATIONAL = 'An operational figure at list price; the ledger decides.';

export const overview: BoardPlan = {
  name: 'overview',
  description: 'Are we fine, what changed, and what needs attention?',
  from: 'now-24h',
  page: '/',
  rows: [
    {
      title: 'Money',
      panels: [
        { width: 6, height: 7, panel: stat({ title: 'Spend in range', question: `What was spent in the time shown? ${OPERATIONAL}`, next: 'A jump: see Cost for the workspace and workflow.', unit: 'currencyUSD', empty: 'no calls yet', targets: [{ query: q.spendInRange(), legend: 'spend' }] }, { sparkline: true }) },
        { width: 6, height: 7, panel: stat({ title: 'Change to the range before', question: 'How does this compare with the same length of time before it?', next: 'Much more: see "Spend now and usual for this hour" on Cost.', unit: 'percentunit', empty: 'nothing to compare with', targets: [{ query: q.spendChange(), legend: 'change' }] }, { sparkline: false, steps: [[null, 'green'], [0.25, 'orange'], [1, 'red']] }) },
        { width: 12, height: 7, panel: barGauge({ title: 'Budgets used', question: 'How much of each budget is spent in its current period, the fullest first?', next: 'Near 100 %: see the forecast on Cost. A hard budget refuses calls at its limit.', unit: 'percentunit', empty: 'no budgets configured', targets: [{ query: q.budgetsUsed(), legend: '{{budget}}' }] }, { steps: [[null, 'green'], [0.8, 'orange'], [1, 'red']], max: 1 }) },
      ],
    },
    {
      title: 'Traffic',
      panels: [
        { width: 8, height: 8, panel: timeSeries({ title: 'Requests', question: 'How many calls does each workspace make?', next: 'A click on a line leads to its requests.', unit: 'reqps', empty: 'no calls yet', targets: [{ query: q.requestRateByWorkspace(), legend: '{{workspace}}' }], requests: { ws: 'workspace' } }) },
        { width: 8, height: 8, panel: timeSeries({ title: 'Failure ratio', question: 'Which part of the calls that count fails? The line is what is promised, 0.5 %. Mistakes of clients, clients that leave and calls that a rule blocks do not count.', next: 'Above the line: see Outcomes on Reliability & limits.', unit: 'percentunit', empty: 'no calls yet', targets: [{ query: q.failureRatio(), legend: 'failures' }] }, { lines: [[ERROR_BUDGET, 'red']] }) },
        { width: 8, height: 8, panel: timeSeries({ title: 'Time to first token', question: 'How long do people wait until an answer begins?', next: 'Slow: see the models one by one on Reliability & limits.', unit: 's', empty: 'no streams yet', targets: [{ query: q.timeToFirstToken(0.5), legend: 'p50' }, { query: q.timeToFirstToken(0.95), legend: 'p95' }] }) },
      ],
    },
    {
      title: 'Limits',
      panels: [
        { width: 24, height: 6, panel: gauge({ title: 'Tightest provider headroom', question: "What was left of the provider's limits at the lowest point of the past minute, by pool of models?", next: 'Under 10 %: see the course on Reliability & limits, and give background work less.', unit: 'percentunit', empty: 'no limits told yet', targets: [{ query: q.headroomByClass(), legend: '{{model_class}} {{dimension}}' }] }, [[null, 'red'], [0.1, 'orange'], [0.3, 'green']]) },
      ],
    },
  ],
};
