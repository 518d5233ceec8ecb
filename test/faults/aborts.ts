// test/faults/aborts.ts: clients that leave at random points, each of which must be booked, and end what it began at the provider.

import { expect } from 'vitest';
import { admin, ask, eventually, metric, newSession, type Row, type Scene } from './scene.ts';

/** Makes so many calls whose clients leave: before the head, at it, or after a random number of bytes. */
export async function leaveAtRandom(scene: Scene, count: number, atOnce = 20): Promise<void> {
  let state = 20_261_129;
  const random = (below: number): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) % below;
  const before = scene.standin.requests();
  const started = new Set<string>();
  const sessions: string[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next++ < count) {
      const session = newSession();
      sessions.push(session);
      const bytes = random(4) === 0 ? 0 : random(3_000);
      const early = random(8) === 0;
      const stream = random(5) > 0;
      const seen = await ask(scene.gateway.dataUrl, {
        session, stream, fault: early ? 'slow-first-byte:50' : stream ? 'slow-events:2' : '',
        ...(early ? { leaveAfter: eventually(() => scene.standin.log.some(({ rawHeaders }) => rawHeaders.includes(`${session}-case`)), Boolean, 20_000) } : { leaveWhen: (body: Buffer) => body.length >= bytes }),
        headers: { 'x-case': `${session}-case` },
      });
      if (seen.body.includes('message_start')) started.add(session);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await eventually(() => scene.standin.log.filter(({ response }) => response.ending === 'open').length, (open) => open === 0, 20_000);
  const rows: Row[] = [];
  for (const session of sessions) {
    const { rows: own } = await eventually(() => admin<{ rows: Row[] }>(scene, `/api/requests?session=${session}`), ({ rows: [row] }) => row !== undefined && row.outcome !== null, 20_000);
    expect(own, session).toHaveLength(1);
    rows.push(own[0]!);
    // A client that leaves must not evade its cap.
    if (started.has(session)) expect(Number(own[0]!.cost_usd), session).toBeGreaterThan(0);
  }
  expect(scene.standin.requests() - before).toBe(count);
  expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(['client_abort', 'ok']));
  expect(started.size).toBeGreaterThan(count / 10);
  await eventually(() => metric(scene, 'tollgate_requests_in_flight'), (n) => n === 0);
  expect(await metric(scene, 'tollgate_open_holds')).toBe(0);
  const guessed = rows.filter(({ outcome, estimated }) => outcome === 'client_abort' && estimated).length;
  await eventually(() => metric(scene, 'tollgate_usage_incomplete_total', { reason: 'client_abort' }), (n) => n === guessed);
  // Those of clients are gone with them; what stays open upstream waits for the next call. A connection that was given up may close a moment after its successor opened.
  await eventually(() => metric(scene, 'tollgate_open_sockets', { side: 'client' }), (n) => n === 0);
  await eventually(() => metric(scene, 'tollgate_open_sockets', { side: 'upstream' }), (n) => n <= atOnce);
}
