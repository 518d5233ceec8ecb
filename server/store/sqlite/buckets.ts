// server/store/sqlite/buckets.ts: the roll-up buckets that an instant falls into, remembered, because the calendar is slow.

import { periodAt } from '../../domain/calendar.ts';
import { MINUTE_MS } from '../../domain/durations.ts';
import type { EpochMs } from '../../domain/ids.ts';

export interface Buckets {
  /** The instant at which the local hour begins. */
  readonly hour: EpochMs;
  /** The instant at which the local day begins. */
  readonly day: EpochMs;
}

// Every offset in use is a multiple of a quarter of an hour and changes on one, so a whole quarter shares its buckets.
const QUARTER_MS = 15 * MINUTE_MS;
const REMEMBERED = 2_000;

/** @throws RangeError for a zone that the runtime does not know */
export function bucketsIn(zone: string): (at: EpochMs) => Buckets {
  const known = new Map<number, Buckets>();
  return (at) => {
    const quarter = Math.floor(at / QUARTER_MS);
    let buckets = known.get(quarter);
    if (buckets === undefined) {
      buckets = { hour: periodAt('hour', at, zone).from, day: periodAt('day', at, zone).from };
      if (known.size >= REMEMBERED) known.clear();
      known.set(quarter, buckets);
    }
    return buckets;
  };
}
