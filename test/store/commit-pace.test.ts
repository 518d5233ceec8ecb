import { expect, test } from 'vitest';
import { CommitPace } from '../../server/store/sqlite/commit-pace.ts';

const idle = (): number => 0.2;

test('a lone call waits for nothing, however soon after another', () => {
  const pace = new CommitPace(idle);
  expect(pace.waitMs(1, 1000)).toBe(0);
  pace.started(1, 1000);
  expect(pace.waitMs(1, 1000.1)).toBe(0);
  pace.started(2, 1000.1);
  expect(pace.waitMs(1, 1000.2)).toBe(0);
});

test('after a crowd the next waits for as many, but no longer than two milliseconds after the last began', () => {
  const pace = new CommitPace(idle);
  pace.started(8, 1000);
  expect(pace.waitMs(7, 1000.5)).toBeCloseTo(1.5);
  expect(pace.waitMs(8, 1000.5)).toBe(0);
  expect(pace.waitMs(1, 1002)).toBeLessThanOrEqual(0);
});

test('where the main thread has hardly any rest, even a lone call waits, the longer the less rest there is', () => {
  let share = 0.875;
  const pace = new CommitPace(() => share);
  pace.started(1, 1000);
  expect(pace.waitMs(1, 1001)).toBeCloseTo(4);
  share = 1;
  expect(pace.waitMs(1, 1001)).toBeCloseTo(4);
  pace.started(1, 1200);
  expect(pace.waitMs(1, 1201)).toBeCloseTo(9);
  share = 0.75;
  pace.started(1, 1400);
  expect(pace.waitMs(1, 1401)).toBe(0);
});

test('the share of its time that a busy thread had none left is taken from the thread itself', () => {
  const pace = new CommitPace();
  const begun = performance.now();
  pace.waitMs(1, begun);
  while (performance.now() - begun < 150);
  pace.started(1, performance.now());
  expect(pace.waitMs(1, performance.now())).toBeGreaterThan(2);
});
