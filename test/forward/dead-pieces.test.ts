// test/forward/dead-pieces.test.ts: the dead pieces of a long answer are few megabytes at any time, however long it is.

import { expect, test } from 'vitest';
import { pieceWentBy } from '../../server/forward/dead-pieces.ts';

const MB = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

test('while 512 MB go by in pieces, no more than some megabytes of them are held', () => {
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let gone = 0; gone < 512 * MB; gone += PIECE_BYTES) {
    // As they come from a socket: each in memory of its own, beside the heap.
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    pieceWentBy(piece.length);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(most).toBeLessThan(12 * MB);
});
