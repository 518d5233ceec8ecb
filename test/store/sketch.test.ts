// test/store/sketch.test.ts: percentiles from a sketch are within 3 % of the truth, and sketches add up.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addCounters, addToCounters, bucketOf, countInBucket, encodeValues, mergeEncoded, newCounters, ofRank, takeCounters, totalOf, type Counters } from '../../server/store/sqlite/sketch.ts';

const durations = fc.array(fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 600_000_000 })), { minLength: 1, maxLength: 300 });

const countersOf = (values: readonly number[]): Counters => {
  const counters = newCounters();
  for (const value of values) countInBucket(counters, bucketOf(value));
  return counters;
};
const quantile = (counters: Counters, fraction: number): number | null => ofRank(counters, Math.ceil(fraction * totalOf(counters)));

describe('a sketch', () => {
  test.each([0.5, 0.95, 1])('answers quantile %d within 3 %', (fraction) => {
    fc.assert(fc.property(durations, (values) => {
      const truth = [...values].sort((a, b) => a - b)[Math.ceil(fraction * values.length) - 1] as number;
      const answer = quantile(countersOf(values), fraction) as number;
      expect(Math.abs(answer - truth) / truth).toBeLessThan(0.03);
    }));
  });

  test('of two halves is the sum of theirs, byte for byte, whichever way they are added', () => {
    fc.assert(fc.property(durations, durations, (a, b) => {
      const whole = encodeValues([...b, ...a]);
      expect(takeCounters(countersOf([...a, ...b]))).toEqual(whole);
      expect(mergeEncoded(encodeValues(a), encodeValues(b))).toEqual(whole);
      const read = countersOf(a);
      addToCounters(read, encodeValues(b));
      expect(takeCounters(read)).toEqual(whole);
      const added = countersOf(a);
      addCounters(added, countersOf(b));
      expect(takeCounters(added)).toEqual(whole);
    }));
  });

  test('survives counts that need many bytes', () => {
    const many = newCounters();
    for (const [bucket, values] of [[0, 1], [3, 2 ** 40 + 5], [564, 127]] as const) countInBucket(many, bucket, values);
    const stored = takeCounters(many);
    const read = newCounters();
    addToCounters(read, stored);
    expect([read.counts[0], read.counts[3], read.counts[564]]).toEqual([1, 2 ** 40 + 5, 127]);
    addToCounters(read, stored);
    expect(takeCounters(read)).toEqual(mergeEncoded(stored, stored));
  });

  test('of nothing has no quantile and no bytes', () => {
    expect(quantile(newCounters(), 0.5)).toBeNull();
    expect(takeCounters(newCounters())).toHaveLength(0);
    expect(encodeValues([])).toHaveLength(0);
    expect(mergeEncoded(encodeValues([]), encodeValues([7]))).toEqual(encodeValues([7]));
    expect(mergeEncoded(encodeValues([7]), encodeValues([]))).toEqual(encodeValues([7]));
  });

  test('whose bytes end early is refused', () => {
    expect(() => addToCounters(newCounters(), Uint8Array.of(5, 0x81))).toThrow(RangeError);
    expect(() => addToCounters(newCounters(), Uint8Array.of(5))).toThrow(RangeError);
    expect(() => mergeEncoded(Uint8Array.of(5, 1, 2), Uint8Array.of(5, 1))).toThrow(RangeError);
  });

  test.each([0, 0.2, 1e15])('takes %d for what it can hold', (value) => {
    expect(quantile(countersOf([value]), 1)).toBeGreaterThan(0);
  });
});
