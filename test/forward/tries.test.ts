// test/forward/tries.test.ts: the further tries of one call: where they go, after how long, and when there is none.

import { describe, expect, test } from 'vitest';
import type { Settings } from '../../server/domain/settings.ts';
import type { ResponseHead } from '../../server/forward/response-head.ts';
import { Retries, type TriedCall, type Tries } from '../../server/forward/tries.ts';

type Upstream = Settings['upstream'];
const HOME = 'https://api.anthropic.com';
const upstream = (more: { on?: number[]; failover?: Upstream['failover']; retry?: Partial<Upstream['retry']> } = {}): Upstream => ({
  origin: HOME, keys: new Map([['default', 'sk-1']]), connectTimeoutMs: 1, streamHeadersTimeoutMs: 1, headersTimeoutMs: 1, idleTimeoutMs: 1, connections: 1,
  retry: { on: new Set(more.on ?? [429, 529]), most: 2, budget: 0.1, maxWaitMs: 10_000, ...more.retry }, queue: { below: 0.1, maxWaitMs: 30_000, length: 500 }, failover: more.failover ?? [],
});
const call = (settings: Upstream, more: Partial<TriedCall> = {}): TriedCall => ({ settings, credential: { kind: 'configured', name: 'default', secret: 'sk-1' }, model: 'claude-haiku-4-5', movable: true, clientRetry: null, ...more });
const head = (status: number, ...raw: string[]): ResponseHead => ({ status, statusMessage: '', raw, streamed: false, jsonOrStream: true });
const retries = (): Retries => new Retries(() => 0);
const second = { id: 'second', origin: HOME, keys: new Map([['default', 'sk-2']]) };
const elsewhere = { id: 'elsewhere', origin: 'https://eu.example', keys: new Map([['default', 'sk-3'], ['research', 'sk-4']]) };

/** What a call makes of a 529 and of what follows: where it goes next, and when; null: the client hears of it. */
function after(tries: Tries, answer: ResponseHead, now = 0): { to: string | null; waitMs: number } | null {
  if (!tries.keepsBack(answer, now, now)) return null;
  const next = tries.next()!;
  tries.begin(next);
  return { to: tries.place.id, waitMs: next.waitMs };
}

describe('with one key', () => {
  test('a 529 is tried again after a while, twice, and no more', () => {
    const tries = retries().begin(call(upstream()), 0);
    expect(after(tries, head(529))).toEqual({ to: null, waitMs: 500 });
    expect(after(tries, head(529), 500)).toEqual({ to: null, waitMs: 1_000 });
    expect(after(tries, head(529), 1_500)).toBeNull();
  });

  test.each([
    { name: 'with a time that is short enough', answer: head(429, 'retry-after', '3'), then: { to: null, waitMs: 3_000 } },
    { name: 'with a time that is too long', answer: head(429, 'retry-after', '11'), then: null },
    { name: 'without a time', answer: head(429), then: null },
    { name: 'that says not to come back', answer: head(429, 'retry-after', '1', 'x-should-retry', 'false'), then: null },
  ])('a 429 $name: $then', ({ answer, then }) => {
    expect(after(retries().begin(call(upstream()), 0), answer)).toEqual(then);
  });

  test.each([
    { name: 'another error', settings: upstream(), more: {}, answer: head(500) },
    { name: 'a status that the config does not name', settings: upstream({ on: [429] }), more: {}, answer: head(529) },
    { name: 'a client that is trying again itself', settings: upstream(), more: { clientRetry: 1 }, answer: head(529) },
    { name: 'no further tries allowed', settings: upstream({ retry: { most: 0 } }), more: {}, answer: head(529) },
    { name: 'a budget of nothing', settings: upstream({ retry: { budget: 0 } }), more: {}, answer: head(529) },
  ])('with $name the answer goes out', ({ settings, more, answer }) => {
    expect(after(retries().begin(call(settings, more), 0), answer)).toBeNull();
  });

  test('all calls of a key share one budget, and another key has its own', () => {
    const shared = retries();
    const research = { credential: { kind: 'configured', name: 'research', secret: 'sk-9' } } as const;
    let tried = 0;
    for (let i = 0; i < 100; i++) if (after(shared.begin(call(upstream()), 0), head(529)) !== null) tried += 1;
    // Ten that were saved up, and one for each ten calls; the first call found no room to save.
    expect(tried).toBe(10 + 9);
    expect(after(shared.begin(call(upstream(), research), 0), head(529))).not.toBeNull();
    expect(shared.left(0)).toEqual([{ credential: 'default', tries: 0 }, { credential: 'research', tries: 9 }]);
  });

  test('a connection that failed is tried once more, at once, out of no budget', () => {
    const shared = retries();
    const tries = shared.begin(call(upstream()), 0);
    expect(tries.afterUnreachable(0)).toMatchObject({ waitMs: 0 });
    tries.begin({ place: null, waitMs: 0 });
    expect(tries.afterUnreachable(1)).toBeNull();
    expect(shared.left(1)).toEqual([{ credential: 'default', tries: 10 }]);
    expect(shared.begin(call(upstream({ retry: { most: 0 } })), 0).afterUnreachable(0)).toBeNull();
  });
});

describe('with a failover', () => {
  const settings = upstream({ failover: [second, elsewhere], retry: { most: 3 } });

  test('the next place is asked at once, in the order of the config, and then the one that can be asked soonest', () => {
    const tries = retries().begin(call(settings), 0);
    expect(after(tries, head(429, 'retry-after', '9'))).toEqual({ to: 'second', waitMs: 0 });
    expect(after(tries, head(429, 'retry-after', '4'))).toEqual({ to: 'elsewhere', waitMs: 0 });
    expect(tries.place).toEqual({ id: 'elsewhere', origin: 'https://eu.example', credential: { kind: 'configured', name: 'elsewhere/default', secret: 'sk-3' } });
    expect(after(tries, head(529, 'retry-after', '6'), 1_000)).toEqual({ to: 'second', waitMs: 3_000 });
    expect(after(tries, head(429, 'retry-after', '1'), 4_000)).toBeNull();
  });

  test('a spend cap is no reason to give up where there is another key', () => {
    expect(after(retries().begin(call(settings), 0), head(429))).toEqual({ to: 'second', waitMs: 0 });
  });

  test('later calls pass a place by that asked for time, for the model that it was asked about', () => {
    const shared = retries();
    after(shared.begin(call(settings), 0), head(429, 'retry-after', '30'));
    const place = (more: Partial<TriedCall>, now: number): string | null => shared.begin(call(settings, more), now).place.id;
    expect([place({}, 10), place({ model: 'claude-opus-4-8' }, 10), place({ clientRetry: 2 }, 10), place({}, 30_000)]).toEqual(['second', null, 'second', null]);
  });

  test('later calls pass a place by that could not be reached, whatever the model', () => {
    const shared = retries();
    const tries = shared.begin(call(settings), 0);
    // The second key is at the same origin, which was just found unreachable, but nobody has asked with it yet.
    expect(tries.afterUnreachable(0)).toMatchObject({ place: { id: 'elsewhere' }, waitMs: 0 });
    const place = (now: number): string | null => shared.begin(call(settings, { model: 'claude-opus-4-8' }), now).place.id;
    expect([place(10), place(4_999), place(5_000)]).toEqual(['elsewhere', 'elsewhere', null]);
  });

  test('where every place rests, the first is asked: a first try never waits', () => {
    const shared = retries();
    for (const origin of [HOME, 'https://eu.example']) shared.rests.rest(origin, null, 5_000, 0);
    expect(shared.begin(call(settings), 10).place.id).toBeNull();
  });

  test('all places are tried when none can be reached, none of them three times', () => {
    const tries = retries().begin(call(upstream({ failover: [second, elsewhere], retry: { most: 10 } })), 0);
    const went: (string | null)[] = [tries.place.id];
    for (let next = tries.afterUnreachable(0); next !== null; next = tries.afterUnreachable(0)) {
      tries.begin(next);
      went.push(tries.place.id);
    }
    expect(went.length).toBeLessThanOrEqual(6);
    for (const id of [null, 'second', 'elsewhere']) expect(went.filter((one) => one === id).length).toBeGreaterThanOrEqual(1);
    for (const id of [null, 'second', 'elsewhere']) expect(went.filter((one) => one === id).length).toBeLessThanOrEqual(2);
  });

  test.each([
    { name: 'that names files of its key', more: { movable: false } },
    { name: 'with the caller\'s own key', more: { credential: { kind: 'callers_own' } as const } },
    { name: 'whose key has no stand-in', more: { credential: { kind: 'configured', name: 'sales', secret: 'sk-5' } as const } },
  ])('a call $name goes nowhere else', ({ more }) => {
    const tries = retries().begin(call(settings, more), 0);
    expect(after(tries, head(529))).toEqual({ to: null, waitMs: 500 });
    expect(tries.place).toMatchObject({ origin: HOME, credential: more.credential ?? { name: 'default', secret: 'sk-1' } });
  });

  test('a key is replaced by the one that stands in for it, and by no other', () => {
    const tries = retries().begin(call(settings, { credential: { kind: 'configured', name: 'research', secret: 'sk-r' } }), 0);
    expect(after(tries, head(529))).toEqual({ to: 'elsewhere', waitMs: 0 });
    expect(tries.place.credential).toEqual({ kind: 'configured', name: 'elsewhere/research', secret: 'sk-4' });
  });
});
