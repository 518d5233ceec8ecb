// server/advise/levers/smaller-model.ts: short or simple answers from a large model, at the price of the next smaller one.

import type { PriceRow } from '../../domain/price.ts';
import { addTokens, NO_TOKENS, promptTokens, type Tokens } from '../../domain/usage.ts';
import { Histogram } from '../histogram.ts';
import { costAt, plainRates, type Group, type LeverWatch, type NumberRates } from '../seen.ts';

/** A model that is sold now, with what tells tokenizers apart: a middling number of bytes per token. */
export interface Model {
  readonly row: PriceRow;
  readonly bytesPerToken: number;
}

/** Answers of so few tokens are labels and the like. */
const LABEL_TOKENS = 50;
/** Without thinking and tools, answers up to this length are simple enough to try. */
const SIMPLE_TOKENS = 500;
/** How many tokens a newer tokenizer makes of a text for each one of an older one's, at most. */
const MOST_TOKENS = 1.35;
/** Fewer calls tell nothing of a workflow. */
const LEAST_CALLS = 20;
/** From large to small; the first two are one size. */
const SIZES = [/fable|mythos/, /opus/, /sonnet/, /haiku/];

interface Sums {
  readonly outputs: Histogram;
  readonly days: Tokens[];
  /** What the calls cost at plain rates, by day. */
  readonly cost: Float64Array;
  longestPrompt: number;
  /** Calls that think or bring tools, or of which nobody knows whether they do. */
  complex: number;
  readonly examples: string[];
}

/** An estimate: what a smaller model answers has to be tried on one's own cases. The range is that of the tokenizers. */
export function watchModels(models: readonly Model[]): LeverWatch {
  const groups = new Map<Group, Sums>();
  return {
    see({ call, marks, group, day, rates, needless }) {
      if (needless || call.batch || call.outcome !== 'ok' || promptTokens(call.tokens) === 0) return;
      let sums = groups.get(group);
      if (sums === undefined) groups.set(group, (sums = { outputs: new Histogram(), days: Array.from({ length: group.days }, () => NO_TOKENS), cost: new Float64Array(group.days), longestPrompt: 0, complex: 0, examples: [] }));
      sums.outputs.add(call.tokens.output);
      sums.days[day] = addTokens(sums.days[day]!, call.tokens);
      sums.cost[day]! += costAt(call.tokens, rates);
      sums.longestPrompt = Math.max(sums.longestPrompt, promptTokens(call.tokens));
      if (marks === null || marks.thinking || marks.marks.some((mark) => mark.part === 'tools')) sums.complex++;
      sums.examples[sums.outputs.count % 5] = call.id;
    },
    end() {
      for (const [group, sums] of groups) {
        const p95 = sums.outputs.quantile(0.95);
        const fits = p95 <= LABEL_TOKENS || (sums.complex === 0 && p95 <= SIMPLE_TOKENS);
        const found = fits && sums.outputs.count >= LEAST_CALLS ? smallerThan(group.model, models) : null;
        if (found === null || sums.longestPrompt * MOST_TOKENS > (found.smaller.row.longPrompt?.aboveTokens ?? Infinity)) continue;
        const rates = plainRates(found.smaller.row).standard;
        // The same tokenizer makes the same tokens; a newer one as many, or up to a third more.
        const most = found.smaller.bytesPerToken < found.own.bytesPerToken ? MOST_TOKENS : 1;
        const at = (factor: number): Float64Array => sums.cost.map((cost, day) => cost - scaledCost(sums.days[day]!, rates, factor));
        const [low, high] = [at(most), at(1)];
        if (high.reduce((a, b) => a + b, 0) <= 0) continue;
        const claim = group.claim('smaller_model');
        claim.addDays(low, high, sums.outputs.count, sums.examples);
        claim.facts['candidate'] = found.smaller.row.model;
        claim.facts['p95'] = p95;
      }
    },
  };
}

const scaledCost = (tokens: Tokens, rates: NumberRates, factor: number): number => costAt(tokens, rates) * factor;

/** The newest model of the next smaller size; null for a model that is not known, or the smallest. */
function smallerThan(model: string, models: readonly Model[]): { readonly own: Model; readonly smaller: Model } | null {
  const size = SIZES.findIndex((name) => name.test(model));
  const own = models.find(({ row }) => row.model === model || undated(row.model) === undated(model));
  const next = SIZES[size + 1];
  if (size === -1 || own === undefined || next === undefined) return null;
  const smaller = models.filter(({ row }) => next.test(row.model)).toSorted((a, b) => newest(b.row.model) - newest(a.row.model))[0];
  return smaller === undefined ? null : { own, smaller };
}

const undated = (model: string): string => model.replace(/-\d{8}$/, '');
/** `claude-sonnet-5-5` is 5.5. */
const newest = (model: string): number => {
  const [major = 0, minor = 0] = undated(model).split('-').filter((part) => /^\d+$/.test(part)).map(Number);
  return major + minor / 100;
};
