// test/store/reports-holds.test.ts: what calls held and cost, read back for the gate's expectations.

import { afterEach, expect, test } from 'vitest';
import { report } from '../../server/store/sqlite/reports.ts';
import { openSource, type Source } from '../../server/store/sqlite/reports-source.ts';
import { anyCall, writtenLedger, type ToldCall } from './written-ledger.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

function opened(calls: readonly ToldCall[]) {
  const ledger = writtenLedger('UTC');
  const source = openSource(ledger.file, 'UTC');
  closing.push(() => (source.close(), ledger.remove()));
  ledger.write(calls);
  return { source, db: ledger.db };
}
const told = (source: Source, most = 10) => report(source, 'heldAndCost', { most }).map(({ held, cost, ...kind }) => ({ ...kind, held: [...held], cost: [...cost] }));

test('what calls held and cost is told by key and by the model that was sent, the oldest first', () => {
  const { source } = opened([{ ...anyCall, key: 'a', cost: 1n }, { ...anyCall, workflow: 'drafts', cost: 2n }, { ...anyCall, modelSent: 'claude-opus-4-8', outcome: 'client_abort', estimated: true, cost: 3n }, { ...anyCall, key: 'a', cost: 4n }]);
  expect(told(source)).toHaveLength(3);
  expect(told(source)).toEqual(expect.arrayContaining([
    { workspace: 'support', workflow: 'triage', key: 'a', modelSent: 'claude-haiku-4-5', held: [2n, 5n], cost: [1n, 4n] },
    { workspace: 'support', workflow: 'drafts', key: null, modelSent: 'claude-haiku-4-5', held: [3n], cost: [2n] },
    { workspace: 'support', workflow: 'triage', key: null, modelSent: 'claude-opus-4-8', held: [4n], cost: [3n] },
  ]));
});

test('what says nothing of the cost of a call is left out: free, refused, in flight, crashed, batches', () => {
  const { source, db } = opened([{ ...anyCall, cost: 7n }, { ...anyCall, cost: 0n }, { ...anyCall, outcome: 'refused' }, { ...anyCall, outcome: null }, { ...anyCall, outcome: 'crashed' }, { ...anyCall, cost: 8n }]);
  db.exec('UPDATE call SET batch = 1 WHERE cost = 8');
  expect(told(source).map(({ cost }) => cost)).toEqual([[7n]]);
});

test('no more rows are read than told, and they are the newest', () => {
  const { source } = opened([1n, 2n, 3n, 4n].map((cost) => ({ ...anyCall, cost })));
  expect(told(source, 2).map(({ cost }) => cost)).toEqual([[3n, 4n]]);
});
