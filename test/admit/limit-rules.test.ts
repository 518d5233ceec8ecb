// test/admit/limit-rules.test.ts: limits that follow keys and classes of models.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admit, admitted, limitRule, openGate, settings, tokens, usd, workspace, type Wish } from './scene.ts';

const rows = (gate: ReturnType<typeof openGate>['gate'], now: number) => gate.buckets(now as never).map(({ scope, dimension, remaining }) => [scope, dimension, remaining]);

describe('a limit of one key', () => {
  test('counts its calls in whatever workflow, and no other key\'s', async () => {
    const { gate } = openGate({ limitRules: [limitRule('ci', { requestsPerMinute: 2 }, { scope: { key: 'robot' } })] });
    await admitted(admit(gate, { key: 'robot', place: 'w/f' }));
    await admitted(admit(gate, { key: 'robot', place: 'w/g' }));
    expect(await admit(gate, { key: 'robot' })).toEqual({
      ok: false,
      refusal: { reason: 'rate_limited', message: 'ci (key robot) has used its limit of 2 requests per minute; this call fits in 30 s', rule: 'limit:ci/requests', retryAfterSeconds: 30 },
    });
    await admitted(admit(gate, { key: 'other' }));
    await admitted(admit(gate));
  });
});

describe('a limit for each key', () => {
  test('is its own for each, does not cover calls without a key, and is shown for those that were seen', async () => {
    const { gate, clock } = openGate({ limitRules: [limitRule('each-key', { requestsPerMinute: 1, concurrent: 5 }, { each: 'key' })] });
    await admitted(admit(gate, { key: 'a' }));
    await admitted(admit(gate, { key: 'b' }));
    expect(await admit(gate, { key: 'a' })).toMatchObject({ refusal: { rule: 'limit:each-key/requests' } });
    for (let i = 0; i < 3; i++) await admitted(admit(gate));
    expect(rows(gate, clock.now())).toEqual([
      ['each-key (key a)', 'requests', 0], ['each-key (key a)', 'concurrent', 4], ['each-key (key b)', 'requests', 0], ['each-key (key b)', 'concurrent', 4],
    ]);
  });

  test('goes on as it stands for thousands of keys, and shows the fullest ones', async () => {
    const { gate, clock } = openGate({ limitRules: [limitRule('each-key', { requestsPerMinute: 60 }, { each: 'key' })] });
    for (let n = 0; n < 6_000; n++) {
      if (n === 4_000) clock.pass(1_000);
      await admitted(admit(gate, { key: `k${n}` }));
    }
    await admitted(admit(gate, { key: 'k5999' }));
    const shown = gate.buckets(clock.now());
    expect(shown).toHaveLength(200);
    expect(shown[0]).toMatchObject({ scope: 'each-key (key k5999)', remaining: 58 });
  });
});

test('a limit tells which calls it is of, and where each key or class has its own, which one', async () => {
  const { gate, clock } = openGate({
    workspaces: [workspace('w', { limits: { concurrent: 5 } })],
    limitRules: [limitRule('keys', { concurrent: 5 }, { scope: { workspace: 'w' }, each: 'key' }), limitRule('classes', { concurrent: 5 }, { scope: { modelClass: 'haiku*' }, each: 'model_class' })],
  });
  await admitted(admit(gate, { key: 'robot', model: 'claude-haiku-4-5' }));
  expect(gate.buckets(clock.now()).map(({ scope, of }) => [scope, of])).toEqual([
    ['w', { workspace: 'w', workflow: null, key: null, modelClass: null }],
    ['keys (workspace w, key robot)', { workspace: 'w', workflow: null, key: 'robot', modelClass: null }],
    ['classes (model class haiku-4-5)', { workspace: null, workflow: null, key: null, modelClass: 'haiku-4-5' }],
  ]);
});

describe('a limit of a class of models', () => {
  test.each<{ scope: { modelClass: string }; inside: string[]; outside: (string | null)[] }>([
    { scope: { modelClass: 'opus-4' }, inside: ['claude-opus-4-5', 'claude-opus-4-8', 'claude-opus-4-6-20260101'], outside: ['claude-opus-5', 'claude-opus-4-1', 'claude-haiku-4-5', null] },
    { scope: { modelClass: 'opus*' }, inside: ['claude-opus-4-8', 'claude-opus-5', 'claude-opus-5-5'], outside: ['claude-sonnet-4-6', null] },
    { scope: { modelClass: 'haiku-4-5' }, inside: ['claude-haiku-4-5', 'claude-haiku-4-5-20251001'], outside: ['claude-haiku-5-5'] },
  ])('$scope.modelClass covers $inside and not $outside', async ({ scope, inside, outside }) => {
    const { gate } = openGate({ limitRules: [limitRule('class', { requestsPerMinute: 1 }, { scope })] });
    const ask = (model: string | null) => admit(gate, model === null ? { model: null } : { model });
    await admitted(ask(inside[0]!));
    for (const model of inside) expect(await ask(model)).toMatchObject({ refusal: { rule: 'limit:class/requests' } });
    for (const model of outside) await admitted(ask(model));
  });

  test('for each class in one workspace and one workflow is theirs alone', async () => {
    const { gate } = openGate({ limitRules: [limitRule('pools', { inputTokensPerMinute: 100 }, { each: 'model_class', scope: { workspace: 'w', workflow: 'f' } })] });
    await admitted(admit(gate, { model: 'claude-opus-4-8', input: 100 }));
    expect(await admit(gate, { model: 'claude-opus-4-5', input: 100 })).toMatchObject({ refusal: { message: expect.stringContaining('pools (workspace w, workflow f, model class opus-4)') } });
    await admitted(admit(gate, { model: 'claude-haiku-4-5', input: 100 }));
    await admitted(admit(gate, { model: 'claude-opus-4-5', place: 'w/g', input: 100 }));
    await admitted(admit(gate, { model: 'claude-opus-4-5', place: 'x/f', input: 100 }));
  });
});

describe('limits of a workspace, a workflow, a key and a class', () => {
  const all = (own: number) => openGate({
    workspaces: [workspace('w', { limits: { requestsPerMinute: own === 0 ? 1 : 9 } }, { f: { limits: { requestsPerMinute: own === 1 ? 1 : 9 } } })],
    limitRules: [limitRule('a-key', { requestsPerMinute: own === 2 ? 1 : 9 }, { scope: { key: 'k' } }), limitRule('a-class', { requestsPerMinute: own === 3 ? 1 : 9 }, { each: 'model_class' })],
  });

  test.each(['w', 'w/f', 'a-key', 'a-class'].map((scope, own) => ({ scope, own })))('are taken together or not at all: when that of $scope strikes, the others are as they were', async ({ scope, own }) => {
    const { gate, clock } = all(own);
    const call: Wish = { key: 'k', model: 'claude-opus-5' };
    await admitted(admit(gate, call));
    const before = gate.buckets(clock.now());
    expect(before).toHaveLength(4);
    expect(await admit(gate, call)).toMatchObject({ refusal: { rule: `limit:${scope}/requests` } });
    expect(gate.buckets(clock.now())).toEqual(before);
  });

  test('keep what was used over a reload that edits them, and are gone after one that drops them', async () => {
    const { gate, clock } = openGate({ limitRules: [limitRule('ci', { requestsPerMinute: 10, concurrent: 4 }, { scope: { key: 'k' } })] });
    for (let i = 0; i < 3; i++) await admitted(admit(gate, { key: 'k' }));
    await gate.reload(settings({ limitRules: [limitRule('ci', { requestsPerMinute: 4, concurrent: 3 }, { scope: { key: 'k' } })] }), async () => usd('0'));
    expect(rows(gate, clock.now())).toEqual([['ci (key k)', 'requests', 1], ['ci (key k)', 'concurrent', 0]]);
    expect(await admit(gate, { key: 'k' })).toMatchObject({ refusal: { rule: 'limit:ci/concurrent' } });
    await gate.reload(settings({}), async () => usd('0'));
    expect(rows(gate, clock.now())).toEqual([]);
    await admitted(admit(gate, { key: 'k' }));
  });

  test('only say so where they rehearse', async () => {
    const { gate } = openGate({ limitRules: [limitRule('ci', { requestsPerMinute: 1, dryRun: true })] });
    await admitted(admit(gate));
    const passed = await admitted(admit(gate));
    expect(passed.decisions).toContainEqual({ rule: 'limit:ci/requests', verdict: 'would_refuse', detail: 'ci (every call) has used its limit of 1 requests per minute; this call fits in 60 s' });
  });
});

describe('output', () => {
  const outputLeft = (gate: ReturnType<typeof openGate>['gate'], now: number) => gate.buckets(now as never).find(({ dimension }) => dimension === 'output_tokens')!.remaining;

  test('is charged while it streams, and made exact at the end', async () => {
    const { gate, clock } = openGate({ limitRules: [limitRule('out', { outputTokensPerMinute: 1_000 })] });
    const call = await admitted(admit(gate));
    for (let i = 0; i < 100; i++) call.onContent!(20);
    expect(outputLeft(gate, clock.now())).toBe(500);
    for (let i = 0; i < 100; i++) call.onContent!(20);
    expect(await admit(gate)).toMatchObject({ refusal: { rule: 'limit:out/output_tokens', retryAfterSeconds: 1 } });
    call.release(usd('0.01'), tokens(10, 700));
    expect(outputLeft(gate, clock.now())).toBe(300);
    call.onContent!(4_000);
    expect(outputLeft(gate, clock.now())).toBe(300);
  });

  test('of a call that ended without any is given back', async () => {
    const { gate, clock } = openGate({ limitRules: [limitRule('out', { outputTokensPerMinute: 1_000 })] });
    const call = await admitted(admit(gate));
    call.onContent!(2_000);
    call.release(usd('0'), null);
    expect(outputLeft(gate, clock.now())).toBe(1_000);
  });

  test('of a call without such a limit is nobody\'s business while it streams', async () => {
    const { gate } = openGate({ workspaces: [workspace('w', { limits: { requestsPerMinute: 5, inputTokensPerMinute: 50, concurrent: 5 } })] });
    expect((await admitted(admit(gate))).onContent).toBeNull();
  });
});

/**
 * An adversary who knows every bucket to the millisecond, asks at fractions of it, waits for the exact moment or long before a burst,
 * makes calls of every size, and ends them as they like. A call larger than the whole bucket passes when it is full: it counts as the burst.
 */
test.each([{ dimension: 'requests' as const }, { dimension: 'input' as const }])('no timing gets more $dimension past a limit than burst + rate × t, in any window', async ({ dimension }) => {
  const step = fc.record({
    wait: fc.oneof(fc.constant('exact' as const), fc.constant('one less' as const), fc.double({ min: 0, max: 3, noNaN: true }), fc.integer({ min: 0, max: 90_000 })),
    tries: fc.integer({ min: 1, max: 30 }), size: fc.integer({ min: 1, max: 400 }), end: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 300 }), fc.array(step, { minLength: 5, maxLength: 60 }), async (limit, steps) => {
      const { gate, clock } = openGate({ limitRules: [limitRule('cap', dimension === 'requests' ? { requestsPerMinute: limit } : { inputTokensPerMinute: limit })] });
      const passed: { at: number; amount: number }[] = [];
      let largest = 0;
      let retryMs = 0;
      for (const { wait, tries, size, end } of steps) {
        clock.pass(wait === 'exact' ? retryMs : wait === 'one less' ? Math.max(0, retryMs - 1) : wait);
        for (let i = 0; i < tries; i++) {
          const verdict = await admit(gate, { input: size });
          if (!verdict.ok) {
            retryMs = verdict.refusal.retryAfterSeconds! * 1_000;
            break;
          }
          const amount = dimension === 'requests' ? 1 : size;
          passed.push({ at: clock.steady, amount });
          largest = Math.max(largest, amount);
          if (end) verdict.value.release(usd('0.001'), tokens(size));
        }
      }
      // How far the worst window is past what it may hold, in grains of a 60,000th.
      let excess = -Infinity;
      for (let from = 0; from < passed.length; from++) {
        let sum = 0;
        for (let to = from; to < passed.length; to++) {
          sum += passed[to]!.amount;
          // Whole milliseconds are counted: an instant within one is at its beginning.
          const t = Math.floor(passed[to]!.at) - Math.floor(passed[from]!.at);
          excess = Math.max(excess, sum * 60_000 - (Math.max(limit, largest) * 60_000 + limit * t));
        }
      }
      expect(excess).toBeLessThanOrEqual(0);
    }),
    { numRuns: 200 },
  );
});

test('who asks again exactly when told gets the whole rate, to the request', async () => {
  const { gate, clock } = openGate({ limitRules: [limitRule('cap', { requestsPerMinute: 60 })] });
  let served = 0;
  const end = 10 * 60_000;
  while (clock.steady <= end) {
    const verdict = await admit(gate);
    if (verdict.ok) served++;
    else clock.pass(verdict.refusal.retryAfterSeconds! * 1_000);
  }
  expect(served).toBe(60 + 60 * 10);
});
