// server/store/sqlite/reports-sketch.ts: percentiles of many stored sketches at once, decoded only for the groups that are shown.

import type { Percentiles } from '../../domain/reports.ts';
import { addToCounters, count, COUNTERS, quantile, type Sketch } from './sketch.ts';

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

/** In milliseconds, of all the durations together. @throws RangeError for bytes that are not of sketches */
export function percentilesOf(groups: Iterable<Durations>): Percentiles {
  const { counts, total } = together(groups);
  return { p50: millisecondsAt(counts, Math.ceil(total * 0.5)), p95: millisecondsAt(counts, Math.ceil(total * 0.95)) };
}

/** Of speeds, which stand as a thousand times what they are: how many there are, the middle, and what one in twenty is slower than. */
export function speedOf(found: Durations): { answers: number; p50: number | null; p5: number | null } {
  const { counts, total } = together([found]);
  return { answers: total, p50: millisecondsAt(counts, Math.ceil(total * 0.5)), p5: millisecondsAt(counts, Math.ceil(total * 0.05)) };
}

function together(groups: Iterable<Durations>): { counts: Float64Array; total: number } {
  const counts = new Float64Array(COUNTERS);
  for (const { stored, counted } of groups) {
    for (const bytes of stored) addToCounters(counts, bytes);
    for (const [bucket, n] of counted) counts[bucket] = (counts[bucket] as number) + n;
  }
  return { counts, total: counts.reduce((sum, n) => sum + n, 0) };
}

/** The value of the given rank, from 1, in milliseconds; null for rank 0: there are no values. */
function millisecondsAt(counts: Float64Array, rank: number): number | null {
  if (rank === 0) return null;
  let bucket = 0;
  for (let left = rank - (counts[0] as number); left > 0; left -= counts[++bucket] as number);
  const microseconds = quantile(new Map([[bucket, 1]]), 1);
  return microseconds === null ? null : microseconds / 1000;
}
