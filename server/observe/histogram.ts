// server/observe/histogram.ts: a histogram as two plain arrays, quick to add to; cumulated only when it is read.

export interface Histogram {
  readonly bounds: readonly number[];
  /** One per bound and one for everything above. */
  readonly counts: number[];
  sum: number;
  /** The latest call that fell into each bucket, for those histograms that lead to one; empty for the others. */
  readonly exemplars: (Exemplar | undefined)[];
}

export interface Exemplar {
  readonly call: string;
  readonly value: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export const createHistogram = (bounds: readonly number[]): Histogram => ({ bounds, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0, exemplars: [] });

/** `call` and `at`, where given, make it the example of its bucket. */
export function observe(histogram: Histogram, value: number, call?: string, at = 0): void {
  const { bounds, counts } = histogram;
  let bucket = 0;
  // A dozen bounds: walking them is quicker than halving.
  while (bucket < bounds.length && value > (bounds[bucket] ?? Infinity)) bucket++;
  counts[bucket] = (counts[bucket] ?? 0) + 1;
  histogram.sum += value;
  if (call !== undefined) histogram.exemplars[bucket] = { call, value, at };
}
