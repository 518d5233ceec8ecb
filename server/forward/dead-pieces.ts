// server/forward/dead-pieces.ts: gives memory back while a very long answer goes by.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Of one answer, from where on its pieces are counted. Answers of the API end long before. */
export const LONG_ANSWER_BYTES = 2 * 1024 * 1024;
/** After so many bytes of long answers their dead pieces are let go. */
const EVERY_BYTES = 4 * 1024 * 1024;

type Collect = (how: { readonly type: 'minor' }) => void;
let collect: Collect | null = null;
let passed = 0;

/**
 * Told of every piece of a long answer. A piece is 64 KB beside V8's heap and next to nothing in it, so that V8 has no reason to look for
 * dead ones until they are some 50 MB. It is asked to look among its young objects, where they all are.
 */
export function pieceWentBy(bytes: number): void {
  passed += bytes;
  if (passed < EVERY_BYTES) return;
  passed = 0;
  collect ??= collector();
  collect({ type: 'minor' });
}

/** The function that Node hides behind a flag: new contexts get it while the flag is set. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return gc;
}
