// test/steady-clock.test.ts: time that never runs backwards, and believes no leap of a year at first sight.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { SteadyClock } from '../server/steady-clock.ts';

const START = Date.UTC(2026, 2, 4, 10);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

let wall = START;
let monotonic = 0;
let told: string[] = [];
let clock: SteadyClock;
beforeEach(() => {
  wall = START;
  monotonic = 0;
  told = [];
  clock = new SteadyClock((direction, ms) => told.push(`${direction} ${ms}`), { wall: () => wall, monotonic: () => monotonic });
});
afterEach(() => clock.close());

/** Time passes on both clocks. */
const pass = (ms: number): void => {
  wall += ms;
  monotonic += ms;
};
/** So many seconds, with the clock's own look at each. */
const seconds = (count: number): void => {
  for (let i = 0; i < count; i++) {
    pass(1_000);
    clock.look();
  }
};
const since = (): number => clock.now() - START;

test('it is the wall clock while that is sane, however long nobody asks', () => {
  pass(10);
  expect(since()).toBe(10);
  pass(3 * DAY);
  expect(since()).toBe(3 * DAY + 10);
  expect(told).toEqual([]);
});

test.each([HOUR, DAY, YEAR])('a step back by %i ms does not reach it: time goes on from where it was', (step) => {
  pass(5_000);
  clock.now();
  wall -= step;
  expect(since()).toBe(5_000);
  pass(100);
  expect(since()).toBe(5_100);
  expect(clock.steps).toEqual({ back: 1, forward: 0 });
  expect(told).toEqual([`back ${step}`]);
});

test('after a step back of an hour it runs at half speed until the two meet, and never backwards', () => {
  wall -= HOUR;
  clock.look();
  let last = clock.now();
  for (let i = 0; i < 7_300; i++) {
    seconds(1);
    const at = clock.now();
    expect(at).toBeGreaterThanOrEqual(last);
    last = at;
  }
  expect(last).toBe(wall);
  expect(told).toEqual([`back ${HOUR}`]);
});

test('a step back that is made good leaves no trace', () => {
  wall -= HOUR;
  clock.look();
  seconds(4);
  wall += HOUR;
  pass(10);
  expect(since()).toBe(4_010);
  expect(told).toEqual([`back ${HOUR}`, `forward ${HOUR}`]);
});

test('a jump ahead by a day or less is followed at once: the machine was asleep', () => {
  wall += DAY;
  expect(since()).toBe(DAY);
  expect(told).toEqual([`forward ${DAY}`]);
});

test('a jump ahead by a year is believed when it still stands a second later', () => {
  wall += YEAR;
  expect(since()).toBe(0);
  pass(500);
  clock.look();
  expect(since()).toBe(500);
  pass(1_000);
  clock.look();
  expect(since()).toBe(YEAR + 1_500);
});

test('a jump ahead by a year that is taken back in time was none', () => {
  wall += YEAR;
  clock.look();
  pass(400);
  wall -= YEAR;
  expect(since()).toBe(400);
  seconds(3);
  expect(since()).toBe(3_400);
  expect(clock.steps).toEqual({ back: 1, forward: 1 });
});

test('a small correction moves it by no more than that', () => {
  pass(1_000);
  clock.now();
  wall -= 300;
  expect(since()).toBe(1_000);
  pass(400);
  expect(since()).toBe(1_100);
  expect(told).toEqual([]);
});
