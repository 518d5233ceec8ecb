// web/state/buckets.ts: a stretch of time cut into hours, days or months of a zone.

import { next, startOf } from './zone.ts';

/** Milliseconds since the epoch, half-open. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export type BucketUnit = 'hour' | 'day' | 'month';

export interface Bucket extends Range {
  /** The instant the server names the bucket by. */
  readonly key: number;
  /** True while it is still filling. */
  readonly running: boolean;
}

/**
 * Every bucket of a range, empty ones too, whole even where the range begins or ends inside one.
 * @param now the bucket it lies in is still filling, if the range reaches so far; null where none is
 */
export function bucketsOf({ from, to }: Range, unit: BucketUnit, cutIn: string, now: number | null): Bucket[] {
  const buckets: Bucket[] = [];
  for (let start = startOf(unit, from, cutIn); start < to; start = next(unit, start, cutIn)) {
    const end = next(unit, start, cutIn);
    buckets.push({ key: start, from: start, to: end, running: now !== null && now <= to && start < now && now < end });
  }
  return buckets;
}
