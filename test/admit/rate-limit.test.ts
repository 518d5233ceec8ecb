// test/admit/rate-limit.test.ts: limits per minute and calls at once.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../server/admit/rate-limit.ts';
import { admit, admitted, openGate, settings, tokens, usd, workspace } from './scene.ts';

describe('a bucket', () => {
  test('never lets more through than its burst and rate × t, in any window', () => {
    const steps = fc.array(fc.record({ pass: fc.oneof(fc.nat(50), fc.nat(120_000)), amount: fc.integer({ min: 1, max: 20 }) }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), steps, (limit, sequence) => {
        let now = 0;
        const bucket = new TokenBucket(limit, now);
        const taken: { at: number; amount: number }[] = [];
        for (const { pass, amount: wish } of sequence) {
          now += pass;
          const amount = Math.min(wish, limit);
          if (bucket.waitMs(amount, now) > 0) continue;
          bucket.take(amount, now);
          taken.push({ at: now, amount });
        }
        for (let from = 0; from < taken.length; from++) {
          let sum = 0;
          for (let to = from; to < taken.length; to++) {
            sum += taken[to]!.amount;
            const t = taken[to]!.at - taken[from]!.at;
            expect(sum * 60_000).toBeLessThanOrEqual(limit * 60_000 + limit * t);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('tells the wait exactly: refused one millisecond before, let through at it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 1_000_000 }), (limit, first, second) => {
        const bucket = new TokenBucket(limit, 0);
        bucket.take(first, 0);
        const wait = bucket.waitMs(second, 0);
        if (wait === 0) return;
        expect(bucket.waitMs(second, wait - 1)).toBe(1);
        expect(bucket.waitMs(second, wait)).toBe(0);
      }),
    );
  });

  test('loses nothing to many small looks at fractions of a millisecond', () => {
    const bucket = new TokenBucket(600, 0);
    bucket.take(600, 0);
    for (let i = 1; i <= 1_000; i++) bucket.remaining(i * 0.7);
    expect(bucket.remaining(700)).toBe(7);
  });

  test('is full again after any rest, and never more than full', () => {
    const bucket = new TokenBucket(100_000_000, 0);
    bucket.take(250_000_000, 0);
    expect(bucket.remaining(Number.MAX_SAFE_INTEGER)).toBe(100_000_000);
    bucket.take(-5, Number.MAX_SAFE_INTEGER);
    expect(bucket.remaining(Number.MAX_SAFE_INTEGER)).toBe(100_000_000);
  });

  test('stands still when its clock does not move on', () => {
    const bucket = new TokenBucket(60, 10_000);
    bucket.take(60, 10_000);
    expect(bucket.remaining(0)).toBe(0);
    expect(bucket.remaining(11_000)).toBe(1);
  });

  test('lets an amount larger than itself through when it is full, and only then', () => {
    const bucket = new TokenBucket(1_000, 0);
    expect(bucket.waitMs(5_000, 0)).toBe(0);
    bucket.take(5_000, 0);
    expect(bucket.waitMs(1, 0)).toBe(240_060);
    expect(bucket.waitMs(5_000, 240_000)).toBe(60_000);
  });

  test('keeps what is used when the limit changes', () => {
    const bucket = new TokenBucket(100, 0);
    bucket.take(80, 0);
    bucket.resize(50, 0);
    expect(bucket.remaining(0)).toBe(-30);
    bucket.resize(200, 0);
    expect(bucket.remaining(0)).toBe(120);
  });
});

describe('the gate', () => {
  test('refuses the call over the limit with the exact wait, and lets it through then', async () => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { requestsPerMinute: 7 } })] });
    for (let i = 0; i < 7; i++) await admitted(admit(gate));
    expect(await admit(gate)).toEqual({
      ok: false,
      refusal: { reason: 'rate_limited', message: 'w has used its limit of 7 requests per minute; this call fits in 9 s', rule: 'limit:w/requests', retryAfterSeconds: 9 },
    });
    clock.pass(8_571);
    expect(await admit(gate)).toMatchObject({ refusal: { retryAfterSeconds: 1 } });
    clock.pass(1);
    await admitted(admit(gate));
  });

  test.each([
    { dimension: 'requests', limits: { requestsPerMinute: 1 } },
    { dimension: 'input_tokens', limits: { inputTokensPerMinute: 100 } },
    { dimension: 'concurrent', limits: { concurrent: 1 } },
  ])('names $dimension of the workflow when that strikes, and takes nothing of the workspace', async ({ dimension, limits }) => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { requestsPerMinute: 10, inputTokensPerMinute: 1_000, concurrent: 10 } }, { f: { limits } })] });
    await admitted(admit(gate, { input: 100 }));
    const before = gate.buckets(clock.now()).filter(({ scope }) => scope === 'w');
    expect(await admit(gate, { input: 100 })).toMatchObject({ refusal: { reason: 'rate_limited', rule: `limit:w/f/${dimension}` } });
    expect(gate.buckets(clock.now()).filter(({ scope }) => scope === 'w')).toEqual(before);
    expect(gate.standings(clock.now())).toEqual([]);
    await admitted(admit(gate, { place: 'w/other', input: 100 }));
  });

  test('counts the likely prompt first, the true one after the start, and what is read from the cache never', async () => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { inputTokensPerMinute: 1_000 } })] });
    const left = (): number => gate.buckets(clock.now())[0]!.remaining;
    const call = await admitted(admit(gate, { input: 600 }));
    expect(left()).toBe(400);
    call.started(tokens(100, 0, { cacheWrite5m: 20, cacheWrite1h: 30, cacheRead: 100_000 }), usd('0.01'));
    expect(left()).toBe(850);
    call.release(usd('0.01'), tokens(160, 0, { cacheWrite5m: 20, cacheWrite1h: 30, cacheRead: 100_000 }));
    expect(left()).toBe(790);
  });

  test('gives the whole prompt back when nothing was used', async () => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { inputTokensPerMinute: 1_000, requestsPerMinute: 5, concurrent: 3 } })] });
    const call = await admitted(admit(gate, { input: 600 }));
    call.release(usd('0'), null);
    expect(gate.buckets(clock.now()).map(({ dimension, remaining }) => [dimension, remaining])).toEqual([['requests', 4], ['input_tokens', 1_000], ['concurrent', 3]]);
  });

  test('charges output when it is known, and its debt delays the calls after it', async () => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { outputTokensPerMinute: 600 } })] });
    const [a, b] = [await admitted(admit(gate)), await admitted(admit(gate))];
    a.release(usd('0.01'), tokens(1, 600));
    b.release(usd('0.01'), tokens(1, 300));
    expect(await admit(gate)).toMatchObject({ refusal: { rule: 'limit:w/output_tokens', retryAfterSeconds: 31 } });
    clock.pass(30_100);
    await admitted(admit(gate));
  });

  test('frees a place once, however often a call is released', async () => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { concurrent: 2, outputTokensPerMinute: 100 } })] });
    const first = await admitted(admit(gate));
    await admitted(admit(gate));
    expect(await admit(gate)).toMatchObject({ refusal: { reason: 'rate_limited', rule: 'limit:w/concurrent', retryAfterSeconds: 1 } });
    first.release(usd('0.01'), tokens(0, 5));
    first.release(usd('0.01'), tokens(0, 5));
    first.started(tokens(5), usd('0'));
    expect(gate.buckets(clock.now())).toMatchObject([{ dimension: 'output_tokens', remaining: 95 }, { dimension: 'concurrent', remaining: 1 }]);
  });

  test('asks only the limits on requests and places of a call that costs nothing', async () => {
    const { gate } = openGate({ workspaces: [workspace('w', { limits: { inputTokensPerMinute: 10, outputTokensPerMinute: 10, requestsPerMinute: 3 } })] });
    const call = await admitted(admit(gate, { input: 10 }));
    call.release(usd('0.01'), tokens(500, 500));
    expect(await admit(gate)).toMatchObject({ refusal: { rule: 'limit:w/input_tokens' } });
    await admitted(admit(gate, { ceiling: '0' }));
    await admitted(admit(gate, { ceiling: '0' }));
    expect(await admit(gate, { ceiling: '0' })).toMatchObject({ refusal: { rule: 'limit:w/requests' } });
  });

  test('keeps what was used and who is in flight over a reload', async () => {
    const before = workspace('w', { limits: { requestsPerMinute: 10, concurrent: 5 } });
    const { gate, clock } = openGate({ workspaces: [before] });
    const calls = [await admitted(admit(gate)), await admitted(admit(gate)), await admitted(admit(gate))];
    await gate.reload(settings({ workspaces: [workspace('w', { limits: { requestsPerMinute: 4, concurrent: 2 } })] }), async () => usd('0'));
    expect(gate.buckets(clock.now())).toEqual([
      { scope: 'w', of: { workspace: 'w', workflow: null, key: null, modelClass: null }, dimension: 'requests', limit: 4, remaining: 1 },
      { scope: 'w', of: { workspace: 'w', workflow: null, key: null, modelClass: null }, dimension: 'concurrent', limit: 2, remaining: 0 },
    ]);
    for (const call of calls) call.release(usd('0.01'), null);
    expect(gate.buckets(clock.now())).toMatchObject([{ remaining: 1 }, { remaining: 2 }]);
  });

  test('is not fooled by a wall clock that steps', async () => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { requestsPerMinute: 1 } })] });
    await admitted(admit(gate));
    clock.wall += 86_400_000;
    expect(await admit(gate)).toMatchObject({ refusal: { reason: 'rate_limited', retryAfterSeconds: 60 } });
    clock.wall -= 2 * 86_400_000;
    clock.steady += 60_000;
    await admitted(admit(gate));
  });
});
