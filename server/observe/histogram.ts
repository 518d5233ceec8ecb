// server/observe/histogram.ts: a histogram as two plain arrays, quick to add to; cumulated only when it is read.

export interface Histogram {
  readonly bounds: readonly number[];
  /** One per bound and one for everything above. */
  readonly counts: number[];
  sum: number;
}

export const createHistogram = (bounds: readonly number[]): Histogram => ({ bounds, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 });

export function observe(histogram: Histogram, value: number): void {
  const { bounds, counts } = histogram;
  let at = 0;
  // A dozen bounds: walking them is quicker than halving.
  while (at < bounds.length && value > (bounds[at] ?? Infinity)) at++;
  counts[at] = (counts[at] ?? 0) + 1;
  histogram.sum += value;
}
