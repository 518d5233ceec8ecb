// server/store/sqlite/single-actions.ts: the columns in which actions are gathered that a question has to look at one by one.

import { amountOf } from './fold-format.ts';

/** Actions that there is room for at least. */
const ROOM = 1024;

/** What the upper half of a sum of money counts. */
const LOW = 2 ** 32;

/**
 * Actions one by one, each within one workflow and one local day, column by column: there can be a hundred thousand of them in a day, and a
 * question should be answered before anyone notices.
 */
export class Singles {
  size = 0;
  readonly pairs: { readonly workspace: number; readonly workflow: number }[] = [];
  /** Of each its place in `pairs`. */
  pair: Int32Array;
  first: Float64Array;
  at: Float64Array;
  calls: Float64Array;
  /** 1: it has a name. */
  named: Uint8Array;
  low: Float64Array;
  high: Float64Array;

  readonly #pairOf = new Map<number, number>();
  /** Where the actions of the day that is read stand, by number: open addressing, since a Map of such numbers takes five times as long. */
  #keys: Float64Array;
  #places: Int32Array;
  #known = 0;

  /** @param expected about how many: more find room too */
  constructor(expected = 0) {
    const room = 2 ** Math.ceil(Math.log2(Math.max(ROOM, expected)));
    this.pair = new Int32Array(room);
    this.named = new Uint8Array(room);
    [this.first, this.at, this.calls, this.low, this.high, this.#keys] = [room, room, room, room, room, room * 2].map((length) => new Float64Array(length)) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
    this.#places = new Int32Array(room * 2);
  }

  /** From now on an action of the same number is another one. */
  nextDay(): void {
    if (this.#known > 0) this.#keys.fill(0);
    this.#known = 0;
  }

  /** @param action its number; 0 for a call that names none @param at an instant of its first call, or of the hour of that @param first `call.n` of that call, by which its name is looked up */
  add(action: number, workspace: number, workflow: number, at: number, first: number, calls: number, low: number, high: number): void {
    if (this.size === this.pair.length) this.#widen();
    const place = this.size;
    if (action !== 0) {
      if (this.#known * 2 > this.#keys.length) this.#spread();
      const slot = this.#slotOf(action);
      if (this.#keys[slot] === action) {
        const found = this.#places[slot] as number;
        this.first[found] = Math.min(this.first[found] as number, first);
        this.at[found] = Math.min(this.at[found] as number, at);
        this.calls[found] = (this.calls[found] as number) + calls;
        this.low[found] = (this.low[found] as number) + low;
        this.high[found] = (this.high[found] as number) + high;
        return;
      }
      this.#keys[slot] = action;
      this.#places[slot] = place;
      this.#known++;
    }
    this.pair[place] = this.#pair(workspace, workflow);
    this.first[place] = first;
    this.at[place] = at;
    this.calls[place] = calls;
    this.named[place] = action === 0 ? 0 : 1;
    this.low[place] = low;
    this.high[place] = high;
    this.size++;
  }

  /** In nano-dollars; exact up to nine million dollars. */
  costAt(i: number): number {
    return (this.high[i] as number) * LOW + (this.low[i] as number);
  }

  amountAt(i: number): bigint {
    return amountOf(this.low[i] as number, this.high[i] as number);
  }

  /** Ids of names are far below 2^26. */
  #pair(workspace: number, workflow: number): number {
    const key = workspace * 2 ** 26 + workflow;
    let pair = this.#pairOf.get(key);
    if (pair === undefined) this.#pairOf.set(key, (pair = this.pairs.push({ workspace, workflow }) - 1));
    return pair;
  }

  #slotOf(action: number): number {
    const last = this.#keys.length - 1;
    let slot = (action >>> 0) & last;
    while (this.#keys[slot] !== 0 && this.#keys[slot] !== action) slot = (slot + 1) & last;
    return slot;
  }

  #spread(): void {
    const [keys, places] = [this.#keys, this.#places];
    [this.#keys, this.#places] = [new Float64Array(keys.length * 4), new Int32Array(keys.length * 4)];
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === 0) continue;
      const slot = this.#slotOf(keys[i] as number);
      this.#keys[slot] = keys[i] as number;
      this.#places[slot] = places[i] as number;
    }
  }

  #widen(): void {
    const wider = <Column extends Int32Array | Uint8Array | Float64Array>(column: Column, into: Column): Column => {
      into.set(column);
      return into;
    };
    const room = this.pair.length * 4;
    this.pair = wider(this.pair, new Int32Array(room));
    this.named = wider(this.named, new Uint8Array(room));
    for (const name of ['first', 'at', 'calls', 'low', 'high'] as const) this[name] = wider(this[name], new Float64Array(room));
  }
}
