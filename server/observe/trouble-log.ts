// server/observe/trouble-log.ts: one line in the log for every call that the provider or the way to it let down, and for every second of overload; none for a healthy call.

import type { Outcome } from '../domain/call.ts';
import type { LedgerEntry } from '../domain/ledger.ts';
import { OVERLOAD_RUNGS, type Log, type Observer, type OverloadRung } from '../domain/observer.ts';

/** Endings that somebody should look into. A client that left or asked wrongly is none, nor is our own no. */
const TROUBLES: ReadonlySet<Outcome> = new Set<Outcome>(['connect_failed', 'upstream_reset', 'upstream_timeout', 'upstream_protocol', 'upstream_error', 'drained']);
const LOOK_EVERY_MS = 1_000;

/** To be joined with the other observers. */
export function createTroubleLog(log: Log): Observer {
  return {
    started() {},
    settled({ opened, settlement }: LedgerEntry) {
      if (!TROUBLES.has(settlement.outcome)) return;
      const { caller, id, endpoint } = opened;
      const { status, errorType, durationMs } = settlement;
      log.warn(settlement.outcome, {
        call: id, workspace: caller.workspace, workflow: caller.workflow, endpoint, ms: Math.round(durationMs),
        ...(status === null ? {} : { status }), ...(errorType === null ? {} : { code: errorType }),
      });
    },
    refused() {},
    turnedAway() {},
  };
}

/** Tells once a second which rungs of the overload ladder were taken since, and how often. @param counts of each rung since the start */
export function logOverload(counts: () => Readonly<Record<OverloadRung, number>>, log: Log): { close(): void } {
  let before = { ...counts() };
  const look = (): void => {
    const now = { ...counts() };
    for (const rung of OVERLOAD_RUNGS) if (now[rung] > before[rung]) log.warn('overloaded', { reason: rung, count: now[rung] - before[rung] });
    before = now;
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return { close: () => (look(), clearInterval(timer)) };
}
