// grafana/boards/internals.ts: is the gateway itself well?

import type { BoardPlan } from '../board.ts';
import { RECONCILIATION } from '../config.ts';
import { stat, timeSeries } from '../panels.ts';
import * as q from '../queries.ts';

export const internals: BoardPlan = {
  name: 'internals',
  description: 'Is the gateway itself well?',
  from: 'now-6h',
  page: '/',
  rows: [
    {
      title: 'In the way of a call',
      panels: [
        { width: 12, height: 8, panel: timeSeries({ title: 'Overhead added p50 and p99', question: 'How long does the gateway itself keep a call, before it leaves and after its last byte?', next: 'High before it leaves: calls wait for a budget, a limit or the ledger. See the ledger write time.', unit: 's', empty: 'no calls yet', targets: [{ query: q.overhead(0.5), legend: 'p50 {{phase}}' }, { query: q.overhead(0.99), legend: 'p99 {{phase}}' }] }) },
        { width: 12, height: 8, panel: timeSeries({ title: 'In flight, and write queue', question: 'How many calls are under way, and how many changes wait for the ledger?', next: 'A queue that grows: the disk is too slow.', unit: 'short', empty: 'no scrape yet', targets: [{ query: q.inFlight(), legend: 'in flight' }, { query: q.writeQueue(), legend: 'write queue' }] }) },
      ],
    },
    {
      title: 'The books',
      panels: [
        { width: 12, height: 8, panel: timeSeries({ title: 'Ledger write p50 and p99', question: 'How long does a commit take? A call waits for one before it leaves.', next: 'Over 50 ms: look at the disk, or at `ledger.durability`.', unit: 's', empty: 'nothing written yet', targets: [{ query: q.ledgerWrite(0.5), legend: 'p50' }, { query: q.ledgerWrite(0.99), legend: 'p99' }] }) },
        { width: 12, height: 8, panel: timeSeries({ title: 'Rows lost', question: 'Are there calls without a row in the ledger? Anything but zero is a fault.', next: 'Look for settlement_failed and refusal_not_recorded in the log.', unit: 'short', empty: 'no scrape yet', targets: [{ query: q.rowsLost(), legend: '{{reason}}' }] }) },
        { width: 8, height: 6, panel: stat({ title: 'Series exposed', question: 'How many series does a scrape bring? The cap is near 25,000.', next: 'Near the cap: see tollgate_label_overflow_total for the label that grows.', unit: 'short', empty: 'no scrape yet', targets: [{ query: q.seriesExposed(), legend: '{{instance}}' }] }, { sparkline: true, steps: [[null, 'green'], [20_000, 'orange'], [25_000, 'red']] }) },
        { width: 16, height: 6, panel: stat({ title: 'How far the figures can be trusted', question: "Of which part of the calls is the cost estimated, because the usage never came whole? And how far is the ledger from the provider's bill, once the two were compared?", next: 'tollgate_usage_incomplete_total says why, mostly clients that leave. Over 2 % from the bill: traffic that goes past the gateway, or prices that are out of date.', unit: 'percentunit', empty: 'no calls yet', targets: [{ query: q.estimatedShare(), legend: 'estimated' }, { query: q.billDifference(), legend: 'ledger vs provider bill' }] }, { sparkline: false, steps: [[null, 'green'], [RECONCILIATION.amber, 'orange'], [RECONCILIATION.red, 'red']] }) },
      ],
    },
  ],
};
