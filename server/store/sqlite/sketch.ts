// server/store/sqlite/sketch.ts: a distribution of durations, or of costs, in a few dozen bytes, from which percentiles come within 2.5 %.

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
/** 1.05^800 is more than 2,000 years in microseconds, and 89 million dollars in nano-dollars; anything more counts as that. */
const LAST_BUCKET = 800;

export const EMPTY_SKETCH: Uint8Array = new Uint8Array(0);

/** Counts one value. @param microseconds anything below 1 counts as 1 */
export function count(sketch: Sketch, microseconds: number): void {
  const bucket = bucketOf(microseconds);
  sketch.set(bucket, (sketch.get(bucket) ?? 0) + 1);
}

/** More than there are buckets. */
const COUNTERS = 1024;

/** How many values each bucket has, and between which buckets there are any: most sketches fill a tenth of them. */
export interface Counters {
  readonly counts: Float64Array;
  low: number;
  high: number;
}
export const newCounters = (): Counters => ({ counts: new Float64Array(COUNTERS), low: COUNTERS, high: -1 });

/**
 * Adds stored sketches to counters, without making anything. Between two of them may stand a pair whose count is 0, after which
 * buckets are counted from 0 again; such a pair is never stored. @throws RangeError for bytes that are not of sketches
 */
export function addToCounters(counters: Counters, bytes: Uint8Array, from = 0, to: number = bytes.length): void {
  const { counts } = counters;
  let { low, high } = counters;
  let bucket = 0;
  for (let at = from; at < to; ) {
    // Nearly all numbers are a single byte.
    const distance = bytes[at] as number;
    if (distance < 0x80) {
      bucket += distance;
      at++;
    } else {
      bucket += readNumber(bytes, at);
      at = afterNumber;
    }
    let value = bytes[at] as number;
    if (value < 0x80) at++;
    else {
      value = readNumber(bytes, at);
      at = afterNumber;
    }
    if (at > to || bucket >= COUNTERS) throw new RangeError('bytes that are not of sketches');
    if (value === 0) {
      bucket = 0;
      continue;
    }
    counts[bucket] = (counts[bucket] as number) + value;
    if (bucket < low) low = bucket;
    if (bucket > high) high = bucket;
  }
  counters.low = low;
  counters.high = high;
}

/** Counts one value, or several. */
export function countInBucket(counters: Counters, bucket: number, values = 1): void {
  counters.counts[bucket] = (counters.counts[bucket] as number) + values;
  if (bucket < counters.low) counters.low = bucket;
  if (bucket > counters.high) counters.high = bucket;
}

/** Adds what other counters hold. */
export function addCounters(counters: Counters, { counts, low, high }: Counters): void {
  for (let bucket = low; bucket <= high; bucket++) counters.counts[bucket] = (counters.counts[bucket] as number) + (counts[bucket] as number);
  counters.low = Math.min(counters.low, low);
  counters.high = Math.max(counters.high, high);
}

/** Adds a sketch in memory. */
export function countInto(counters: Counters, sketch: Sketch): void {
  for (const [bucket, values] of sketch) countInBucket(counters, bucket, values);
}

export function clearCounters(counters: Counters): void {
  if (counters.high >= 0) counters.counts.fill(0, counters.low, counters.high + 1);
  counters.low = COUNTERS;
  counters.high = -1;
}

/** What counters hold, stored; they hold nothing afterwards. Pairs of (distance from the bucket before, count), each a little-endian base-128 number, buckets ascending. Equal sketches give equal bytes. */
export function takeCounters(counters: Counters): Uint8Array {
  let end = 0;
  let last = 0;
  for (let bucket = counters.low; bucket <= counters.high; bucket++) {
    const value = counters.counts[bucket] as number;
    if (value === 0) continue;
    end = writePair(end, bucket - last, value);
    last = bucket;
  }
  clearCounters(counters);
  return end === 0 ? EMPTY_SKETCH : workspace.slice(0, end);
}

/** How many values counters hold. */
export function totalOf({ counts, low, high }: Counters): number {
  let total = 0;
  for (let bucket = low; bucket <= high; bucket++) total += counts[bucket] as number;
  return total;
}

/** The value of the given rank, from 1 for the least, in microseconds; null for rank 0: there are none. */
export function ofRank({ counts, low }: Counters, rank: number): number | null {
  if (rank === 0) return null;
  let bucket = low;
  for (let left = rank - (counts[bucket] as number); left > 0; left -= counts[++bucket] as number);
  return middleOf(bucket);
}

/** The sketch of a few values in microseconds, stored. */
export function encodeValues(values: readonly number[]): Uint8Array {
  if (values.length === 0) return EMPTY_SKETCH;
  if (values.length === 1) return workspace.slice(0, writePair(0, bucketOf(values[0] as number), 1));
  const buckets = values.map(bucketOf).sort((a, b) => a - b);
  let end = 0;
  let last = 0;
  for (let i = 0; i < buckets.length; ) {
    const bucket = buckets[i] as number;
    const first = i;
    while (buckets[i] === bucket) i++;
    end = writePair(end, bucket - last, i - first);
    last = bucket;
  }
  return workspace.slice(0, end);
}

/** The sum of two stored sketches, stored; merged as they are read, because the writer does it for every group of every commit. */
export function mergeEncoded(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  let [atA, atB, end, last] = [0, 0, 0, 0];
  let bucketA = readNumber(a, 0);
  let countA = readNumber(a, afterNumber);
  atA = afterNumber;
  let bucketB = readNumber(b, 0);
  let countB = readNumber(b, afterNumber);
  atB = afterNumber;
  for (;;) {
    const bucket = bucketA < bucketB ? bucketA : bucketB;
    if (bucket === Infinity) return workspace.slice(0, end);
    const value = (bucketA === bucket ? countA : 0) + (bucketB === bucket ? countB : 0);
    if (bucketA === bucket) {
      if (atA < a.length) {
        bucketA += readNumber(a, atA);
        countA = readNumber(a, afterNumber);
        atA = afterNumber;
      } else bucketA = Infinity;
    }
    if (bucketB === bucket) {
      if (atB < b.length) {
        bucketB += readNumber(b, atB);
        countB = readNumber(b, afterNumber);
        atB = afterNumber;
      } else bucketB = Infinity;
    }
    end = writePair(end, bucket - last, value);
    last = bucket;
  }
}

/** Room for every bucket at the longest that its two numbers can be. */
const workspace = new Uint8Array((LAST_BUCKET + 1) * 10);
/** Where the number that was read last ends. */
let afterNumber = 0;

function readNumber(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++];
    if (byte === undefined) throw new RangeError('a sketch that ends early');
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  afterNumber = at;
  return value;
}

function writePair(at: number, distance: number, value: number): number {
  let end = at;
  for (; distance >= 128; distance = Math.floor(distance / 128)) workspace[end++] = (distance % 128) | 0x80;
  workspace[end++] = distance;
  for (; value >= 128; value = Math.floor(value / 128)) workspace[end++] = (value % 128) | 0x80;
  workspace[end++] = value;
  return end;
}

/** Where a value is counted. */
export const bucketOf = (microseconds: number): number => (microseconds <= 1 ? 0 : Math.min(Math.ceil(Math.log(microseconds) / LOG_RATIO - 1e-9), LAST_BUCKET));
/** The largest whole number that a bucket holds. */
export const largestOf = (bucket: number): number => (bucket === 0 ? 1 : Math.floor(RATIO ** bucket + 1e-6));
/** The value that a bucket stands for. */
export const middleOf = (bucket: number): number => (bucket === 0 ? 1 : (2 * RATIO ** bucket) / (RATIO + 1));
