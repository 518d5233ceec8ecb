// test/forward/drains.test.ts: how many answers are read on after their client left.

import { expect, test } from 'vitest';
import { Drains } from '../../server/forward/drains.ts';

test('only so many are read on at once, and one that is over makes room once', () => {
  const drains = new Drains(() => ({ max: 2, forMs: 5 }));
  const [first, second] = [drains.begin(), drains.begin()];
  expect([first?.forMs, second?.forMs, drains.begin()]).toEqual([5, 5, null]);
  first?.end();
  first?.end();
  expect(drains.running).toBe(1);
  expect(drains.begin()).not.toBeNull();
  expect(drains.begin()).toBeNull();
});

test('a reload changes the caps for those that come', () => {
  let max = 0;
  const drains = new Drains(() => ({ max, forMs: 1 }));
  expect(drains.begin()).toBeNull();
  max = 1;
  expect(drains.begin()).not.toBeNull();
});
