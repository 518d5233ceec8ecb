// test/store/sketch.test.ts: percentiles from a sketch are within 3 % of the truth, and sketches add up.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addEncoded, count, encode, encodeValues, mergeEncoded, quantile, type Sketch } from '../../server/store/sqlite/sketch.ts';

const durations = fc.array(fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 600_000_000 })), { minLength: 1, maxLength: 300 });

const sketchOf = (values: readonly number[]): Sketch => {
  const sketch: Sketch = new Map();
  for (const value of values) count(sketch, value);
  return sketch;
};

describe('a sketch', () => {
  test.each([0.5, 0.95, 1])('answers quantile %d within 3 %', (fraction) => {
    fc.assert(fc.property(durations, (values) => {
      const truth = [...values].sort((a, b) => a - b)[Math.ceil(fraction * values.length) - 1] as number;
      const answer = quantile(sketchOf(values), fraction) as number;
      expect(Math.abs(answer - truth) / truth).toBeLessThan(0.03);
    }));
  });

  test('of two halves is the sum of theirs, byte for byte', () => {
    fc.assert(fc.property(durations, durations, (a, b) => {
      const sum = sketchOf(a);
      addEncoded(sum, encode(sketchOf(b)));
      expect(encode(sum)).toEqual(encode(sketchOf([...b, ...a])));
      expect(mergeEncoded(encodeValues(a), encodeValues(b))).toEqual(encode(sum));
    }));
  });

  test('survives counts that need many bytes', () => {
    const sketch: Sketch = new Map([[0, 1], [3, 2 ** 40 + 5], [564, 127]]);
    const read: Sketch = new Map();
    addEncoded(read, encode(sketch));
    expect(read).toEqual(sketch);
    addEncoded(read, encode(sketch));
    expect(encode(read)).toEqual(mergeEncoded(encode(sketch), encode(sketch)));
  });

  test('of nothing has no quantile and no bytes', () => {
    expect(quantile(new Map(), 0.5)).toBeNull();
    expect(encode(new Map())).toHaveLength(0);
    expect(encodeValues([])).toHaveLength(0);
    expect(mergeEncoded(encodeValues([]), encodeValues([7]))).toEqual(encodeValues([7]));
    expect(mergeEncoded(encodeValues([7]), encodeValues([]))).toEqual(encodeValues([7]));
  });

  test('whose bytes end early is refused', () => {
    expect(() => addEncoded(new Map(), Uint8Array.of(5, 0x81))).toThrow(RangeError);
    expect(() => addEncoded(new Map(), Uint8Array.of(5))).toThrow(RangeError);
    expect(() => mergeEncoded(Uint8Array.of(5, 1, 2), Uint8Array.of(5, 1))).toThrow(RangeError);
  });

  test.each([0, 0.2, 1e15])('takes %d for what it can hold', (value) => {
    expect(quantile(sketchOf([value]), 1)).toBeGreaterThan(0);
  });
});
