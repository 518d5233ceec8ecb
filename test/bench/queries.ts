// test/bench/queries.ts: `npm run bench:queries`: every question that a page of the dashboard asks, put to ledgers of a million and of ten million calls.

import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { periodAt } from '../../server/domain/calendar.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Filter, Grouping } from '../../server/domain/reports.ts';
import { openSource, type Source } from '../../server/store/sqlite/reports-source.ts';
import { report, type Question, type ReportName } from '../../server/store/sqlite/reports.ts';
import { foldAll, writeManyCalls, ZONE } from './many-calls.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000,10000000' },
    users: { type: 'string', default: '2000' },
    days: { type: 'string', default: '90' },
    rounds: { type: 'string', default: '21' },
    folds: { type: 'string', default: 'yes' },
    keep: { type: 'string' },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run bench:queries -- [options]

Fills ledgers with the calls of a busy company and times every question that a page of the dashboard asks.

  --rows 1000000,10000000   calls per ledger; ten million take some 8 GB of disk and half an hour to write
  --users 2000              who make them, few of them most
  --days 90                 over how many days; questions that reach further back find nothing there
  --rounds 21               how often each question is asked; p50 and p95 are of these
  --only TEXT               only questions whose name holds this
  --folds yes|no            no: as in the minutes after an upgrade, before what is over has been folded
  --keep FOLDER             keep the ledgers there, and use those of an earlier run; else they are deleted`);
  process.exit(0);
}
const rounds = Number(values.rounds);
/** What DESIGN asks of any chart at ten million calls. */
const GOAL_MS = 60;
const DAY_MS = 86_400_000;
/** A quarter of an hour past an hour of the afternoon: the range ends inside an hour and inside a day, as ranges do. */
const NOW = Date.UTC(2026, 5, 17, 13, 15);

interface Case {
  readonly page: string;
  readonly name: ReportName;
  readonly question: Question<ReportName>;
  /** False: no page asks it; the API answers it. */
  readonly chart: boolean;
}

const nothing = { workspace: [], workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [] } as const;
const since = (days: number): { from: Filter['from']; to: Filter['to'] } =>
  ({ from: days === 1 ? epochMs(NOW - 86_400_000) : epochMs(periodAt('day', epochMs(NOW - (days - 1) * DAY_MS), ZONE).from), to: epochMs(NOW) });

function cases(): Case[] {
  const usage = (page: string, groupBy: readonly Grouping[], range: ReturnType<typeof since>, filter: Partial<Filter> = {}, times = false): Case =>
    ({ page, name: 'usage', question: { filter: { ...nothing, ...range, ...filter }, groupBy, limit: 10_000, times }, chart: true });
  const list = (page: string, range: ReturnType<typeof since>, limit: number, filter: Partial<Filter> = {}): Case =>
    ({ page, name: 'requests', question: { filter: { ...nothing, ...range, ...filter }, limit, cursor: null }, chart: true });
  const before = (days: number): ReturnType<typeof since> => ({ from: epochMs(since(days).from - days * DAY_MS), to: epochMs(NOW - days * DAY_MS) });
  const all: Case[] = [];
  for (const days of [1, 7, 30, 90]) {
    const range = since(days);
    const unit: Grouping = days <= 3 ? 'hour' : 'day';
    const at = `${days} d`;
    all.push(
      usage(`overview: figures, ${at}`, [unit], range, {}, true),
      usage(`overview: figures of the period before, ${at}`, [unit], before(days), {}, true),
      usage(`overview: spend by workspace, ${at}`, ['workspace', unit], range),
      usage(`overview: hours of the week, ${at}`, ['hour'], range),
      usage(`workspaces, ${at}`, ['workspace'], range),
      usage(`workflows, ${at}`, ['workspace', 'workflow'], range),
      usage(`workflows: outcomes, ${at}`, ['workspace', 'workflow', 'outcome'], range),
      usage(`one workflow, ${at}`, [unit], range, { workspace: ['workspace-3'], workflow: ['workflow-3-1'] }),
      usage(`models, ${at}`, ['model'], range, {}, true),
      usage(`models: outcomes, ${at}`, ['model', 'outcome'], range),
      usage(`models: by workflow, ${at}`, ['model', 'workspace', 'workflow'], range),
      usage(`users, ${at}`, ['user'], range),
      { ...usage(`by hand: users with their times, ${at}`, ['user'], range, {}, true), chart: false },
      { ...usage(`by hand: users by day, ${at}`, ['user', 'day'], range), chart: false },
      usage(`users of a workspace, ${at}`, ['user'], range, { workspace: ['workspace-3'] }),
      usage(`users of a model, ${at}`, ['user'], range, { model: ['claude-opus-4-8'] }),
      usage(`overview: hours of the week of a model, ${at}`, ['hour'], range, { model: ['claude-opus-4-8'] }),
      { page: `workflows: cost per action, ${at}`, name: 'actions', question: { filter: { ...nothing, ...range }, groupBy: ['workspace', 'workflow'], most: 100_000 }, chart: true },
      { page: `workflows: cost per action of one, ${at}`, name: 'actions', question: { filter: { ...nothing, ...range, workspace: ['workspace-3'], workflow: ['workflow-3-1'] }, groupBy: [unit as 'hour' | 'day'], most: 100_000 }, chart: true },
      { page: `workflows: steps of traces of one, ${at}`, name: 'steps', question: { ...range, workspace: 'workspace-3', workflow: 'workflow-3-0', mostTraces: 1_000, mostCalls: 6_000, mostSteps: 20 }, chart: true },
      list(`requests: of one trace, ${at}`, range, 50, { trace: [Buffer.from('3-495000--------').toString('hex')] }),
      usage(`one user, ${at}`, [unit], range, { user: ['user-17'] }),
      { page: `policies: what rules said, ${at}`, name: 'verdicts', question: { filter: { ...nothing, ...range }, groupBy: [unit as 'hour' | 'day'] }, chart: true },
      { page: `policies: what rules said in a workspace, ${at}`, name: 'verdicts', question: { filter: { ...nothing, ...range, workspace: ['workspace-3'] }, groupBy: [unit as 'hour' | 'day'] }, chart: true },
      { page: `policies: where rules said it, ${at}`, name: 'verdicts', question: { filter: { ...nothing, ...range }, groupBy: ['workspace', 'workflow'] }, chart: true },
      usage(`requests: outcomes by a rule of every call, ${at}`, ['outcome', unit], range, { policy: ['budget:everything-month'], verdict: ['would_refuse', 'would_rewrite'] }),
      usage(`requests: outcomes by a rule of few, ${at}`, ['outcome', unit], range, { policy: ['cheaper_models:support'] }),
      list(`requests: by a rule of every call, ${at}`, range, 50, { policy: ['budget:everything-month'], verdict: ['would_refuse', 'would_rewrite'] }),
      list(`requests: by a rule of few, ${at}`, range, 50, { policy: ['cheaper_models:support'] }),
      usage(`requests: outcomes of what dry runs spoke of, ${at}`, ['outcome', unit], range, { verdict: ['would_refuse', 'would_rewrite'] }),
      list(`requests: what dry runs spoke of, ${at}`, range, 50, { verdict: ['would_refuse', 'would_rewrite'] }),
      usage(`limits: outcomes, ${at}`, ['outcome', unit], range),
      list(`requests: the newest, ${at}`, range, 50),
      list(`requests: failed, ${at}`, range, 200, { outcome: ['upstream_error', 'upstream_timeout', 'upstream_reset'] }),
      list(`requests: of one user, ${at}`, range, 50, { user: ['user-17'] }),
      list(`requests: of one model and outcome, ${at}`, range, 50, { model: ['claude-opus-4-8'], outcome: ['truncated'] }),
      list(`requests: of one session, ${at}`, range, 50, { session: ['session-17-495000'] }),
      { page: `filters: what there is, ${at}`, name: 'facets', question: { ...range, limit: 200 }, chart: true },
      { page: `budgets: forecast of all, ${at}`, name: 'hourlySpend', question: { scope: { workspace: null, workflow: null, key: null, user: null, model: null }, ...range }, chart: true },
      { page: `budgets: forecast of a workspace, ${at}`, name: 'hourlySpend', question: { scope: { workspace: 'workspace-3', workflow: null, key: null, user: null, model: null }, ...range }, chart: true },
      { page: `budgets: forecast of a user, ${at}`, name: 'hourlySpend', question: { scope: { workspace: null, workflow: null, key: null, user: 'user-17', model: null }, ...range }, chart: true },
    );
  }
  all.push(
    { page: 'one request', name: 'request', question: `req_${'500000'.padStart(26, '0')}`, chart: true },
    { page: 'one request: its prompt against the one before', name: 'prompts', question: { id: `req_${'500000'.padStart(26, '0')}`, most: 20 }, chart: true },
  );
  return all;
}

interface Measured {
  readonly page: string;
  /** The first time: pages come from the disk or the system's cache, and statements are prepared. */
  readonly first: number;
  readonly p50: number;
  readonly p95: number;
}

/** CPU time of this process, all its threads together, in milliseconds: what other programs do on the machine is not in it, as it would be in time on the wall. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

function measure(source: Source, { page, name, question }: Case): Measured {
  const took: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const began = cpuMs();
    report(source, name, question);
    took.push(cpuMs() - began);
  }
  const first = took.shift()!;
  took.sort((a, b) => a - b);
  return { page, first, p50: took[Math.floor(took.length * 0.5)]!, p95: took[Math.min(took.length - 1, Math.floor(took.length * 0.95))]! };
}

console.log(`Node ${process.version}, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores; load average ${loadavg().map((l) => l.toFixed(2)).join(' ')}; ${rounds} rounds\n`);
let missed = 0;
for (const calls of values.rows.split(',').map(Number)) {
  const folder = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'tollgate-queries-')) : join(values.keep, `${calls}-${values.users}-${values.days}`);
  try {
    const file = join(folder, 'ledger.db');
    if (!existsSync(file)) {
      mkdirSync(folder, { recursive: true });
      const began = performance.now();
      writeManyCalls(file, { calls, users: Number(values.users), days: Number(values.days), to: NOW }, (what) => process.stderr.write(`\r${what.padEnd(60)}`));
      process.stderr.write(`\n${((performance.now() - began) / 1000).toFixed(0)} s\n`);
    }
    const { ms, made } = foldAll(file, values.folds === 'yes', NOW, (what) => process.stderr.write(`\r${what.padEnd(60)}`));
    if (made > 0) console.log(`${made} hours, days and blocks folded in ${(ms / 1000).toFixed(0)} s of CPU: ${((ms * 1000) / calls).toFixed(1)} µs per call`);
    console.log(`${calls.toLocaleString('en')} calls of ${values.users} users in ${values.days} days, ${(statSync(file).size / 2 ** 30).toFixed(2)} GiB\n\n${'question'.padEnd(56)}${'first'.padStart(10)}${'p50'.padStart(10)}${'p95'.padStart(10)}  (CPU ms)`);
    const source = openSource(file, ZONE);
    for (const one of cases().filter(({ page }) => page.includes(values.only))) {
      const { page, first, p50, p95 } = measure(source, one);
      const miss = one.chart && p50 > GOAL_MS;
      if (miss) missed++;
      console.log(`${page.padEnd(56)}${first.toFixed(1).padStart(10)}${p50.toFixed(1).padStart(10)}${p95.toFixed(1).padStart(10)}${miss ? `  over ${GOAL_MS}` : ''}`);
    }
    source.close();
    console.log('');
  } finally {
    if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}
console.log(missed === 0 ? `Every question was answered in ${GOAL_MS} ms of CPU (p50).` : `${missed} took more than ${GOAL_MS} ms of CPU (p50).`);
