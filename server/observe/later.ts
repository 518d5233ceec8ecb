// server/observe/later.ts: tells observers of ended calls a few at a time, off the path of the next call.

import type { LedgerEntry } from '../domain/ledger.ts';
import type { Observer } from '../domain/observer.ts';

/** Nobody sees a figure change faster than this. */
const AFTER_MS = 20;
/** As many together as are told at one go at most, so that a crowd does not hold the loop. */
const AT_ONCE = 64;

export interface LaterObserver extends Observer {
  /** Tells what was not told yet: to be called before anything is read of what the observers count. */
  flush(): void;
}

/**
 * Counting a call touches a hundred places in memory, and costs several times less when the one before it has just touched them, too. So
 * ended calls are gathered for a moment. All else is told at once.
 */
export function tellLater(observer: Observer): LaterObserver {
  let ended: LedgerEntry[] = [];
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const told = ended;
    ended = [];
    for (const entry of told) observer.settled(entry);
  };
  return {
    started: (workspace, endpoint) => observer.started(workspace, endpoint),
    settled(entry) {
      ended.push(entry);
      if (ended.length >= AT_ONCE) flush();
      else timer ??= setTimeout(flush, AFTER_MS);
    },
    refused: (entry) => observer.refused(entry),
    turnedAway: (reason, endpoint) => observer.turnedAway(reason, endpoint),
    lost: (record) => observer.lost?.(record),
    queued: (workspace, result, waitedMs) => observer.queued?.(workspace, result, waitedMs),
    flush,
  };
}
