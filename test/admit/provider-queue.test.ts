// test/admit/provider-queue.test.ts: the line before the provider: whose turn it is, how long it takes, and who gives way.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairLine } from '../../server/admit/fair-line.ts';
import { createProviderQueue, type ReloadableProviderQueue } from '../../server/admit/provider-queue.ts';
import type { WorkspaceId } from '../../server/domain/ids.ts';
import type { Turn } from '../../server/domain/provider-queue.ts';
import { CLASS, everyQueueHolds, KEY, MODEL, queueSettings, VirtualTime } from './queue-histories.ts';

test('bounded, in order, kept to its deadlines, nothing lost, no room given twice: arrivals, crowds, clients that leave, rests, reloads, drains', { timeout: 60_000 }, () => everyQueueHolds(50));

describe('a fair line', () => {
  test('keeps any two workspaces that both wait within the dearest turn of each, and its order within each', () => {
    const flows = ['a', 'b', 'c'] as const;
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant('enter' as const), flow: fc.constantFrom(...flows), cost: fc.integer({ min: 1, max: 100 }) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('serve' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), pick: fc.nat() }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const line = new FairLine<number>();
        /** What each flow had since the two of a pair have both waited. */
        const had = new Map<string, { a: number; b: number }>();
        const waits = (flow: string): boolean => line.sizes().some(([name]) => name === flow);
        const served = new Map<string, number>();
        for (const one of steps) {
          if (one.do === 'enter') line.enter(one.flow, line.size, one.cost);
          else if (one.do === 'leave') {
            const places = [...line];
            if (places.length > 0) expect(line.leave(places[one.pick % places.length]!)).toBe(true);
          } else {
            const first = line.first();
            if (first === null) continue;
            expect(first.number).toBe(Math.min(...[...line].filter(({ flow }) => flow === first.flow).map(({ number }) => number)));
            expect(served.get(first.flow) ?? -1).toBeLessThan(first.number);
            served.set(first.flow, first.number);
            line.serve(first);
            for (const [pair, sums] of had) {
              if (pair[0] === first.flow) sums.a += first.cost;
              if (pair[1] === first.flow) sums.b += first.cost;
            }
          }
          for (const pair of ['ab', 'ac', 'bc']) {
            if (!waits(pair[0]!) || !waits(pair[1]!)) had.delete(pair);
            else if (!had.has(pair)) had.set(pair, { a: 0, b: 0 });
          }
          for (const { a, b } of had.values()) expect(Math.abs(a - b)).toBeLessThanOrEqual(200);
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** A queue whose provider has told so much of 1,000 requests. */
function scene({ left = 20, below = 0.1, maxWaitMs = 30_000, length = 100, heldBytes = 1e9 } = {}) {
  const time = new VirtualTime();
  const queue = createProviderQueue({ settings: queueSettings(below, maxWaitMs, length, heldBytes), clock: time.clock, schedule: time.schedule });
  const tell = (remaining: number, restMs = 0): void => {
    queue.told(KEY, CLASS, 'requests', 1_000, remaining, (1_000 - remaining) * 60);
    queue.heard(KEY, CLASS, restMs);
  };
  tell(left);
  return { time, queue, tell, enter: (workspace: string, more: { model?: string; bodyBytes?: number } = {}) => enter(queue, time, workspace, more) };
}

interface Entered {
  turn: Turn | null;
  readonly leave: () => void;
}

/** A call that is answered a tenth of a second after it was let go. */
function enter(queue: ReloadableProviderQueue, time: VirtualTime, workspace: string, { model = MODEL, bodyBytes = 1 }: { model?: string; bodyBytes?: number }): Entered {
  const leaving = new AbortController();
  const entered: Entered = { turn: null, leave: () => leaving.abort() };
  const turn = queue.enter({ workspace: workspace as WorkspaceId, credential: KEY, model, need: { inputTokens: 10, maxOutputTokens: 10 }, bodyBytes, signal: leaving.signal });
  const came = (one: Turn): void => {
    entered.turn = one;
    if (one.result === 'passed') time.schedule(100, () => one.passage?.ended(10));
  };
  if (turn instanceof Promise) void turn.then(came);
  else came(turn);
  return entered;
}

describe('the queue', () => {
  test('is not looked at where the provider has room, nor where the config turns it off', () => {
    expect(scene({ left: 900 }).queue.watches).toBe(false);
    expect(scene({ left: 0, below: 0 }).queue.watches).toBe(false);
    expect(scene({ left: 20 }).queue.watches).toBe(true);
  });

  test('lets a crowd go only as far as there is room, though no answer has told of it yet', async () => {
    const { time, enter: come } = scene({ left: 130 });
    const crowd = Array.from({ length: 100 }, () => come('a'));
    // 130 of 1,000 less the 100 that are kept.
    expect(crowd.filter(({ turn }) => turn?.result === 'passed')).toHaveLength(30);
    await time.pass(1_000);
    // A second refills 16.7 of them.
    expect(crowd.filter(({ turn }) => turn?.result === 'passed')).toHaveLength(46);
  });

  test('keeps pools apart: another class of models goes on', () => {
    const { enter: come } = scene();
    expect(come('a').turn).toBeNull();
    expect(come('a', { model: 'claude-opus-4-8' }).turn).toMatchObject({ result: 'passed', waitedMs: 0 });
  });

  test('gives a workspace with one call its turn before the rest of a long line', async () => {
    const { time, tell, enter: come } = scene();
    const many = Array.from({ length: 50 }, () => come('many'));
    const one = come('one');
    tell(103);
    await time.pass(0);
    expect(one.turn).toMatchObject({ result: 'passed' });
    expect(many.filter(({ turn }) => turn !== null)).toHaveLength(2);
  });

  test('lets nobody starve while interactive calls keep the room low, and keeps nine tenths of what refills for them', async () => {
    const { time, tell, enter: come } = scene({ left: 50 });
    const calls: Entered[] = [];
    for (let second = 0; second < 120; second++) {
      // Interactive calls take all that comes in: it never gets better than this.
      tell(50);
      if (second < 90) calls.push(come(second % 2 === 0 ? 'a' : 'b'));
      await time.pass(1_000);
    }
    expect(calls.map(({ turn }) => turn?.result)).toEqual(calls.map(() => 'passed'));
    expect(Math.max(...calls.map(({ turn }) => turn!.waitedMs))).toBeLessThanOrEqual(20_000);
  });

  test('gives aged calls a tenth of each limit per minute, and no more', async () => {
    const { time, tell, enter: come } = scene({ left: 50, maxWaitMs: 120_000, length: 1_000 });
    const calls = Array.from({ length: 400 }, () => come('a'));
    for (let second = 0; second < 119; second++) {
      tell(50);
      await time.pass(1_000);
    }
    // They have aged after a minute; 100 requests is a tenth of the limit.
    const passed = calls.filter(({ turn }) => turn?.result === 'passed').length;
    expect(passed).toBeGreaterThanOrEqual(97);
    expect(passed).toBeLessThanOrEqual(101);
  });

  test('refuses at the deadline, says what was waited for, and when to come back', async () => {
    const { time, tell, enter: come } = scene({ left: 0, maxWaitMs: 10_000 });
    // Somebody else draws on the same limits: nothing is ever left.
    const call = come('a');
    for (let ticks = 0; ticks < 1_000; ticks++) {
      tell(0);
      await time.pass(10);
    }
    expect(call.turn).toEqual({
      result: 'expired', waitedMs: 10_000,
      refusal: {
        reason: 'rate_limited', rule: 'headroom:default', retryAfterSeconds: 7,
        message: 'This background call gives way to interactive ones: 0 % of the requests of haiku-4-5 with key default are left at the provider, and below 10 % background calls wait. It waited 10.0 s, as long as the config lets it. Try again in 7 s.',
      },
    });
  });

  test('says that the provider asked to wait, where it did', async () => {
    const { time, tell, enter: come } = scene({ left: 400, maxWaitMs: 10_000 });
    tell(400, 45_500);
    const call = come('a');
    await time.pass(10_000);
    expect(call.turn).toMatchObject({ result: 'expired', refusal: { retryAfterSeconds: 36, message: expect.stringContaining('the provider asked to wait') } });
  });

  test('holds its line for as long as the provider asks, though there is room', async () => {
    const { time, tell, enter: come } = scene({ left: 400 });
    tell(400, 5_000);
    const call = come('a');
    await time.pass(4_999);
    expect(call.turn).toBeNull();
    await time.pass(1);
    expect(call.turn).toMatchObject({ result: 'passed', waitedMs: 5_000 });
  });

  test('takes the place of the workspace that has most of them for one that has fewer, and never for its own', async () => {
    const { time, queue, enter: come } = scene({ left: 0, length: 6 });
    const many = Array.from({ length: 6 }, () => come('many'));
    expect(come('many').turn).toMatchObject({ result: 'full', refusal: { reason: 'rate_limited', retryAfterSeconds: 7, message: expect.stringContaining('6 calls wait already, as many as the config lets') } });
    const few = [come('few'), come('few'), come('few')];
    await time.pass(0);
    expect(many.map(({ turn }) => turn?.result ?? 'waits')).toEqual(['waits', 'waits', 'waits', 'full', 'full', 'full']);
    expect(few.every(({ turn }) => turn === null)).toBe(true);
    expect(come('few').turn).toMatchObject({ result: 'full' });
    expect(queue.rows()).toMatchObject([{ waiting: 6, workspaces: [{ workspace: 'many', waiting: 3 }, { workspace: 'few', waiting: 3 }] }]);
  });

  test('takes no more bodies than a quarter of what the gateway has room for', () => {
    const { enter: come } = scene({ left: 0, heldBytes: 1_000 });
    expect(come('a', { bodyBytes: 200 }).turn).toBeNull();
    expect(come('b', { bodyBytes: 51 }).turn).toMatchObject({ result: 'full', refusal: { message: expect.stringContaining('The bodies of the calls that wait already take the memory that they may') } });
    expect(come('b', { bodyBytes: 50 }).turn).toBeNull();
  });

  test('a reload counts at once: with nothing kept back, the line goes', async () => {
    const { time, queue, enter: come } = scene({ left: 20 });
    const calls = [come('a'), come('b')];
    queue.reload(queueSettings(0, 30_000, 100));
    await time.pass(0);
    expect(calls.map(({ turn }) => turn?.result)).toEqual(['passed', 'passed']);
    expect(queue.watches).toBe(false);
  });

  test('a drain ends every wait, and lets none begin', async () => {
    const { time, queue, enter: come } = scene({ left: 0 });
    const call = come('a');
    queue.drain();
    await time.pass(0);
    expect(call.turn).toMatchObject({ result: 'drained', refusal: { reason: 'draining', retryAfterSeconds: 1 } });
    expect(come('a').turn).toMatchObject({ result: 'drained' });
  });

  test('a bucket that is overdrawn says so by its reset, and is waited for', async () => {
    const { time, queue, enter: come } = scene({ left: 900, maxWaitMs: 60_000 });
    // 200 below nothing: 12 seconds until nothing, and 6 until there is more than is kept.
    queue.told(KEY, CLASS, 'requests', 1_000, 0, 72_000);
    queue.heard(KEY, CLASS, 0);
    const call = come('a');
    await time.pass(18_059);
    expect(call.turn).toBeNull();
    await time.pass(2);
    expect(call.turn).toMatchObject({ result: 'passed', waitedMs: 18_060 });
  });

  test('a reset that lies far in the future closes no pool for good', async () => {
    const { time, queue, enter: come } = scene({ left: 900, maxWaitMs: 240_000 });
    queue.told(KEY, CLASS, 'requests', 1_000, 0, 1e12);
    queue.heard(KEY, CLASS, 0);
    const call = come('a');
    await time.pass(67_000);
    expect(call.turn).toMatchObject({ result: 'passed' });
  });
});
