// server/store/sqlite/recovery.ts: what a start does before calls flow: ends the calls that a crash left open, and cuts roll-ups anew when the zone changed.

import type { Database } from 'better-sqlite3';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import type { Recovery } from '../../domain/ledger.ts';
import { nanodollars } from '../../domain/money.ts';
import type { Buckets } from './buckets.ts';
import { CACHE_SAVINGS_NOW, COST_NOW, ESTIMATED_NOW } from './corrections.ts';
import { foldedOf } from './folded.ts';
import { rollupsOf, type EndedCall, type Rollups } from './rollups.ts';

export const CRASH_ESTIMATE = 'all that was held, because the gateway ended before the call did';

const COLUMNS = `n, admitted_at AS admittedAt, workspace, workflow, key, user, model, model_sent AS modelSent, endpoint, outcome, attempts, input,
  cache_write_5m AS cacheWrite5m, cache_write_1h AS cacheWrite1h, cache_read AS cacheRead, output, web_search AS webSearch, ${COST_NOW} AS cost,
  ${ESTIMATED_NOW} AS estimated, ${CACHE_SAVINGS_NOW} AS cacheSavings, duration_us AS durationUs, ttft_us AS ttftUs, held`;

type Row = { [column: string]: bigint | string | null };

/**
 * Every call still open becomes a `crashed` entry at the cost that was held for it, in one transaction with the roll-ups. One that
 * created a batch costs nothing itself: what it held is held for the batch, whose results are booked later.
 */
export function recover(db: Database, rollups: Rollups, now: number): Recovery {
  const open = db.prepare<[], Row>(`SELECT ${COLUMNS} FROM call WHERE outcome IS NULL`).safeIntegers();
  const settle = db.prepare(`
    UPDATE call SET outcome = 'crashed', ended_at = max(admitted_at, ?), cost = iif(batch IS NULL, held, 0), estimated = batch IS NULL, estimate_method = iif(batch IS NULL, ?, NULL),
      attempts = (SELECT count(*) FROM attempt WHERE call = n) WHERE n = ? RETURNING cost, estimated, attempts`).safeIntegers();
  const firstAttempt = db.prepare('INSERT INTO attempt (call, number, started_at) VALUES (?, 1, ?) ON CONFLICT DO NOTHING');
  const endAttempts = db.prepare("UPDATE attempt SET outcome = 'crashed' WHERE call = ? AND outcome IS NULL");
  let crashed = 0;
  let crashedCost = 0n;
  db.transaction(() => {
    for (const row of open.all()) {
      firstAttempt.run(row['n'], row['admittedAt']);
      const { cost, estimated, attempts } = settle.get(now, CRASH_ESTIMATE, row['n']) as { cost: bigint; estimated: bigint; attempts: bigint };
      endAttempts.run(row['n']);
      rollups.add({ ...endedCall(row), outcome: 'crashed', attempts: Number(attempts), cost, estimated: estimated === 1n });
      crashed += 1;
      crashedCost += cost;
    }
    rollups.flush();
  }).immediate();
  return { crashed, crashedCost: nanodollars(crashedCost) };
}

/** Rows per transaction of a recut. Rows that stand together are of the same hours and days, so that most sums are written once. */
const RECUT_ROWS = 20_000;
/** What the ledger says of its zone meanwhile; also to an earlier version, which then does all of it anew. */
export const recutting = (zone: string): string => `being cut in ${zone}`;

/**
 * Cuts the roll-ups on the hours and days of another zone, from the rows. Sums from before `rowsFrom`, whose rows retention has
 * deleted, stay as they were cut. In steps: a kill in the midst of it leaves word of how far it came, and the next start goes on from there.
 * @param told after every step, how many calls are done and how many there are
 */
export function recut(db: Database, bucketsAt: (at: EpochMs) => Buckets, zone: string, told: (done: number, all: number) => void = () => undefined, rowsAtOnce: number = RECUT_ROWS): { calls: number } {
  const meta = db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck();
  const setMeta = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  const rowsFrom = epochMs(Number(meta.get('rows_from') ?? 0));
  // A bucket that begins before the cut is named by the cut, so that the next recut finds all that this one wrote.
  const notBefore = (bucket: EpochMs): EpochMs => (bucket < rowsFrom ? rowsFrom : bucket);
  const rollups = rollupsOf(db, (at) => ({ hour: notBefore(bucketsAt(at).hour), day: notBefore(bucketsAt(at).day) }), foldedOf(db));
  if (meta.get('timezone') !== recutting(zone)) {
    db.transaction(() => {
      // Retention cuts at the beginning of a day, so no bucket has rows on both sides of the cut.
      db.prepare('DELETE FROM rollup WHERE bucket >= ?').run(rowsFrom);
      // Folds of hours and days of the other cut; what is left of them makes way when they are made anew.
      db.prepare('DELETE FROM fold_done').run();
      setMeta.run('timezone', recutting(zone));
      setMeta.run('recut_after', '0');
      setMeta.run('recut_calls', '0');
    }).immediate();
  }
  const last = db.prepare<[], bigint | null>('SELECT max(n) FROM call').pluck().safeIntegers().get() ?? 0n;
  const page = db.prepare<[bigint], Row>(`SELECT ${COLUMNS} FROM call WHERE n > ? ORDER BY n LIMIT ${rowsAtOnce}`).safeIntegers();
  let after = BigInt(meta.get('recut_after') ?? 0);
  let calls = Number(meta.get('recut_calls') ?? 0);
  while (after < last) {
    db.transaction(() => {
      const rows = page.all(after);
      for (const row of rows) {
        if (row['outcome'] === null || Number(row['admittedAt']) < rowsFrom) continue;
        rollups.add(endedCall(row));
        calls += 1;
      }
      rollups.flush();
      after = (rows[rows.length - 1]?.['n'] ?? last) as bigint;
      setMeta.run('recut_after', String(after));
      setMeta.run('recut_calls', String(calls));
    }).immediate();
    told(Number(after), Number(last));
  }
  db.transaction(() => {
    setMeta.run('timezone', zone);
    db.prepare("DELETE FROM meta WHERE key IN ('recut_after', 'recut_calls')").run();
  }).immediate();
  return { calls };
}

function endedCall(row: Row): EndedCall {
  const number = (column: string): number => Number(row[column]);
  const numberOrNull = (column: string): number | null => (row[column] === null ? null : Number(row[column]));
  return {
    admittedAt: number('admittedAt'), workspace: number('workspace'), workflow: number('workflow'), key: number('key'), user: number('user'),
    model: number('model'), modelSent: number('modelSent'), endpoint: String(row['endpoint']), outcome: String(row['outcome']), attempts: number('attempts'),
    input: number('input'), cacheWrite5m: number('cacheWrite5m'), cacheWrite1h: number('cacheWrite1h'), cacheRead: number('cacheRead'), output: number('output'),
    webSearch: number('webSearch'), cost: row['cost'] as bigint, estimated: row['estimated'] === 1n, cacheSavings: row['cacheSavings'] as bigint,
    durationUs: numberOrNull('durationUs'), ttftUs: numberOrNull('ttftUs'),
  };
}
