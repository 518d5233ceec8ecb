// test/store/fold-memory.test.ts: what folding keeps in memory does not grow with the calls and actions of an hour.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { openFold } from '../../server/store/sqlite/fold-format.ts';
import { FOLD_GRAIN, FOLD_VIEWS } from '../../server/store/sqlite/fold-views.ts';
import { anyCall, writtenLedger } from './written-ledger.ts';

const CALLS = 120_000;
const USERS = 500;
/** A process that opens a ledger and folds nothing takes 12. */
const HEAP_MB = 40;

const store = fileURLToPath(new URL('../../dist/server/store/sqlite/', import.meta.url));
const FOLDS_ALL = `
  const [database, names, folded, folding, buckets] = await Promise.all(['database', 'names', 'folded', 'folding', 'buckets'].map((name) => import(process.argv[1] + name + '.js')));
  const { db } = database.openForWriting(process.argv[2], 'normal');
  const work = folding.foldingOf(db, names.namesOf(db), folded.foldedOf(db), buckets.bucketsIn('UTC'), 'UTC');
  while (work.step(Number(process.argv[3])));
  console.log(work.made);`;

test(`an hour of ${CALLS} actions of ${USERS} users, its day and its block are folded in a heap of ${HEAP_MB} MB`, async () => {
  const ledger = writtenLedger('UTC');
  const { db } = ledger;
  try {
    ledger.write([{ ...anyCall, action: 'action', user: 'user' }]);
    const users = db.prepare("WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?) INSERT INTO name (text) SELECT 'user-' || i FROM k RETURNING id").pluck().all(USERS) as number[];
    const own: Record<string, string> = {
      n: 'NULL', id: "id || '-' || i", action: "'action-' || i", admitted_at: `admitted_at + i * ${Math.floor(3_599_000 / CALLS)}`, user: `${Math.min(...users)} + i % ${USERS}`,
      duration_us: '1000 + i * 7919 % 900000', ttft_us: '500 + i * 104729 % 90000', overhead_us: '300 + i % 1000', cost: 'cost + i',
    };
    const columns = db.prepare("SELECT name FROM pragma_table_info('call')").pluck().all() as string[];
    db.prepare(`WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?) INSERT INTO call SELECT ${columns.map((name) => own[name] ?? name).join(', ')} FROM call, k`).run(CALLS - 1);

    const { stdout } = await promisify(execFile)(process.execPath, [`--max-old-space-size=${HEAP_MB}`, '--input-type=module', '-e', FOLDS_ALL, store, ledger.file, String(anyCall.at + 3 * 86_400_000)]);
    expect(stdout).toBe('3\n');

    const fold = openFold(db.prepare('SELECT content FROM fold WHERE grain = ? AND view = ?').pluck().get(FOLD_GRAIN.hour, FOLD_VIEWS.actions.id) as Buffer, FOLD_VIEWS.actions.dimensions.length);
    expect(fold.size).toBe(CALLS);
    const byUser = openFold(db.prepare('SELECT content FROM fold WHERE grain = ? AND view = ?').pluck().get(FOLD_GRAIN.hour, FOLD_VIEWS.users.id) as Buffer, FOLD_VIEWS.users.dimensions.length);
    const calls = byUser.column(FOLD_VIEWS.users.dimensions.length).slice(0, byUser.size);
    expect([byUser.size, calls.reduce((sum, one) => sum + one, 0)]).toEqual([USERS + 1, CALLS]);
  } finally {
    ledger.remove();
  }
});
