// server/http/admin/course.ts: how close to the provider's limits it was, and how much was in flight, minute by minute over the last hours. In memory: it begins with the process.

import type { Clock, EpochMs } from '../../domain/ids.ts';
import type { HeadroomRow } from '../../domain/observer.ts';

const STEP_MS = 60_000;
const MINUTES = 6 * 60;
/** Pools that are drawn; those past it are left out, the first seen stay. */
const MOST_SERIES = 60;

export interface CourseSeries extends Pick<HeadroomRow, 'credential' | 'modelClass' | 'dimension'> {
  /** The least that was left in each minute, as a part of the limit; null where nothing was told yet. */
  readonly lowest: readonly (number | null)[];
}

export interface Course {
  /** The end of each minute, oldest first, and what was in flight then. */
  points(): { readonly at: readonly EpochMs[]; readonly inFlight: readonly number[]; readonly series: readonly CourseSeries[] };
  close(): void;
}

export function createCourse(sources: { readonly clock: Clock; readonly rows: (at: EpochMs) => readonly HeadroomRow[]; readonly inFlight: () => number }): Course {
  let at: EpochMs[] = [];
  let inFlight: number[] = [];
  const series = new Map<string, { row: Pick<HeadroomRow, 'credential' | 'modelClass' | 'dimension'>; lowest: (number | null)[] }>();

  const look = (): void => {
    const now = sources.clock.now();
    const drop = Math.max(0, at.length + 1 - MINUTES);
    at = [...at.slice(drop), now];
    inFlight = [...inFlight.slice(drop), sources.inFlight()];
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
    points: () => ({ at, inFlight, series: [...series.values()].map(({ row, lowest }) => ({ ...row, lowest })) }),
    close: () => clearInterval(timer),
  };
}
