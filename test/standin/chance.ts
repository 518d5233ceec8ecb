// test/standin/chance.ts: everything that looks like chance in the stand-in, from one seed, so that a run can be repeated byte for byte.

import { createHash } from 'node:crypto';

export interface Chance {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [from, to]. */
  int(from: number, to: number): number;
  pick<T>(from: readonly T[]): T;
  /** `length` characters of base 58, as in the API's ids. */
  id(prefix: string, length?: number): string;
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** The same words give the same chance (mulberry32 over a SHA-256 of them). */
export function chanceOf(...words: readonly (string | number)[]): Chance {
  let state = createHash('sha256').update(words.join('\u0000')).digest().readUInt32LE(0);
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    int,
    pick<T>(from: readonly T[]): T {
      const chosen = from[int(0, from.length - 1)];
      if (chosen === undefined) throw new RangeError('nothing to pick from');
      return chosen;
    },
    id: (prefix, length = 22) => prefix + Array.from({ length }, () => BASE58[int(0, 57)]).join(''),
  };
}
