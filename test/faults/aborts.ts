// test/faults/aborts.ts: clients that leave at random points, each of which must be booked, and end what it began at the provider.

import { expect } from 'vitest';
import { admin, ask, eventually, metric, newSession, rowsOf, type Row, type Scene } from './scene.ts';

/**
 * Makes so many calls whose clients leave: before the head, at it, or after a random number of bytes. A client's next one begins when the
 * ledger has the end of its last: so no more than `atOnce` are in flight as the gateway sees it, which hears of a client's leaving later than the client.
 */
export async function leaveAtRandom(scene: Scene, count: number, atOnce = 20): Promise<void> {
  let state = 20_261_129;
  const random = (below: number): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) % below;
  const before = scene.standin.requests();
  const started = new Set<string>();
  const sessions = new Set<string>();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next++ < count) {
      const session = newSession();
      sessions.add(session);
      const bytes = random(4) === 0 ? 0 : random(3_000);
      const early = random(8) === 0;
      const stream = random(5) > 0;
      const seen = await ask(scene.gateway.dataUrl, {
        session, stream, fault: early ? 'slow-first-byte:50' : stream ? 'slow-events:2' : '',
        ...(early ? { leaveAfter: eventually(() => scene.standin.log.some(({ rawHeaders }) => rawHeaders.includes(`${session}-case`)), Boolean, 20_000) } : { leaveWhen: (body: Buffer) => body.length >= bytes }),
        headers: { 'x-case': `${session}-case` },
      });
      if (seen.body.includes('message_start')) started.add(session);
      await eventually(() => rowsOf(scene, session), ([row]) => row !== undefined && row.outcome !== null, 20_000);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await eventually(() => scene.standin.log.filter(({ response }) => response.ending === 'open').length, (open) => open === 0, 20_000);
  const rows = (await admin<{ rows: (Row & { session: string })[] }>(scene, '/api/requests?limit=1000')).rows.filter(({ session }) => sessions.has(session));
  expect(rows).toHaveLength(count);
  expect(new Set(rows.map(({ session }) => session))).toEqual(sessions);
  // A client that leaves must not evade its cap.
  for (const { session, cost_usd } of rows) if (started.has(session)) expect(Number(cost_usd), session).toBeGreaterThan(0);
  expect(scene.standin.requests() - before).toBe(count);
  expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(['client_abort', 'ok']));
  expect(started.size).toBeGreaterThan(count / 10);
  await eventually(() => metric(scene, 'tollgate_requests_in_flight'), (n) => n === 0);
  expect(await metric(scene, 'tollgate_open_holds')).toBe(0);
  const guessed = rows.filter(({ outcome, estimated }) => outcome === 'client_abort' && estimated).length;
  await eventually(() => metric(scene, 'tollgate_usage_incomplete_total', { reason: 'client_abort' }), (n) => n === guessed);
  // Those of clients are gone with them; what stays open upstream waits for the next call.
  await eventually(() => metric(scene, 'tollgate_open_sockets', { side: 'client' }), (n) => n === 0);
  expect(await metric(scene, 'tollgate_open_sockets', { side: 'upstream' })).toBeLessThanOrEqual(atOnce);
}
