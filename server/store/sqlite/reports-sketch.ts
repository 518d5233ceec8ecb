// server/store/sqlite/reports-sketch.ts: percentiles of many stored sketches at once, decoded only for the groups that are shown.

import type { Percentiles } from '../../domain/reports.ts';
import { count, quantile, type Sketch } from './sketch.ts';

/**
 * Goes between sketches in `group_concat`, which strings the bytes of blobs together in C: one buffer for a group instead of one
 * for each of its rows, which is what a chart would spend most of its time on. A pair with a count of 0 is never stored.
 */
export const SEPARATOR_SQL = `x'0000'`;

/** What is known of one group's durations: sketches as they were stored, strung together, and values out of rows. */
export interface Durations {
  readonly stored: Uint8Array[];
  readonly counted: Sketch;
}

export const noDurations = (): Durations => ({ stored: [], counted: new Map() });

/** @param found stored sketches between separators, or whole microseconds between commas; null adds nothing */
export function addDurations(durations: Durations, found: Uint8Array | string | null): void {
  if (typeof found === 'string') for (const microseconds of found.split(',')) count(durations.counted, Number(microseconds));
  else if (found !== null) durations.stored.push(found);
}

/** More than there are buckets. */
const SIZE = 1024;

/** In milliseconds, of all the durations together. @throws RangeError for bytes that are not of sketches */
export function percentilesOf(groups: Iterable<Durations>): Percentiles {
  const counts = new Float64Array(SIZE);
  for (const { stored, counted } of groups) {
    for (const bytes of stored) addStrung(counts, bytes);
    for (const [bucket, n] of counted) counts[bucket] = (counts[bucket] as number) + n;
  }
  const total = counts.reduce((sum, n) => sum + n, 0);
  return { p50: millisecondsAt(counts, Math.ceil(total * 0.5)), p95: millisecondsAt(counts, Math.ceil(total * 0.95)) };
}

function addStrung(counts: Float64Array, bytes: Uint8Array): void {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('a sketch that ends early');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  for (let bucket = 0; at < bytes.length; ) {
    bucket += number();
    const n = number();
    if (bucket >= SIZE) throw new RangeError('a sketch with too high a bucket');
    // A count of 0 is the separator: the next sketch counts its buckets from 0 again.
    if (n === 0) bucket = 0;
    else counts[bucket] = (counts[bucket] as number) + n;
  }
}

/** The value of the given rank, from 1, in milliseconds; null for rank 0: there are no values. */
function millisecondsAt(counts: Float64Array, rank: number): number | null {
  if (rank === 0) return null;
  let bucket = 0;
  for (let left = rank - (counts[0] as number); left > 0; left -= counts[++bucket] as number);
  const microseconds = quantile(new Map([[bucket, 1]]), 1);
  return microseconds === null ? null : microseconds / 1000;
}
