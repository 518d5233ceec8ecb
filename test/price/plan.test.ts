// test/price/plan.test.ts: what a described task costs: the sums people know, and what the planner warns of.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nanoFromUsd, usdString, type Nanodollars } from '../../server/domain/money.ts';
import type { Plan, PlanForModel, PlanTask } from '../../server/domain/plan.ts';
import { planOf } from '../../server/price/plan.ts';
import { shippedBook, TODAY } from './rows.ts';

const book = shippedBook();
const task = (more: Partial<PlanTask> = {}): PlanTask => ({
  model: 'claude-sonnet-4-6', compare: [], callsPerDay: 1_000, inputTokens: 2_000, outputTokens: 0, prefixTokens: 0, cacheTtl: '5m', callsPerHour: null,
  batchMillionths: 0, daysPerMonth: 30, us: false, byHand: null, ...more,
});
function planned(more: Partial<PlanTask>): Plan {
  const result = planOf(task(more), book, TODAY);
  if (!result.ok) throw new Error(`unknown model ${result.unknownModel}`);
  return result.plan;
}
const first = (plan: Plan): PlanForModel => plan.models[0] as PlanForModel;
const usd = (amount: Nanodollars): string => usdString(amount).replace(/0+$/, '').replace(/\.$/, '');
const codes = (model: PlanForModel): string[] => model.warnings.map((warning) => warning.code);

describe('the sums people know', () => {
  test.each([
    { name: '200 tickets a day on Haiku 4.5', more: { model: 'claude-haiku-4-5', callsPerDay: 200, inputTokens: 200, outputTokens: 5 }, call: '0.000225', day: '0.045', month: '1.35', year: '16.2' },
    { name: '50 texts a day on Sonnet 4.6', more: { callsPerDay: 50, inputTokens: 500, outputTokens: 250 }, call: '0.00525', day: '0.2625', month: '7.875', year: '94.5' },
    { name: 'a prompt of 2,000 tokens a thousand times, plain', more: {}, call: '0.006', day: '6', month: '180', year: '2160' },
    { name: 'the same with its prompt cached: one write, then reads', more: { prefixTokens: 2_000 }, call: '0.0006069', day: '0.6069', month: '18.207', year: '218.484' },
    { name: 'the same in batches', more: { batchMillionths: 1_000_000 }, call: '0.003', day: '3', month: '90', year: '1080' },
    { name: 'half of it in batches', more: { batchMillionths: 500_000 }, call: '0.0045', day: '4.5', month: '135', year: '1620' },
  ])('$name', ({ more, call, day, month, year }) => {
    const { described } = first(planned(more));
    expect({ call: usd(described.call), day: usd(described.day), month: usd(described.month), year: usd(described.year) }).toEqual({ call, day, month, year });
  });

  test('a plan shows the task plain, cached and in batches beside what was described', () => {
    const model = first(planned({ prefixTokens: 2_000 }));
    expect({ plain: usd(model.plain.day), cached: model.cached && usd(model.cached.day), batched: usd(model.batched.day) }).toEqual({ plain: '6', cached: '0.6069', batched: '3' });
  });

  test('hours and money saved follow from minutes a task and an hourly rate', () => {
    const plan = planned({ model: 'claude-haiku-4-5', callsPerDay: 200, inputTokens: 200, outputTokens: 5, byHand: { minutes: nanoFromUsd('1.5'), hourlyRate: nanoFromUsd('40') } });
    expect(plan.byHand?.hoursPerMonth).toBe(150);
    expect(usd(plan.byHand!.worthPerMonth!)).toBe('6000');
    expect(usd(first(plan).savedPerMonth!)).toBe('5998.65');
  });
});

describe('caching', () => {
  test('a prefix below the minimum of the model is not cached, and the plan says so', () => {
    const model = first(planned({ model: 'claude-haiku-4-5', prefixTokens: 2_000 }));
    expect(model.cached).toBeNull();
    expect(model.described.day).toBe(model.plain.day);
    expect(codes(model)).toEqual(['prefix_too_short']);
    expect(model.warnings[0]?.message).toContain('4096 tokens or more');
  });

  test('calls further apart than the prefix lives write it each time, which is dearer than plain', () => {
    const model = first(planned({ prefixTokens: 2_000, callsPerDay: 100, callsPerHour: 10 }));
    expect(codes(model)).toEqual(['cache_goes_cold']);
    expect(model.described.day).toBeGreaterThan(model.plain.day);
    expect(codes(first(planned({ prefixTokens: 2_000, callsPerDay: 100, callsPerHour: 10, cacheTtl: '1h' })))).toEqual([]);
  });

  test('a pause of exactly the lifetime still finds the prefix', () => {
    expect(codes(first(planned({ prefixTokens: 2_000, callsPerHour: 12 })))).toEqual([]);
    expect(codes(first(planned({ prefixTokens: 2_000, callsPerHour: 11.9 })))).toEqual(['cache_goes_cold']);
  });

  test('calls that go through batches do not keep the prefix of the others warm', () => {
    expect(codes(first(planned({ prefixTokens: 2_000, callsPerHour: 20, batchMillionths: 500_000 })))).toEqual(['cache_goes_cold', 'batch_without_cache']);
  });
});

describe('side by side', () => {
  test('every active model stands beside the one asked for, the cheapest first', () => {
    const { models } = planned({ compare: null, outputTokens: 300 });
    const active = book.models().filter((model) => model.status === 'active');
    expect(models.length).toBe(active.length);
    expect(models[0]?.model).toBe('claude-sonnet-4-6');
    const months = models.slice(1).map((model) => model.described.month);
    expect(months).toEqual([...months].sort((a, b) => (a < b ? -1 : 1)));
  });

  test('a model of the newer tokenizer is counted with 30 % more tokens, one of the older with as many fewer, and both are told', () => {
    const { models } = planned({ compare: ['claude-sonnet-5-5', 'claude-opus-4-6'], outputTokens: 100 });
    const newer = models.find((model) => model.model === 'claude-sonnet-5-5')!;
    expect(newer.tokens).toEqual({ input: 2_600, output: 130, prefix: 0 });
    expect(codes(newer)).toContain('other_tokenizer');
    const same = models.find((model) => model.model === 'claude-opus-4-6')!;
    expect(same.tokens).toEqual({ input: 2_000, output: 100, prefix: 0 });
    expect(codes(same)).toEqual([]);
    const older = planned({ model: 'claude-sonnet-5-5', compare: ['claude-sonnet-4-6'], inputTokens: 1_300 }).models[1]!;
    expect(older.tokens.input).toBe(1_000);
  });

  test('a model that is named twice, or by its alias too, is shown once', () => {
    expect(planned({ model: 'claude-haiku-4-5', compare: ['claude-haiku-4-5', 'claude-haiku-4-5-20251001'] }).models).toHaveLength(1);
  });

  test('a model that the book does not know is told, and nothing is guessed', () => {
    expect(planOf(task({ compare: ['claude-next'] }), book, TODAY)).toMatchObject({ ok: false, unknownModel: 'claude-next' });
  });

  test('a prompt or an answer beyond the model is told', () => {
    expect(codes(first(planned({ model: 'claude-haiku-4-5', inputTokens: 300_000, outputTokens: 100_000 })))).toEqual(['prompt_too_long', 'output_too_long']);
  });
});

test('the lines of a month sum to its cost, and a month is never more than its days', () => {
  fc.assert(
    fc.property(
      fc.record({
        callsPerDay: fc.integer({ min: 1, max: 1_000_000 }), inputTokens: fc.integer({ min: 1, max: 200_000 }), outputTokens: fc.integer({ min: 0, max: 10_000 }),
        share: fc.double({ min: 0, max: 1, noNaN: true }), batchMillionths: fc.integer({ min: 0, max: 1_000_000 }), daysPerMonth: fc.integer({ min: 1, max: 31 }), us: fc.boolean(),
        cacheTtl: fc.constantFrom('5m' as const, '1h' as const), model: fc.constantFrom('claude-sonnet-4-6', 'claude-opus-5-5', 'claude-haiku-5-5', 'claude-sonnet-4-5'),
      }),
      ({ share, ...more }) => {
        const { described } = first(planned({ ...more, prefixTokens: Math.floor(more.inputTokens * share) }));
        const lines = described.lines.reduce((sum, line) => sum + line.amount, 0n);
        // Each line is rounded up by less than a pico-dollar, the month by less than a nano-dollar.
        expect(lines - described.month * 1_000n).toBeLessThan(5n);
        expect(described.month * 1_000n - lines).toBeLessThanOrEqual(1_000n);
        expect(described.month).toBeLessThanOrEqual(described.day * BigInt(more.daysPerMonth));
        expect(described.year).toBeLessThanOrEqual(described.month * 12n);
      },
    ),
    { numRuns: 300 },
  );
});
