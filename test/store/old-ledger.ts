// test/store/old-ledger.ts: a ledger as the first version wrote it, and a start of this version on it that is killed at a chosen system call.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { expect } from 'vitest';
import { APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION } from '../../server/store/sqlite/migrations.ts';
import { scratch } from './scratch.ts';
import { recomputedSums, storedSums } from './sums.ts';

const opener = fileURLToPath(new URL('./opener.mjs', import.meta.url));
const COST = 1_000;
const HELD = 7_000;
/** Of every hundred calls one was in flight when the old version ended. */
const OPEN_EVERY = 100;

/** Makes a ledger of schema 1 with so many calls, some of them open. Its roll-ups were cut in another zone, so that the start must cut them anew. */
export function writeOldLedger(file: string, calls: number): void {
  const db = new Database(file);
  db.pragma('auto_vacuum = INCREMENTAL');
  db.pragma('journal_mode = WAL');
  db.exec(MIGRATIONS[0]!);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma('user_version = 1');
  db.exec(`
    INSERT INTO meta (key, value) VALUES ('install_secret', '${'ab'.repeat(32)}'), ('created_at', '2026-01-01T00:00:00.000Z'), ('timezone', 'Asia/Tokyo');
    INSERT INTO name (id, text) VALUES (1, 'support'), (2, 'triage'), (3, 'mia'), (4, 'claude-haiku-4-5');
    WITH RECURSIVE seq (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM seq WHERE i + 1 < ${calls})
    INSERT INTO call (id, admitted_at, workspace, workflow, key, user, model, model_sent, endpoint, stream, background, held, outcome, ended_at, status, input, output, cost, duration_us)
    SELECT 'req_' || i, 1772000000000 + i * 60000, 1, 2, 0, 3, 4, 4, 'messages', 0, 0, ${HELD}, iif(i % ${OPEN_EVERY} = 0, NULL, 'ok'), iif(i % ${OPEN_EVERY} = 0, NULL, 1772000000000 + i * 60000 + 900), 200, 10, 20, iif(i % ${OPEN_EVERY} = 0, 0, ${COST}), 900000 FROM seq;`);
  db.close();
}

const CALLS_COUNTED = 'pwrite64,ftruncate,fsync,fdatasync';

/** How many of these system calls a whole start on the file makes, in its busiest thread. */
export function writesOfAStart(file: string): number {
  return onACopy(file, (copy, folder) => {
    const trace = join(folder, 'trace');
    spawnSync('strace', ['-f', '-qq', '-o', trace, '-e', `trace=${CALLS_COUNTED}`, process.execPath, opener, copy], { stdio: 'ignore' });
    const perThread = new Map<string, number>();
    for (const line of readFileSync(trace, 'utf8').split('\n').filter((text) => /^\d+ +(pwrite64|ftruncate|fsync|fdatasync)\(/.test(text))) perThread.set(line.split(' ')[0]!, (perThread.get(line.split(' ')[0]!) ?? 0) + 1);
    return Math.max(...perThread.values());
  });
}

/** A start on a copy of the file is killed at its n-th such call; the next start finds a whole ledger, migrated, with every call and every sum. */
export async function killAndStartAgain(file: string, calls: number, n: number): Promise<{ killed: boolean; versionFound: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-migrate-'));
  const place = scratch(folder);
  try {
    cpSync(file, place.file);
    const child = spawn('strace', ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${CALLS_COUNTED}`, '-e', `inject=${CALLS_COUNTED}:signal=SIGKILL:when=${n}`, process.execPath, opener, place.file], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await once(child, 'close');
    const before = new Database(place.file, { readonly: true });
    const versionFound = before.pragma('user_version', { simple: true }) as number;
    before.close();
    const { ledger, recovery } = await place.open();
    await ledger.close();
    const open = calls / OPEN_EVERY;
    // The killed start may have settled them already.
    expect([0, open], `killed at ${n}`).toContain(recovery.crashed);
    expect(place.read('SELECT outcome, count(*) AS n, sum(cost) AS cost FROM call GROUP BY outcome ORDER BY outcome'), `killed at ${n}`).toEqual([
      { outcome: 'crashed', n: open, cost: open * HELD },
      { outcome: 'ok', n: calls - open, cost: (calls - open) * COST },
    ]);
    expect(storedSums(place), `killed at ${n}`).toEqual(recomputedSums(place, 'Europe/Berlin'));
    const db = new Database(place.file, { readonly: true });
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(db.pragma('user_version', { simple: true })).toBe(SCHEMA_VERSION);
    expect(db.prepare("SELECT value FROM meta WHERE key = 'install_secret'").pluck().get()).toBe('ab'.repeat(32));
    db.close();
    return { killed: !said.includes('"code":null'), versionFound };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function onACopy<T>(file: string, use: (copy: string, folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-migrate-'));
  try {
    const copy = join(folder, 'ledger.db');
    cpSync(file, copy);
    return use(copy, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
