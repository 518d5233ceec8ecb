// server/store/sqlite/check-thread.ts: looks through the large tables of a ledger while it serves, once after a start. Started by check-beside.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { findingInLargeTables } from './inspection.ts';

parentPort?.postMessage(findingInLargeTables(workerData as string));
