// server/store/sqlite/sketch.ts: a distribution of durations in a few dozen bytes, from which percentiles come within 2.5 %.

/**
 * Values are counted in buckets whose bounds grow by 5 %: bucket i holds (1.05^(i-1), 1.05^i] microseconds, bucket 0 holds 1 or
 * less. Answering with a bucket's middle (in ratio) is off by at most 2.5 %. Sketches add up exactly: the sum of two is the
 * sketch of all their values, in any order. (The scheme is that of DDSketch, Masson et al., VLDB 2019.)
 *
 * Why a blob in the roll-up row and not a table of buckets: a call would cost six more upserts (two sketches in three grains)
 * where it now costs none, since the row is written anyway; and a chart over 30 days would read some fifty rows for each it reads
 * now. Most groups need 10 to 60 buckets, at two to three bytes each.
 */
export type Sketch = Map<number, number>;

const RATIO = 1.05;
const LOG_RATIO = Math.log(RATIO);
/** 1.05^564 µs is more than ten days; anything longer counts as that. */
const LAST_BUCKET = 564;

export const EMPTY_SKETCH: Uint8Array = new Uint8Array(0);

/** Counts one value. @param microseconds anything below 1 counts as 1 */
export function count(sketch: Sketch, microseconds: number): void {
  const bucket = microseconds <= 1 ? 0 : Math.min(Math.ceil(Math.log(microseconds) / LOG_RATIO - 1e-9), LAST_BUCKET);
  sketch.set(bucket, (sketch.get(bucket) ?? 0) + 1);
}

/** Adds a stored sketch to one in memory. @throws RangeError for bytes that `encode` did not write */
export function addEncoded(sketch: Sketch, bytes: Uint8Array): void {
  let bucket = 0;
  for (let at = 0; at < bytes.length; ) {
    let value = 0;
    for (const into of ['bucket', 'count'] as const) {
      value = 0;
      let scale = 1;
      for (;;) {
        const byte = bytes[at++];
        if (byte === undefined) throw new RangeError('a sketch that ends early');
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) break;
        scale *= 128;
      }
      if (into === 'bucket') bucket += value;
    }
    sketch.set(bucket, (sketch.get(bucket) ?? 0) + value);
  }
}

/** Pairs of (distance from the bucket before, count), each a little-endian base-128 number, buckets ascending. Equal sketches give equal bytes. */
export function encode(sketch: Sketch): Uint8Array {
  const bytes: number[] = [];
  let last = 0;
  for (const bucket of [...sketch.keys()].sort((a, b) => a - b)) {
    for (let value of [bucket - last, sketch.get(bucket) as number]) {
      for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
      bytes.push(value);
    }
    last = bucket;
  }
  return Uint8Array.from(bytes);
}

/** The value that a fraction of all values do not exceed (nearest rank), in microseconds; null for an empty sketch. @param fraction in (0, 1] */
export function quantile(sketch: Sketch, fraction: number): number | null {
  let total = 0;
  for (const n of sketch.values()) total += n;
  if (total === 0) return null;
  let left = Math.ceil(fraction * total);
  for (const bucket of [...sketch.keys()].sort((a, b) => a - b)) {
    left -= sketch.get(bucket) as number;
    if (left <= 0) return middleOf(bucket);
  }
  return null;
}

const middleOf = (bucket: number): number => (bucket === 0 ? 1 : (2 * RATIO ** bucket) / (RATIO + 1));
