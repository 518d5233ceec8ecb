// server/observe/join.ts: several observers as one.

import type { Observer } from '../domain/observer.ts';

/** Tells each in the order given. */
export function joinObservers(...observers: readonly Observer[]): Observer {
  return {
    started: (workspace, endpoint) => observers.forEach((o) => o.started(workspace, endpoint)),
    settled: (entry) => observers.forEach((o) => o.settled(entry)),
    refused: (entry) => observers.forEach((o) => o.refused(entry)),
    turnedAway: (reason, endpoint) => observers.forEach((o) => o.turnedAway(reason, endpoint)),
    queued: (workspace, result, waitedMs) => observers.forEach((o) => o.queued?.(workspace, result, waitedMs)),
    lost: (record) => observers.forEach((o) => o.lost?.(record)),
  };
}
