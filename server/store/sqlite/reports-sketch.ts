// server/store/sqlite/reports-sketch.ts: adds up many stored sketches at once, as SQL strings them together.

import type { Sketch } from './sketch.ts';

/**
 * Goes between sketches in `group_concat`, which strings the bytes of blobs together in C: one buffer for a group instead of one
 * for each of its rows, which is what a chart would spend most of its time on. A pair with a count of 0 is never stored.
 */
export const SEPARATOR_SQL = `x'0000'`;

/** Adds sketches that `SEPARATOR_SQL` keeps apart. Null adds nothing. @throws RangeError for bytes that are not of sketches */
export function addConcatenated(sketch: Sketch, bytes: Uint8Array | null): void {
  if (bytes === null) return;
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
    const distance = number();
    const count = number();
    // The separator: the next sketch counts its buckets from 0 again.
    if (count === 0) bucket = 0;
    else sketch.set((bucket += distance), (sketch.get(bucket) ?? 0) + count);
  }
}

/** Adds one sketch to another; exact. */
export function addSketch(sum: Sketch, part: Sketch): void {
  for (const [bucket, count] of part) sum.set(bucket, (sum.get(bucket) ?? 0) + count);
}
