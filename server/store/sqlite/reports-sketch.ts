// server/store/sqlite/reports-sketch.ts: percentiles of many stored sketches at once, decoded only for the groups that are shown.

import type { Percentiles } from '../../domain/reports.ts';
import { addToCounters, clearCounters, count, countInto, newCounters, ofRank, totalOf, type Counters, type Sketch } from './sketch.ts';

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
  const found = together(groups);
  const total = totalOf(found);
  return { p50: millisecondsAt(found, Math.ceil(total * 0.5)), p95: millisecondsAt(found, Math.ceil(total * 0.95)) };
}

/** Of speeds, which stand as a thousand times what they are: how many there are, the middle, and what one in twenty is slower than. */
export function speedOf(durations: Durations): { answers: number; p50: number | null; p5: number | null } {
  const found = together([durations]);
  const answers = totalOf(found);
  return { answers, p50: millisecondsAt(found, Math.ceil(answers * 0.5)), p5: millisecondsAt(found, Math.ceil(answers * 0.05)) };
}

const counters = newCounters();

/** Good until the next call. */
function together(groups: Iterable<Durations>): Counters {
  clearCounters(counters);
  for (const { stored, counted } of groups) {
    for (const bytes of stored) addToCounters(counters, bytes);
    if (counted.size > 0) countInto(counters, counted);
  }
  return counters;
}

function millisecondsAt(found: Counters, rank: number): number | null {
  const microseconds = ofRank(found, rank);
  return microseconds === null ? null : microseconds / 1000;
}
