// test/admit/queue-histories.ts: random lives of the queue before a provider whose limits are token buckets, in time that the test moves.

import fc from 'fast-check';
import { expect } from 'vitest';
import { createProviderQueue, type ReloadableProviderQueue, type Schedule } from '../../server/admit/provider-queue.ts';
import type { WorkspaceId } from '../../server/domain/ids.ts';
import type { Passage, Turn } from '../../server/domain/provider-queue.ts';
import type { Settings } from '../../server/domain/settings.ts';
import { MovableClock } from './scene.ts';

/** A clock and its timers. */
export class VirtualTime {
  readonly clock = new MovableClock('2025-06-15T12:00:00Z');
  readonly #timers = new Set<{ at: number; run: () => void }>();
  readonly schedule: Schedule = (ms, run) => {
    const timer = { at: this.clock.steady + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  get pending(): number {
    return this.#timers.size;
  }

  /** Lets time pass, timer by timer in their order; promises settle in between. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.steady + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.clock.pass(next.at - this.clock.steady);
      next.run();
      await settle();
    }
    this.clock.pass(until - this.clock.steady);
  }
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await Promise.resolve();
}

export const queueSettings = (below: number, maxWaitMs: number, length: number, heldBytes = 1e9): Settings =>
  ({ upstream: { queue: { below, maxWaitMs, length } }, body: { heldBytes } }) as unknown as Settings;

export const KEY = 'default';
export const MODEL = 'claude-haiku-4-5';
export const CLASS = 'haiku-4-5';

/** One dimension of the provider's: refills steadily, and refuses nobody by itself. */
class Bucket {
  #level: number;
  #at = 0;
  readonly limit: number;
  constructor(limit: number, level: number) {
    this.limit = limit;
    this.#level = level;
  }
  level(now: number): number {
    this.#level = Math.min(this.limit, this.#level + ((now - this.#at) / 60_000) * this.limit);
    this.#at = now;
    return this.#level;
  }
  take(amount: number, now: number): void {
    this.#level = this.level(now) - amount;
  }
}

const WORKSPACES = ['a', 'b', 'c'] as const;
const command = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('background' as const), workspace: fc.constantFrom(...WORKSPACES), input: fc.integer({ min: 1, max: 60_000 }), cached: fc.integer({ min: 0, max: 100 }), latency: fc.nat(4_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('crowd' as const), workspace: fc.constantFrom(...WORKSPACES), calls: fc.integer({ min: 2, max: 30 }), latency: fc.nat(4_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('interactive' as const), calls: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('leave' as const), pick: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.oneof(fc.nat(500), fc.nat(20_000)) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rest' as const), seconds: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reload' as const), below: fc.constantFrom(0.05, 0.1, 0.3), maxWaitMs: fc.constantFrom(5_000, 30_000, 60_000), length: fc.integer({ min: 1, max: 30 }) }) },
);
type Command = typeof command extends fc.Arbitrary<infer One> ? One : never;

interface Queued {
  readonly workspace: string;
  readonly number: number;
  readonly maxWaitMs: number;
  readonly at: number;
  readonly leaving: AbortController;
  turn: Turn | null;
}

/** A history, and what must be true of it. */
class Life {
  readonly time = new VirtualTime();
  readonly queue: ReloadableProviderQueue;
  readonly calls: Queued[] = [];
  readonly #requests: Bucket;
  readonly #input: Bucket;
  /** Whether somebody else drew on the pool as well, so that what the gateway knows of it may be too much. */
  #shared = false;
  settings = { below: 0.1, maxWaitMs: 30_000, length: 20 };

  constructor(requestsLeft: number, inputLeft: number) {
    this.#requests = new Bucket(1_000, requestsLeft);
    this.#input = new Bucket(1_000_000, inputLeft);
    this.queue = createProviderQueue({ settings: queueSettings(0.1, 30_000, 20), clock: this.time.clock, schedule: this.time.schedule });
    this.tell();
  }

  get now(): number {
    return this.time.clock.steady;
  }

  get waiting(): number {
    return this.queue.rows().reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** The headers of an answer: whole requests, tokens by the thousand, and until when they are full by the second. */
  tell(restMs = 0): void {
    const told = (dimension: 'requests' | 'input_tokens', bucket: Bucket, step: number): void => {
      const remaining = Math.max(0, Math.floor(bucket.level(this.now) / step) * step);
      this.queue.told(KEY, CLASS, dimension, bucket.limit, remaining, Math.floor(((bucket.limit - remaining) / bucket.limit) * 60) * 1000);
    };
    told('requests', this.#requests, 1);
    told('input_tokens', this.#input, 1_000);
    this.queue.heard(KEY, CLASS, restMs);
  }

  async run(one: Command): Promise<void> {
    switch (one.do) {
      case 'background':
        return this.#background(one.workspace, one.input, Math.ceil((one.input * (100 - one.cached)) / 100), one.latency);
      case 'crowd':
        for (let n = 0; n < one.calls; n++) await this.#background(one.workspace, 100, 100, one.latency);
        return;
      case 'interactive':
        this.#shared = true;
        for (let n = 0; n < one.calls; n++) this.#requests.take(1, this.now);
        return this.tell();
      case 'leave': {
        const waiters = this.calls.filter(({ turn }) => turn === null);
        if (waiters.length === 0) return;
        const one_ = waiters[one.pick % waiters.length]!;
        one_.leaving.abort();
        await settle();
        expect(one_.turn).toMatchObject({ result: 'left', waitedMs: this.now - one_.at });
        return;
      }
      case 'pass':
        return this.time.pass(one.ms);
      case 'rest':
        return this.tell(one.seconds * 1000);
      case 'reload':
        this.settings = { below: one.below, maxWaitMs: one.maxWaitMs, length: one.length };
        this.queue.reload(queueSettings(one.below, one.maxWaitMs, one.length));
        return settle();
    }
  }

  async #background(workspace: string, guess: number, real: number, latency: number): Promise<void> {
    const leaving = new AbortController();
    const call: Queued = { workspace, number: this.calls.length, maxWaitMs: this.settings.maxWaitMs, at: this.now, leaving, turn: null };
    this.calls.push(call);
    const before = this.waiting;
    const entered = this.queue.enter({ workspace: workspace as WorkspaceId, credential: KEY, model: MODEL, need: { inputTokens: guess, maxOutputTokens: 1 }, bodyBytes: 1, signal: leaving.signal });
    const taken = (turn: Turn): void => {
      expect(call.turn, 'two turns for one call').toBeNull();
      call.turn = turn;
      if (turn.result === 'passed') this.#atProvider(turn.passage, real, latency);
    };
    if (entered instanceof Promise) void entered.then(taken);
    else taken(entered);
    await settle();
    // A wait may only begin where there is a place; one that was given up by another makes no more of them.
    expect(this.waiting).toBeLessThanOrEqual(Math.max(before, this.settings.length));
  }

  #atProvider(passage: Passage | null, real: number, latency: number): void {
    if (!this.#shared) {
      expect(this.#requests.level(this.now), 'a call was let go that the provider has no request for').toBeGreaterThanOrEqual(1);
      expect(this.#input.level(this.now), 'a call was let go that the provider has no tokens for').toBeGreaterThanOrEqual(Math.min(real, 250_000) - 1);
    }
    this.#requests.take(1, this.now);
    this.#input.take(real, this.now);
    this.time.schedule(latency, () => {
      this.tell();
      passage?.answered();
      this.time.schedule(latency, () => passage?.ended(1));
    });
  }

  check(): void {
    const turnless = this.calls.filter(({ turn }) => turn === null);
    expect(this.waiting, 'a call is lost').toBe(turnless.length);
    for (const { at, maxWaitMs } of turnless) expect(this.now - at, 'a deadline is past').toBeLessThanOrEqual(maxWaitMs);
    for (const { turn, maxWaitMs } of this.calls) if (turn !== null) expect(turn.waitedMs).toBeLessThanOrEqual(maxWaitMs);
    for (const workspace of WORKSPACES) this.#inOrder(workspace);
  }

  /** First come, first served within a workspace: nobody waits on, or is let go later, who came before one that was let go. */
  #inOrder(workspace: string): void {
    let latest = -1;
    for (const { workspace: own, turn, at } of this.calls) {
      if (own !== workspace || turn?.result !== 'passed') continue;
      expect(at + turn.waitedMs, 'an earlier call went later').toBeGreaterThanOrEqual(latest);
      latest = at + turn.waitedMs;
    }
  }
}

/** Runs `count` random histories; a failing one is told with its seed. */
export async function everyQueueHolds(count: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 450 }), fc.integer({ min: 0, max: 450_000 }), fc.array(command, { maxLength: 40 }), fc.boolean(), async (requestsLeft, inputLeft, commands, drains) => {
      const life = new Life(requestsLeft, inputLeft);
      for (const one of commands) {
        await life.run(one);
        life.check();
      }
      if (drains) life.queue.drain();
      else await life.time.pass(60_000);
      await settle();
      life.check();
      expect(life.calls.filter(({ turn }) => turn === null), 'a call waits past its time').toEqual([]);
      // Nothing is left behind: no timer, and in a minute no pool that is counted.
      await life.time.pass(120_000);
      life.tell();
      expect([life.time.pending, life.waiting, life.queue.watches]).toEqual([0, 0, false]);
    }),
    { numRuns: count, verbose: 1 },
  );
}
