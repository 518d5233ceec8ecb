// test/alert/receiver.ts: a real receiver of webhooks on loopback, which keeps what came and answers as it is told.

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** The answers to come, in order; 200 when there is none left. */
  readonly answers: Answer[];
  /** Resolves when so many have come in all. */
  count(wanted: number): Promise<readonly Received[]>;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answers: Answer[] = [];
  let waiting: { wanted: number; resolve: (all: readonly Received[]) => void }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
      const { status, headers = {}, body = 'ok' } = answers.shift() ?? { status: 200 };
      response.writeHead(status, headers).end(body);
      for (const each of waiting) if (received.length >= each.wanted) each.resolve(received);
      waiting = waiting.filter(({ wanted }) => received.length < wanted);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    answers,
    count: (wanted) => (received.length >= wanted ? Promise.resolve(received) : new Promise((resolve) => waiting.push({ wanted, resolve }))),
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
}
