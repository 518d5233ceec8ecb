// test/web/limit-name.test.ts: no line runs through the name of a limit, as long as one of the places beside it is free.

import { expect, test } from 'vitest';
import { limitNameAt } from '../../web/charts/limit-name.ts';

const rising = (from: number, to: number): number[] => Array.from({ length: 31 }, (_, i) => from + ((to - from) * i) / 30);

test.each([
  { name: 'above the line on the left, where nothing else is', limit: 0.8, lines: [rising(0, 0.6)], place: { side: 'left', below: false } },
  { name: 'below a limit at the top of the field', limit: 1, lines: [rising(0, 0.6)], place: { side: 'left', below: true } },
  { name: 'on the right, where the forecast leaves it on the left', limit: 0.15, lines: [[0.1, ...Array.from({ length: 6 }, () => null)], rising(0.17, 0.9)], place: { side: 'right', below: false } },
  { name: 'on the left, where a line comes to it on the right', limit: 0.5, lines: [rising(0.05, 0.52)], place: { side: 'left', below: false } },
  { name: 'below, where a line runs along right above', limit: 0.5, lines: [rising(0.55, 0.56)], place: { side: 'left', below: true } },
  { name: 'above on the left, where no place is free', limit: 0.5, lines: [rising(0.55, 0.56), rising(0.45, 0.46)], place: { side: 'left', below: false } },
])('a name stands $name', ({ limit, lines, place }) => {
  expect(limitNameAt(limit, lines)).toEqual(place);
});
