// test/bench/bare.ts: a forwarder of node:http and undici that governs, meters and records nothing: what any gateway on this runtime costs at least.
//
//   node bare.js PORT ORIGIN

import { createServer, type ServerResponse } from 'node:http';
import { Agent, type Dispatcher } from 'undici';

const [port, origin] = process.argv.slice(2) as [string, string];
const agent = new Agent({ connections: 4096, pipelining: 1, headersTimeout: 60_000, bodyTimeout: 300_000 });
/** Of one connection, or set by Node itself. */
const DROPPED = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'date']);

const server = createServer((request, reply) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    agent.dispatch({ origin, path: request.url!, method: 'POST', headers: kept(request.rawHeaders), body }, handlerFor(reply));
  });
});
server.listen(Number(port), '127.0.0.1');

function kept(raw: readonly string[]): string[] {
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) if (!DROPPED.has(raw[i]!.toLowerCase())) headers.push(raw[i]!, raw[i + 1]!);
  return headers;
}

/** A JSON answer leaves in one write with its head, as the gateway's does; a stream piece by piece. */
function handlerFor(reply: ServerResponse): Dispatcher.DispatchHandler {
  let streamed = false;
  const pieces: Buffer[] = [];
  return {
    onRequestStart: () => undefined,
    onResponseStart(_controller, status, headers) {
      const pairs = Object.entries(headers).filter(([name]) => !DROPPED.has(name)).map(([name, value]) => [name, String(value)] as const);
      streamed = String(headers['content-type']).startsWith('text/event-stream');
      reply.writeHead(status, pairs.flat());
    },
    onResponseData(_controller, chunk) {
      if (streamed) reply.write(chunk);
      else pieces.push(chunk);
    },
    onResponseEnd() {
      if (streamed) reply.end();
      else reply.end(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
    },
    onResponseError: () => void reply.destroy(),
  };
}
