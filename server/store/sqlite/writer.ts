// server/store/sqlite/writer.ts: the thread that owns the ledger's file and alone writes it. Started by writer-client.ts.

import { parentPort, workerData } from 'node:worker_threads';
import type { Database } from 'better-sqlite3';
import { firstBrokenAudit } from './audit-log.ts';
import { backUp } from './backup.ts';
import { bucketsIn } from './buckets.ts';
import { metaOf, openForWriting } from './database.ts';
import type { Ask, FromWriter, ToWriter, WriterSettings } from './messages.ts';
import { namesOf } from './names.ts';
import { recover, recut, recutting } from './recovery.ts';
import { LedgerRefused } from './refusal.ts';
import { foldedOf } from './folded.ts';
import { foldingOf } from './folding.ts';
import { deleteOldRows } from './retention.ts';
import { rollupsOf } from './rollups.ts';
import { spentOf } from './spent.ts';
import { SyncEachSecond } from './sync-each-second.ts';
import { transactionsOf } from './transactions.ts';

/** How often old rows are looked for, and the pause between two chunks, in which batches go first. */
const RETENTION_EVERY_MS = 60_000;
const RETENTION_PAUSE_MS = 20;
/** The pause between two steps of folding, in which batches go first; how often new work is looked for; and how often a long run is told of. */
const FOLDING_PAUSE_MS = 10;
const FOLDING_EVERY_MS = 15_000;
const FOLDING_TOLD_MS = 10_000;
const RECUT_TOLD_MS = 2_000;

const settings = workerData as WriterSettings;
const port = parentPort;
if (port === null) throw new Error('the writer runs as a thread');
const post = (message: FromWriter): void => port.postMessage(message);
// The gateway's clock, from when it was last told: a step of the wall clock must not make rows look old enough to delete.
let told = { now: settings.now, at: performance.now() };
const now = (): number => told.now + Math.round(performance.now() - told.at);

try {
  start();
} catch (error) {
  const code = error instanceof LedgerRefused ? error.code : 'failed';
  post({ refused: { code, message: error instanceof Error ? error.message : String(error) } });
}

function start(): void {
  let upgradingSince = null as number | null;
  const { db, checked } = openForWriting(settings.file, settings.durability, settings.wholeBytes, (from, to) => {
    upgradingSince = performance.now();
    post({ log: { level: 'info', event: 'ledger_upgrading', detail: `from version ${from} of its tables to ${to}; the gateway is ready when that is done` } });
  });
  if (upgradingSince !== null) post({ log: { level: 'info', event: 'ledger_upgraded', ms: Math.round(performance.now() - upgradingSince) } });
  try {
    serve(db, checked);
  } catch (error) {
    db.close();
    throw error;
  }
}

function serve(db: Database, checked: boolean): void {
  const broken = firstBrokenAudit(db);
  if (broken !== null) post({ log: { level: 'warn', event: 'audit_log_broken', detail: `line ${broken} was changed, or a line before it was taken out` } });
  const bucketsAt = bucketsIn(settings.timezone);
  const recovery = startUp(db, bucketsAt);
  const names = namesOf(db);
  const folded = foldedOf(db);
  const transactions = transactionsOf(db, names, bucketsAt, folded);
  const spent = spentOf(db, names, bucketsAt, settings.timezone);
  let retentionDays = settings.retentionDays;
  let backupsRunning = 0;
  const sync = settings.durability === 'full' ? null : new SyncEachSecond(`${settings.file}-wal`, (error) => post({ log: { level: 'warn', event: 'sync_failed', detail: error.message } }));

  const retire = (): void => {
    let deleted = 0;
    const step = (): void => {
      try {
        // Pages that change under a running backup would have to be copied again.
        const chunk = backupsRunning > 0 ? 0 : deleteOldRows(db, { now: now(), days: retentionDays, zone: settings.timezone });
        deleted += chunk;
        retention = chunk > 0 ? setTimeout(step, RETENTION_PAUSE_MS) : setTimeout(retire, RETENTION_EVERY_MS);
        if (chunk === 0 && deleted > 0) post({ log: { level: 'info', event: 'retention', count: deleted } });
      } catch (error) {
        post({ log: { level: 'warn', event: 'retention_failed', detail: error instanceof Error ? error.message : String(error) } });
        retention = setTimeout(retire, RETENTION_EVERY_MS);
      }
    };
    step();
  };
  let retention = setTimeout(retire, 0);

  const folding = foldingOf(db, names, folded, bucketsAt, settings.timezone);
  let run = { since: performance.now(), made: 0 };
  const fold = (): void => {
    try {
      const more = backupsRunning === 0 && folding.step(now());
      const ms = Math.round(performance.now() - run.since);
      // The folds of an hour or a day that ends are nobody's news; those of a history are.
      if (ms > FOLDING_TOLD_MS && folding.made > run.made) post({ log: { level: 'info', event: more ? 'folding' : 'folded', count: folding.made - run.made, ms } });
      if (ms > FOLDING_TOLD_MS || !more) run = { since: performance.now(), made: folding.made };
      foldingTimer = setTimeout(fold, more ? FOLDING_PAUSE_MS : FOLDING_EVERY_MS);
    } catch (error) {
      post({ log: { level: 'warn', event: 'folding_failed', detail: error instanceof Error ? error.message : String(error) } });
      foldingTimer = setTimeout(fold, RETENTION_EVERY_MS);
    }
  };
  let foldingTimer = setTimeout(fold, FOLDING_PAUSE_MS);

  const answer = async ({ what }: Ask): Promise<Extract<FromWriter, { value: unknown }>['value']> => {
    switch (what.kind) {
      case 'spent': return spent(what.scope, what.from, what.to);
      case 'keys': return transactions.keys.all();
      case 'alerts': return transactions.alerts.load();
      case 'grants': return transactions.grants.all(what.since);
      case 'savings': return transactions.savings.all();
      case 'book': return transactions.book(what.batch, what.items, what.end);
      case 'batches': return transactions.batches.unfinished();
      case 'owners': return transactions.batches.owners(what.ids);
      case 'max_pages': db.pragma(`max_page_count = ${what.pages}`); return null;
      case 'retention':
        retentionDays = what.days;
        told = { now: what.now, at: performance.now() };
        clearTimeout(retention);
        retire();
        return null;
      case 'backup':
        backupsRunning += 1;
        try {
          return await backUp(db, what.file);
        } finally {
          backupsRunning -= 1;
        }
      case 'close':
        clearTimeout(retention);
        clearTimeout(foldingTimer);
        sync?.close();
        try {
          db.pragma('optimize');
        } catch {
          // Only statistics for the planner; a damaged file is told of by what finds it.
        }
        db.close();
        return null;
    }
  };

  port?.on('message', (message: ToWriter) => {
    if ('ops' in message) {
      post(transactions.apply(message));
      sync?.committed();
      return;
    }
    answer(message).then(
      (value) => {
        post({ answer: message.ask, value });
        if (message.what.kind === 'close') port.close();
      },
      (error: unknown) => post({ answer: message.ask, error: error instanceof Error ? error.message : String(error) }),
    );
  });
  post({ opened: { checked, ...recovery, keys: transactions.keys.all(), installSecret: metaOf(db, 'install_secret') } });
}

/** All that must be done before calls flow. */
function startUp(db: Database, bucketsAt: ReturnType<typeof bucketsIn>): ReturnType<typeof recover> {
  const recovery = recover(db, rollupsOf(db, bucketsAt, foldedOf(db)), now());
  const cutIn = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'timezone'").pluck().get();
  if (cutIn !== settings.timezone) {
    const started = performance.now();
    let toldAt = started;
    // Nothing is served until it is done, as budgets and pages would read half of it; so it says how far it is.
    const { calls } = recut(db, bucketsAt, settings.timezone, (done, all) => {
      if (performance.now() - toldAt < RECUT_TOLD_MS || done >= all) return;
      toldAt = performance.now();
      post({ log: { level: 'info', event: 'rollups_recutting', count: done, detail: `of ${all} calls; the gateway is ready when all are done` } });
    });
    if (cutIn !== undefined) post({ log: { level: 'info', event: 'rollups_recut', count: calls, ms: Math.round(performance.now() - started), detail: cutIn === recutting(settings.timezone) ? `to ${settings.timezone}, the rest of it` : `${cutIn} to ${settings.timezone}` } });
  }
  return recovery;
}
