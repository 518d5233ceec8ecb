// test/http/overload.test.ts: too much of everything: what is refused, what is let go, and that health and metrics answer throughout.

import { readdirSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { admin, ask, eventually, heldUsd, metric, newSession, openScene, question, rowOf, rowsOf, type Scene } from '../faults/scene.ts';
import { closesAfter, refuseFor, refusesConnections, roomAfter, type Lateness, type Load } from '../../server/http/data/overload.ts';

const calm: Load = { inFlight: 0, maxInFlight: 2_000, heldBodyBytes: 0, maxHeldBodyBytes: 256, connections: 0, maxConnections: 100, journal: 0, maxJournal: 10_000, room: Infinity, exhaustion: 0.1 };

test.each<{ name: string; load: Partial<Load>; refuses: ReturnType<typeof refuseFor>; closes: boolean; drops: boolean }>([
  { name: 'nothing much', load: {}, refuses: null, closes: false, drops: false },
  { name: 'four fifths of all calls', load: { inFlight: 1_600 }, refuses: null, closes: false, drops: false },
  { name: 'more than four fifths of all calls', load: { inFlight: 1_601 }, refuses: null, closes: true, drops: false },
  { name: 'all calls', load: { inFlight: 2_000 }, refuses: 'in_flight', closes: false, drops: false },
  { name: 'more than four fifths of the bodies', load: { heldBodyBytes: 205 }, refuses: null, closes: true, drops: false },
  { name: 'all bodies', load: { heldBodyBytes: 256 }, refuses: 'held_bodies', closes: false, drops: false },
  { name: 'four fifths of the journal', load: { journal: 8_000 }, refuses: 'journal', closes: false, drops: false },
  { name: 'a journal just below that', load: { journal: 7_999 }, refuses: null, closes: false, drops: false },
  { name: 'all but one of the calls that a late loop has room for', load: { inFlight: 399, room: 400 }, refuses: null, closes: false, drops: false },
  { name: 'as many calls as a late loop has room for', load: { inFlight: 400, room: 400 }, refuses: 'loop_lag', closes: false, drops: false },
  { name: 'more than four fifths of the connections', load: { connections: 81 }, refuses: null, closes: true, drops: false },
  { name: 'all connections', load: { connections: 100 }, refuses: null, closes: true, drops: true },
  { name: 'all calls and most connections', load: { inFlight: 2_000, connections: 81 }, refuses: 'in_flight', closes: true, drops: false },
  { name: 'a heap or a table of files that is all but full', load: { exhaustion: 1 }, refuses: null, closes: false, drops: true },
])('under $name', ({ load, refuses, closes, drops }) => {
  const now = { ...calm, ...load };
  const reason = refuseFor(now);
  expect({ refuses: reason, closes: closesAfter(now, reason !== null), drops: refusesConnections(now) }).toEqual({ refuses, closes, drops });
});

const calmLoop: Lateness = { room: Infinity, lateForMs: 0 };
/** What a loop has room for after looks of a quarter of a second, each with its mean delay and the calls then in flight. */
const looked = (...looks: [meanLagMs: number, inFlight: number][]): number => looks.reduce((before, [meanLagMs, inFlight]) => roomAfter(before, { meanLagMs, ms: 250, inFlight, maxInFlight: 2_000 }), calmLoop).room;
const times = (count: number, look: [number, number]): [number, number][] => Array.from({ length: count }, () => look);

test('a loop that is late for less than a second takes everything, as a burst is over by then', () => {
  expect(looked(...times(3, [400, 1_900]))).toBe(Infinity);
  expect(looked(...times(3, [400, 1_900]), [10, 1_900], ...times(3, [400, 1_900]))).toBe(Infinity);
  expect(looked(...times(100, [50, 1_900]))).toBe(Infinity);
});

test('a loop that is late for a second has room for less than is in flight, and for less at every further look', () => {
  expect(looked(...times(4, [51, 1_000]))).toBe(900);
  expect(looked(...times(5, [51, 1_000]))).toBeCloseTo(810);
  // Where fewer are left than there was room for, they are what it is measured by.
  expect(looked(...times(4, [51, 1_000]), [51, 500])).toBe(450);
});

test('a loop that is late however little it serves still serves a tenth of the most', () => {
  expect(looked(...times(100, [900, 0]))).toBe(200);
});

test('a loop that is in time again takes a little more at every look, until it takes everything', () => {
  const late = times(4, [60, 1_000] as [number, number]);
  expect(looked(...late, [20, 900])).toBeCloseTo(946);
  expect(looked(...late, ...times(17, [20, 900]))).toBe(Infinity);
});

const open: Scene[] = [];
afterEach(async () => {
  for (const scene of open.splice(0)) await scene.close();
});
async function crowded(config: Record<string, unknown>, env: Record<string, string> = {}, origin?: string, descriptors?: number): Promise<Scene> {
  const scene = await openScene({ config, env, ...(origin === undefined ? {} : { origin }), ...(descriptors === undefined ? {} : { descriptors }), upstream: { idle_timeout: '20s', stream_headers_timeout: '20s' } });
  open.push(scene);
  return scene;
}

test('calls beyond the most in flight are refused before they hold anything, and the gateway stays in reach', async () => {
  const scene = await crowded({ max_in_flight: 6 });
  const stalled = Array.from({ length: 6 }, () => ask(scene.gateway.dataUrl, { stream: true, fault: 'stall:3' }));
  await eventually(() => scene.standin.requests(), (n) => n === 6);
  const refused = await ask(scene.gateway.dataUrl, { headers: { connection: 'keep-alive' } });
  expect(refused).toMatchObject({ status: 503, headers: { 'x-tollgate-refusal': 'overloaded', 'retry-after': '1' } });
  // It may come back on the connection that it has, which costs both sides less than a new one.
  expect(refused.headers.connection).toBe('keep-alive');
  expect(JSON.parse(refused.body.toString())).toMatchObject({ error: { type: 'overloaded_error' } });
  for (const url of [new URL('/healthz', scene.gateway.dataUrl), new URL('/healthz', scene.gateway.adminUrl), new URL('/readyz', scene.gateway.adminUrl)]) expect((await fetch(url)).status).toBe(200);
  await eventually(() => metric(scene, 'tollgate_overload_total', { rung: 'in_flight' }), (n) => n === 1);
  expect(await metric(scene, 'tollgate_overload_total', { rung: 'close' })).toBe(1);
  expect(scene.standin.requests()).toBe(6);
  // Once a second, by what there was too much of.
  await eventually(() => scene.gateway.output(), (text) => text.includes('"reason":"in_flight"'));
  expect(scene.gateway.output().split('\n').filter((line) => line.includes('"event":"overloaded"') && line.includes('"reason":"in_flight"')).map((line) => JSON.parse(line) as object)).toEqual([expect.objectContaining({ level: 'warn', count: 1 })]);
  await scene.gateway.stop('SIGKILL');
  await Promise.all(stalled);
});

test('while the event loop is late, calls beyond what it has room for are refused, those in flight go on, and in time again it takes everything', async () => {
  const scene = await crowded({ max_in_flight: 10 }, { NODE_OPTIONS: `--import ${new URL('../faults/late-loop.mjs', import.meta.url).href}` });
  let go = (): void => {};
  const until = new Promise<void>((resolve) => (go = resolve));
  scene.standin.script(() => ({ until }));
  const streams = Array.from({ length: 5 }, () => ask(scene.gateway.dataUrl, { stream: true }));
  await eventually(() => scene.standin.log.filter((one) => one.bodyComplete).length, (n) => n === 5);
  scene.standin.script(null);
  // In time, there is room for ten.
  expect((await ask(scene.gateway.dataUrl, {})).status).toBe(200);

  process.kill(scene.gateway.pid, 'SIGUSR2');
  // With five in flight a late loop has room for fewer. One more at a time comes in, so that ten are never reached.
  const refused = await eventually(() => ask(scene.gateway.dataUrl, {}), (seen) => seen.status === 503, 30_000);
  expect(refused).toMatchObject({ status: 503, ending: 'complete', headers: { 'x-tollgate-refusal': 'overloaded', 'retry-after': '1' } });
  expect(await metric(scene, 'tollgate_overload_total', { rung: 'loop_lag' })).toBeGreaterThan(0);
  expect(await metric(scene, 'tollgate_overload_total', { rung: 'in_flight' })).toBe(0);
  for (const url of [new URL('/healthz', scene.gateway.dataUrl), new URL('/readyz', scene.gateway.adminUrl)]) expect((await fetch(url)).status).toBe(200);
  await eventually(() => scene.gateway.output(), (text) => text.includes('"reason":"loop_lag"'));

  process.kill(scene.gateway.pid, 'SIGUSR2');
  await eventually(() => ask(scene.gateway.dataUrl, {}), (seen) => seen.status === 200, 30_000);
  go();
  for (const seen of await Promise.all(streams)) expect(seen).toMatchObject({ status: 200, ending: 'complete' });
});

const socketTo = (scene: Scene): Promise<{ socket: Socket; closed: Promise<void>; isOpen: () => boolean; heard: () => string }> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(scene.gateway.dataUrl);
    const socket = connect(Number(port), hostname);
    const closed = new Promise<void>((done) => socket.once('close', () => done()));
    let heard = '';
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => (heard = heard.length < 4_096 ? heard + chunk.toString('latin1') : heard));
    socket.once('connect', () => resolve({ socket, closed, isOpen: () => !socket.destroyed, heard: () => heard }));
  });

test.each([
  { name: 'all of them', clients: { connections: 10 } },
  { name: 'those of one address', clients: { connections_per_address: 10 } },
])('connections beyond the most of $name are closed unread', async ({ clients }) => {
  const scene = await crowded({ clients });
  const ten = await Promise.all(Array.from({ length: 10 }, () => socketTo(scene)));
  const eleventh = await socketTo(scene);
  await eleventh.closed;
  expect(ten.every((one) => one.isOpen())).toBe(true);
  await eventually(() => metric(scene, 'tollgate_overload_total', { rung: 'accept' }), (n) => n === 1);
  for (const { socket } of ten) socket.destroy();
  expect((await eventually(() => ask(scene.gateway.dataUrl, {}), (seen) => seen.status !== null)).status).toBe(200);
});

/** Asks on one connection, which stays open, for as long as the test goes on. */
async function onOneConnection(url: string): Promise<(path: string, options?: { method: string; headers: Record<string, string>; body: string }) => Promise<{ status: number; text: string }>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (path: string, { method = 'GET', headers = {}, body = '' } = {}): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const asking = request(new URL(path, url), { agent, method, headers: { ...headers, ...(body === '' ? {} : { 'content-length': Buffer.byteLength(body) }) } }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve({ status: answer.statusCode!, text: Buffer.concat(chunks).toString() })).on('error', reject);
      });
      asking.on('error', reject).end(body);
    });
  await ask('/healthz');
  return ask;
}

test.runIf(process.platform === 'linux')('with its table of files all but full, the gateway turns new connections away at once, counts them, serves those that it has, answers even when the table is full, and is as before once there is room', async () => {
  const most = 300;
  const scene = await crowded({}, {}, undefined, most);
  const data = await onOneConnection(scene.gateway.dataUrl);
  const adminPort = await onOneConnection(scene.gateway.adminUrl);
  const open = (): number => readdirSync(`/proc/${scene.gateway.pid}/fd`).length;
  const told = async (sample: RegExp): Promise<number> => {
    const { status, text } = await adminPort('/metrics');
    expect([status, text]).toEqual([200, expect.stringMatching(sample)]);
    return Number(sample.exec(text)![1]);
  };
  const turnedAway = (): Promise<number> => told(/^tollgate_overload_total\{rung="accept"\} (\d+)$/m);
  const cpuSeconds = (): Promise<number> => told(/^process_cpu_seconds_total (\S+)$/m);
  const call = { method: 'POST', headers: { 'x-api-key': 'sk-ant-client', 'anthropic-version': '2023-06-01', 'content-type': 'application/json' }, body: question({ max_tokens: 50 }) };
  const answers = async (): Promise<void> => {
    expect((await data('/healthz')).status).toBe(200);
    for (const path of ['/healthz', '/readyz', '/metrics', '/api/status', '/api/usage']) expect([path, (await adminPort(path)).status]).toEqual([path, 200]);
  };
  const crowd: Socket[] = [];
  const crowdOn = (url: string): void => {
    for (let i = 0; i < most; i++) crowd.push(connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined).resume());
  };
  try {
    crowdOn(scene.gateway.dataUrl);
    const away = await eventually(turnedAway, (n) => n > 0);
    expect(away).toBeLessThan(most);
    // Kept free for the provider's connections and for the ledger.
    expect(open()).toBeLessThan(most * 0.96);
    await answers();
    expect((await data('/v1/messages', call)).status).toBe(200);
    await eventually(() => scene.gateway.output(), (text) => text.includes('"reason":"accept"'));

    // The admin port takes whoever comes.
    crowdOn(scene.gateway.adminUrl);
    await eventually(open, (n) => n === most);
    // A scrape can be a second old: one of now.
    const before = await cpuSeconds();
    await eventually(cpuSeconds, (seconds) => seconds > before);
    expect(open()).toBeGreaterThan(most - 3);
    await answers();
  } finally {
    for (const socket of crowd) socket.destroy();
  }
  await eventually(open, (n) => n < most / 2);
  await answers();
  const session = newSession();
  await eventually(() => ask(scene.gateway.dataUrl, { session }), (seen) => seen.status === 200);
  await eventually(() => rowsOf(scene, session), (rows) => rows.some((row) => row.outcome === 'ok'));
  expect(await heldUsd(scene)).toBe('0.000000000');
});

test('a client that never reads is let go after the write stall, and its call is booked', async () => {
  const scene = await crowded({ clients: { write_stall: '500ms' } });
  const { socket, closed } = await socketTo(scene);
  socket.pause();
  const session = newSession();
  const body = '{"model":"claude-haiku-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hi"}]}';
  socket.write(`POST /v1/messages HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-tollgate-session: ${session}\r\nx-standin-fault: endless-event:64000000\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await eventually(() => scene.standin.log[0]?.response.ending, (ending) => ending === 'client_gone');
  socket.resume();
  await closed;
  const { rows } = (await (await fetch(new URL(`/api/requests?session=${session}`, scene.gateway.adminUrl))).json()) as { rows: { outcome: string; cost_usd: string }[] };
  expect(rows).toMatchObject([{ outcome: 'client_abort' }]);
  expect(Number(rows[0]!.cost_usd)).toBeGreaterThan(0);
  expect(await heldUsd(scene)).toBe('0.000000000');
  await eventually(() => metric(scene, 'tollgate_requests_total', { outcome: 'client_abort' }), (n) => n === 1);
  expect(await metric(scene, 'tollgate_requests_in_flight')).toBe(0);
});

test('a JSON answer that its client never reads is let go after the write stall too, and what it cost is known, as it was read to its end', async () => {
  // More than the kernel's buffers take, and than waits for its cost: it goes out as it comes, and its usage comes last.
  const message = Buffer.from(JSON.stringify({ id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-4-5', content: [{ type: 'text', text: 'x'.repeat(32 * 1024 * 1024) }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 12, output_tokens: 34 } }));
  const taken = { whole: false };
  const provider = createServer((request, answer) => {
    answer.on('finish', () => (taken.whole = true));
    request.resume().on('end', () => answer.writeHead(200, { 'content-type': 'application/json', 'content-length': message.length }).end(message));
  });
  await new Promise<void>((listening) => provider.listen(0, '127.0.0.1', listening));
  try {
    const scene = await crowded({ clients: { write_stall: '500ms' } }, {}, `http://127.0.0.1:${(provider.address() as AddressInfo).port}`);
    const { socket, closed } = await socketTo(scene);
    let got = 0;
    socket.pause().on('data', (chunk: Buffer) => (got += chunk.length));
    const session = newSession();
    const body = '{"model":"claude-haiku-4-5","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}';
    socket.write(`POST /v1/messages HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-tollgate-session: ${session}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(await rowOf(scene, session)).toMatchObject({ outcome: 'client_abort', status: 200, estimated: false, tokens: { input: 12, output: 34 } });
    expect(taken.whole).toBe(true);
    await eventually(() => metric(scene, 'tollgate_open_sockets', { side: 'client' }), (open) => open === 0);
    socket.resume();
    await closed;
    expect(got).toBeGreaterThan(0);
    expect(got).toBeLessThan(message.length);
    expect(await heldUsd(scene)).toBe('0.000000000');
    await eventually(() => metric(scene, 'tollgate_requests_total', { outcome: 'client_abort' }), (n) => n === 1);
    expect(await metric(scene, 'tollgate_requests_in_flight')).toBe(0);
  } finally {
    provider.close();
    provider.closeAllConnections();
  }
});

test('a head that does not come is waited for no longer than it may take, and so is one of which nothing comes: told why, and without a row', async () => {
  const scene = await crowded({ clients: { headers_timeout: '1s' } });
  const began = performance.now();
  const [half, silent] = await Promise.all([0, 1].map(() => Promise.all(Array.from({ length: 25 }, () => socketTo(scene)))));
  for (const { socket } of half!) socket.write('POST /v1/messages HTTP/1.1\r\nHost: g\r\n');
  const session = newSession();
  expect((await ask(scene.gateway.dataUrl, { session })).status).toBe(200);
  for (const one of [...half!, ...silent!]) {
    await one.closed;
    expect(one.heard()).toMatch(/^HTTP\/1\.1 408 [\s\S]*x-tollgate-refusal: malformed/);
  }
  // They are looked for every five seconds.
  expect(performance.now() - began).toBeLessThan(20_000);
  await rowOf(scene, session);
  expect((await admin<{ rows: { session: string }[] }>(scene, '/api/requests')).rows.map((row) => row.session)).toEqual([session]);
  await eventually(() => metric(scene, 'tollgate_open_sockets', { side: 'client' }), (open) => open === 0);
});
