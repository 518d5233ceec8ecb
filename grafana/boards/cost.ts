// grafana/boards/cost.ts: who spends, on what, and is it more than usual?

import type { BoardPlan } from '../board.ts';
import { stackedArea, stackedBars, table, timeSeries } from '../panels.ts';
import * as q from '../queries.ts';

const OPERATIONAL = 'An operational figure at list price; the ledger decides.';

export const cost: BoardPlan = {
  name: 'cost',
  description: 'Who spends, on what, and is it more than usual?',
  from: 'now-24h',
  page: '/',
  rows: [
    {
      title: 'Who',
      panels: [
        { width: 12, height: 9, panel: stackedBars({ title: 'Cost per hour by workspace', question: `At what pace does each workspace spend? ${OPERATIONAL}`, next: 'A click on a bar leads to its requests.', unit: 'currencyUSD', empty: 'no calls yet', targets: [{ query: q.costPerHourByWorkspace(), legend: '{{workspace}}' }], requests: { ws: 'workspace' } }) },
        { width: 12, height: 9, panel: table({ title: 'Cost by workflow, top 20', question: `Which workflows cost the most in the time shown? ${OPERATIONAL}`, next: '`unattributed` is what no workflow was named for.', unit: 'currencyUSD', empty: 'no calls yet', targets: [{ query: q.dearestWorkflows(), legend: '' }] }, 'Cost') },
      ],
    },
    {
      title: 'On what',
      panels: [
        { width: 8, height: 8, panel: stackedArea({ title: 'Cost per hour by token kind', question: 'Is it the prompt, the answer or the cache that costs?', next: 'Much input: see Caching & savings.', unit: 'currencyUSD', empty: 'no calls yet', targets: [{ query: q.costPerHourByKind(), legend: '{{kind}}' }] }) },
        { width: 8, height: 8, panel: stackedArea({ title: 'Tokens per second by kind', question: 'How many tokens of each kind go by? The kinds do not overlap.', next: 'Cost and tokens that part ways: another model, or another price.', unit: 'short', empty: 'no calls yet', targets: [{ query: q.tokensByKind(), legend: '{{kind}}' }] }) },
        { width: 8, height: 8, panel: timeSeries({ title: 'Cost per 1,000 good requests', question: 'What does a thousand calls that went well cost, over the past hour? The window is fixed, so that few calls do not make it jump.', next: 'A rise without more tokens: retries or failures.', unit: 'currencyUSD', empty: 'no good calls in the past hour', targets: [{ query: q.costPerThousandGood(), legend: '{{workflow}}' }], requests: { wf: 'workflow' } }) },
      ],
    },
    {
      title: 'More than usual?',
      panels: [
        { width: 8, height: 8, panel: timeSeries({ title: 'Spend now and usual for this hour', question: 'Is the past hour dearer than the median of the same hour in the past four weeks?', next: 'Over three times as much fires TollgateSpendAnomaly.', unit: 'currencyUSD', empty: 'needs an hour of data', targets: [{ query: q.spendThisHour(), legend: '{{workspace}} now' }, { query: q.spendUsualHour(), legend: '{{workspace}} usual' }], requests: { ws: 'workspace' } }) },
        { width: 8, height: 8, panel: timeSeries({ title: 'Forecast p50 and p90 against the limit', question: 'Where will each budget stand at the end of its period?', next: 'Over the limit at p50: raise it, or slow the workspace down.', unit: 'currencyUSD', empty: 'too little to go by yet', targets: [{ query: q.budgetForecast(), legend: '{{budget}} {{bound}}' }, { query: q.budgetLimit(), legend: '{{budget}} limit' }] }) },
        { width: 8, height: 8, panel: timeSeries({ title: 'Cost of one request p50 and p95', question: 'What does a single call cost, and the dear ones?', next: 'A high p95: long prompts. Sort the requests in Tollgate by cost.', unit: 'currencyUSD', empty: 'no calls yet', targets: [{ query: q.requestCost(0.5), legend: '{{workspace}} p50' }, { query: q.requestCost(0.95), legend: '{{workspace}} p95' }], requests: { ws: 'workspace' } }) },
      ],
    },
  ],
};
