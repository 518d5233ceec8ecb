// test/flow/kill.test.ts: kill -9 in the middle of traffic loses no call: what the provider saw is in the ledger, once, and paid for.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StatusAnswer } from '../../server/http/admin/wire.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import type { RunningGateway } from './gateway.ts';
import { expectBudgetsAreSums, expectOneRowEach, named, namesIn, startOn, total } from './killed.ts';
import { PROVIDER_KEY, ask, hello, ledgerRows, nanos, send, verified } from './scene.ts';

const CYCLES = 10;
const AT_ONCE = 24;

let standin: Standin;
let dataDir: string;

beforeAll(async () => {
  standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' } });
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-kill-'));
});
afterAll(async () => {
  await standin.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const start = (): Promise<RunningGateway> => startOn(dataDir, standin.url);

/** Calls until the gateway is gone. */
async function load(gateway: RunningGateway, cycle: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (;;) {
        const n = next++;
        const fault: Record<string, string> = n % 3 === 0 ? { 'x-standin-fault': 'slow-events:2' } : {};
        try {
          const answer = await send(`${gateway.dataUrl}/v1/messages`, { headers: { ...named(cycle, n), ...fault }, body: hello({ stream: n % 3 !== 1 }) });
          if (!answer.whole) return;
        } catch {
          return;
        }
      }
    }),
  );
}

test(`over ${CYCLES} times kill -9, every request that the provider saw has exactly one row, none stays open, and the budgets have spent the sum of the rows`, async () => {
  let gateway = await start();
  let crashed = 0;
  try {
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const fatal = standin.requests() + 30 + cycle * 11;
      const dying = gateway;
      let killed: Promise<unknown> = Promise.resolve();
      // The request at whose arrival the gateway dies; others are on their way in and out.
      standin.script(({ number }) => {
        if (number === fatal) killed = dying.stop('SIGKILL');
        return null;
      });
      await load(gateway, cycle);
      await killed;
      await standin.idle();

      gateway = await start();
      const rows = await ledgerRows(gateway);
      expect(rows.filter((row) => row.ended_at === null || row.outcome === null)).toEqual([]);

      expectOneRowEach(rows, namesIn(standin.log), `cycle ${cycle}`);

      const { recovery } = await ask<StatusAnswer>(gateway, '/api/status');
      const lost = rows.filter((row) => row.outcome === 'crashed' && row.action!.startsWith(`c${cycle}-`));
      expect({ crashed: recovery.crashed, cost: nanos(recovery.crashed_cost_usd) }).toEqual({ crashed: lost.length, cost: total(lost) });
      expect(lost.filter((row) => row.cost_usd !== row.held_usd || !row.estimated)).toEqual([]);
      crashed += lost.length;

      await expectBudgetsAreSums(gateway, rows, `cycle ${cycle}`);
      expect(await verified(gateway)).toMatchObject({ state: 'done', calls: rows.length, at_hold: rows.filter((row) => row.outcome === 'crashed').length, budgets: 2, drift: 0 });
    }
  } finally {
    await gateway.stop('SIGKILL');
  }
  expect(crashed).toBeGreaterThan(CYCLES);
}, 300_000);
