// grafana/boards/reliability.ts: do calls succeed, in time, and how much room is left?

import type { BoardPlan } from '../board.ts';
import { BURN } from '../config.ts';
import { heatmap, stackedBars, stat, timeSeries } from '../panels.ts';
import * as q from '../queries.ts';

export const reliability: BoardPlan = {
  name: 'reliability',
  description: 'Do calls succeed, in time, and how much room is left?',
  from: 'now-6h',
  page: '/requests',
  rows: [
    {
      title: 'Success',
      panels: [
        { width: 10, height: 8, panel: stackedBars({ title: 'Outcomes', question: 'How do calls end, retries of the gateway already counted in?', next: 'rate_limited and overloaded come from the provider; blocked is our own no. A click leads to the requests.', unit: 'reqps', empty: 'no calls yet', targets: [{ query: q.requestRateByOutcome(), legend: '{{outcome}}' }], requests: {} }) },
        { width: 9, height: 8, panel: timeSeries({ title: 'Burn rate over 1 h and 6 h', question: 'How many times faster than allowed is the error budget used up? At 1 it lasts exactly 30 days. The lines are where alerts stand.', next: 'Over 14.4 pages: see Outcomes for the cause.', unit: 'none', empty: 'no calls that count', targets: [{ query: q.burnRate('1h'), legend: '{{workspace}} 1 h' }, { query: q.burnRate('6h'), legend: '{{workspace}} 6 h' }] }, { lines: [[BURN.even, 'green'], [BURN.medium, 'orange'], [BURN.fast, 'red']] }) },
        { width: 5, height: 8, panel: stat({ title: 'Error budget left, 30 d', question: 'How much of 30 days of allowed failures is left? The window is the promise, whatever time is shown.', next: 'Negative: the promise is broken. Ship with care.', unit: 'percentunit', empty: 'no calls that count', targets: [{ query: q.errorBudgetLeft(), legend: 'left' }] }, { sparkline: false, steps: [[null, 'red'], [0, 'orange'], [0.25, 'green']] }) },
      ],
    },
    {
      title: 'Time',
      panels: [
        { width: 12, height: 8, panel: heatmap({ title: 'Duration', question: 'How long do calls take, and are there two kinds of them?', next: 'A second band: see the models below.', unit: 's', empty: 'no calls yet', targets: [{ query: q.durations(), legend: '{{le}}' }] }) },
        { width: 12, height: 8, panel: timeSeries({ title: 'Output speed p50', question: 'How many tokens a second does each model write?', next: 'Slower than usual with every model: the provider is busy.', unit: 'none', empty: 'no streams yet', targets: [{ query: q.outputSpeedByModel(0.5), legend: '{{model}}' }], requests: { m: 'model' } }) },
        { width: 6, height: 7, repeat: 'model', panel: timeSeries({ title: 'Time to first token p95, $model', question: 'How long until an answer of this model begins?', next: 'A click leads to its requests, with the time of each.', unit: 's', empty: 'no streams of this model', targets: [{ query: q.timeToFirstTokenByModel(0.95), legend: '{{model}}' }], requests: { m: 'model' } }) },
      ],
    },
    {
      title: 'Limits',
      panels: [
        { width: 6, height: 8, panel: stackedBars({ title: 'Retries by source and reason', question: 'Who tries again, the gateway or the client, and why?', next: 'Many by clients: their timeouts may be too short.', unit: 'ops', empty: 'no retries', targets: [{ query: q.retryRate(), legend: '{{source}} {{reason}}' }] }) },
        { width: 6, height: 8, panel: timeSeries({ title: 'Headroom by class and dimension', question: "What is left of the provider's limits, at the lowest point of each minute?", next: 'Touching zero brings 429: slow background work, or ask for a higher tier.', unit: 'percentunit', empty: 'no limits told yet', targets: [{ query: q.headroomByClass(), legend: '{{model_class}} {{dimension}}' }] }, { min: 0, max: 1 }) },
        { width: 6, height: 8, panel: stackedBars({ title: 'Limits that strike', question: 'Which of its limits does the provider say no for (429)?', next: 'input_tokens: cache more, or spread the work. requests: fewer, longer calls. spend: raise the limit in the Console. other: the answer did not say.', unit: 'ops', empty: 'no limit struck', targets: [{ query: q.rateLimitedByLimit(), legend: '{{limit}}' }] }) },
        { width: 6, height: 8, panel: stackedBars({ title: 'Policy decisions', question: 'Which rules block, warn about or change calls?', next: 'Blocks that surprise: the message in the answer names the rule and its scope.', unit: 'ops', empty: 'no rule had to act', targets: [{ query: q.policyDecisionRate(), legend: '{{policy}} {{action}}' }] }) },
        { width: 8, height: 8, panel: timeSeries({ title: 'Background calls that wait', question: 'How many background calls wait for room at the provider, by key and class of models?', next: 'A line that only grows: more background work than the limits let through. See how its waits end.', unit: 'short', empty: 'no limits told yet', targets: [{ query: q.queueLengthByClass(), legend: '{{model_class}} {{credential}}' }] }, { min: 0 }) },
        { width: 8, height: 8, panel: timeSeries({ title: 'Waits of background calls', question: 'How long do background calls wait for room at the provider?', next: 'Near upstream.queue.max_wait: calls are refused next.', unit: 's', empty: 'no limits told yet', targets: [{ query: q.queueOldestByClass(), legend: 'oldest, {{model_class}} {{credential}}' }, { query: q.queueWait(0.95), legend: 'p95 of those that ended' }] }, { min: 0 }) },
        { width: 8, height: 8, panel: stackedBars({ title: 'How their waits end', question: 'Do background calls that had to wait get through?', next: 'expired and full are refusals: ask for a higher tier, spread the work over time or keys, or let it wait longer.', unit: 'ops', empty: 'nobody had to wait', targets: [{ query: q.queueResults(), legend: '{{result}}' }] }) },
      ],
    },
  ],
};
