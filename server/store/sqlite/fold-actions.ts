// server/store/sqlite/fold-actions.ts: user actions as folds know them: by a number that stands for the name, gathered by hour, counted by day.

import { foldBuilder, MONEY_AT, openFold, SUMS, type FoldBuilder } from './fold-format.ts';
import { FOLD_VIEWS } from './fold-views.ts';
import { encodeValues } from './sketch.ts';

/** How many of the dearest a workflow keeps per day and per block. */
export const DEAREST = 10;
/** Actions that are held at once while those of a day are counted. */
const AT_ONCE = 50_000;

/**
 * A number below 2^53, never 0, for an action of a workflow (cyrb53, by bryc, public domain). Two of a million in one day are taken for one
 * with a chance of 1 in 18,000; what they cost is counted all the same.
 */
export function actionNumber(workspace: number, workflow: number, name: string): number {
  let high = 0xdeadbeef ^ workspace;
  let low = 0x41c6ce57 ^ workflow;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    high = Math.imul(high ^ code, 2_654_435_761);
    low = Math.imul(low ^ code, 1_597_334_677);
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return (2 ** 32 * (2_097_151 & low) + (high >>> 0)) || 1;
}

/** Sums of nothing but calls, actions and cost. */
export function actionSums(calls: number, actions: number, costLow: number, costHigh: number): number[] {
  const sums = Array.from({ length: SUMS }, () => 0);
  [sums[0], sums[1], sums[MONEY_AT], sums[MONEY_AT + 1]] = [calls, actions, costLow, costHigh];
  return sums;
}

export interface HourAction {
  readonly action: number;
  readonly first: number;
  readonly workspace: number;
  readonly workflow: number;
  readonly calls: number;
  readonly costLow: number;
  readonly costHigh: number;
  /** Of calls that name no action: what each cost; empty for a named one. */
  readonly costs: Uint8Array;
}

/** What an hour's fold holds. An action that was gathered in pieces comes as often. */
export function* actionsIn(bytes: Uint8Array): Generator<HourAction> {
  const width = FOLD_VIEWS.actions.dimensions.length;
  const fold = openFold(bytes, width);
  const column = (at: number): Float64Array => fold.column(at).slice(0, fold.size);
  const [action, first, workspace, workflow] = [0, 1, 2, 3].map(column) as [Float64Array, Float64Array, Float64Array, Float64Array];
  const [calls, low, high] = [width, width + MONEY_AT, width + MONEY_AT + 1].map(column) as [Float64Array, Float64Array, Float64Array];
  const ends = fold.sketchEnds();
  const [from, to] = [ends.from, ends.durationEnds.slice(0, fold.size)];
  for (let i = 0; i < fold.size; i++) {
    yield {
      action: action[i] as number, first: first[i] as number, workspace: workspace[i] as number, workflow: workflow[i] as number,
      calls: calls[i] as number, costLow: low[i] as number, costHigh: high[i] as number, costs: bytes.subarray(i === 0 ? from : (to[i - 1] as number), to[i] as number),
    };
  }
}

/** The same without making anything for each; the costs of calls that name no action lie in the bytes from and to the last two. */
export function eachAction(bytes: Uint8Array, told: (action: number, first: number, workspace: number, workflow: number, calls: number, costLow: number, costHigh: number, costsFrom: number, costsTo: number) => void): void {
  const width = FOLD_VIEWS.actions.dimensions.length;
  const fold = openFold(bytes, width);
  const column = (at: number): Float64Array => fold.column(at).slice(0, fold.size);
  const [action, first, workspace, workflow] = [0, 1, 2, 3].map(column) as [Float64Array, Float64Array, Float64Array, Float64Array];
  const [calls, low, high] = [width, width + MONEY_AT, width + MONEY_AT + 1].map(column) as [Float64Array, Float64Array, Float64Array];
  const { from, durationEnds } = fold.sketchEnds();
  for (let i = 0; i < fold.size; i++) {
    told(action[i] as number, first[i] as number, workspace[i] as number, workflow[i] as number, calls[i] as number, low[i] as number, high[i] as number, i === 0 ? from : (durationEnds[i - 1] as number), durationEnds[i] as number);
  }
}

interface Whole {
  first: number;
  readonly workspace: number;
  readonly workflow: number;
  calls: number;
  costLow: number;
  costHigh: number;
}

const costOf = ({ costLow, costHigh }: Whole): number => costHigh * 2 ** 32 + costLow;

/** Counts the actions of a day from its hours; pauses between them. @param hours reads them, again for each portion of the actions */
export function* actionsOfDay(many: number, hours: () => Iterable<Iterable<HourAction>>): Generator<undefined, { costs: FoldBuilder; dearest: FoldBuilder }> {
  const costs = foldBuilder(FOLD_VIEWS.actionCosts.dimensions.length);
  const dearest = foldBuilder(FOLD_VIEWS.dearest.dimensions.length);
  const top = new Map<string, Whole[]>();
  const portions = Math.max(1, Math.ceil(many / AT_ONCE));
  for (let portion = 0; portion < portions; portion++) {
    const wholes = new Map<number, Whole>();
    for (const hour of hours()) {
      for (const { action, first, workspace, workflow, calls, costLow, costHigh, costs: each } of hour) {
        if (action === 0) {
          if (portion === 0) costs.add([0, workspace, workflow], actionSums(calls, calls, costLow, costHigh), 0, each, NOTHING);
          continue;
        }
        if (action % portions !== portion) continue;
        const known = wholes.get(action);
        if (known === undefined) {
          wholes.set(action, { first, workspace, workflow, calls, costLow, costHigh });
          continue;
        }
        known.first = Math.min(known.first, first);
        known.calls += calls;
        known.costLow += costLow;
        known.costHigh += costHigh;
      }
      yield;
    }
    let counted = 0;
    for (const whole of wholes.values()) {
      const { workspace, workflow } = whole;
      costs.add([1, workspace, workflow], actionSums(whole.calls, 1, whole.costLow, whole.costHigh), 0, encodeValues([costOf(whole)]), NOTHING);
      keep(top, whole);
      if (++counted % 2_000 === 0) yield;
    }
  }
  for (const wholes of top.values()) for (const one of wholes) dearest.add([one.first, one.workspace, one.workflow], actionSums(one.calls, 1, one.costLow, one.costHigh), 0, NOTHING, NOTHING);
  return { costs, dearest };
}

const NOTHING = new Uint8Array(0);

/** The dearest of each workflow out of those of several days. */
export function dearestOf(folds: readonly Uint8Array[]): FoldBuilder {
  const top = new Map<string, Whole[]>();
  const width = FOLD_VIEWS.dearest.dimensions.length;
  for (const bytes of folds) {
    const fold = openFold(bytes, width);
    const columns = [0, 1, 2, width, width + MONEY_AT, width + MONEY_AT + 1].map((at) => fold.column(at).slice(0, fold.size));
    for (let i = 0; i < fold.size; i++) {
      const [first, workspace, workflow, calls, costLow, costHigh] = columns.map((column) => column[i]) as [number, number, number, number, number, number];
      keep(top, { first, workspace, workflow, calls, costLow, costHigh });
    }
  }
  const builder = foldBuilder(width);
  for (const wholes of top.values()) for (const one of wholes) builder.add([one.first, one.workspace, one.workflow], actionSums(one.calls, 1, one.costLow, one.costHigh), 0, NOTHING, NOTHING);
  return builder;
}

function keep(top: Map<string, Whole[]>, whole: Whole): void {
  const name = `${whole.workspace} ${whole.workflow}`;
  const kept = top.get(name);
  if (kept === undefined) top.set(name, [whole]);
  else if (kept.length < DEAREST || costOf(whole) > costOf(kept.at(-1) as Whole)) {
    kept.push(whole);
    kept.sort((a, b) => costOf(b) - costOf(a));
    kept.length = Math.min(kept.length, DEAREST);
  }
}
