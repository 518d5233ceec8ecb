// test/faults/ledger-thread-ends.mjs: loaded into every thread of a gateway: ends the one that writes the ledger once a file appears.

import { existsSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

const signal = process.env.END_LEDGER_THREAD ?? '';
if (!isMainThread && workerData?.durability !== undefined) {
  setInterval(() => {
    if (existsSync(signal)) throw new Error('ended by the test');
  }, 20).unref();
}
