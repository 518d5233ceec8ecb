// test/forward/interim.test.ts: `100 Continue` is taken out in front of an answer, and nothing else is.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { afterContinues } from '../../server/forward/interim.ts';

const plain = 'HTTP/1.1 100 Continue\r\n\r\n';
const withFields = 'HTTP/1.1 100 Go on\r\nx-note: 1\r\n\r\n';
const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHTTP/1.1 100 in a body\r\n\r\n';

test('an answer is what it was, however many 100s came before it', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(plain, withFields), { maxLength: 5 }), (interim) => {
      expect(afterContinues(Buffer.from(interim.join('') + answer))?.toString()).toBe(answer);
    }),
  );
});

test('a 100 that has not come to its end is waited for, and the bytes behind it are the answer', () => {
  const all = Buffer.from(plain + withFields + answer);
  for (let cut = 1; cut < all.length; cut++) {
    const rest = all.subarray(Math.min(cut, plain.length + withFields.length), cut).toString();
    // What may still become a 100 is kept back, like one that has begun.
    const expected = 'HTTP/1.1 100'.startsWith(rest) ? [undefined, ''] : [rest];
    expect(expected, `cut at ${cut}`).toContain(afterContinues(all.subarray(0, cut))?.toString());
  }
});

test.each(['HTTP/1.1 102 Processing\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n', 'HTTP/1.0 100 Continue\r\n\r\n', 'nonsense'])('%j is left alone', (bytes) => {
  expect(afterContinues(Buffer.from(bytes))?.toString()).toBe(bytes);
});

test('a 100 without end is handed on to be refused', () => {
  const endless = Buffer.from(`HTTP/1.1 100 Continue\r\nx: ${'y'.repeat(10_000)}`);
  expect(afterContinues(endless)).toEqual(endless);
});
