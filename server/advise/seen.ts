// server/advise/seen.ts: a call as the levers see it, and where they note what it could have saved.

import type { Lever } from '../domain/advice.ts';
import type { PriceRow } from '../domain/price.ts';
import { TOKEN_KINDS, type TokenKind, type Tokens } from '../domain/usage.ts';
import type { PromptMarks } from '../identify/prompt-marks.ts';
import { ratesFor } from '../price/rates.ts';
import type { AdvisedCall } from '../store/sqlite/advised-calls.ts';

/** Pico-dollars per token as numbers: a call's sums stay whole up to nine thousand dollars. */
export type NumberRates = { readonly [Kind in TokenKind]: number };

export interface Seen {
  readonly call: AdvisedCall;
  readonly marks: PromptMarks | null;
  readonly group: Group;
  /** Of the window, from 0. */
  readonly day: number;
  readonly price: PriceRow;
  /** At the rates of its model without what fast mode, US inference and the long-prompt band add; in a batch those of a batch. */
  readonly rates: NumberRates;
  /** The same, were it no batch. */
  readonly standard: NumberRates;
  /** Where the provider keeps its cache: one per provider key, as far as the config tells. */
  readonly scope: string;
  /** True once a lever has found that the call need not have been made at all: then no other one looks at it. */
  needless: boolean;
}

/** What one lever says of one group: amounts in nano-dollars by day of the window. */
export class Claim {
  readonly low: Float64Array;
  readonly high: Float64Array;
  atStake = 0;
  calls = 0;
  /** The latest last. */
  readonly examples: string[] = [];
  readonly facts: Record<string, string | number> = {};

  constructor(days: number) {
    this.low = new Float64Array(days);
    this.high = new Float64Array(days);
  }

  /** @param low and `high` in nano-dollars */
  add({ call, day }: Seen, low: number, high: number): void {
    this.low[day]! += Math.floor(low);
    this.high[day]! += Math.floor(high);
    this.count(call.id);
  }

  /** A call that costs so much, of which nothing is claimed. */
  stake({ call }: Seen, amount: number): void {
    this.atStake += Math.floor(amount);
    this.count(call.id);
  }

  /** Sums by day that a lever kept itself; what is negative of a day is no saving. */
  addDays(low: Float64Array, high: Float64Array, calls: number, examples: readonly string[]): void {
    for (let day = 0; day < this.low.length; day++) {
      this.low[day]! += Math.floor(Math.max(0, low[day]!));
      this.high[day]! += Math.floor(Math.max(0, high[day]!));
    }
    this.calls += calls;
    this.examples.push(...examples.filter((id) => id !== undefined));
    this.examples.splice(0, Math.max(0, this.examples.length - EXAMPLES));
  }

  count(id: string): void {
    this.calls++;
    this.examples.push(id);
    if (this.examples.length > EXAMPLES) this.examples.shift();
  }
}
const EXAMPLES = 5;

/** The calls of one workflow that one model served. */
export class Group {
  readonly workspace: string;
  readonly workflow: string;
  readonly model: string;
  readonly days: number;
  /** Nano-dollars by day, as is `captured`. */
  readonly cost: Float64Array;
  readonly captured: Float64Array;
  readonly claims = new Map<Lever, Claim>();
  calls = 0;

  constructor({ workspace, workflow, model }: AdvisedCall, days: number) {
    this.workspace = workspace;
    this.workflow = workflow;
    this.model = model;
    this.days = days;
    this.cost = new Float64Array(days);
    this.captured = new Float64Array(days);
  }

  claim(lever: Lever): Claim {
    let claim = this.claims.get(lever);
    if (claim === undefined) this.claims.set(lever, (claim = new Claim(this.days)));
    return claim;
  }
}

/** Watches calls go by in order of admission, and notes claims in their groups: some at once, some when all have gone by. */
export interface LeverWatch {
  see(seen: Seen): void;
  /** @param to the end of the window */
  end(to: number): void;
}

const known = new WeakMap<PriceRow, { standard: NumberRates; batch: NumberRates }>();
const toNumbers = (row: PriceRow, batch: boolean): NumberRates => {
  const { rates } = ratesFor(row, { batch, fast: false, us: false }, 0);
  return Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, Number(rates[kind])])) as unknown as NumberRates;
};

/** The plain rates of a row. */
export function plainRates(row: PriceRow): { readonly standard: NumberRates; readonly batch: NumberRates } {
  let rates = known.get(row);
  if (rates === undefined) known.set(row, (rates = { standard: toNumbers(row, false), batch: toNumbers(row, true) }));
  return rates;
}

/** Nano-dollars of tokens at rates. */
export const costAt = (tokens: Tokens, rates: NumberRates): number =>
  (tokens.input * rates.input + tokens.cacheWrite5m * rates.cacheWrite5m + tokens.cacheWrite1h * rates.cacheWrite1h + tokens.cacheRead * rates.cacheRead + tokens.output * rates.output) / 1000;

/** Nano-dollars of so many tokens at so many pico-dollars each. */
export const worth = (tokens: number, rate: number): number => (tokens * rate) / 1000;

export const written = (tokens: Tokens): number => tokens.cacheWrite5m + tokens.cacheWrite1h;

/** A total over the days in the proportions of `weights`; negative ones weigh nothing. Whole nano-dollars, with what is left over on the heaviest day. */
export function spread(total: number, weights: Float64Array): Float64Array {
  const days = new Float64Array(weights.length);
  let sum = 0;
  let heaviest = 0;
  weights.forEach((weight, day) => {
    sum += Math.max(0, weight);
    if (weight > (weights[heaviest] ?? 0)) heaviest = day;
  });
  let left = Math.floor(total);
  weights.forEach((weight, day) => {
    const part = sum === 0 ? 0 : Math.floor((total * Math.max(0, weight)) / sum);
    days[day] = part;
    left -= part;
  });
  days[heaviest]! += left;
  return days;
}

export const total = (days: Float64Array): number => days.reduce((sum, amount) => sum + amount, 0);
