// test/price/oracle.test.ts: fifty thousand random usages cost what an independent calculation says, to the nano-dollar.

import { expect, test } from 'vitest';
import type { Tokens, UsagePart } from '../../server/domain/usage.ts';
import { oracleNanos, ORACLE_MODELS, type OracleTurn } from './oracle.ts';
import { ask, complete, pricing, quoted, usage } from './rows.ts';

/** A small generator with a seed (mulberry32), so that a failure can be run again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const asOracle = (model: string, t: Tokens): OracleTurn => ({ model, input_tokens: t.input, write_5m: t.cacheWrite5m, write_1h: t.cacheWrite1h, read: t.cacheRead, output_tokens: t.output });

test.each([1, 2, 3, 4, 5])('ten thousand usages of seed %i cost exactly what the oracle says, over all models and modifiers', (seed) => {
  const next = random(seed);
  const below = (n: number): number => Math.floor(next() * n);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  // Magnitudes vary, so that band borders, zeros and large prompts all come up.
  const count = (): number => (next() < 0.3 ? 0 : below(10 ** (1 + below(6))));
  const some = (): Tokens => ({ input: count(), cacheWrite5m: count(), cacheWrite1h: count(), cacheRead: count(), output: count() });
  const wrong: unknown[] = [];
  for (let i = 0; i < 10_000; i++) {
    const model = pick(ORACLE_MODELS);
    const batch = next() < 0.25;
    const fast = !batch && model.fast !== null && next() < 0.4;
    const us = next() < 0.3;
    const searches = next() < 0.2 ? below(20) : 0;
    const parts: UsagePart[] = !fast && next() < 0.3 ? Array.from({ length: 1 + below(4) }, () => ({ type: pick(['message', 'advisor_message', 'compaction']), model: null, tokens: some() })) : [];
    const named = parts.map((part) => (part.type === 'compaction' ? part : { ...part, model: pick(ORACLE_MODELS).id }));
    const top = some();
    const turns = named.length > 0 ? named.map((part) => asOracle(part.model ?? model.id, part.tokens)) : [asOracle(model.id, top)];
    const asked = ask({ model: pick([model.id, ...model.aliases]) });
    const used = usage(top, {
      parts: named, modelServed: model.id, speed: fast ? 'fast' : 'standard', serviceTier: batch ? 'batch' : 'standard', inferenceGeo: us ? 'us' : 'global',
      serverTools: { webSearch: searches, webFetch: below(3), codeExecution: 0 },
    });
    const cost = pricing.cost(quoted(asked), complete(used));
    const expected = oracleNanos({ turns, searches, batch, fast, us });
    const lines = cost.lines.reduce((sum, line) => sum + line.amount, 0n);
    if (cost.total !== expected || (lines + 999n) / 1000n !== expected || cost.estimated) wrong.push({ asked: asked.model, used, expected, got: cost.total });
  }
  expect(wrong.slice(0, 3)).toEqual([]);
});
