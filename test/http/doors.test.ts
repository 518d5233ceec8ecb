// test/http/doors.test.ts: a busy event loop takes in several connections per round through further handles on its socket.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { Doors } from '../../server/http/data/doors.ts';
import type { Log } from '../../server/domain/observer.ts';

const CLIENTS = 400;
/** Connects so many at once, asks on each, and says how many were answered; a program of its own, as the loop here is kept busy. */
const CLIENT = `
  const { connect } = require('node:net');
  let answered = 0;
  const done = () => { if (++answered === ${CLIENTS}) process.exit(0); };
  for (let n = 0; n < ${CLIENTS}; n++) connect(Number(process.argv[1]), '127.0.0.1', function () { this.end('GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'); }).on('data', () => undefined).on('end', done);
`;

test('connections are taken in by several handles, are answered as by one, and by none once they are closed', async () => {
  const told: unknown[] = [];
  const log = { warn: (...what: unknown[]) => void told.push(what) } as unknown as Log;
  const server = createServer((_request, reply) => reply.end('here'));
  let accepted = 0;
  server.on('connection', () => accepted++);
  server.listen({ port: 0, host: '127.0.0.1', backlog: CLIENTS });
  await once(server, 'listening');
  const doors = new Doors(server, log);
  doors.open();
  doors.open();
  await expect.poll(() => doors.copies, { timeout: 20_000 }).toBe(31);

  let rounds = 0;
  let busy = true;
  const round = (): void => {
    rounds++;
    for (const until = performance.now() + 5; performance.now() < until; );
    if (busy) setImmediate(round);
  };
  const client = spawn(process.execPath, ['-e', CLIENT, String((server.address() as AddressInfo).port)], { stdio: 'inherit' });
  let first = 0;
  server.once('connection', () => (first = rounds));
  round();
  await expect.poll(() => accepted, { timeout: 30_000, interval: 1 }).toBe(CLIENTS);
  const took = rounds - first;
  const [code] = (await once(client, 'exit')) as [number];
  busy = false;
  expect(code).toBe(0);
  // One handle takes one in per round.
  expect(CLIENTS / took).toBeGreaterThan(2);
  expect(told).toEqual([]);

  const { port } = server.address() as AddressInfo;
  doors.close();
  server.close();
  await once(server, 'close');
  // No handle is left that would take one in.
  const refused = connect(port, '127.0.0.1');
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
});
