// server/store/sqlite/verifier.ts: a thread that checks one file and ends, so that a large backup's check keeps nobody waiting.

import { parentPort, workerData } from 'node:worker_threads';
import { inspect } from './inspection.ts';

try {
  // All of it, whatever its size: it is what a broken ledger will be replaced by.
  inspect(workerData as string, Infinity);
  parentPort?.postMessage(null);
} catch (error) {
  parentPort?.postMessage(error instanceof Error ? error.message : String(error));
}
