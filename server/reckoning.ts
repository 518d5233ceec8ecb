// server/reckoning.ts: work over the whole ledger that goes on beside the calls: pricing them again, and checking every sum.

import { randomBytes } from 'node:crypto';
import type { ReloadableGate } from './admit/gate.ts';
import type { Clock, EpochMs, KeyId, WorkflowId, WorkspaceId } from './domain/ids.ts';
import type { Ledger } from './domain/ledger.ts';
import { nanodollars, usdString, type Nanodollars } from './domain/money.ts';
import type { Log } from './domain/observer.ts';
import type { BilledCall, Reports } from './domain/reports.ts';
import type { Reprice } from './domain/reprice.ts';
import type { Verification } from './domain/verify.ts';
import type { PriceBook } from './price/book.ts';
import type { NameOf } from './price/explain.ts';
import { startReprice, type RepriceOptions, type RepriceServices, type RunningReprice } from './price/reprice-run.ts';
import { startVerification, type RunningVerification } from './price/verify-run.ts';

export interface ReckoningServices {
  readonly reports: Pick<Reports, 'bills'>;
  /** A reader for one check, with a thread of its own: a busy day takes it longer than any page should wait for its answer. */
  openReports(): Pick<Reports, 'bills' | 'daysKept' | 'checkDay' | 'close'>;
  readonly ledger: Ledger;
  readonly gate: Pick<ReloadableGate, 'correct' | 'standings'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly nameOf: NameOf;
  /** Tells the metrics of a correction. */
  corrected(workspace: string, difference: Nanodollars): void;
}

export interface Reckoning {
  /** Null while a run is under way. */
  reprice(options: Omit<RepriceOptions, 'run'>, book: PriceBook): RunningReprice | null;
  lastReprice(): Reprice | null;
  verify(range: { readonly from: EpochMs; readonly to: EpochMs } | null): RunningVerification | null;
  lastVerification(): Verification | null;
  /** The latest check that came to its end, for metrics. */
  verification(): { readonly at: EpochMs; readonly drift: number } | null;
  /** Runs `work` while no correction is between the ledger and the budgets, which would otherwise count it twice or not at all. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for the page in hand, and gives the rest up. */
  close(): Promise<void>;
}

export function createReckoning({ reports, openReports, ledger, gate, clock, log, nameOf, corrected }: ReckoningServices): Reckoning {
  let repricing: RunningReprice | null = null;
  let verifying: RunningVerification | null = null;
  let verified: { at: EpochMs; drift: number } | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  let closing = false;
  let checking: Pick<Reports, 'close'> | null = null;

  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  };

  const correct: RepriceServices['correct'] = (changes) =>
    alone(async () => {
      if (closing) throw new Error('the gateway is shutting down');
      const written = await Promise.allSettled(changes.map(({ correction }) => ledger.correct(correction)));
      for (const [at, result] of written.entries()) {
        const change = changes[at];
        if (result.status !== 'fulfilled' || change === undefined) continue;
        const difference = nanodollars(change.correction.cost - change.correction.before);
        gate.correct(subjectOf(change.call), change.call.row.admittedAt, difference);
        corrected(change.call.row.workspace, difference);
      }
      const failed = written.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    });

  const audit = async (action: string, { from, to }: RepriceOptions, actor: string, detail: object): Promise<void> => {
    await ledger.audit({ at: clock.now(), actor, action, subject: `${new Date(from).toISOString()}/${new Date(to).toISOString()}`, detail: JSON.stringify(detail) });
  };

  return {
    alone,
    reprice(options, book) {
      if (closing || repricing?.now().state === 'running') return null;
      const named = { ...options, run: `rp_${randomBytes(9).toString('hex')}` };
      // Who began it stands in the audit log before the first correction does.
      const begun = named.dryRun ? Promise.resolve() : audit('reprice.begin', named, named.actor, { run: named.run });
      const run = startReprice(named, { book, clock, correct, reports: { bills: (query) => begun.then(() => reports.bills(query)) } });
      repricing = run;
      const ended = run.ended.then(async (state) => {
        if (state.state === 'failed') log.error('reprice_failed', { count: state.changed, detail: state.error ?? '' });
        const { run: id, state: how, calls, changed } = state;
        if (!named.dryRun) await audit('reprice.end', named, named.actor, { run: id, state: how, calls, changed, difference_usd: usdString(nanodollars(state.after - state.before)) }).catch(() => log.warn('audit_failed', { reason: 'reprice.end' }));
        return state;
      });
      return { now: run.now, ended };
    },
    lastReprice: () => repricing?.now() ?? null,
    verify(range) {
      if (closing || verifying?.now().state === 'running') return null;
      const own = openReports();
      checking = own;
      const run = startVerification(range, { reports: own, ledger, clock, standings: (at) => gate.standings(at), nameOf });
      verifying = run;
      void run.ended.then(({ state, drift, error }) => {
        void own.close();
        if (state === 'done') verified = { at: clock.now(), drift };
        else if (!closing) log.error('verify_failed', { detail: error ?? '' });
        if (drift > 0) log.error('ledger_drift', { count: drift });
      });
      return run;
    },
    lastVerification: () => verifying?.now() ?? null,
    verification: () => verified,
    async close() {
      closing = true;
      await checking?.close();
      await turn;
    },
  };
}

const subjectOf = ({ row }: BilledCall): Parameters<ReloadableGate['correct']>[0] => ({
  workspace: row.workspace as WorkspaceId, workflow: row.workflow as WorkflowId, key: row.key as KeyId | null, user: row.user, model: row.modelSent,
});
