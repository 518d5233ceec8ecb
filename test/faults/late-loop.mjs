// test/faults/late-loop.mjs: loaded into a gateway: at SIGUSR2 its event loop becomes late, each round by a tenth of a second, and at the next one in time again. What makes it late is no part of it, so that no busy machine is needed.

import { isMainThread } from 'node:worker_threads';

const ROUND_MS = 100;
let late = false;

function round() {
  if (!late) return;
  const until = performance.now() + ROUND_MS;
  while (performance.now() < until);
  setImmediate(round);
}

if (isMainThread) {
  process.on('SIGUSR2', () => {
    late = !late;
    round();
  });
}
