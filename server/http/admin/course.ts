// server/http/admin/course.ts: how close to the provider's limits it was, how often the provider said no for want of room, and how much was in flight, minute by minute over the last hours. In memory: it begins with the process.

import type { Clock, EpochMs } from '../../domain/ids.ts';
import type { LedgerEntry } from '../../domain/ledger.ts';
import type { HeadroomRow } from '../../domain/observer.ts';

const STEP_MS = 60_000;
const MINUTES = 6 * 60;
/** Pools that are drawn; those past it are left out, the first seen stay. */
const MOST_SERIES = 60;

export interface CourseSeries extends Pick<HeadroomRow, 'credential' | 'modelClass' | 'dimension'> {
  /** The least that was left in each minute, as a part of the limit; null where nothing was told yet. */
  readonly lowest: readonly (number | null)[];
}

/** Answers of the provider that were a no for want of room, of each minute; told when their calls end. Further tries of one call count too. */
export interface Throttled {
  /** 429: over one of our limits there. */
  readonly rateLimited: readonly number[];
  /** 529: the provider has too much to do. */
  readonly overloaded: readonly number[];
  /** The longest that one of them asked to wait, in seconds; null where none asked. */
  readonly retryAfterSeconds: readonly (number | null)[];
}

export interface Course {
  /** The end of each minute, oldest first, and what was in flight then. */
  points(): { readonly at: readonly EpochMs[]; readonly inFlight: readonly number[]; readonly throttled: Throttled; readonly series: readonly CourseSeries[] };
  /** To be told of every call that ended. */
  settled(entry: LedgerEntry): void;
  close(): void;
}

export function createCourse(sources: { readonly clock: Clock; readonly rows: (at: EpochMs) => readonly HeadroomRow[]; readonly inFlight: () => number }): Course {
  let at: EpochMs[] = [];
  let inFlight: number[] = [];
  let throttled: Throttled = { rateLimited: [], overloaded: [], retryAfterSeconds: [] };
  /** Of the minute that is going on. */
  let minute: { rateLimited: number; overloaded: number; retryAfterSeconds: number | null } = { rateLimited: 0, overloaded: 0, retryAfterSeconds: null };
  const series = new Map<string, { row: Pick<HeadroomRow, 'credential' | 'modelClass' | 'dimension'>; lowest: (number | null)[] }>();

  const look = (): void => {
    const now = sources.clock.now();
    const drop = Math.max(0, at.length + 1 - MINUTES);
    at = [...at.slice(drop), now];
    inFlight = [...inFlight.slice(drop), sources.inFlight()];
    throttled = {
      rateLimited: [...throttled.rateLimited.slice(drop), minute.rateLimited],
      overloaded: [...throttled.overloaded.slice(drop), minute.overloaded],
      retryAfterSeconds: [...throttled.retryAfterSeconds.slice(drop), minute.retryAfterSeconds],
    };
    minute = { rateLimited: 0, overloaded: 0, retryAfterSeconds: null };
    for (const one of series.values()) one.lowest = [...one.lowest.slice(drop), null];
    for (const { credential, modelClass, dimension, lowestRatio } of sources.rows(now)) {
      const key = JSON.stringify([credential, modelClass, dimension]);
      let one = series.get(key);
      if (one === undefined) {
        if (series.size >= MOST_SERIES) continue;
        series.set(key, (one = { row: { credential, modelClass, dimension }, lowest: at.map(() => null) }));
      }
      one.lowest[at.length - 1] = lowestRatio;
    }
    for (const [key, one] of series) if (one.lowest.every((value) => value === null)) series.delete(key);
  };
  const timer = setInterval(look, STEP_MS).unref();

  return {
    settled({ settlement }) {
      for (const { status, limits } of settlement.attempts) {
        if (status !== 429 && status !== 529) continue;
        minute[status === 429 ? 'rateLimited' : 'overloaded'] += 1;
        const asked = limits?.retryAfterSeconds ?? null;
        if (asked !== null) minute.retryAfterSeconds = Math.max(asked, minute.retryAfterSeconds ?? 0);
      }
    },
    points: () => ({ at, inFlight, throttled, series: [...series.values()].map(({ row, lowest }) => ({ ...row, lowest })) }),
    close: () => clearInterval(timer),
  };
}
