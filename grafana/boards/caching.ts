// grafana/boards/caching.ts: does the prompt cache pay, and what else could be saved?

import type { BoardPlan } from '../board.ts';
import { barGauge, stackedArea, stat, timeSeries } from '../panels.ts';
import * as q from '../queries.ts';

export const caching: BoardPlan = {
  name: 'caching',
  description: 'Does the prompt cache pay, and what else could be saved?',
  from: 'now-7d',
  page: '/',
  rows: [
    {
      title: 'Does the cache pay?',
      panels: [
        { width: 6, height: 8, panel: stat({ title: 'Net caching result in range', question: 'What did caching save, less what writing the cache cost extra? At list price.', next: 'Negative: caches are written and not read. See the reads per written token.', unit: 'currencyUSD', empty: 'no cached calls', targets: [{ query: q.netCaching(), legend: 'net' }] }, { sparkline: false, steps: [[null, 'red'], [0, 'green']] }) },
        { width: 9, height: 8, panel: barGauge({ title: 'Reads per written token, 1 d', question: 'How often is a written token read, over a day? Written for 5 minutes it pays after one read.', next: 'Under 1: the prefix changes, or calls are too far apart. Try the one-hour cache.', unit: 'none', empty: 'nothing was written to the cache', targets: [{ query: q.readsPerWrittenToken(), legend: '{{workspace}} {{model}}' }] }, { steps: [[null, 'red'], [1, 'green']] }) },
        { width: 9, height: 8, panel: barGauge({ title: 'Open opportunities, 30 d', question: 'What of 30 days need not have been spent, at least? `exact` is recorded facts times price, `bounded` the lower end of a range, `estimate` needs a trial, `signal` is the money at stake.', next: 'The Savings page of the dashboard has the evidence and the change to make.', unit: 'currencyUSD', empty: 'no calls yet', targets: [{ query: q.opportunities(), legend: '{{lever}} ({{confidence}})' }] }, { steps: [[null, 'blue']] }).overrideByRegexp('.*\\(signal\\)', [{ id: 'color', value: { mode: 'fixed', fixedColor: 'gray' } }]) },
      ],
    },
    {
      title: 'How much is read from it?',
      panels: [
        { width: 24, height: 8, panel: stackedArea({ title: 'Input composition', question: 'Which part of the prompts is new, written to the cache, or read from it?', next: 'Mostly new input in a workflow with long prompts: mark the stable part for caching.', unit: 'percentunit', empty: 'no calls yet', targets: [{ query: q.inputByKind(), legend: '{{kind}}' }] }, true) },
        { width: 6, height: 7, repeat: 'workspace', panel: timeSeries({ title: 'Cache read ratio, $workspace', question: 'Which part of the input is read from the cache, over the past hour?', next: 'A sudden drop fires TollgateCacheHitCollapse: the prefix has changed.', unit: 'percentunit', empty: 'no calls in the past hour', targets: [{ query: q.cacheReadRatio(), legend: '{{model}}' }], requests: { ws: 'workspace', m: 'model' } }, { min: 0, max: 1 }) },
      ],
    },
  ],
};
