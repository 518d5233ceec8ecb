// test/long/start.test.ts: a ledger of a million calls does not keep the gateway from being ready within three seconds, also after a kill.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeManyCalls, ZONE } from '../bench/many-calls.ts';
import { startGateway } from '../flow/gateway.ts';
import { baseConfig } from '../flow/scene.ts';

const CALLS = Number(process.env['START_CALLS'] ?? 1_000_000);
const STARTS = 5;
const READY_MS = 3_000;

/** CPU time of all threads of a process: what a start takes on a machine that has nothing else to do, and two cores to do it on. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

test(`ready within ${READY_MS / 1_000} s over ${CALLS} calls, after a kill -9 each time`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-start-'));
  try {
    const dataDir = join(folder, 'data');
    mkdirSync(dataDir);
    writeManyCalls(join(dataDir, 'tollgate.db'), { calls: CALLS, users: 2_000, days: 90, to: Date.now() - 60_000 }, () => undefined);
    const config = { ...baseConfig('http://127.0.0.1:9'), timezone: ZONE, budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 10_000_000, period: 'month' }, { id: 'year', scope: { organization: true }, limit_usd: 10_000_000, period: 'year' }] };
    const wall: number[] = [];
    const cpu: number[] = [];
    for (let n = 0; n < STARTS; n++) {
      const began = performance.now();
      const gateway = await startGateway({ dataDir, config });
      wall.push(performance.now() - began);
      cpu.push(cpuMs(gateway.pid));
      await gateway.stop('SIGKILL');
      await gateway.close();
    }
    console.log(`${CALLS} calls: ready after ${wall.map((ms) => ms.toFixed(0)).join(', ')} ms, with ${cpu.join(', ')} ms of CPU`);
    expect(Math.max(...cpu)).toBeLessThan(READY_MS);
    // One of them may be the machine's doing.
    expect(wall.toSorted((a, b) => a - b)[STARTS - 2]).toBeLessThan(READY_MS);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 1_200_000);
