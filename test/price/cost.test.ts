// test/price/cost.test.ts: what calls cost: by the response's own account, to the nano-dollar.

import { describe, expect, test } from 'vitest';
import { nanoFromUsd, usdString } from '../../server/domain/money.ts';
import type { Ask } from '../../server/domain/call.ts';
import type { Tokens, Usage, UsagePart } from '../../server/domain/usage.ts';
import { loadPriceBook } from '../../server/price/load-book.ts';
import { createPricing } from '../../server/price/pricing.ts';
import { ask, complete, day, pricesText, pricing, quoted, reading, shippedBook, tokens, usage } from './rows.ts';

const costOf = (asked: Partial<Ask>, counts: Partial<Tokens>, more: Partial<Usage> = {}) => pricing.cost(quoted(ask(asked)), complete(usage(counts, more)));
const usd = (text: string): bigint => nanoFromUsd(text);

test.each([
  { name: '200 tickets a day for 30 days, 200 + 5 tokens on Haiku 4.5', model: 'claude-haiku-4-5', input: 200, output: 5, calls: 6_000n, total: '1.35' },
  { name: '50 product texts a day for 30 days, 500 + 250 tokens on Sonnet 4.6', model: 'claude-sonnet-4-6', input: 500, output: 250, calls: 1_500n, total: '7.875' },
  { name: 'a prompt of 2,000 tokens a thousand times at $3 per million', model: 'claude-sonnet-4-6', input: 2_000, output: 0, calls: 1_000n, total: '6' },
])('$name: $$$total', ({ model, input, output, calls, total }) => {
  expect(costOf({ model }, { input, output }).total * calls).toBe(usd(total));
});

describe('the response decides the price, never the request', () => {
  const million = { input: 1_000_000 };
  test.each<{ name: string; asked: Partial<Ask>; used: Partial<Usage>; total: string }>([
    { name: 'fast asked for, standard served', asked: { model: 'claude-opus-5', speed: 'fast' }, used: { speed: 'standard' }, total: '5' },
    { name: 'fast served', asked: { model: 'claude-opus-5' }, used: { speed: 'fast' }, total: '10' },
    { name: 'fast served in the US', asked: { model: 'claude-opus-5' }, used: { speed: 'fast', inferenceGeo: 'us' }, total: '11' },
    { name: 'the US asked for, another place served', asked: { model: 'claude-opus-5', inferenceGeo: 'us' }, used: { inferenceGeo: 'global' }, total: '5' },
    { name: 'the US by a workspace default', asked: { model: 'claude-opus-5' }, used: { inferenceGeo: 'us' }, total: '5.5' },
    { name: 'the US on a model without that option', asked: { model: 'claude-haiku-4-5' }, used: { inferenceGeo: 'us' }, total: '1' },
    { name: 'batch by service tier', asked: { model: 'claude-opus-5' }, used: { serviceTier: 'batch' }, total: '2.5' },
    { name: 'priority like standard', asked: { model: 'claude-opus-5' }, used: { serviceTier: 'priority' }, total: '5' },
    { name: 'another model served', asked: { model: 'claude-opus-5' }, used: { modelServed: 'claude-sonnet-5' }, total: '2' },
    { name: 'a dated id of another model served', asked: { model: 'claude-opus-5' }, used: { modelServed: 'claude-sonnet-5-20260601' }, total: '2' },
    { name: 'a longer name that begins like the one asked for', asked: { model: 'claude-sonnet-5' }, used: { modelServed: 'claude-sonnet-5-5' }, total: '2' },
  ])('$name', ({ asked, used, total }) => {
    const cost = costOf(asked, million, used);
    expect(usdString(cost.total)).toBe(usdString(nanoFromUsd(total)));
    expect(cost.estimated).toBe(false);
  });

  test('a batch result is half price without a word in its usage, and its searches are not', () => {
    const cost = pricing.cost(quoted(ask(), { endpoint: 'batch_results' }), complete(usage({ input: 1_000_000, cacheRead: 1_000_000 }, { serverTools: { webSearch: 100, webFetch: 5, codeExecution: 0 } })));
    expect(usdString(cost.total)).toBe('2.650000000');
    expect(cost.serviceTier).toBe('batch');
    expect(cost.lines.map((line) => [line.kind, line.factors])).toEqual([['input', ['batch x0.5']], ['cacheRead', ['batch x0.5']], ['web_search', []]]);
  });
});

describe('Haiku 5.5 has a dearer band for all tokens of a long prompt', () => {
  test.each([
    { name: 'exactly 100,000 is below it', counts: { input: 100_000, output: 1_000 }, total: '0.0105' },
    { name: 'one more moves every token, output included', counts: { input: 100_001, output: 1_000 }, total: '0.0525005' },
    { name: 'cache reads and writes count towards it', counts: { input: 1, cacheWrite5m: 50_000, cacheRead: 50_000, output: 0 }, total: '0.0337505' },
  ])('$name', ({ counts, total }) => expect(costOf({ model: 'claude-haiku-5-5' }, counts).total).toBe(usd(total)));

  test('each turn of a server-tool loop has its own band', () => {
    const part = { type: 'message', model: null, tokens: tokens({ input: 60_000, output: 100 }) };
    const cost = costOf({ model: 'claude-haiku-5-5' }, { input: 120_000, output: 200 }, { parts: [part, part] });
    expect(cost.total).toBe(usd('0.0121'));
  });
});

describe('iterations are the bill', () => {
  const message = (model: string | null, counts: Partial<Tokens>): UsagePart => ({ type: 'message', model, tokens: tokens(counts) });
  const served = (model: string, counts: Partial<Tokens>): UsagePart => ({ type: 'fallback_message', model, tokens: tokens(counts) });
  const million = { input: 1_000_000 };

  test('an attempt that declined before any output is free, one that declined half-way is not', () => {
    const top = { input: 1_000_000, output: 10 };
    const declined = costOf({ model: 'claude-fable-5' }, top, { modelServed: 'claude-opus-5', parts: [message('claude-fable-5', million), served('claude-opus-5', top)] });
    expect(usdString(declined.total)).toBe('5.000250000');
    const halfWay = costOf({ model: 'claude-fable-5' }, top, { modelServed: 'claude-opus-5', parts: [message('claude-fable-5', { input: 1_000_000, output: 1 }), served('claude-opus-5', top)] });
    expect(usdString(halfWay.total)).toBe('15.000300000');
    expect(halfWay.prices.map((row) => row.model)).toEqual(['claude-fable-5', 'claude-opus-5']);
  });

  test('compaction is billed at the model of the request and an advisor at its own, though the top level has neither', () => {
    const parts = [message(null, million), { type: 'compaction', model: null, tokens: tokens(million) }, { type: 'advisor_message', model: 'claude-opus-5-5', tokens: tokens(million) }];
    expect(usdString(costOf({ model: 'claude-sonnet-5' }, million, { modelServed: 'claude-sonnet-5', parts }).total)).toBe('8.000000000');
  });

  test('a part without output that no fallback replaced is billed', () => {
    expect(usdString(costOf({ model: 'claude-sonnet-5' }, million, { parts: [message(null, million)] }).total)).toBe('2.000000000');
  });

  test('where the fallback refused without content too, an attempt that declined half-way is billed and the fallback is not', () => {
    const used = usage({ input: 1_000_000, output: 2 }, { modelServed: 'claude-opus-5', parts: [message('claude-fable-5', { input: 1_000_000, output: 1 }), served('claude-opus-5', { input: 1_000_000, output: 2 })] });
    expect(usdString(pricing.cost(quoted(ask({ model: 'claude-fable-5' })), complete(used, { stopReason: 'refusal', noContent: true })).total)).toBe('10.000050000');
  });

  test('a compaction on a model without fast rates ran at standard speed, though a fast one served', () => {
    const parts = [{ type: 'compaction', model: null, tokens: tokens(million) }, message('claude-opus-5', million)];
    expect(costOf({ model: 'claude-sonnet-5' }, million, { modelServed: 'claude-opus-5', speed: 'fast', parts })).toMatchObject({ total: 12_000_000_000n, estimated: false });
  });

  test('the earlier attempt ran at the speed asked for, the serving one at the speed reported', () => {
    const top = { input: 1_000_000, output: 1 };
    const cost = costOf({ model: 'claude-opus-5', speed: 'fast' }, top, { modelServed: 'claude-sonnet-5', speed: 'standard', parts: [message('claude-opus-5', { input: 1_000_000, output: 1 }), served('claude-sonnet-5', top)] });
    expect(usdString(cost.total)).toBe('12.000060000');
  });
});

describe('nothing is due', () => {
  const used = usage({ input: 1_000, output: 0 });
  test.each([
    { name: 'for a refusal before any output', ending: complete(used, { stopReason: 'refusal' }) },
    { name: 'for a refusal without content, whatever its counters say', ending: complete(usage({ input: 1_000, output: 3 }), { stopReason: 'refusal', noContent: true }) },
    { name: 'for a refusal without content after a loop of turns', ending: complete(usage({ input: 1_000, output: 3 }, { parts: [{ type: 'message', model: null, tokens: tokens({ input: 1_000, output: 3 }) }] }), { stopReason: 'refusal', noContent: true }) },
    { name: 'for a call that never left', ending: { status: null, sent: false, reading: reading({}) } },
    { name: 'for a rate limit', ending: { status: 429, sent: true, reading: reading({ errorType: 'rate_limit_error' }) } },
    { name: 'for an overload', ending: { status: 529, sent: true, reading: reading({ errorType: 'overloaded_error' }) } },
    { name: 'for a redirect', ending: { status: 302, sent: true, reading: reading({}) } },
    { name: 'for a stream that was an error from its first event', ending: { status: 200, sent: true, reading: reading({ errorType: 'overloaded_error' }) } },
  ])('$name', ({ ending }) => {
    const cost = pricing.cost(quoted(), ending);
    expect(cost).toMatchObject({ total: 0n, lines: [], estimated: false });
    expect(cost.tokens).toEqual(ending.reading.usage?.tokens ?? tokens({}));
  });

  test.each([
    { name: 'on a free endpoint', endpoint: 'count_tokens' as const, asked: ask() },
    { name: 'when another organization pays', endpoint: 'messages' as const, asked: ask({ billedElsewhere: true }) },
  ])('$name', ({ endpoint, asked }) => {
    const quote = quoted(asked, { endpoint });
    expect(quote).toMatchObject({ ceiling: 0n, basis: 'free', row: null });
    expect(pricing.cost(quote, complete(usage({ input: 1_000_000 })))).toMatchObject({ total: 0n, basis: 'free', estimated: false, prices: [] });
  });

  test('but a refusal in mid-output is billed', () => {
    expect(pricing.cost(quoted(), complete(usage({ input: 1_000, output: 1 }), { stopReason: 'refusal' })).total).toBe(usd('0.003015'));
  });
});

describe('an unfinished account is estimated, flagged and never nothing', () => {
  test('without any usage, the prompt comes from the bytes sent', () => {
    const cost = pricing.cost(quoted(ask({ bodyBytes: 4_000 })), { status: null, sent: true, reading: reading({}) });
    expect(cost).toMatchObject({ total: usd('0.003'), estimated: true, estimateMethod: 'prompt from bytes sent' });
  });

  test('an empty body of unknown length still costs something', () => {
    expect(pricing.cost(quoted(ask({ bodyBytes: 0 })), { status: 200, sent: true, reading: reading({}) }).total).toBeGreaterThan(0n);
  });

  test('after message_start alone, the prompt is exact and the output comes from the text', () => {
    const cost = pricing.cost(quoted(), { status: 200, sent: true, reading: reading({ usage: usage({ input: 1_000, cacheRead: 10_000, output: 3 }), contentBytes: 400 }) });
    expect(cost.tokens).toEqual(tokens({ input: 1_000, cacheRead: 10_000, output: 100 }));
    expect(cost).toMatchObject({ total: usd('0.0075'), estimated: true, estimateMethod: 'prompt from message_start, output from streamed text' });
  });

  test('a model with the newer tokenizer is taken to make a token of three bytes', () => {
    const cost = pricing.cost(quoted(ask({ model: 'claude-sonnet-5' })), { status: 200, sent: true, reading: reading({ usage: usage({ input: 1, output: 1 }), contentBytes: 300 }) });
    expect(cost.tokens.output).toBe(100);
  });

  test('the last count reported stands when the text comes to less', () => {
    const cost = pricing.cost(quoted(), { status: 200, sent: true, reading: reading({ usage: usage({ input: 10, output: 500 }), contentBytes: 400 }) });
    expect(cost).toMatchObject({ estimated: true, estimateMethod: 'prompt and output as last reported' });
    expect(cost.tokens.output).toBe(500);
  });

  test.each([
    { name: 'the output told stands beside it', used: { output: 500 }, contentBytes: 400, counted: { input: 1_000, output: 500 }, method: 'prompt from bytes sent, output as last reported' },
    { name: 'as does what was told of the cache, which is part of the prompt', used: { cacheRead: 600, output: 500 }, contentBytes: 0, counted: { input: 400, cacheRead: 600, output: 500 }, method: 'prompt from bytes sent, output as last reported' },
    { name: 'a prompt read from the cache that is longer leaves nothing to add', used: { cacheRead: 6_000, output: 1 }, contentBytes: 0, counted: { cacheRead: 6_000, output: 1 }, method: 'prompt from bytes sent, output as last reported' },
    { name: 'output that was not told either comes from the text', used: {}, contentBytes: 400, counted: { input: 1_000, output: 100 }, method: 'prompt from bytes sent, output from bytes received' },
    { name: 'of no output nothing is said', used: {}, contentBytes: 0, counted: { input: 1_000 }, method: 'prompt from bytes sent' },
  ])('where a usage tells no prompt it comes from the bytes sent: $name', ({ used: told, contentBytes, counted, method }) => {
    const cost = pricing.cost(quoted(ask({ bodyBytes: 4_000 })), { status: 200, sent: true, reading: reading({ usage: usage(told), promptUntold: true, ended: true, contentBytes }) });
    expect(cost.tokens).toEqual(tokens(counted));
    expect(cost).toMatchObject({ estimated: true, estimateMethod: method });
  });

  test('output is never taken to be more than the call was allowed', () => {
    const cost = pricing.cost(quoted(ask({ maxTokens: 10 })), { status: 200, sent: true, reading: reading({ usage: usage({ input: 10, output: 1 }), contentBytes: 1_000_000 }) });
    expect(cost.tokens.output).toBe(10);
  });
});

describe('code that ran at the provider', () => {
  const ran = (asked: Partial<Ask> = {}, more: Parameters<typeof quoted>[1] = {}) => pricing.cost(quoted(ask(asked), more), complete(usage({ input: 1_000 }, { serverTools: { webSearch: 0, webFetch: 0, codeExecution: 3 } })));

  test.each([
    { name: 'costs five minutes of a container at five cents an hour, however often it ran', endpoint: 'messages' as const, total: '0.007166667' },
    { name: 'costs the same in a batch', endpoint: 'batch_results' as const, total: '0.005666667' },
  ])('$name, and the call is an estimate that says so', ({ endpoint, total }) => {
    const cost = ran({ serverTools: ['code_execution_20250825'] }, { endpoint });
    expect(usdString(cost.total)).toBe(total);
    expect(cost).toMatchObject({ estimated: true, estimateMethod: 'container time of code execution, taken to be the least that is billed' });
    expect(cost.lines.at(-1)).toMatchObject({ kind: 'code_execution', quantity: 1, unitPrice: 4_166_666_667n, factors: [] });
  });

  test.each([
    { tool: 'web_search_20260209', free: true }, { tool: 'web_fetch_20260309', free: true }, { tool: 'web_search_20250305', free: false }, { tool: 'web_fetch_20250910', free: false },
  ])('is free beside $tool: $free', ({ tool, free }) => {
    expect(ran({ serverTools: ['code_execution_20250825', tool] })).toMatchObject({ total: free ? 3_000_000n : 7_166_667n, estimated: !free });
  });

  test.each([
    { name: 'is taken to have run where the answer names a container and the call declares the tool, though no counter says so', serverTools: ['code_execution_20250825'], total: 7_166_667n },
    { name: 'is not, where the call could run none', serverTools: [], total: 3_000_000n },
    { name: 'is free then, too, beside a web tool that makes it so', serverTools: ['code_execution_20250825', 'web_fetch_20260209'], total: 3_000_000n },
  ])('$name', ({ serverTools, total }) => {
    const cost = pricing.cost(quoted(ask({ serverTools })), complete(usage({ input: 1_000 }), { container: true }));
    expect(cost).toMatchObject({ total, estimated: total > 3_000_000n, serverTools: { codeExecution: total > 3_000_000n ? 1 : 0 } });
  });

  test('costs nothing more where the call was refused before any output, or the book charges no container', () => {
    const used = usage({ input: 1_000 }, { serverTools: { webSearch: 0, webFetch: 0, codeExecution: 1 } });
    expect(pricing.cost(quoted(), complete(used, { stopReason: 'refusal' }))).toMatchObject({ total: 0n, estimated: false });
    const loaded = loadPriceBook(pricesText.replace(/^code_execution: .*$/m, ''), 'prices.yaml');
    if (!loaded.ok) throw new Error('the book must load');
    const free = createPricing({ book: loaded.book, unknownModel: 'ceiling' });
    expect(free.cost(quoted(ask(), { by: free }), complete(used))).toMatchObject({ total: 3_000_000n, estimated: false });
  });

  test('is held for where a call declares the tool', () => {
    const held = (serverTools: readonly string[]) => quoted(ask({ serverTools })).ceiling;
    expect(held(['code_execution_20250825']) - held(['mcp'])).toBe(4_166_667n);
    expect(held(['code_execution_20250825', 'web_fetch_20260309'])).toBe(held(['mcp']));
  });
});

describe('a model that is not in the book', () => {
  test('is priced as the dearest active one, flagged', () => {
    const cost = costOf({ model: 'claude-nova-9' }, { input: 1_000_000, output: 1_000_000 }, { modelServed: 'claude-nova-9' });
    expect(cost).toMatchObject({ total: usd('60'), basis: 'ceiling', estimated: true });
    expect(cost.lines[0]).toMatchObject({ model: 'claude-nova-9' });
  });

  test('but served by one that is, it costs what that one costs', () => {
    expect(costOf({ model: 'claude-nova-9' }, { input: 1_000_000 }, { modelServed: 'claude-haiku-4-5-20251001' })).toMatchObject({ total: usd('1'), basis: 'listed', estimated: false });
  });

  test('that serves a listed one’s call is not priced as the one asked for', () => {
    expect(costOf({ model: 'claude-haiku-4-5' }, { input: 1_000_000 }, { modelServed: 'claude-nova-9' })).toMatchObject({ total: usd('10'), basis: 'ceiling', estimated: true });
  });

  test('is refused where the config says so, also as a fallback', () => {
    const strict = createPricing({ book: shippedBook(), unknownModel: 'refuse' });
    for (const asked of [ask({ model: 'claude-nova-9' }), ask({ fallbackModels: ['claude-nova-9'] })]) {
      expect(strict.quote({ endpoint: 'messages', ask: asked, model: asked.model, at: day('2026-11-21') })).toMatchObject({ ok: false, refusal: { reason: 'unpriced_model' } });
    }
    expect(strict.quote({ endpoint: 'messages', ask: ask({ fallbackModels: ['default'] }), model: 'claude-opus-5', at: day('2026-11-21') }).ok).toBe(true);
  });

  test('a speed that the book has no rates for costs the dearest fast rates', () => {
    expect(costOf({ model: 'claude-opus-4-6' }, { input: 1_000_000 }, { speed: 'fast' })).toMatchObject({ total: usd('16'), basis: 'ceiling', estimated: true });
  });
});

describe('the price is frozen by the instant of the quote', () => {
  test.each([
    { at: '2026-10-06', total: '0.2' },
    { at: '2026-10-07', total: '0.1' },
  ])('a million cache reads of Sonnet 5.5 on $at cost $$$total', ({ at, total }) => {
    const quote = quoted(ask({ model: 'claude-sonnet-5-5' }), { at: day(at) });
    expect(pricing.cost(quote, complete(usage({ cacheRead: 1_000_000 }))).total).toBe(usd(total));
  });

  test('also for a model that only the response named', () => {
    const quote = quoted(ask({ model: 'claude-opus-5-5' }), { at: day('2026-10-06') });
    expect(pricing.cost(quote, complete(usage({ cacheRead: 1_000_000 }, { modelServed: 'claude-sonnet-5-5' }))).total).toBe(usd('0.2'));
  });
});

describe('cache savings', () => {
  test.each([
    { name: 'reads save the rest of the input rate', counts: { cacheRead: 1_000_000 }, used: {}, saved: '2.7' },
    { name: 'writes cost extra', counts: { cacheWrite5m: 1_000_000, cacheWrite1h: 1_000_000 }, used: {}, saved: '-3.75' },
    { name: 'both follow the modifiers', counts: { cacheRead: 2_000_000, cacheWrite5m: 1_000_000 }, used: { serviceTier: 'batch', inferenceGeo: 'us' }, saved: '2.5575' },
  ])('$name', ({ counts, used, saved }) => expect(costOf({}, counts, used).cacheSavings).toBe(usd(saved)));
});

test('OpenAI-shaped calls cost prompt and completion at the plain rates', () => {
  const quote = quoted(ask(), { endpoint: 'chat_completions' });
  expect(pricing.cost(quote, complete(usage({ input: 1_000_000, output: 1_000_000 }))).total).toBe(usd('18'));
});
