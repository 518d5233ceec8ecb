// test/long/soak.test.ts: hours of steady work, with all that is done to a gateway that runs: a backup every five minutes that is restored and checked, and a new config every minute. `SOAK_MINUTES` says how long.

import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { BackupAnswer, StatusAnswer, UsageAnswer } from '../../server/http/admin/wire.ts';
import { startGateway, type RunningGateway } from '../flow/gateway.ts';
import { apiHeaders, ask, baseConfig, budgetsOf, count, nanos, PROVIDER_KEY, scrape, SECRETS, settled, verified } from '../flow/scene.ts';
import { startStandin } from '../standin/standin.ts';
import { steadyLoad } from './steady-load.ts';

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 120);
const CALLS_PER_SECOND = 100;
const STREAMS = 100;
const BACKUP_EVERY = 5;
/** Left to itself V8 lets garbage grow by hundreds of megabytes before it looks; so what is kept could not be told from what is not. */
const HEAP_MB = 192;
/** What memory may be above what it was in the second quarter: SQLite and the allocator take some more as they go. */
const MEMORY_GROWTH = 1.15;
const MORE_DESCRIPTORS = 20;

interface Reading {
  readonly rssMb: number;
  readonly descriptors: number;
}

const reading = (pid: number): Reading => ({
  rssMb: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024,
  descriptors: readdirSync(`/proc/${pid}/fd`).length,
});

/** The calls of the gateway's whole life, and what they cost. */
const allOf = (gateway: RunningGateway): Promise<UsageAnswer> => ask(gateway, `/api/usage?from=now-2d&to=now%2B1h`);

/** What the whole ledger takes by the end. */
const CHECK_MS = 300_000;

/** Takes a backup, starts a gateway on it, and looks at it. */
async function backUpAndRestore(gateway: RunningGateway, config: string): Promise<number> {
  const answer = await fetch(`${gateway.adminUrl}/api/backup`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  expect(answer.status).toBe(201);
  const { file } = (await answer.json()) as BackupAnswer;
  const copy = new Database(file, { readonly: true });
  expect(copy.pragma('integrity_check', { simple: true })).toBe('ok');
  copy.close();
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-restored-'));
  copyFileSync(file, join(dataDir, 'tollgate.db'));
  rmSync(file);
  const restored = await startGateway({ config, dataDir });
  try {
    const { calls, drift, error } = await verified(restored, CHECK_MS);
    expect({ drift, error }).toEqual({ drift: 0, error: null });
    return calls;
  } finally {
    await restored.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

test(`${MINUTES} minutes of ${CALLS_PER_SECOND} calls a second and ${STREAMS} open streams: every backup is whole, every config is taken, nothing is lost and nothing grows`, async () => {
  const standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' }, log: { requests: 0, bodyBytes: 0 } });
  const budgets = [{ id: 'all', scope: { organization: true }, limit_usd: 1_000_000, period: 'year' }];
  const config = (minute: number): string => stringify({ ...baseConfig(standin.url), budgets, retention: { requests_days: 100 + minute } });
  const gateway = await startGateway({ config: config(0), env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` } });
  const readings: Reading[] = [];
  let backups = 0;
  let inBackup = 0;
  try {
    const load = steadyLoad(gateway.dataUrl, {
      perSecond: CALLS_PER_SECOND, streams: STREAMS, streamFault: 'slow-events:40',
      headers: (n) => ({ ...apiHeaders(n % 2 === 0 ? SECRETS.support : SECRETS.engineering), 'x-tollgate-user': `user-${n % 500}`, 'x-tollgate-session': `session-${Math.floor(n / 40)}`, 'x-tollgate-action': `action-${Math.floor(n / 4)}` }),
    });
    const began = performance.now();
    for (let minute = 1; minute <= MINUTES; minute++) {
      await pause(Math.max(0, began + minute * 60_000 - performance.now()));
      const { digest } = (await ask<StatusAnswer>(gateway, '/api/status')).config;
      writeFileSync(gateway.configFile, config(minute));
      process.kill(gateway.pid, 'SIGHUP');
      await expect.poll(async () => (await ask<StatusAnswer>(gateway, '/api/status')).config.digest, { timeout: 30_000 }).not.toBe(digest);
      if (minute % BACKUP_EVERY === 0) {
        const calls = await backUpAndRestore(gateway, config(minute));
        expect(calls).toBeGreaterThan(inBackup);
        inBackup = calls;
        backups++;
      }
      const now = reading(gateway.pid);
      readings.push(now);
      console.log(`minute ${minute}: ${load.begun()} calls begun, ${now.rssMb.toFixed(0)} MB resident, ${now.descriptors} descriptors, ${backups} backups restored, the last with ${inBackup} calls`);
    }
    await load.stop();
    await standin.idle();
    await settled(gateway);

    const { total } = await allOf(gateway);
    expect({ requests: total.requests, attempts: total.attempts }).toEqual({ requests: load.begun(), attempts: standin.requests() });
    expect(nanos((await budgetsOf(gateway)).rows[0]!.spent_usd)).toBe(nanos(total.cost_usd));
    expect(await verified(gateway, CHECK_MS)).toMatchObject({ calls: load.begun(), drift: 0, error: null });
    const samples = await scrape(gateway);
    expect({ held: count(samples, 'tollgate_open_holds'), inFlight: count(samples, 'tollgate_requests_in_flight') }).toEqual({ held: 0, inFlight: 0 });
    expect(gateway.output().split('\n').filter((line) => /"level":"(warn|error)"/.test(line))).toEqual([]);

    const quarter = Math.floor(readings.length / 4);
    const most = (of: keyof Reading, from: number, to: number): number => Math.max(...readings.slice(from, to).map((one) => one[of]));
    expect(most('rssMb', readings.length - quarter, readings.length)).toBeLessThan(most('rssMb', quarter, 2 * quarter) * MEMORY_GROWTH);
    expect(most('descriptors', readings.length - quarter, readings.length)).toBeLessThan(most('descriptors', quarter, 2 * quarter) + MORE_DESCRIPTORS);
  } catch (error) {
    // Hours later nobody can look any more.
    console.log(`the gateway at the failure: ${gateway.state()}; its last words:\n${gateway.output().slice(-4_000)}`);
    throw error;
  } finally {
    await gateway.close();
    await standin.close();
  }
}, (MINUTES + 30) * 60_000);
