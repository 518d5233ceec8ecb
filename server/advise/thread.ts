// server/advise/thread.ts: a thread that looks over the ledger once and ends, so that a month of calls holds no stream up and no chart either.

import { parentPort, workerData } from 'node:worker_threads';
import { advisedCalls } from '../store/sqlite/advised-calls.ts';
import { advise, type Question } from './advise.ts';

/** What the thread is started with. */
export interface Task {
  readonly file: string;
  readonly question: Question;
}

const { file, question } = workerData as Task;
parentPort?.postMessage(advise(advisedCalls(file, question), question));
