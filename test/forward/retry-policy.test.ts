// test/forward/retry-policy.test.ts: when and where a call may be tried again, and how often all of them together.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adviceOf, againAfterMs, soonest } from '../../server/forward/retry-policy.ts';
import { RetryBudget } from '../../server/forward/retry-budget.ts';
import { Rests } from '../../server/forward/rests.ts';

const NOW = Date.parse('2026-06-15T12:00:00Z');

test.each([
  { name: 'seconds', headers: ['Retry-After', '7'], says: 7_000 },
  { name: 'milliseconds, which win as they do in the SDKs', headers: ['retry-after', '7', 'retry-after-ms', '250.5'], says: 250.5 },
  { name: 'a date', headers: ['retry-after', 'Mon, 15 Jun 2026 12:00:30 GMT'], says: 30_000 },
  { name: 'a date that has passed', headers: ['retry-after', 'Mon, 15 Jun 2026 11:00:00 GMT'], says: 0 },
  { name: 'nothing that can be read', headers: ['retry-after', 'soon'], says: null },
  { name: 'nothing', headers: [], says: null },
])('an answer that tells $name asks to wait $says ms', ({ headers, says }) => {
  expect(adviceOf(529, headers, NOW)).toEqual({ status: 529, retryAfterMs: says, shouldRetry: null });
});

test.each([
  { name: 'a 429 with a time, not before it', advice: { status: 429, retryAfterMs: 2_000, shouldRetry: null }, made: 1, from: 2_000, to: 2_200 },
  { name: 'a 429 without a time, a spend cap, never', advice: { status: 429, retryAfterMs: null, shouldRetry: null }, made: 1, from: Infinity, to: Infinity },
  { name: 'an answer that says not to, never', advice: { status: 529, retryAfterMs: 1, shouldRetry: false }, made: 1, from: Infinity, to: Infinity },
  { name: 'a 529, after half a second or a little less', advice: { status: 529, retryAfterMs: null, shouldRetry: null }, made: 1, from: 375, to: 500 },
  { name: 'a second 529, after twice that', advice: { status: 529, retryAfterMs: null, shouldRetry: true }, made: 2, from: 750, to: 1_000 },
  { name: 'the tenth, after 8 seconds', advice: { status: 529, retryAfterMs: null, shouldRetry: null }, made: 10, from: 6_000, to: 8_000 },
])('a place can be asked again after $name', ({ advice, made, from, to }) => {
  expect(againAfterMs(advice, made, 0)).toBe(advice.retryAfterMs !== null && from !== Infinity ? from : to);
  expect(againAfterMs(advice, made, 1)).toBe(advice.retryAfterMs !== null && from !== Infinity ? to : from);
});

test.each([
  { name: 'the first of several that are ready', readyAt: [90, 100, 0], found: { place: 0, waitMs: 0 } },
  { name: 'the one that is ready before the others', readyAt: [400, 300, 350], found: { place: 1, waitMs: 200 } },
  { name: 'none where all are too far', readyAt: [700, Infinity], found: null },
  { name: 'none where there are none', readyAt: [], found: null },
])('soonest is $name', ({ readyAt, found }) => {
  expect(soonest(readyAt, 100, 500)).toEqual(found);
});

describe('the budget of further tries', () => {
  test('is never overdrawn: ten, a share of the calls, and one every ten seconds', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ after: fc.nat(3_000), tries: fc.nat(4) }), { maxLength: 300 }), fc.constantFrom(0, 0.05, 0.1, 1), (calls, share) => {
        const budget = new RetryBudget(0);
        let [now, made, taken] = [0, 0, 0];
        for (const { after, tries } of calls) {
          now += after;
          budget.earn(share);
          made += 1;
          for (let i = 0; i < tries; i++) {
            const left = budget.left(now);
            expect(budget.take(now)).toBe(left >= 1);
            if (left >= 1) taken += 1;
          }
          expect(taken).toBeLessThanOrEqual(10 + share * made + now / 10_000 + 1e-9);
        }
      }),
    );
  });

  test('comes back to the last one, and no further than ten', () => {
    const budget = new RetryBudget(0);
    const drain = (now: number): number => {
      let taken = 0;
      while (budget.take(now)) taken += 1;
      return taken;
    };
    expect(drain(0)).toBe(10);
    for (let i = 0; i < 10; i++) budget.earn(0.1);
    expect(drain(0)).toBe(1);
    expect([drain(9_999), drain(10_000)]).toEqual([0, 1]);
    expect(drain(3_600_000)).toBe(10);
  });
});

describe('a place that rests', () => {
  test('rests for one model or for all, and longer where it says so twice', () => {
    const rests = new Rests();
    rests.rest('second', 'opus', 500, 0);
    rests.rest('second', 'opus', 300, 0);
    expect([rests.until('second', 'opus'), rests.until('second', 'haiku'), rests.until('second', null), rests.until('third', 'opus')]).toEqual([500, 0, 0, 0]);
    rests.rest('second', null, 900, 0);
    expect([rests.until('second', 'opus'), rests.until('second', null)]).toEqual([900, 900]);
  });

  test('does not grow with what clients write', () => {
    const rests = new Rests();
    for (let i = 0; i < 10_000; i++) rests.rest('second', `model-${i}`, i + 10, i);
    expect([rests.until('second', 'model-0'), rests.until('second', 'model-9999')]).toEqual([0, 10_009]);
  });
});
