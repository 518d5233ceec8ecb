// test/price/quote.test.ts: a quote holds the most that a call can cost.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Ask } from '../../server/domain/call.ts';
import { nanoFromUsd } from '../../server/domain/money.ts';
import type { UsagePart } from '../../server/domain/usage.ts';
import { createPricing } from '../../server/price/pricing.ts';
import { ask, complete, pricing, quoted, reading, shippedBook, tokens, TODAY, usage } from './rows.ts';

const usd = (text: string): bigint => nanoFromUsd(text);

describe('the ceiling', () => {
  test.each<{ name: string; asked: Partial<Ask>; endpoint?: 'batches' | 'chat_completions'; ceiling: string }>([
    { name: 'is body bytes and tool instructions at the input rate, max_tokens at the output rate', asked: { bodyBytes: 2_500, maxTokens: 1_000 }, ceiling: '0.045' },
    { name: 'takes the five-minute write rate with caching', asked: { bodyBytes: 2_500, maxTokens: 0, cacheTtl: '5m' }, ceiling: '0.0375' },
    { name: 'takes the one-hour write rate with an hour of caching', asked: { bodyBytes: 2_500, maxTokens: 0, cacheTtl: '1h' }, ceiling: '0.06' },
    { name: 'counts 1,568 tokens per image on older models', asked: { bodyBytes: 2_500, maxTokens: 0, inlineImages: 10 }, ceiling: '0.07704' },
    { name: 'counts 4,784 tokens per image on newer models', asked: { model: 'claude-opus-4-7', bodyBytes: 2_500, maxTokens: 0, inlineImages: 10 }, ceiling: '0.2892' },
    { name: 'is the context window at most', asked: { model: 'claude-haiku-4-5', bodyBytes: 5_000_000, maxTokens: 0 }, ceiling: '0.2' },
    { name: 'is the context window where bytes bound nothing, perhaps written to the cache', asked: { model: 'claude-haiku-4-5', bodyBytes: 10, maxTokens: 0, unboundedInput: true }, ceiling: '0.25' },
    { name: 'takes the model’s maximum of output when none is asked', asked: { model: 'claude-haiku-4-5', bodyBytes: 2_500, maxTokens: null }, ceiling: '0.33' },
    { name: 'takes the dearer band when the prompt may reach it', asked: { model: 'claude-haiku-5-5', bodyBytes: 92_501, maxTokens: 1_000 }, ceiling: '0.0525005' },
    { name: 'takes the cheaper band when the prompt cannot reach the dearer one', asked: { model: 'claude-haiku-5-5', bodyBytes: 92_500, maxTokens: 1_000 }, ceiling: '0.0105' },
    { name: 'takes fast rates when fast is asked', asked: { model: 'claude-opus-5', speed: 'fast', bodyBytes: 2_500, maxTokens: 1_000 }, ceiling: '0.15' },
    { name: 'adds a tenth for the US', asked: { inferenceGeo: 'us', bodyBytes: 2_500, maxTokens: 1_000 }, ceiling: '0.0495' },
    { name: 'adds a fee per search allowed', asked: { bodyBytes: 2_500, maxTokens: 1_000, maxSearches: 3 }, ceiling: '0.075' },
    { name: 'adds ten searches when their number is open', asked: { bodyBytes: 2_500, maxTokens: 1_000, maxSearches: null }, ceiling: '0.145' },
    { name: 'adds every fallback, since an attempt that declines half-way is billed too', asked: { bodyBytes: 2_500, maxTokens: 1_000, fallbackModels: ['claude-haiku-4-5'] }, ceiling: '0.06' },
    { name: 'halves in a batch', endpoint: 'batches', asked: { bodyBytes: 2_500, maxTokens: 1_000 }, ceiling: '0.0225' },
    { name: 'knows no computer toolset on the OpenAI-compatible endpoint', endpoint: 'chat_completions', asked: { bodyBytes: 196, maxTokens: 1_000 }, ceiling: '0.018' },
    { name: 'takes the dearest active rates for an unknown model', asked: { model: 'claude-nova-9', bodyBytes: 2_500, maxTokens: 1_000 }, ceiling: '0.15' },
  ])('$name', ({ asked, endpoint, ceiling }) => {
    expect(quoted(ask(asked), endpoint ? { endpoint } : {}).ceiling).toBe(usd(ceiling));
  });

  test('holds the US factor for calls that name no place where the workspace runs in the US by default', () => {
    const us = createPricing({ book: shippedBook(), unknownModel: 'ceiling', assumeUsInference: true });
    const plain = ask({ bodyBytes: 2_500, maxTokens: 1_000 });
    expect(quoted(plain, { by: us }).ceiling).toBe(usd('0.0495'));
    expect(quoted({ ...plain, inferenceGeo: 'global' }, { by: us }).ceiling).toBe(usd('0.045'));
  });

  test('is for the model that an alias resolved to, not for the word in the body', () => {
    const verdict = pricing.quote({ endpoint: 'messages', ask: ask({ model: 'fast', bodyBytes: 2_500, maxTokens: 0 }), model: 'claude-haiku-4-5', at: TODAY });
    expect(verdict).toMatchObject({ ok: true, value: { model: 'claude-haiku-4-5', basis: 'listed', ceiling: usd('0.01') } });
  });
});

describe('once the prompt is known', () => {
  const started = tokens({ input: 100, cacheRead: 10_000, output: 3 });

  test('what is left is its true price and max_tokens', () => {
    expect(pricing.ceilingAfterStart(quoted(ask({ bodyBytes: 100_000 })), started)).toBe(usd('0.0183'));
  });

  test.each([
    { name: 'server tools', more: { serverTools: ['web_search_20260209'] } },
    { name: 'fallbacks', more: { fallbackModels: ['claude-haiku-4-5'] } },
    { name: 'a prompt that bytes do not bound', more: { unboundedInput: true } },
  ])('nothing shrinks with $name', ({ more }) => {
    const quote = quoted(ask({ bodyBytes: 100_000, ...more }));
    expect(pricing.ceilingAfterStart(quote, started)).toBe(quote.ceiling);
  });

  test('it never grows beyond the quote', () => {
    const quote = quoted();
    expect(pricing.ceilingAfterStart(quote, tokens({ input: 900_000 }))).toBe(quote.ceiling);
  });
});

const models = shippedBook().models().filter((model) => model.status === 'active').map((model) => model.id);
const share = fc.double({ min: 0, max: 1, noNaN: true });

test('a hold, at first and once the prompt is known, is never below what a call that keeps its bounds costs', () => {
  const call = fc.record({
    model: fc.constantFrom(...models), other: fc.constantFrom(...models), fallback: fc.boolean(), bodyBytes: fc.integer({ min: 1, max: 300_000 }), maxTokens: fc.integer({ min: 0, max: 64_000 }),
    images: fc.integer({ min: 0, max: 3 }), cacheTtl: fc.constantFrom(null, '5m' as const, '1h' as const), batch: fc.boolean(), fast: fc.boolean(), us: fc.boolean(), maxSearches: fc.integer({ min: 0, max: 5 }),
    shares: fc.tuple(share, share, share, share, share, share),
  });
  fc.assert(
    fc.property(call, (c) => {
      const asked = ask({ ...c, speed: c.fast ? 'fast' : null, inferenceGeo: c.us ? 'us' : null, fallbackModels: c.fallback ? [c.other] : [], inlineImages: c.images });
      const quote = quoted(asked, { endpoint: c.batch ? 'batch_results' : 'messages' });
      const part = (share: number, of: number): number => Math.floor(share * of);
      // Any mix of kinds that the ask allows, up to the bounds: the provider refuses a prompt beyond the context window.
      const window = Math.min(shippedRow(c.model).contextWindowTokens, c.fallback ? shippedRow(c.other).contextWindowTokens : Infinity);
      const prompt = part(c.shares[0], Math.min(c.bodyBytes, window));
      const cached = part(c.shares[1], prompt);
      const written = c.cacheTtl === null ? 0 : part(c.shares[2], cached);
      const hour = c.cacheTtl === '1h' ? part(c.shares[3], written) : 0;
      const used = tokens({ input: prompt - cached, cacheRead: cached - written, cacheWrite5m: written - hour, cacheWrite1h: hour, output: part(c.shares[4], c.maxTokens) });
      const row = shippedRow(c.model);
      const parts: UsagePart[] = c.fallback ? [{ type: 'message', model: c.model, tokens: used }, { type: 'fallback_message', model: c.other, tokens: used }] : [];
      const fast = c.fast && row.fast !== null && !c.batch && (!c.fallback || shippedRow(c.other).fast !== null);
      const answer = usage(used, {
        parts, modelServed: c.fallback ? c.other : c.model, speed: fast ? 'fast' : 'standard', inferenceGeo: c.us ? 'us' : null,
        serverTools: { webSearch: part(c.shares[5], c.maxSearches + 1), webFetch: 0, codeExecution: 0 },
      });
      const cost = pricing.cost(quote, complete(answer)).total;
      expect(cost).toBeLessThanOrEqual(quote.ceiling);
      expect(cost).toBeLessThanOrEqual(pricing.ceilingAfterStart(quote, used));
      for (const torn of [reading({}), reading({ contentBytes: c.bodyBytes }), reading({ usage: answer, contentBytes: c.bodyBytes })]) {
        const estimate = pricing.cost(quote, { status: 200, sent: true, reading: torn });
        expect(estimate.total).toBeLessThanOrEqual(quote.ceiling);
        expect(estimate.estimated).toBe(true);
      }
    }),
    { numRuns: 1_500, seed: 7 },
  );
});

const book = shippedBook();
const shippedRow = (model: string) => {
  const listing = book.lookup(model, TODAY);
  if (!listing) throw new Error(`no ${model}`);
  return listing.row;
};
