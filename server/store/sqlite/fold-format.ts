// server/store/sqlite/fold-format.ts: sums of many groups in one blob, column by column, so that a chart adds them up a hundred times faster than from rows.

import { addToCounters, newCounters, takeCounters } from './sketch.ts';

/**
 * What a fold sums, in the order of its columns. Money is cut into its low 32 bits and what is above: sums of the two halves are exact in
 * a float where a sum of whole amounts would lose nano-dollars.
 */
export const FOLD_SUMS = [
  'calls', 'attempts', 'refused', 'errors', 'input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search',
  'cost_low', 'cost_high', 'estimated_cost_low', 'estimated_cost_high', 'cache_savings_low', 'cache_savings_high',
] as const;
export const SUMS = FOLD_SUMS.length;
/** The first column of money; each amount takes two. */
export const MONEY_AT = 10;
const LOW = 2 ** 32;

/** Whole nano-dollars out of the sums of low and of high halves. */
export const amountOf = (low: number, high: number): bigint => (BigInt(high) << 32n) + BigInt(low);

export interface FoldBuilder {
  readonly size: number;
  /**
   * Adds to the group of the given dimensions.
   * @param values has one per `FOLD_SUMS`, from `at` on @param duration a stored sketch
   */
  add(dimensions: readonly number[], values: ArrayLike<unknown>, at: number, duration: Uint8Array, ttft: Uint8Array): void;
  /** Adds a group that no other addition has the dimensions of, without sketches; nothing is kept to find it by. */
  append(dimensions: readonly number[], values: ArrayLike<unknown>, at: number): void;
  /** Adds all of a stored fold of as many dimensions. */
  addFold(bytes: Uint8Array): void;
  encode(): Uint8Array;
}

/** Groups that there is room for at first. */
const ROOM = 64;
/** Sketches that may wait to be merged, unless there are more groups than that. */
const SKETCHES_AT_ONCE = 20_000;

/**
 * Gathers groups of `width` dimensions, each a whole number below 2^53. An hour can have a million of them, and calls without number in
 * each: so groups lie in columns, outside of V8's heap, and sketches are merged as they come.
 * @param sketches whether what is added can be several sketches in a row
 */
export function foldBuilder(width: number, sketches: 'single' | 'strung' = 'single'): FoldBuilder {
  const alone = sketches === 'single';
  const places = new Map<string, number>();
  const durations = new Map<number, Uint8Array[]>();
  const ttfts = new Map<number, Uint8Array[]>();
  let size = 0;
  let room = ROOM;
  let dimensionsOf = Array.from({ length: width }, () => new Float64Array(room));
  /** Null where all is zero so far: many views sum little. */
  let sumsOf: (Float64Array | null)[] = Array.from({ length: SUMS }, () => null);
  let waiting = 0;
  let mostWaiting = SKETCHES_AT_ONCE;

  const begin = (dimensions: readonly number[]): number => {
    if (size === room) {
      room *= 2;
      dimensionsOf = dimensionsOf.map(doubled);
      sumsOf = sumsOf.map((column) => column && doubled(column));
    }
    for (let at = 0; at < width; at++) (dimensionsOf[at] as Float64Array)[size] = dimensions[at] as number;
    return size++;
  };
  const sum = (place: number, values: ArrayLike<unknown>, at: number): void => {
    for (let i = 0; i < SUMS; i++) {
      const value = values[at + i] as number;
      if (value === 0) continue;
      const column = (sumsOf[i] ??= new Float64Array(room));
      column[place] = (column[place] as number) + value;
    }
  };
  const gather = (into: Map<number, Uint8Array[]>, place: number, sketch: Uint8Array): void => {
    if (sketch.length === 0) return;
    const those = into.get(place);
    if (those === undefined) into.set(place, [sketch]);
    else those.push(sketch);
    waiting += 1;
    if (waiting > mostWaiting) merge();
  };
  const merge = (): void => {
    for (const all of [durations, ttfts]) for (const those of all.values()) if (those.length > 1) those.splice(0, those.length, merged(those, alone));
    waiting = durations.size + ttfts.size;
    mostWaiting = Math.max(SKETCHES_AT_ONCE, 2 * waiting);
  };

  const add: FoldBuilder['add'] = (dimensions, values, at, duration, ttft) => {
    const name = dimensions.join();
    let place = places.get(name);
    if (place === undefined) places.set(name, (place = begin(dimensions)));
    sum(place, values, at);
    gather(durations, place, duration);
    gather(ttfts, place, ttft);
  };

  return {
    get size() {
      return size;
    },
    add,
    append(dimensions, values, at) {
      sum(begin(dimensions), values, at);
    },
    addFold(bytes) {
      const fold = openFold(bytes, width);
      const columns = Array.from({ length: width + SUMS }, (_, at) => fold.column(at).slice(0, fold.size));
      fold.eachSketch((i, [durationFrom, durationTo, ttftFrom, ttftTo]) => {
        const values = columns.map((column) => column[i] as number);
        add(values.slice(0, width), values, width, bytes.subarray(durationFrom, durationTo), bytes.subarray(ttftFrom, ttftTo));
      });
    },
    encode() {
      for (let at = MONEY_AT; at < SUMS; at += 2) {
        const [low, high] = [sumsOf[at], (sumsOf[at + 1] ??= new Float64Array(room))];
        for (let place = 0; low && place < size; place++) {
          const carry = Math.floor((low[place] as number) / LOW);
          low[place] = (low[place] as number) - carry * LOW;
          high[place] = (high[place] as number) + carry;
        }
      }
      const stored: Uint8Array[] = [];
      const lengths = [durations, ttfts].map((all) => {
        if (all.size === 0) return null;
        const column = new Float64Array(size);
        for (let place = 0; place < size; place++) {
          const those = all.get(place);
          if (those === undefined) continue;
          const sketch = merged(those, alone);
          column[place] = sketch.length;
          stored.push(sketch);
        }
        return column;
      });
      const columns = [...dimensionsOf, ...sumsOf, ...lengths].map((column) => (column === null ? NO_VALUES : narrowest(column.subarray(0, size))));
      return written(size, columns, stored);
    },
  };
}

/** Of a column that holds nothing but zeros. */
const NO_VALUES = new Uint8Array(0);

function doubled(column: Float64Array): Float64Array<ArrayBuffer> {
  const wider = new Float64Array(column.length * 2);
  wider.set(column);
  return wider;
}

const counters = newCounters();

function merged(sketches: readonly Uint8Array[], alone: boolean): Uint8Array {
  if (sketches.length === 1 && alone) return sketches[0] as Uint8Array;
  for (const sketch of sketches) addToCounters(counters, sketch);
  return takeCounters(counters);
}

/* Layout: the number of groups (u32), a byte per column with the bytes of one value (0: all are 0), then the columns, each at a multiple
   of 8, then the sketches of durations in a row, then those of times to first token. Little-endian, as the machines are. */

type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array;

function narrowest(values: Float64Array): Column {
  let least = 0;
  let most = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (least < 0 || most > 0xffff_ffff) return values;
  if (most === 0) return NO_VALUES;
  return most <= 0xff ? new Uint8Array(values) : most <= 0xffff ? new Uint16Array(values) : new Uint32Array(values);
}

const padded = (length: number): number => (length + 7) & ~7;

function written(size: number, columns: readonly Column[], sketches: readonly Uint8Array[]): Uint8Array {
  const head = padded(4 + columns.length);
  const bytes = new Uint8Array(columns.reduce((sum, column) => sum + padded(column.byteLength), head) + sketches.reduce((sum, sketch) => sum + sketch.length, 0));
  new DataView(bytes.buffer).setUint32(0, size, true);
  let at = head;
  columns.forEach((column, index) => {
    bytes[4 + index] = column.length === 0 ? 0 : column.BYTES_PER_ELEMENT;
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at += padded(column.byteLength);
  });
  for (const sketch of sketches) {
    bytes.set(sketch, at);
    at += sketch.length;
  }
  return bytes;
}

/** How many groups a stored fold has. */
export const sizeOf = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);

export interface Fold {
  /** Groups. */
  readonly size: number;
  /** The values of a column, dimensions first and sums after them, in an array that the next call overwrites; longer than there are groups. */
  column(at: number): Float64Array;
  /** True where a column holds nothing but zeros. */
  isZero(at: number): boolean;
  /** Where each group's sketches lie in the bytes: its durations from and to, its times to first token from and to. */
  eachSketch(told: (group: number, place: readonly [number, number, number, number]) => void): void;
  /** The same as two columns of ends, from which the lengths were summed; in arrays that the next call overwrites. */
  sketchEnds(): { readonly from: number; readonly durationEnds: Float64Array; readonly middle: number; readonly ttftEnds: Float64Array };
}

let scratch = new Float64Array(4096);
let durationEnds = new Float64Array(4096);
let ttftEnds = new Float64Array(4096);

/** @throws RangeError for bytes that no fold of this width has */
export function openFold(stored: Uint8Array, width: number): Fold {
  // Views of numbers must begin at a multiple of their size.
  const bytes = stored.byteOffset % 8 === 0 ? stored : Uint8Array.from(stored);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(0, true);
  const many = width + SUMS + 2;
  const starts: number[] = [];
  let at = padded(4 + many);
  for (let index = 0; index < many; index++) {
    starts.push(at);
    at += padded((bytes[4 + index] as number) * size);
  }
  if (at > bytes.length) throw new RangeError('a fold that ends early');
  if (scratch.length < size) [scratch, durationEnds, ttftEnds] = [new Float64Array(size * 2), new Float64Array(size * 2), new Float64Array(size * 2)];

  const read = (index: number, into: Float64Array): Float64Array => {
    const place = bytes.byteOffset + (starts[index] as number);
    switch (bytes[4 + index]) {
      case 0: into.fill(0, 0, size); break;
      case 1: into.set(new Uint8Array(bytes.buffer, place, size)); break;
      case 2: into.set(new Uint16Array(bytes.buffer, place, size)); break;
      case 4: into.set(new Uint32Array(bytes.buffer, place, size)); break;
      case 8: into.set(new Float64Array(bytes.buffer, place, size)); break;
      default: throw new RangeError('a fold with a column of no known width');
    }
    return into;
  };
  const sketchEnds: Fold['sketchEnds'] = () => {
    let end = at;
    read(many - 2, durationEnds);
    for (let i = 0; i < size; i++) durationEnds[i] = end += durationEnds[i] as number;
    const middle = end;
    read(many - 1, ttftEnds);
    for (let i = 0; i < size; i++) ttftEnds[i] = end += ttftEnds[i] as number;
    if (end > bytes.length) throw new RangeError('a fold that ends early');
    return { from: at, durationEnds, middle, ttftEnds };
  };
  return {
    size,
    column: (index) => read(index, scratch),
    isZero: (index) => bytes[4 + index] === 0,
    sketchEnds,
    eachSketch(told) {
      const ends = sketchEnds();
      let [duration, ttft] = [ends.from, ends.middle];
      for (let i = 0; i < size; i++) {
        const [durationEnd, ttftEnd] = [ends.durationEnds[i] as number, ends.ttftEnds[i] as number];
        told(i, [duration, durationEnd, ttft, ttftEnd]);
        [duration, ttft] = [durationEnd, ttftEnd];
      }
    },
  };
}
