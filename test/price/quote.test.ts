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
    { name: 'is body bytes and tool instructions at the input rate, max_tokens at the output rate', asked: { bodyBytes: 9_196, maxTokens: 1_000 }, ceiling: '0.045' },
    { name: 'takes the five-minute write rate with caching', asked: { bodyBytes: 9_196, maxTokens: 0, cacheTtl: '5m' }, ceiling: '0.0375' },
    { name: 'takes the one-hour write rate with an hour of caching', asked: { bodyBytes: 9_196, maxTokens: 0, cacheTtl: '1h' }, ceiling: '0.06' },
    { name: 'counts 1,568 tokens per image on older models', asked: { bodyBytes: 9_196, maxTokens: 0, inlineImages: 10 }, ceiling: '0.07704' },
    { name: 'counts 4,784 tokens per image on newer models', asked: { model: 'claude-opus-4-7', bodyBytes: 9_196, maxTokens: 0, inlineImages: 10 }, ceiling: '0.2892' },
    { name: 'is the context window at most', asked: { model: 'claude-haiku-4-5', bodyBytes: 5_000_000, maxTokens: 0 }, ceiling: '0.2' },
    { name: 'is the context window where bytes bound nothing, perhaps written to the cache', asked: { model: 'claude-haiku-4-5', bodyBytes: 10, maxTokens: 0, unboundedInput: true }, ceiling: '0.25' },
    { name: 'is a context window for every use of a server tool and one more', asked: { model: 'claude-haiku-4-5', bodyBytes: 10, maxTokens: 1_000, unboundedInput: true, serverTools: ['web_search_20250305'], maxSearches: 2, samplings: 3 }, ceiling: '0.785' },
    { name: 'is ten context windows where a server tool has no limit', asked: { model: 'claude-haiku-4-5', bodyBytes: 10, maxTokens: 0, unboundedInput: true, serverTools: ['mcp_toolset'], samplings: 10 }, ceiling: '2.5' },
    { name: 'adds a window and the model’s maximum of output for a compaction', asked: { model: 'claude-haiku-4-5', bodyBytes: 10, maxTokens: 1_000, unboundedInput: true, compactions: 1 }, ceiling: '0.825' },
    { name: 'counts the advisor as often as the model', asked: { model: 'claude-haiku-4-5', bodyBytes: 10, maxTokens: 0, unboundedInput: true, serverTools: ['advisor_20260301'], samplings: 2, fallbackModels: ['claude-haiku-4-5'] }, ceiling: '1' },
    { name: 'counts it again for every attempt of a fallback chain', asked: { model: 'claude-haiku-4-5', bodyBytes: 10, maxTokens: 0, unboundedInput: true, serverTools: ['advisor_20260301'], samplings: 2, fallbackModels: ['claude-haiku-4-5', 'claude-haiku-4-5'] }, ceiling: '3' },
    { name: 'takes the model’s maximum of output when none is asked', asked: { model: 'claude-haiku-4-5', bodyBytes: 9_196, maxTokens: null }, ceiling: '0.33' },
    { name: 'takes the dearer band when the prompt may reach it', asked: { model: 'claude-haiku-5-5', bodyBytes: 99_197, maxTokens: 1_000 }, ceiling: '0.0525005' },
    { name: 'takes the cheaper band when the prompt cannot reach the dearer one', asked: { model: 'claude-haiku-5-5', bodyBytes: 99_196, maxTokens: 1_000 }, ceiling: '0.0105' },
    { name: 'takes fast rates when fast is asked', asked: { model: 'claude-opus-5', speed: 'fast', bodyBytes: 9_196, maxTokens: 1_000 }, ceiling: '0.15' },
    { name: 'adds a tenth for the US', asked: { inferenceGeo: 'us', bodyBytes: 9_196, maxTokens: 1_000 }, ceiling: '0.0495' },
    { name: 'adds a fee per search allowed', asked: { bodyBytes: 9_196, maxTokens: 1_000, maxSearches: 3 }, ceiling: '0.075' },
    { name: 'adds ten searches when their number is open', asked: { bodyBytes: 9_196, maxTokens: 1_000, maxSearches: null }, ceiling: '0.145' },
    { name: 'adds every fallback, since an attempt that declines half-way is billed too', asked: { bodyBytes: 9_196, maxTokens: 1_000, fallbackModels: ['claude-haiku-4-5'] }, ceiling: '0.06' },
    { name: 'halves in a batch', endpoint: 'batches', asked: { bodyBytes: 9_196, maxTokens: 1_000 }, ceiling: '0.0225' },
    { name: 'adds what the provider says of each tool of its own making', asked: { bodyBytes: 171, maxTokens: 0, explainedTools: ['bash_20250124', 'text_editor_20250728', 'computer_20251124'] }, ceiling: '0.021' },
    { name: 'takes a tool without a figure for the dearest', asked: { bodyBytes: 96, maxTokens: 0, explainedTools: ['browser_20260301', 'memory_20250818'] }, ceiling: '0.0429' },
    { name: 'takes the dearest active rates for an unknown model', asked: { model: 'claude-nova-9', bodyBytes: 9_196, maxTokens: 1_000 }, ceiling: '0.15' },
  ])('$name', ({ asked, endpoint, ceiling }) => {
    expect(quoted(ask(asked), endpoint ? { endpoint } : {}).ceiling).toBe(usd(ceiling));
  });

  test('holds the US factor for calls that name no place where the workspace runs in the US by default', () => {
    const us = createPricing({ book: shippedBook(), unknownModel: 'ceiling', assumeUsInference: true });
    const plain = ask({ bodyBytes: 9_196, maxTokens: 1_000 });
    expect(quoted(plain, { by: us }).ceiling).toBe(usd('0.0495'));
    expect(quoted({ ...plain, inferenceGeo: 'global' }, { by: us }).ceiling).toBe(usd('0.045'));
  });

  test('is for the model that an alias resolved to, not for the word in the body', () => {
    const verdict = pricing.quote({ endpoint: 'messages', ask: ask({ model: 'fast', bodyBytes: 9_196, maxTokens: 0 }), model: 'claude-haiku-4-5', at: TODAY });
    expect(verdict).toMatchObject({ ok: true, value: { model: 'claude-haiku-4-5', basis: 'listed', ceiling: usd('0.01') } });
  });
});

describe('once the prompt is known', () => {
  const started = tokens({ input: 100, cacheRead: 10_000, output: 3 });

  test('what is left is its true price and max_tokens', () => {
    expect(pricing.ceilingAfterStart(quoted(ask({ bodyBytes: 100_000 })), started)).toBe(usd('0.0183'));
  });

  test.each([
    { name: 'server tools', more: { serverTools: ['web_search_20260209'], samplings: 3, unboundedInput: true } },
    { name: 'fallbacks', more: { fallbackModels: ['claude-haiku-4-5'] } },
    { name: 'compaction', more: { unboundedInput: true, compactions: 1 } },
  ])('nothing shrinks with $name', ({ more }) => {
    const quote = quoted(ask({ bodyBytes: 100_000, ...more }));
    expect(pricing.ceilingAfterStart(quote, started)).toBe(quote.ceiling);
  });

  test('a prompt that only bytes did not bound, like a PDF, is as exact as any', () => {
    expect(pricing.ceilingAfterStart(quoted(ask({ bodyBytes: 100_000, unboundedInput: true })), started)).toBe(usd('0.0183'));
  });

  test('it never grows beyond the quote', () => {
    const quote = quoted();
    expect(pricing.ceilingAfterStart(quote, tokens({ input: 900_000 }))).toBe(quote.ceiling);
  });
});

describe('a flat hold', () => {
  const flat = (asked: Partial<Ask>, flatHold: string) => {
    const verdict = pricing.quote({ endpoint: 'messages', ask: ask({ model: 'claude-haiku-4-5', bodyBytes: 9_196, maxTokens: 1_000, ...asked }), model: null, at: TODAY, flatHold: nanoFromUsd(flatHold) });
    if (!verdict.ok) throw new Error(verdict.refusal.message);
    return verdict.value.ceiling;
  };

  test.each([
    { name: 'stands for what a loop may read, besides what the call says itself and its searches', asked: { unboundedInput: true, serverTools: ['web_search_20250305'], maxSearches: 2, samplings: 3 }, ceiling: '0.285' },
    { name: 'stands for a document by URL', asked: { unboundedInput: true }, ceiling: '0.255', flatHold: '0.24' },
    { name: 'is never more than the worst case', asked: { unboundedInput: true }, ceiling: '0.255', flatHold: '90' },
    { name: 'does not touch a call that its bytes bound', asked: {}, ceiling: '0.015' },
  ])('$name', ({ asked, ceiling, flatHold = '0.25' }) => {
    expect(flat(asked, flatHold)).toBe(usd(ceiling));
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

test('a hold for a loop of server tools, with compaction and an advisor, is never below what the provider can bill within its turns', () => {
  const turn = fc.record({ kind: fc.constantFrom('message' as const, 'compaction' as const, 'advisor_message' as const), prompt: share, split: share, output: share });
  fc.assert(
    fc.property(
      fc.record({ model: fc.constantFrom(...models), advisor: fc.constantFrom(...models), samplings: fc.integer({ min: 1, max: 10 }), compacts: fc.boolean(), advised: fc.boolean(), maxTokens: fc.integer({ min: 0, max: 64_000 }), searches: fc.integer({ min: 0, max: 9 }) }),
      fc.array(turn, { minLength: 1, maxLength: 40 }),
      (c, turns) => {
        const quote = quoted(ask({
          model: c.model, maxTokens: c.maxTokens, bodyBytes: 100, unboundedInput: true, samplings: c.samplings, compactions: c.compacts ? c.samplings : 0,
          serverTools: c.advised ? ['advisor_20260301'] : ['code_execution_20250825'], fallbackModels: c.advised ? [c.advisor] : [], maxSearches: c.searches,
        }));
        const left = { message: c.samplings, compaction: c.compacts ? c.samplings : 0, advisor_message: c.advised ? c.samplings : 0 };
        const parts = turns.filter(({ kind }) => left[kind]-- > 0).map(({ kind, prompt, split, output }): UsagePart => {
          const row = shippedRow(kind === 'advisor_message' ? c.advisor : c.model);
          const read = Math.floor(prompt * row.contextWindowTokens);
          const written = Math.floor(split * read);
          return { type: kind, model: row.model, tokens: tokens({ input: read - written, cacheWrite5m: written, output: Math.floor(output * (kind === 'compaction' ? row.maxOutputTokens : c.maxTokens)) }) };
        });
        if (parts.length === 0) return;
        const answer = usage(parts[0]!.tokens, { parts, modelServed: c.model, serverTools: { webSearch: c.searches, webFetch: 0, codeExecution: 0 } });
        const cost = pricing.cost(quote, complete(answer)).total;
        expect(cost).toBeLessThanOrEqual(quote.ceiling);
        expect(pricing.ceilingAfterStart(quote, parts[0]!.tokens)).toBeGreaterThanOrEqual(c.samplings === 1 && !c.compacts && !c.advised ? 0n : cost);
      },
    ),
    { numRuns: 1_500, seed: 11 },
  );
});
