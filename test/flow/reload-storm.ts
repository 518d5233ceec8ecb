// test/flow/reload-storm.ts: good configs, bad ones and signals by the dozen while calls go by.

import { writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import type { StatusAnswer } from '../../server/http/admin/wire.ts';
import { apiHeaders, ask, baseConfig, budgetsOf, hello, ledgerRows, nanos, SECRETS, send, settled, startScene } from './scene.ts';

const CALLERS = 8;
/** What a file can be that is no config. */
const BAD = [
  (good: string) => good.slice(0, good.length / 2),
  (good: string) => `${good}nonsense: true\n`,
  (good: string) => good.replace('upstream:', 'upsteam:'),
  (good: string) => good.replace('limit_usd: 1000', 'limit_usd: -1'),
  () => '',
  () => 'keys: [\n',
  (good: string) => good.replace('period: year', 'period: fortnight'),
];

/** Every call is answered, every bad file leaves the config in force as it was, and what was spent is what the rows say. */
export async function reloadStorm(rounds: number): Promise<void> {
  const budgets = [{ id: 'all', scope: { organization: true }, limit_usd: 1_000, period: 'year' }];
  const scene = await startScene({ budgets });
  try {
    const { gateway } = scene;
    let going = true;
    let calls = 0;
    const wrong: string[] = [];
    const caller = async (stream: boolean): Promise<void> => {
      while (going) {
        calls++;
        const answer = await send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello({ stream }) }).catch((error: Error) => error.message);
        if (typeof answer === 'string') wrong.push(answer);
        else if (answer.status !== 200 || !answer.whole) wrong.push(`${answer.status} ${answer.whole}`);
      }
    };
    const callers = Array.from({ length: CALLERS }, (_, n) => caller(n % 2 === 0));

    const digest = async (): Promise<string> => (await ask<StatusAnswer>(gateway, '/api/status')).config.digest;
    const good = (n: number): string => stringify({ ...baseConfig(scene.standin.url), budgets, retention: { requests_days: 100 + n } });
    for (let n = 0; n < rounds; n++) {
      const before = await digest();
      writeFileSync(gateway.configFile, good(n));
      // Not one for each change, but many, and some in the midst of a reload.
      for (let signal = 0; signal < 5; signal++) process.kill(gateway.pid, 'SIGHUP');
      await expect.poll(digest, { timeout: 10_000 }).not.toBe(before);
      const inForce = await digest();
      writeFileSync(gateway.configFile, BAD[n % BAD.length]!(good(n)));
      process.kill(gateway.pid, 'SIGHUP');
      await expect.poll(async () => (await ask<StatusAnswer>(gateway, '/api/status')).config.last_reload?.error ?? null, { timeout: 10_000 }).not.toBeNull();
      expect(await digest()).toBe(inForce);
    }
    going = false;
    await Promise.all(callers);
    expect(wrong).toEqual([]);
    await settled(gateway);
    const rows = await ledgerRows(gateway);
    expect(rows).toHaveLength(calls);
    expect(new Set(rows.map((row) => row.outcome))).toEqual(new Set(['ok']));
    expect(scene.standin.requests()).toBe(calls);
    const [all] = (await budgetsOf(gateway)).rows;
    expect(nanos(all!.spent_usd)).toBe(rows.reduce((sum, row) => sum + nanos(row.cost_usd), 0n));
    expect(all!.held_usd).toBe('0.000000000');
    console.log(`${rounds} good and ${rounds} bad configs, ${rounds * 6} signals, ${calls} calls`);
  } finally {
    await scene.close();
  }
}
