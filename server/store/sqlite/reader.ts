// server/store/sqlite/reader.ts: the thread that reads: answers one question after another over a connection that cannot write.

import { parentPort, workerData } from 'node:worker_threads';
import { BadQuery } from '../../domain/reports.ts';
import { openSource } from './reports-source.ts';
import { report, type Answered, type Asked } from './reports.ts';

if (parentPort === null) throw new Error('reader.ts runs as a worker thread');
const port = parentPort;
const { file, timezone } = workerData as { file: string; timezone: string };
const source = openSource(file, timezone);

port.on('message', (asked: Asked) => {
  if (asked === 'close') {
    source.close();
    port.close();
    return;
  }
  port.postMessage(answerTo(asked));
});

function answerTo(asked: Exclude<Asked, 'close'>): Answered {
  try {
    return { id: asked.id, ok: true, answer: report(source, asked.name, asked.question) };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const kind = error instanceof BadQuery ? 'bad_query' : name === 'SqliteError' ? 'unreadable' : 'bug';
    return { id: asked.id, ok: false, kind, message };
  }
}
