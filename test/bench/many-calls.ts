// test/bench/many-calls.ts: a ledger of millions of calls: some months of a busy company. The rows are put in as they would stand; the roll-ups are cut from them by the writer's own code.

import { bucketsIn } from '../../server/store/sqlite/buckets.ts';
import { openForWriting } from '../../server/store/sqlite/database.ts';
import { foldedOf } from '../../server/store/sqlite/folded.ts';
import { foldingOf } from '../../server/store/sqlite/folding.ts';
import { namesOf } from '../../server/store/sqlite/names.ts';
import { recut } from '../../server/store/sqlite/recovery.ts';
import { verdictsTableOf } from '../../server/store/sqlite/verdicts-table.ts';

export const ZONE = 'Europe/Berlin';
const HOUR_MS = 3_600_000;
/** One transaction's worth. */
const AT_ONCE = 50_000;

const MODELS = ['claude-haiku-4-5', 'claude-sonnet-4-6', 'claude-opus-4-8', 'claude-sonnet-4-5', 'claude-opus-4-5', 'claude-haiku-4-5'] as const;
const OUTCOMES = ['client_abort', 'upstream_error', 'refused', 'client_error', 'truncated', 'upstream_timeout', 'upstream_reset'] as const;
const WORKSPACES = 12;
const WORKFLOWS = 4;
const TRACED = 3;

/** The same numbers in every run: mulberry32. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const COLUMNS = [
  'id', 'admitted_at', 'workspace', 'workflow', 'key', 'user', 'model', 'model_sent', 'model_served', 'endpoint', 'stream', 'background', 'held', 'outcome', 'ended_at', 'status',
  'input', 'cache_write_5m', 'cache_read', 'output', 'cost', 'cache_savings', 'estimated', 'attempts', 'duration_us', 'ttft_us', 'overhead_us', 'request_bytes', 'response_bytes',
  'basis', 'stop_reason', 'service_tier', 'upstream_request_id', 'session', 'action', 'decisions', 'trace',
];

/**
 * Writes `count` calls, as many each day, that end at `to`: 12 workspaces with 4 workflows each, 48 keys, users of whom few make most of the calls,
 * 5 models, 8 outcomes; most of them by day. One dry run speaks of every fiftieth call, one of every five-thousandth, and in the last third of the
 * time a soft budget of the whole company is past its limit, which it says of every call.
 * @param told hears how many are written, now and then
 */
export function writeManyCalls(file: string, { calls: count, users, days, to }: { calls: number; users: number; days: number; to: number }, told: (what: string) => void): void {
  const { db } = openForWriting(file, 'normal');
  db.pragma('cache_size = -1000000');
  const names = namesOf(db);
  const verdicts = verdictsTableOf(db, names);
  const insert = db.prepare(`INSERT INTO call (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`);
  const next = numbers(count);
  // Squared: the first of each kind are the busiest.
  const few = (many: number): number => Math.floor(next() * next() * many);
  const lengthMs = days * 24 * HOUR_MS;
  const write = (number: number): void => {
    const evenly = to - lengthMs + (number / count) * lengthMs;
    const hour = (evenly / HOUR_MS) % 24;
    // Two of three calls of the night are moved to the day.
    const at = Math.floor(hour < 7 && next() < 0.66 ? evenly + (7 - hour + next()) * HOUR_MS : evenly);
    const user = few(users);
    const workspace = user % WORKSPACES;
    const workflow = few(WORKFLOWS);
    const model = names.id(MODELS[few(MODELS.length)]!);
    const outcome = next() < 0.95 ? 'ok' : OUTCOMES[few(OUTCOMES.length)]!;
    const refused = outcome === 'refused';
    const input = refused ? 0 : 200 + few(20_000);
    const output = refused ? 0 : 20 + few(2_000);
    const cacheRead = !refused && next() < 0.6 ? few(100_000) : 0;
    const durationMs = 300 + next() * next() * 20_000;
    const said = [
      ['models:support', 'allow'],
      ...(number % 50 === 0 ? [['features:support', 'would_refuse', 'thinking is not allowed in support']] : []),
      ...(number % 5_000 === 1 ? [['cheaper_models:support', 'would_rewrite', 'claude-opus-4-8 would give way to claude-haiku-4-5']] : []),
      ...(number > (count / 3) * 2 ? [['budget:everything-month', 'would_refuse', 'held 0.024000000 of 400.000000000']] : []),
    ];
    const decisions = JSON.stringify(refused ? [['limit:support/requests', 'refuse']] : said);
    const { lastInsertRowid } = insert.run(
      `req_${String(number).padStart(26, '0')}`, at, names.id(`workspace-${workspace}`), names.id(`workflow-${workspace}-${workflow}`), names.id(`key-${workspace}-${workflow}`), names.id(`user-${user}`),
      model, model, refused ? 0 : model, 'messages', 1, 0, 24_000_000, outcome, at + Math.floor(durationMs), refused ? 429 : 200,
      input, cacheRead === 0 ? few(8_000) : 0, cacheRead, output, input * 1_000 + output * 5_000 + cacheRead * 100, cacheRead * 900, outcome === 'client_abort' ? 1 : 0, refused ? 0 : 1,
      Math.floor(durationMs * 1_000), outcome === 'ok' ? Math.floor(150_000 + next() * next() * 2_000_000) : null, 250, 2_048, 4_096,
      'listed', 'end_turn', 'standard', `req_up${number}`, `session-${user}-${Math.floor(at / HOUR_MS)}`, `action-${user}-${Math.floor(at / 60_000)}`, decisions,
      // One workspace sends traces: a user's calls of one hour are one.
      workspace === TRACED ? Buffer.from(`${user}-${Math.floor(at / HOUR_MS)}`.padEnd(16, '-').slice(0, 16)) : null,
    );
    if (refused) verdicts.refused(Number(lastInsertRowid), at, decisions);
    else verdicts.opened(Number(lastInsertRowid), at, decisions);
  };
  // Indexes are cut when all is there: three times as fast as growing them call by call.
  const indexes = db.prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'call' AND sql IS NOT NULL").all();
  for (const { name } of indexes) db.exec(`DROP INDEX ${name}`);
  for (let written = 0; written < count; ) {
    db.exec('BEGIN');
    for (const end = Math.min(written + AT_ONCE, count); written < end; written++) write(written);
    db.exec('COMMIT');
    told(`${written} of ${count} calls written`);
  }
  for (const { name, sql } of indexes) {
    told(`the index ${name} is being cut`);
    db.exec(sql);
  }
  told('the roll-ups are being cut');
  recut(db, bucketsIn(ZONE), ZONE);
  // As the writer does when it closes: what the planner knows of the tables belongs to a ledger.
  db.pragma('optimize');
  db.close();
}

/** Folds what is over, as the writer does beside its other work; or takes all folds away. @returns how many were made, and the CPU time that took */
export function foldAll(file: string, wanted: boolean, now: number, told: (what: string) => void): { made: number; ms: number } {
  const { db } = openForWriting(file, 'normal');
  if (!wanted) db.exec('DELETE FROM fold_done; DELETE FROM fold');
  const folding = foldingOf(db, namesOf(db), foldedOf(db), bucketsIn(ZONE), ZONE);
  const before = process.cpuUsage();
  let steps = 0;
  while (wanted && folding.step(now)) if (++steps % 1_000 === 0) told(`${folding.made} hours, days and blocks folded`);
  const { user, system } = process.cpuUsage(before);
  db.pragma('optimize');
  db.close();
  return { made: folding.made, ms: (user + system) / 1000 };
}
