// test/http/overload.test.ts: too much of everything: what is refused, what is let go, and that health and metrics answer throughout.

import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { ask, eventually, heldUsd, metric, newSession, openScene, type Scene } from '../faults/scene.ts';
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
async function crowded(config: Record<string, unknown>, env: Record<string, string> = {}): Promise<Scene> {
  const scene = await openScene({ config, env, upstream: { idle_timeout: '20s', stream_headers_timeout: '20s' } });
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

const socketTo = (scene: Scene): Promise<{ socket: Socket; closed: Promise<void>; isOpen: () => boolean }> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(scene.gateway.dataUrl);
    const socket = connect(Number(port), hostname);
    const closed = new Promise<void>((done) => socket.once('close', () => done()));
    socket.on('error', () => undefined).on('data', () => undefined);
    socket.once('connect', () => resolve({ socket, closed, isOpen: () => !socket.destroyed }));
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

test('a head that does not come is waited for no longer than it may take', async () => {
  const scene = await crowded({ clients: { headers_timeout: '1s' } });
  const slow = await Promise.all(Array.from({ length: 50 }, () => socketTo(scene)));
  for (const { socket } of slow) socket.write('POST /v1/messages HTTP/1.1\r\nHost: g\r\n');
  expect((await ask(scene.gateway.dataUrl, {})).status).toBe(200);
  await Promise.all(slow.map((one) => one.closed));
});
