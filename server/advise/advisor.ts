// server/advise/advisor.ts: the savings advisor for the main thread: looks when asked and when the last look is old, and keeps what people decide.

import { Worker } from 'node:worker_threads';
import { AdviceError, type Advice, type Advisor, type Saving, type SavingDecision, type SavingDecisions } from '../domain/advice.ts';
import { periodAt } from '../domain/calendar.ts';
import { DAY_MS, MINUTE_MS } from '../domain/durations.ts';
import { epochMs, type Clock, type EpochMs } from '../domain/ids.ts';
import type { Log } from '../domain/observer.ts';
import { ReportsUnavailable } from '../domain/reports.ts';
import type { Settings } from '../domain/settings.ts';
import type { Question } from './advise.ts';
import type { Model } from './levers/smaller-model.ts';
import { baselineOf, savingOf, savingsOf } from './standing.ts';
import type { Task } from './thread.ts';

const WINDOW_DAYS = 30;
/** Savings move slowly. */
const KEPT_MS = 10 * MINUTE_MS;
/** A look may take this part of the time at most, however large the ledger. */
const SHARE_OF_TIME = 60;
/** While the first calls come in, a look is worth more often. */
const KEPT_FEW_MS = 5_000;
const FEW_CALLS = 1_000;

export interface AdvisorServices {
  /** The ledger's file. */
  readonly file: string;
  /** `thread.js` as it was built. */
  readonly threadEntry: URL;
  readonly decisions: SavingDecisions;
  readonly clock: Clock;
  readonly settings: () => Settings;
  /** Models that are sold now, at the prices of now. */
  readonly models: () => readonly Model[];
  readonly log: Log;
}

export interface ClosableAdvisor extends Advisor {
  close(): Promise<void>;
}

export function createAdvisor(services: AdvisorServices): ClosableAdvisor {
  const { clock, decisions, log } = services;
  let known: { readonly advice: Advice; readonly ran: number } | null = null;
  let looking: Promise<Advice> | null = null;
  let thread: Worker | null = null;
  let closed = false;

  const look = (): Promise<Advice> => {
    looking ??= run().finally(() => (looking = null));
    return looking;
  };

  async function run(): Promise<Advice> {
    const started = clock.monotonic();
    const at = clock.now();
    const found = await inThread({ file: services.file, question: questionAt(at, services) });
    const advice: Advice = { ...found, at, tookMs: clock.monotonic() - started };
    known = { advice, ran: clock.monotonic() };
    return advice;
  }

  function inThread(task: Task): Promise<Omit<Advice, 'at' | 'tookMs'>> {
    return new Promise((resolve, reject) => {
      if (closed) return reject(new ReportsUnavailable('the advisor is closed'));
      const worker = new Worker(services.threadEntry, { workerData: task, name: 'tollgate-advisor' });
      thread = worker;
      worker.once('message', resolve);
      worker.once('error', (error) => {
        log.error('advice_failed', { code: error.name });
        reject(new ReportsUnavailable(`the savings cannot be worked out: ${error.message}`));
      });
      worker.once('exit', () => {
        thread = null;
        reject(new ReportsUnavailable('the advisor ended'));
      });
    });
  }

  /** The latest advice; an old one makes way for a new one, behind whoever asks. */
  async function advice(): Promise<Advice> {
    if (known === null) return look();
    const { advice: latest, ran } = known;
    const age = clock.monotonic() - ran;
    if (latest.calls < FEW_CALLS && age >= KEPT_FEW_MS) return look();
    if (age >= Math.max(KEPT_MS, latest.tookMs * SHARE_OF_TIME)) look().catch(() => undefined);
    return latest;
  }

  return {
    async view() {
      const [latest, decided] = await Promise.all([advice(), decisions.list()]);
      return { advice: latest, savings: savingsOf(latest, decided) };
    },

    async decide({ id, state, owner, reason, actor }): Promise<Saving> {
      const [latest, decided] = await Promise.all([advice(), decisions.list()]);
      const saving = savingsOf(latest, decided).find(({ finding }) => finding.id === id);
      if (saving === undefined) throw new AdviceError('unknown_saving', 'There is no such saving now, and nobody decided on one of that id.');
      const { finding } = saving;
      const at = clock.now();
      const before = saving.decision;
      // Done twice is done once, unless it had come back in between.
      const baseline = state !== 'done' ? null : before?.state === 'done' && !saving.reopened ? before.baseline : baselineOf(finding, latest, at);
      const decision: SavingDecision = { id, state, at: before?.state === 'done' && state === 'done' && !saving.reopened ? before.at : at, actor, owner, reason, baseline };
      await decisions.save(decision);
      return savingOf(finding, decision, latest);
    },

    async close() {
      closed = true;
      await thread?.terminate();
    },
  };
}

/** Thirty local days up to now. */
function questionAt(now: EpochMs, { settings, models }: AdvisorServices): Question {
  const { timezone, workspaces } = settings();
  const dayStarts: number[] = [];
  let day = periodAt('day', epochMs(now - (WINDOW_DAYS - 1) * DAY_MS), timezone);
  for (; day.from <= now; day = periodAt('day', day.to, timezone)) dayStarts.push(day.from);
  return { from: dayStarts[0]!, to: now, dayStarts, models: models(), scopes: new Map([...workspaces.values()].map((workspace) => [workspace.id, workspace.upstreamKey])) };
}
