// test/faults/shutdown.test.ts: how the gateway goes down: told to, told twice, out of time, killed, or without its ledger.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startGateway } from '../flow/gateway.ts';
import { admin, ask, eventually, metric, newSession, openScene, question, rowsOf, sceneConfig, PROVIDER_KEY, type Row, type Scene, type Seen } from './scene.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});
const PATIENT = { upstream: { idle_timeout: '60s', headers_timeout: '60s', stream_headers_timeout: '60s' } };
async function scene(config: Record<string, unknown>): Promise<Scene> {
  const made = await openScene({ config, ...PATIENT });
  open.push(made);
  return made;
}

const reached = (at: Scene, count: number): Promise<number> => eventually(() => at.standin.log.filter((r) => r.bodyComplete).length, (n) => n === count, 15_000);

/** Starts so many streams, and resolves when all are on their way. */
async function streams(at: Scene, count: number, fault: string, session: string): Promise<Promise<Seen>[]> {
  const seen = Array.from({ length: count }, () => ask(at.gateway.dataUrl, { stream: true, fault, session }));
  await reached(at, count);
  return seen;
}

const readiness = async (at: Scene): Promise<{ status: number; reasons: string[] }> => {
  const answer = await fetch(new URL('/readyz', at.gateway.adminUrl));
  return { status: answer.status, reasons: ((await answer.json()) as { reasons: string[] }).reasons };
};

test('told to stop, it refuses new calls at once, and 200 streams come to their end', async () => {
  const at = await scene({ drain: '20s' });
  const session = newSession();
  let go = (): void => {};
  const until = new Promise<void>((resolve) => (go = resolve));
  at.standin.script(() => ({ until }));
  const seen = await streams(at, 200, 'slow-events:5', session);
  const stopped = at.gateway.stop('SIGTERM');
  expect(await eventually(() => readiness(at), ({ status }) => status === 503, 2_000)).toMatchObject({ reasons: [expect.stringContaining('draining')] });
  const refused = await ask(at.gateway.dataUrl, {});
  expect(refused).toMatchObject({ status: 503, headers: { 'x-tollgate-refusal': 'draining', connection: 'close', 'retry-after': '1' } });
  go();
  for (const one of await Promise.all(seen)) {
    expect(one).toMatchObject({ status: 200, ending: 'complete' });
    expect(one.body.toString()).toContain('event: message_stop');
  }
  expect(await stopped).toBe(0);
  const rows = await afterwards(at, session);
  expect(rows).toHaveLength(200);
  expect(new Set(rows.map((row) => `${row.outcome} ${row.estimated}`))).toEqual(new Set(['ok false']));
});

test('past the drain limit streams get an error event, calls without an answer a 503, and all of them their row', async () => {
  const at = await scene({ drain: '500ms' });
  const session = newSession();
  const seen = await streams(at, 200, 'stall:6', session);
  const silent = ask(at.gateway.dataUrl, { fault: 'no-answer', session });
  await reached(at, 201);
  // How long it takes is asked by test/long/drain.test.ts.
  expect(await at.gateway.stop('SIGTERM')).toBe(0);
  for (const one of await Promise.all(seen)) {
    expect(one).toMatchObject({ status: 200, ending: 'complete' });
    expect(one.body.toString()).toMatch(/\n\nevent: error\ndata: \{"type":"error","error":\{"type":"api_error".*\}\n\n$/);
  }
  expect(await silent).toMatchObject({ status: 503, headers: { 'x-tollgate-refusal': 'draining' } });
  const rows = await afterwards(at, session);
  expect(rows).toHaveLength(201);
  for (const row of rows) {
    expect(row).toMatchObject({ outcome: 'drained', estimated: true });
    expect(Number(row.cost_usd)).toBeGreaterThan(0);
  }
  // A line for each, naming the call.
  const told = at.gateway.output().split('\n').filter((line) => line.includes('"event":"drained"')).map((line) => (JSON.parse(line) as { call: string }).call);
  expect(told.sort()).toEqual(rows.map(({ id }) => id).sort());
});

test('a second signal ends it at once, and the next start books what was in flight', async () => {
  const at = await scene({ drain: '20s' });
  const session = newSession();
  const seen = await streams(at, 3, 'stall:6', session);
  const stopped = at.gateway.stop('SIGTERM');
  await eventually(() => readiness(at), ({ status }) => status === 503);
  await at.gateway.stop('SIGINT');
  expect(await stopped).toBe(1);
  for (const one of await Promise.all(seen)) expect(one.ending).toBe('cut');
  const rows = await afterwards(at, session);
  expect(rows.map((row) => row.outcome)).toEqual(['crashed', 'crashed', 'crashed']);
});

test('killed, it loses no call: every one that the provider saw has a row, booked at what was held for it', async () => {
  const at = await scene({});
  const session = newSession();
  const seen = await streams(at, 5, 'stall:6', session);
  const done = await ask(at.gateway.dataUrl, { session });
  expect(done.status).toBe(200);
  // Killed before its settlement is on disk it would be booked as crashed too.
  await eventually(() => rowsOf(at, session), (all) => all.some((row) => row.outcome === 'ok'));
  await at.gateway.stop('SIGKILL');
  for (const one of await Promise.all(seen)) expect(one.ending).toBe('cut');
  const rows = await afterwards(at, session);
  expect(rows).toHaveLength(6);
  for (const row of rows.filter((r) => r.outcome === 'crashed')) {
    expect(row.estimated).toBe(true);
    expect(Number(row.cost_usd)).toBeGreaterThan(0);
  }
  expect(rows.map((row) => row.outcome).sort()).toEqual(['crashed', 'crashed', 'crashed', 'crashed', 'crashed', 'ok']);
});

test('without the thread that writes the ledger it ends with code 3 and says why', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-thread-'));
  const signal = join(folder, 'now');
  const at = await openScene({ ...PATIENT, env: { NODE_OPTIONS: `--import ${new URL('./ledger-thread-ends.mjs', import.meta.url).href}`, END_LEDGER_THREAD: signal } });
  open.push(at, { close: async () => rmSync(folder, { recursive: true }) });
  expect((await ask(at.gateway.dataUrl, {})).status).toBe(200);
  writeFileSync(signal, '');
  expect(await at.gateway.ended()).toBe(3);
  expect(at.gateway.output()).toMatch(/^tollgate: the ledger cannot be written any more .*ended by the test/m);
});

/** A request on a bare socket of which so much is sent; resolves when so many calls are in flight. */
async function begin(at: Scene, path: string, session: string, headers: readonly string[], part: string, inFlight: number): Promise<{ socket: Socket; heard: () => string; closed: Promise<void> }> {
  const { hostname, port } = new URL(at.gateway.dataUrl);
  let heard = '';
  const socket = connect(Number(port), hostname).on('error', () => undefined).on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(`${[`POST ${path} HTTP/1.1`, 'host: gateway', 'x-api-key: sk-ant-client', 'anthropic-version: 2023-06-01', `x-tollgate-session: ${session}`, ...headers].join('\r\n')}\r\n\r\n${part}`);
  await eventually(() => admin<{ in_flight: number }>(at, '/api/status'), (status) => status.in_flight === inFlight);
  return { socket, heard: () => heard, closed };
}

test('past the drain limit calls whose body is still on its way get a 503 too, and their row', async () => {
  const at = await scene({ drain: '300ms' });
  const session = newSession();
  const stalled = await begin(at, '/v1/messages', session, ['content-type: application/json', 'content-length: 5000'], '{"model":', 1);
  const busy = await begin(at, '/v1/messages', session, ['content-type: application/json', 'transfer-encoding: chunked'], '', 2);
  const upload = await begin(at, '/v1/files', session, ['content-type: multipart/form-data; boundary=b', 'content-length: 5000'], '--b\r\n', 3);
  await eventually(() => at.standin.log.length, (requests) => requests === 1);
  // A client that goes on sending until it has read its answer: bytes that nobody reads would make the kernel reset the connection, answer and all.
  const sending = setInterval(() => busy.socket.write(`400\r\n${' '.repeat(1024)}\r\n`), 5);
  busy.socket.on('data', () => {
    if (busy.heard().endsWith('}')) busy.socket.end();
  });
  busy.socket.once('end', () => clearInterval(sending)).once('close', () => clearInterval(sending)).once('finish', () => clearInterval(sending));

  expect(await at.gateway.stop('SIGTERM')).toBe(0);
  for (const one of [stalled, busy, upload]) {
    await one.closed;
    expect(one.heard()).toMatch(/^HTTP\/1\.1 503 /);
    for (const header of ['x-tollgate-refusal: draining', 'retry-after: 1', 'connection: close']) expect(one.heard().toLowerCase()).toContain(`\r\n${header}\r\n`);
    expect(JSON.parse(one.heard().split('\r\n\r\n')[1]!)).toMatchObject({ error: { type: 'overloaded_error', message: expect.stringContaining('shutting down') } });
  }
  expect(at.standin.log.map(({ bodyComplete }) => bodyComplete)).toEqual([false]);
  const rows = await afterwards(at, session);
  expect(rows.map(({ outcome, refusal, status, cost_usd }) => ({ outcome, refusal, status, cost_usd })).sort((a, b) => a.outcome!.localeCompare(b.outcome!))).toEqual([
    { outcome: 'drained', refusal: null, status: 503, cost_usd: '0.000000000' },
    { outcome: 'refused', refusal: 'draining', status: 503, cost_usd: '0.000000000' },
    { outcome: 'refused', refusal: 'draining', status: 503, cost_usd: '0.000000000' },
  ]);
});

test('a client that has not read all of its answer when there is nothing else to wait for has its time for the rest', async () => {
  // More than the kernel's buffers take.
  const body = Buffer.from(JSON.stringify({ id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-4-5', content: [{ type: 'text', text: 'x'.repeat(7 * 1024 * 1024) }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 12, output_tokens: 34 } }));
  const provider = createServer((asked, answer) => void asked.resume().on('end', () => answer.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body)));
  await new Promise<void>((listening) => provider.listen(0, '127.0.0.1', listening));
  open.push({ close: async () => void provider.close() });
  const at = await openScene({ ...PATIENT, origin: `http://127.0.0.1:${(provider.address() as AddressInfo).port}` });
  open.unshift(at);
  const session = newSession();
  const asking = request(new URL('/v1/messages', at.gateway.dataUrl), { method: 'POST', agent: false, headers: { 'x-api-key': 'sk-ant-client', 'anthropic-version': '2023-06-01', 'content-type': 'application/json', 'x-tollgate-session': session } });
  asking.end(question());
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  // To the gateway the call is over: it handed over all there is.
  await eventually(() => rowsOf(at, session), (rows) => rows.some((row) => row.outcome === 'ok'));
  const stopped = at.gateway.stop('SIGTERM');
  await eventually(() => readiness(at), ({ status }) => status === 503);
  let got = 0;
  for await (const chunk of answer) got += (chunk as Buffer).length;
  expect(got).toBe(body.length);
  expect(await stopped).toBe(0);
});

/** The rows of a session as a new start of the gateway on the same data shows them; nothing may be held or open then. */
async function afterwards(at: Scene, session: string): Promise<Row[]> {
  const again = await startGateway({ config: sceneConfig(at.standin.url), env: { PROVIDER_KEY }, dataDir: at.gateway.dataDir });
  open.unshift(again);
  const rows = await rowsOf({ gateway: again }, `${session}&limit=500`);
  expect((await admin<{ rows: { held_usd: string }[] }>({ gateway: again }, '/api/budgets')).rows[0]!.held_usd).toBe('0.000000000');
  return rows;
}

test('a connection that is kept alive learns of the end from the answer it waits for', async () => {
  const at = await scene({ drain: '5s' });
  let go = (): void => {};
  const until = new Promise<void>((resolve) => (go = resolve));
  at.standin.script(() => ({ until }));
  const seen = await streams(at, 1, 'slow-events:1', newSession());
  const stopped = at.gateway.stop('SIGTERM');
  await eventually(() => readiness(at), ({ status }) => status === 503);
  const req = request(new URL('/v1/models', at.gateway.dataUrl), { method: 'GET' });
  req.end();
  const [answer] = (await once(req, 'response')) as [{ statusCode: number; headers: Record<string, string>; resume(): void }];
  answer.resume();
  expect(answer).toMatchObject({ statusCode: 503, headers: { connection: 'close' } });
  go();
  await Promise.all(seen);
  expect(await stopped).toBe(0);
});

test('a hangup while it drains ends nothing: the stream comes to its end, and the exit code is 0', async () => {
  const at = await scene({ drain: '20s' });
  const [stream] = await streams(at, 1, 'slow-events:20', newSession());
  const ended = at.gateway.stop('SIGTERM');
  await eventually(() => readiness(at).catch(() => ({ status: 503 })), ({ status }) => status === 503);
  process.kill(at.gateway.pid, 'SIGHUP');
  expect(await stream).toMatchObject({ status: 200, ending: 'complete' });
  expect(await ended).toBe(0);
});

test('a tunnel that is asked for keeps no place, whether its client leaves or stays', async () => {
  const at = await scene({});
  const { hostname, port } = new URL(at.gateway.dataUrl);
  const sockets = Array.from({ length: 10 }, () => connect(Number(port), hostname));
  for (const socket of sockets) {
    socket.on('error', () => undefined).resume();
    socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nmore');
  }
  await Promise.all(sockets.map((socket) => once(socket, 'end')));
  for (const socket of sockets.slice(0, 5)) socket.destroy();
  await eventually(() => metric(at, 'tollgate_open_sockets', { side: 'client' }), (n) => n === 0, 10_000);
  for (const socket of sockets) socket.destroy();
});
