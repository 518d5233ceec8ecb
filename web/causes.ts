// web/causes.ts: why spend changed: split into parts that add up to the change, to the nano-dollar.

import type { UsageRow } from '../server/http/admin/wire.ts';
import { costOf, sumOf } from './figures.ts';
import { nanos } from './format.ts';
import { tokenSum } from './parts/tokens.ts';

export const CAUSES = ['calls', 'mix', 'tokens', 'cache', 'rate'] as const;
type Cause = (typeof CAUSES)[number];
export type Causes = Readonly<Record<Cause, bigint>>;

export const CAUSE_WORDS: Readonly<Record<Cause, { more: string; less: string; hint: string }>> = {
  calls: { more: 'more calls', less: 'fewer calls', hint: 'at what a call cost then' },
  mix: { more: 'dearer models', less: 'cheaper models', hint: 'the calls went to other models' },
  tokens: { more: 'more tokens a call', less: 'fewer tokens a call', hint: 'of the same model, at what a token cost then' },
  cache: { more: 'less caching', less: 'more caching', hint: 'what cache reads save less what cache writes cost, per token' },
  rate: { more: 'dearer tokens', less: 'cheaper tokens', hint: 'other prices, or more of the answer in what is billed' },
};

interface Sums {
  calls: number;
  tokens: number;
  cost: number;
  saved: number;
}

const NOTHING: Sums = { calls: 0, tokens: 0, cost: 0, saved: 0 };

function byModel(rows: readonly UsageRow[]): Map<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const row of rows) {
    const one = sums.get(row.model ?? '') ?? { ...NOTHING };
    one.calls += row.requests;
    one.tokens += tokenSum(row.tokens);
    one.cost += Number(costOf(row));
    one.saved += Number(nanos(row.cache_savings_usd));
    sums.set(row.model ?? '', one);
  }
  return sums;
}

/**
 * Each part is worked out at the figures of before, in this order: more or fewer calls; the calls spread over other models; per model, more or fewer tokens
 * a call; per token, less or more saved by caching; and what remains. Null where either period has no call.
 * @param now rows with their model, of one group
 * @param before the same of the compared period
 */
export function causesOf(now: readonly UsageRow[], before: readonly UsageRow[]): Causes | null {
  const [present, past] = [byModel(now), byModel(before)];
  const callsOf = (sums: Map<string, Sums>) => [...sums.values()].reduce((sum, one) => sum + one.calls, 0);
  const [calls, callsBefore] = [callsOf(present), callsOf(past)];
  if (calls === 0 || callsBefore === 0) return null;
  const costBefore = Number(sumOf(before.map(costOf)));
  let mix = 0;
  let tokens = 0;
  let cache = 0;
  for (const model of new Set([...present.keys(), ...past.keys()])) {
    const is = present.get(model) ?? NOTHING;
    const was = past.get(model) ?? NOTHING;
    // A model that is new costs what it costs; one that is gone, what it cost.
    const each = was.calls > 0 ? was.cost / was.calls : is.cost / Math.max(1, is.calls);
    mix += (is.calls - (was.calls / callsBefore) * calls) * each;
    if (is.calls === 0 || was.calls === 0 || was.tokens === 0 || is.tokens === 0) continue;
    tokens += is.calls * (is.tokens / is.calls - was.tokens / was.calls) * (was.cost / was.tokens);
    cache -= is.tokens * (is.saved / is.tokens - was.saved / was.tokens);
  }
  const part = (amount: number): bigint => BigInt(Math.round(amount));
  const found = { calls: part((costBefore / callsBefore) * (calls - callsBefore)), mix: part(mix), tokens: part(tokens), cache: part(cache) };
  return { ...found, rate: sumOf(now.map(costOf)) - sumOf(before.map(costOf)) - sumOf(Object.values(found)) };
}

const size = (amount: bigint): bigint => (amount < 0n ? -amount : amount);

/** The causes in words, the strongest first; those under a twentieth of the strongest are left out. */
export function strongest(causes: Causes): { readonly cause: Cause; readonly word: string; readonly amount: bigint }[] {
  const ranked = CAUSES.map((cause) => ({ cause, word: causes[cause] > 0n ? CAUSE_WORDS[cause].more : CAUSE_WORDS[cause].less, amount: causes[cause] })).toSorted((a, b) => Number(size(b.amount) - size(a.amount)));
  return ranked.filter((one) => one.amount !== 0n && size(one.amount) * 20n >= size(ranked[0]!.amount));
}
