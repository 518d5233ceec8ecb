// test/admin/course.test.ts: the room at the provider, minute by minute.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import type { HeadroomRow } from '../../server/domain/observer.ts';
import { createCourse } from '../../server/http/admin/course.ts';
import { handClock } from '../observe/gateway.ts';
import { openEntry, settlement } from '../store/samples.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

const row = (modelClass: string, lowestRatio: number): HeadroomRow => ({ credential: 'default', modelClass, dimension: 'requests', limit: 100, remaining: 100, lowestRatio, resetAt: null, seenAt: epochMs(0) });

function started() {
  const clock = handClock();
  const state = { rows: [] as HeadroomRow[], inFlight: 0 };
  const course = createCourse({ clock, rows: () => state.rows, inFlight: () => state.inFlight });
  const minute = (rows: HeadroomRow[], inFlight: number) => {
    Object.assign(state, { rows, inFlight });
    clock.wall += 60_000;
    vi.advanceTimersByTime(60_000);
  };
  return { course, minute, clock };
}

test('each minute keeps the least that was left, and what was not told yet is not made up', () => {
  const { course, minute, clock } = started();
  expect(course.points()).toEqual({ at: [], inFlight: [], throttled: { rateLimited: [], overloaded: [], retryAfterSeconds: [] }, series: [] });
  minute([row('opus-4', 0.4)], 3);
  minute([row('opus-4', 0.1), row('haiku', 1)], 5);
  minute([row('haiku', 0.9)], 0);
  const { at, inFlight, series } = course.points();
  expect(at).toEqual([clock.wall - 120_000, clock.wall - 60_000, clock.wall]);
  expect(inFlight).toEqual([3, 5, 0]);
  expect(series.map((one) => [one.modelClass, one.lowest])).toEqual([['opus-4', [0.4, 0.1, null]], ['haiku', [null, 1, 0.9]]]);
  course.close();
});

test('six hours are kept, and a pool that was not seen in them is forgotten', () => {
  const { course, minute } = started();
  minute([row('opus-4', 0.5)], 1);
  for (let i = 0; i < 6 * 60; i++) minute([row('haiku', 1)], 2);
  const { at, inFlight, series } = course.points();
  expect([at.length, inFlight.length, series.map((one) => [one.modelClass, one.lowest.length])]).toEqual([360, 360, [['haiku', 360]]]);
  course.close();
  minute([row('haiku', 1)], 9);
  expect(course.points().inFlight.at(-1)).toBe(2);
});

test('each minute keeps how often the provider had no room, in further tries too, and the longest wait it asked for', () => {
  const { course, minute } = started();
  const ended = (...tries: readonly [status: number, retryAfterSeconds: number | null][]): void => {
    const [attempt] = settlement('1').attempts;
    course.settled({ opened: openEntry('1'), settlement: settlement('1', { attempts: tries.map(([status, retryAfterSeconds]) => ({ ...attempt!, status, limits: { limits: [], retryAfterSeconds } })) }) });
  };
  ended([429, 2], [529, null], [200, null]);
  ended([429, 7]);
  minute([], 0);
  ended([529, null], [500, null]);
  minute([], 0);
  minute([], 0);
  expect(course.points().throttled).toEqual({ rateLimited: [2, 0, 0], overloaded: [1, 1, 0], retryAfterSeconds: [7, null, null] });
  for (let i = 0; i < 6 * 60; i++) minute([], 0);
  expect(course.points().throttled.rateLimited).toEqual(Array.from({ length: 360 }, () => 0));
  course.close();
});

test('names that clients write cannot make it grow without end', () => {
  const { course, minute } = started();
  minute(Array.from({ length: 500 }, (_, i) => row(`model-${i}`, 1)), 0);
  expect(course.points().series).toHaveLength(60);
  course.close();
});
