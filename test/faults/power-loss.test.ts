// test/faults/power-loss.test.ts: the power goes at the moment at which the provider hears of a call: the row of the call is on the disk.

import Database from 'better-sqlite3';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { CRASH_TRACE, descriptorsOf, momentsIn, type Moment } from './crash-images.ts';
import { ask, eventually, metric, openScene, type Scene } from './scene.ts';
import { canTrace, trace } from './tracer.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

const CALLS = 40;

/** Makes calls under a trace; every moment at which something was sent, and which call it was for, where the provider was told of one. */
async function traced(durability: 'full' | 'normal', atOnce: number): Promise<{ moments: Moment[]; folder: string }> {
  const scene: Scene = await openScene({ config: { log: { level: 'info' }, ledger: { durability } }, upstream: { idle_timeout: '60s', stream_headers_timeout: '60s', headers_timeout: '60s' } });
  cleanUp.push(() => scene.close());
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-power-'));
  cleanUp.push(() => rmSync(folder, { recursive: true }));
  await ask(scene.gateway.dataUrl, {});
  await eventually(() => metric(scene, 'tollgate_record_queue_length'), (queued) => queued === 0);
  const paths = ['tollgate.db', 'tollgate.db-wal'].map((name) => join(scene.gateway.dataDir, name));
  const before = new Map(paths.map((path) => [path, readFileSync(path)]));
  const descriptors = descriptorsOf(scene.gateway.pid, paths);
  const file = join(folder, 'trace');
  const tracer = await trace(scene.gateway.pid, CRASH_TRACE, file);
  let next = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < CALLS) {
      const name = `case-${next++}-end`;
      expect((await ask(scene.gateway.dataUrl, { stream: next % 2 === 0, fault: 'slow-first-byte:20', headers: { 'x-case': name, 'x-tollgate-action': name } })).status).toBe(200);
    }
  }));
  if (durability === 'normal') {
    // Something has to happen after the second that the last calls have.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await ask(scene.gateway.dataUrl, {});
  }
  await tracer.stop();
  return { moments: [...keptMoments(momentsIn(file, descriptors, before))], folder };
}

/** The images of a moment belong to it alone; they are taken while the trace is read. */
function* keptMoments(moments: Iterable<Moment>): Generator<Moment> {
  for (const moment of moments) {
    const [synced, torn] = [moment.synced(), moment.torn()];
    yield { ...moment, synced: () => synced, torn: () => torn };
  }
}

const caseIn = (sent: Buffer): string | null => (sent.includes('POST /v1/messages') ? (/x-case: (case-\d+-end)/i.exec(sent.toString('latin1'))?.[1] ?? null) : null);

/** Names of calls in a ledger as it would be found. */
function callsIn(files: ReadonlyMap<string, Buffer>, folder: string): Set<string> {
  for (const [path, bytes] of files) writeFileSync(join(folder, basename(path)), bytes);
  rmSync(join(folder, 'tollgate.db-shm'), { force: true });
  const db = new Database(join(folder, 'tollgate.db'));
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    return new Set(db.prepare<[], string>('SELECT action FROM call WHERE action IS NOT NULL').pluck().all());
  } finally {
    db.close();
  }
}

test.runIf(canTrace)('with durability: full, the row of a call is on the disk before the provider hears of the call, whatever else is written at that moment', async () => {
  const { moments, folder } = await traced('full', 6);
  const told = moments.flatMap((moment) => (caseIn(moment.sent) === null ? [] : [{ name: caseIn(moment.sent)!, moment }]));
  expect(told).toHaveLength(CALLS);
  for (const { name, moment } of told) {
    expect(callsIn(moment.synced(), folder).has(name), name).toBe(true);
    expect(callsIn(moment.torn(), folder).has(name), `${name}, torn`).toBe(true);
  }
});

test.runIf(canTrace)('with durability: normal, it is there a second later', async () => {
  const { moments, folder } = await traced('normal', 2);
  const told = moments.flatMap((moment) => (caseIn(moment.sent) === null ? [] : [{ name: caseIn(moment.sent)!, at: moment.at }]));
  expect(told).toHaveLength(CALLS);
  // A timer under a tracer can be late.
  const later = told.map(({ name, at }) => ({ name, moment: moments.find((moment) => moment.at > at + 1.8) }));
  for (const { name, moment } of later) expect(callsIn(moment!.synced(), folder).has(name), name).toBe(true);
  // The test can see a loss: at once, it would not be.
  const last = told.at(-1)!;
  expect(callsIn(moments.find((moment) => moment.at === last.at)!.synced(), folder).has(last.name)).toBe(false);
});
