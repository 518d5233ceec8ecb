// server/store/sqlite/reader-client.ts: reports for the main thread: sends questions to the reading thread, one at a time, and minds that thread.

import { Worker } from 'node:worker_threads';
import { BadQuery, ReportsUnavailable, type CallRow, type Filter, type Reports } from '../../domain/reports.ts';
import type { Answer, Answered, Asked, Question, ReportName } from './reports.ts';

export interface ReportsOptions {
  /** The ledger's file; the writing side has brought it to the current schema. */
  readonly file: string;
  /** `reader.js` as it was built. */
  readonly workerEntry: URL;
  /** IANA zone of the config. */
  readonly timezone: string;
  /** From the question to its answer, waiting included; 10 s. */
  readonly timeoutMs?: number;
  /** Questions that may wait; 512: some thirty open pages that hear of one alert ask ten things each, all at once. */
  readonly queueLimit?: number;
  /** Told when the thread ended by itself; it is started anew with the next question. */
  readonly onCrash?: (error: Error) => void;
}

const EXPORT_PAGE = 1000;

interface Waiting {
  readonly asked: Exclude<Asked, 'close'>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Opens the reading side. The thread starts with the first question. Zone changes need a new one. */
export function openReports({ file, workerEntry, timezone, timeoutMs = 10_000, queueLimit = 512, onCrash = () => undefined }: ReportsOptions): Reports {
  const queue: Waiting[] = [];
  let running: Waiting | null = null;
  let thread: Worker | null = null;
  /** Threads told to end that have not: one that is deep in a query ends only after it. */
  let ending = 0;
  let lastId = 0;
  let closed = false;

  function start(): Worker {
    const worker = new Worker(workerEntry, { workerData: { file, timezone }, name: 'tollgate-reader' });
    const lost = (error: Error): void => {
      if (thread !== worker) return;
      thread = null;
      onCrash(error);
      finish((waiting) => waiting.reject(new ReportsUnavailable(`the reading thread ended: ${error.message}`)));
    };
    worker.on('message', (answered: Answered) => {
      if (thread !== worker || running?.asked.id !== answered.id) return;
      finish((waiting) => (answered.ok ? waiting.resolve(answered.answer) : waiting.reject(errorOf(answered))));
    });
    worker.on('error', lost);
    worker.on('exit', (code) => lost(new Error(`exit code ${code}`)));
    return worker;
  }

  /** Ends the running question, and sends the next. */
  function finish(settle: (waiting: Waiting) => void): void {
    const waiting = running;
    running = null;
    if (waiting !== null) {
      clearTimeout(waiting.timer);
      settle(waiting);
    }
    sendNext();
  }

  function sendNext(): void {
    // A second thread may work beside one that will not end, a third may not: they would share one disk and one patience.
    if (running !== null || closed || (thread === null && ending > 1)) return;
    const next = queue.shift();
    if (next === undefined) return;
    running = next;
    thread ??= start();
    thread.postMessage(next.asked);
  }

  function expire(waiting: Waiting): void {
    const error = new ReportsUnavailable(`no answer within ${timeoutMs} ms`);
    if (running !== waiting) {
      queue.splice(queue.indexOf(waiting), 1);
      waiting.reject(error);
      return;
    }
    // SQLite cannot be told to stop from here; its thread can be given up.
    const slow = thread;
    thread = null;
    if (slow !== null) {
      ending += 1;
      void slow.terminate().finally(() => {
        ending -= 1;
        sendNext();
      });
    }
    finish(() => waiting.reject(error));
  }

  function ask<Name extends ReportName>(name: Name, question: Question<Name>): Promise<Answer<Name>> {
    return new Promise((resolve, reject) => {
      if (closed) return reject(new ReportsUnavailable('the reports are closed'));
      if (queue.length >= queueLimit) return reject(new ReportsUnavailable(`${queueLimit} questions wait already`));
      const waiting: Waiting = {
        asked: { id: ++lastId, name, question } as Waiting['asked'],
        resolve: resolve as Waiting['resolve'],
        reject,
        timer: setTimeout(() => expire(waiting), timeoutMs),
      };
      queue.push(waiting);
      sendNext();
    });
  }

  async function* everyRequest(filter: Filter, order: 'oldest' | 'newest' = 'oldest'): AsyncIterable<CallRow> {
    for (let cursor: string | null = null; ; ) {
      const page: Answer<'requests'> = await ask(order === 'oldest' ? 'requestsInOrder' : 'requests', { filter, limit: EXPORT_PAGE, cursor });
      yield* page.rows;
      if (page.nextCursor === null) return;
      cursor = page.nextCursor;
    }
  }

  return {
    usage: (query) => ask('usage', query),
    requests: (query) => ask('requests', query),
    everyRequest,
    actions: (query) => ask('actions', query),
    shapes: (query) => ask('shapes', query),
    reasons: (query) => ask('reasons', query),
    steps: (query) => ask('steps', query),
    verdicts: (query) => ask('verdicts', query),
    request: (id) => ask('request', id),
    prompts: (query) => ask('prompts', query),
    bills: (query) => ask('bills', query),
    daysKept: () => ask('daysKept', null),
    checkDay: (day) => ask('checkDay', { day }),
    hourlySpend: (scope, from, to) => ask('hourlySpend', { scope, from, to }),
    heldAndCost: (query) => ask('heldAndCost', query),
    audit: (query) => ask('audit', query),
    facets: ({ from, to }, limit) => ask('facets', { from, to, limit }),
    async close() {
      if (closed) return;
      closed = true;
      const worker = thread;
      const idle = running === null;
      thread = null;
      for (const waiting of [...(running === null ? [] : [running]), ...queue.splice(0)]) {
        clearTimeout(waiting.timer);
        waiting.reject(new ReportsUnavailable('the reports are closed'));
      }
      running = null;
      if (worker === null) return;
      if (!idle) return void (await worker.terminate());
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      worker.postMessage('close' satisfies Asked);
      await ended;
    },
  };
}

function errorOf({ kind, message }: Extract<Answered, { ok: false }>): Error {
  if (kind === 'bad_query') return new BadQuery(message);
  return kind === 'unreadable' ? new ReportsUnavailable(message) : new Error(message);
}
