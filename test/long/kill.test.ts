// test/long/kill.test.ts: a hundred times kill -9 at a random moment, under 50 calls a second and 50 open streams. The seed is printed; `KILL_SEED` runs one again.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningGateway } from '../flow/gateway.ts';
import { expectBudgetsAreSums, expectOneRowEach, named, namesIn, startOn } from '../flow/killed.ts';
import { count, ledgerRows, PROVIDER_KEY, scrape, verified } from '../flow/scene.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { steadyLoad, type SteadyLoad } from './steady-load.ts';

const CYCLES = 100;
const CALLS_PER_SECOND = 50;
const STREAMS = 50;
const READY_MS = 3_000;
const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000);

let standin: Standin;
let dataDir: string;
beforeAll(async () => {
  standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' }, log: { bodyBytes: 0 } });
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-kill-'));
});
afterAll(async () => {
  await standin.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const start = (): Promise<RunningGateway> => startOn(dataDir, standin.url);

/** Seconds of CPU that a process has used: what a start takes on a machine that has nothing else to do. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

// A call that the kill cut is what this is about; the ledger says what became of it.
const load = (gateway: RunningGateway, cycle: number): SteadyLoad => steadyLoad(gateway.dataUrl, { perSecond: CALLS_PER_SECOND, streams: STREAMS, headers: (n) => named(cycle, n), streamFault: 'slow-events:40' });

test(`${CYCLES} times kill -9: every request that the provider saw has one row, counters are the sums of rows, nothing stays held, and it is ready again in ${READY_MS / 1_000} s`, async () => {
  let state = seed || 1;
  const random = (): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) / 0x80000000);
  const starts: number[] = [];
  const startCpu: number[] = [];
  const crashedPerCycle: number[] = [];
  let seen = 0;
  let gateway = await start();
  try {
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const running = load(gateway, cycle);
      await pause(50 + random() * 1_950);
      await gateway.stop('SIGKILL');
      await running.stop();
      await standin.idle();

      const began = performance.now();
      gateway = await start();
      starts.push(performance.now() - began);
      startCpu.push(cpuSeconds(gateway.pid));
      const rows = await ledgerRows(gateway, `&outcome=ok&outcome=crashed&outcome=upstream_reset&outcome=client_abort&outcome=connect_failed&outcome=truncated`);
      const own = rows.filter((row) => row.action!.startsWith(`c${cycle}-`));
      const reached = namesIn(standin.log);
      seen += reached.length;
      expectOneRowEach(own, reached, `seed ${seed}, cycle ${cycle}`);
      const known = new Set(reached);
      // A row of a call that the provider never saw can only be one that the kill overtook.
      expect(own.filter((row) => !known.has(row.action!) && row.outcome !== 'crashed'), `seed ${seed}, cycle ${cycle}`).toEqual([]);
      crashedPerCycle.push(own.filter((row) => row.outcome === 'crashed').length);
      standin.forget();

      await expectBudgetsAreSums(gateway, rows, `seed ${seed}, cycle ${cycle}`);
      expect(count(await scrape(gateway), 'tollgate_open_holds')).toBe(0);
    }
    const all = await ledgerRows(gateway);
    expect(all.filter((row) => row.outcome === null)).toEqual([]);
    expect(await verified(gateway, 120_000)).toMatchObject({ calls: all.length, drift: 0, error: null });
    const sorted = [...starts].sort((a, b) => a - b);
    console.log(
      `seed ${seed}: ${seen} requests at the provider, ${all.length} rows, ${crashedPerCycle.reduce((a, b) => a + b, 0)} of them crashed; ready again after ${sorted[CYCLES / 2]!.toFixed(0)} ms (median), ${sorted.at(-1)!.toFixed(0)} ms (worst), at ${Math.max(...startCpu).toFixed(2)} s of CPU at most`,
    );
    expect(sorted[CYCLES / 2]).toBeLessThan(READY_MS);
    // The worst one can be the machine's own doing; the work of it cannot.
    expect(Math.max(...startCpu) * 1_000).toBeLessThan(READY_MS);
  } finally {
    await gateway.stop('SIGKILL');
  }
}, 1_200_000);
