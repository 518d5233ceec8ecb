// server/store/sqlite/reports-sketch.ts: percentiles of many stored sketches at once, decoded only for the groups that are shown.

import type { Percentiles } from '../../domain/reports.ts';
import { addCounters, addToCounters, clearCounters, count, countInto, newCounters, ofRank, totalOf, type Counters, type Sketch } from './sketch.ts';

/**
 * Goes between sketches in `group_concat`, which strings the bytes of blobs together in C: one buffer for a group instead of one
 * for each of its rows, which is what a chart would spend most of its time on. A pair with a count of 0 is never stored.
 */
export const SEPARATOR_SQL = `x'0000'`;

/** Adds sketches that lie in folds to counters: they are read when they are asked for, and once. */
export type Unread = (into: Counters) => void;

/** What is known of one group's durations: sketches in folds, sketches as they were stored, strung together, and values out of rows. */
export interface Durations {
  readonly unread: Unread[];
  readonly stored: Uint8Array[];
  readonly counted: Sketch;
}

export const noDurations = (): Durations => ({ unread: [], stored: [], counted: new Map() });

/** @param found stored sketches between separators, or whole microseconds between commas; null adds nothing */
export function addDurations(durations: Durations, found: Uint8Array | string | Unread | null): void {
  if (typeof found === 'string') for (const microseconds of found.split(',')) count(durations.counted, Number(microseconds));
  else if (typeof found === 'function') durations.unread.push(found);
  else if (found !== null) durations.stored.push(found);
}

/** @throws RangeError for bytes that are not of sketches */
export function addDurationsTo(counters: Counters, { unread, stored, counted }: Durations): void {
  for (const read of unread) read(counters);
  for (const bytes of stored) addToCounters(counters, bytes);
  if (counted.size > 0) countInto(counters, counted);
}

/** In milliseconds. @param total gets them as well @throws RangeError for bytes that are not of sketches */
export function percentilesOf(durations: Durations, total?: Counters): Percentiles {
  const found = counted(durations);
  if (total !== undefined) addCounters(total, found);
  return percentilesIn(found);
}

/** In milliseconds. */
export function percentilesIn(counters: Counters): Percentiles {
  const total = totalOf(counters);
  return { p50: millisecondsAt(counters, Math.ceil(total * 0.5)), p95: millisecondsAt(counters, Math.ceil(total * 0.95)) };
}

/** Of speeds, which stand as a thousand times what they are: how many there are, the middle, and what one in twenty is slower than. */
export function speedOf(durations: Durations): { answers: number; p50: number | null; p5: number | null } {
  const found = counted(durations);
  const answers = totalOf(found);
  return { answers, p50: millisecondsAt(found, Math.ceil(answers * 0.5)), p5: millisecondsAt(found, Math.ceil(answers * 0.05)) };
}

const counters = newCounters();

/** Good until the next call. */
function counted(durations: Durations): Counters {
  clearCounters(counters);
  addDurationsTo(counters, durations);
  return counters;
}

function millisecondsAt(found: Counters, rank: number): number | null {
  const microseconds = ofRank(found, rank);
  return microseconds === null ? null : microseconds / 1000;
}
