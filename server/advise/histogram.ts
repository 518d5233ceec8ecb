// server/advise/histogram.ts: token counts in few numbers: exact to 64, within four per cent above.

const EXACT = 64;
const STEPS_PER_DOUBLING = 16;

export class Histogram {
  readonly #counts: number[] = [];
  #all = 0;

  add(value: number): void {
    const at = value <= EXACT ? value : EXACT + Math.ceil(Math.log2(value / EXACT) * STEPS_PER_DOUBLING);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#all++;
  }

  /** The value that `share` of all do not exceed, rounded up to its step; 0 of none. */
  quantile(share: number): number {
    let left = Math.ceil(this.#all * share);
    for (let at = 0; at < this.#counts.length; at++) {
      left -= this.#counts[at] ?? 0;
      if (left <= 0) return at <= EXACT ? at : Math.ceil(EXACT * 2 ** ((at - EXACT) / STEPS_PER_DOUBLING));
    }
    return 0;
  }

  get count(): number {
    return this.#all;
  }
}
