// test/store/migrations.test.ts: an upgrade that is killed on its way opens again, whole, with every call and every sum.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, expect, test } from 'vitest';
import { canTrace } from '../faults/tracer.ts';
import { migrate, MIGRATIONS, SCHEMA_VERSION } from '../../server/store/sqlite/migrations.ts';
import { killAndStartAgain, writeOldLedger, writesOfAStart } from './old-ledger.ts';
import { logbook } from './samples.ts';
import { scratch } from './scratch.ts';

const place = scratch();
afterAll(() => place.remove());

const CALLS = 500;

test('an upgrade finds what rules had said of calls before, and nothing else', () => {
  const db = new Database(':memory:');
  const step = MIGRATIONS.findIndex((sql) => sql.includes('CREATE TABLE verdict'));
  for (const sql of MIGRATIONS.slice(0, step)) db.exec(sql);
  db.pragma(`user_version = ${step}`);
  const insert = db.prepare("INSERT INTO call (n, id, admitted_at, workspace, workflow, key, user, model, model_sent, endpoint, stream, background, held, outcome, decisions) VALUES (?, 'req_' || ?, ?, 0, 0, 0, 0, 0, 0, 'messages', 0, 0, 0, ?, ?)");
  const rows: [outcome: string | null, decisions: unknown][] = [
    ['ok', [['models:support', 'allow']]],
    ['ok', [['models:support', 'rewrite', 'fast stands for claude-haiku-4-5'], ['models:support/triage', 'would_refuse', 'a "refuse" in words'], ['budget:month', 'would_refuse']]],
    [null, [['cheaper_models:support', 'would_rewrite']]],
    ['ok', [['cheaper_models:support', 'rewrite']]],
    ['refused', [['budget:month', 'refuse']]],
    ['refused', null],
    ['ok', null],
  ];
  rows.forEach(([outcome, decisions], i) => insert.run(i + 1, i + 1, 1_000 + i, outcome, decisions === null ? null : JSON.stringify(decisions)));
  migrate(db);
  expect(db.prepare('SELECT call, name.text AS rule, at, verdict FROM verdict JOIN name ON name.id = rule ORDER BY call, rule').raw().all()).toEqual([
    [2, 'budget:month', 1_001, 2], [2, 'models:support/triage', 1_001, 2], [3, 'cheaper_models:support', 1_002, 3], [4, 'cheaper_models:support', 1_003, 4], [5, 'budget:month', 1_004, 1], [6, '', 1_005, 1],
  ]);
  db.close();
});

test('an upgrade says that it is under way, and when it is over; a ledger that is as it should be says nothing', async () => {
  const old = scratch();
  try {
    writeOldLedger(old.file, 10);
    const told = async (): Promise<string[]> => {
      const log = logbook();
      const { ledger } = await old.open({ log });
      await ledger.close();
      return log.lines.map(({ event }) => event).filter((event) => event.startsWith('ledger_'));
    };
    expect(await told()).toEqual(['ledger_upgrading', 'ledger_upgraded']);
    expect(await told()).toEqual([]);
  } finally {
    old.remove();
  }
});

test.runIf(canTrace)('an upgrade from the first version, killed at three places, is taken up by the next start', async () => {
  const file = join(place.dir, 'old.db');
  writeOldLedger(file, CALLS);
  const writes = writesOfAStart(file);
  const found: number[] = [];
  for (let i = 1; i <= 3; i++) {
    const { killed, versionFound } = await killAndStartAgain(file, CALLS, Math.ceil((i * writes) / 4));
    expect(killed).toBe(true);
    found.push(versionFound);
  }
  // Some were killed before its end.
  expect(found.some((version) => version < SCHEMA_VERSION)).toBe(true);
});
