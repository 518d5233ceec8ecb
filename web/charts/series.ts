// web/charts/series.ts: one row of marks in a chart, and how its figures read.

import type { Slot } from './palette.ts';

export interface Series {
  readonly name: string;
  readonly slot: Slot;
  /** A mark of alarm: the theme's red, crossed with lines. Wins over the slot. */
  readonly alarm?: boolean;
  /** One per bucket, for the length of the marks. */
  readonly values: readonly number[];
  /** The same, as they are read. */
  readonly exact: readonly string[];
}

/** Something that happened at an instant and may explain a bend. */
export interface Happening {
  readonly at: number;
  readonly name: string;
}
