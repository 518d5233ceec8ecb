// server/admit/expectations.ts: learns what part of its worst case a call really costs, by key and model.

import { nanodollars, type Nanodollars } from '../domain/money.ts';

/** Fewer calls than this say nothing: until then the worst case is expected. */
const LEAST = 20;
/** When so many are known, half of their weight is taken, so that what is learned follows what changes. */
const MOST = 2_000;
const QUANTILE = 0.99;
/** Parts of the worst case are told apart by a fourth root of two, down to one in 55,000. */
const STEPS = 64;
/** Keys × models remembered; past this many the one not asked for the longest goes. */
const MOST_LEARNED = 5_000;

interface Learned {
  readonly counts: Float64Array;
  sum: number;
}

/** Whose call it is, as far as it is told apart here. */
interface Kind {
  readonly key: string | null;
  readonly workspace: string;
  readonly workflow: string;
}

/** What calls of one key for one model have cost, as parts of what was held for them at first. In memory; the ledger's newest rows teach it at a start. */
export class Expectations {
  readonly #learned = new Map<string, Learned>();

  /** What 99 of 100 such calls cost at most, as far as is known; never more than `ceiling`. */
  likely(caller: Kind, model: string | null, ceiling: Nanodollars): Nanodollars {
    const learned = this.#learned.get(nameOf(caller, model));
    if (learned === undefined || learned.sum < LEAST) return ceiling;
    const wanted = learned.sum * QUANTILE;
    let step = 0;
    for (let seen = learned.counts[0]!; seen < wanted && step < STEPS - 1; ) seen += learned.counts[++step]!;
    if (step === STEPS - 1) return ceiling;
    return nanodollars(BigInt(Math.ceil(Number(ceiling) * 2 ** ((step - STEPS + 1) / 4))));
  }

  learn(caller: Kind, model: string | null, ceiling: Nanodollars, cost: Nanodollars): void {
    // What cost nothing failed before it could, and says nothing of those that do not.
    if (cost <= 0n || ceiling <= 0n) return;
    const name = nameOf(caller, model);
    const learned = this.#learned.get(name) ?? { counts: new Float64Array(STEPS), sum: 0 };
    this.#learned.delete(name);
    this.#learned.set(name, learned);
    if (this.#learned.size > MOST_LEARNED) this.#learned.delete(this.#learned.keys().next().value!);
    const step = Math.ceil(4 * Math.log2(Number(cost) / Number(ceiling))) + STEPS - 1;
    learned.counts[Math.min(STEPS - 1, Math.max(0, step))]! += 1;
    learned.sum += 1;
    if (learned.sum < MOST) return;
    for (let at = 0; at < STEPS; at++) learned.counts[at]! /= 2;
    learned.sum /= 2;
  }
}

const nameOf = ({ key, workspace, workflow }: Kind, model: string | null): string => (key === null ? `${workspace}/${workflow} ${model}` : `${key} ${model}`);
