// test/flow/prometheus.test.ts: a real Prometheus reads the gateway, and its own queries find every call that was made.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UsageAnswer } from '../../server/http/admin/wire.ts';
import { LATELY, SECRETS, apiHeaders, ask, eventually, hello, send, settled, startScene, type Scene } from './scene.ts';

/** Debian's package; `npm test` installs it. */
const installed = spawnSync('prometheus', ['--version']).status === 0;

test('Prometheus is installed where everything must be tested', () => {
  if (!installed) process.stderr.write('prometheus is not installed: the gateway is not tested with it here\n');
  expect(installed || process.env['CI'] === undefined).toBe(true);
});

describe.skipIf(!installed)('with Prometheus', () => {
  let scene: Scene;
  let folder: string;
  let prometheus: ChildProcess;
  let url: string;

  beforeAll(async () => {
    scene = await startScene({ budgets: [{ id: 'support-year', scope: { workspace: 'support' }, limit_usd: 10, period: 'year' }] });
    folder = mkdtempSync(join(tmpdir(), 'tollgate-prometheus-'));
    const config = join(folder, 'prometheus.yml');
    writeFileSync(config, JSON.stringify({ global: { scrape_interval: '1s' }, scrape_configs: [{ job_name: 'tollgate', static_configs: [{ targets: [new URL(scene.gateway.adminUrl).host] }] }] }));
    prometheus = spawn('prometheus', [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`, '--web.listen-address=127.0.0.1:0'], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    prometheus.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
    url = await eventually('Prometheus is ready', async () => {
      if (prometheus.exitCode !== null) throw new Error(`Prometheus ended:\n${said}`);
      const address = /msg="Listening on" address=(\S+)/.exec(said)?.[1];
      return address !== undefined && said.includes('Server is ready') ? `http://${address}` : null;
    });
  });
  afterAll(async () => {
    if (prometheus.exitCode === null) {
      prometheus.kill('SIGKILL');
      await once(prometheus, 'close');
    }
    rmSync(folder, { recursive: true, force: true });
    await scene.close();
  });

  /** The value of a query that has one; null while it has none. */
  async function query(promql: string): Promise<number | null> {
    const answer = (await (await fetch(`${url}/api/v1/query?query=${encodeURIComponent(promql)}`)).json()) as { status: string; error?: string; data: { result: { value: [number, string] }[] } };
    if (answer.status !== 'success') throw new Error(`${promql}: ${answer.error}`);
    const value = answer.data.result[0]?.value[1];
    return value === undefined ? null : Number(value);
  }

  test('it scrapes the gateway, and every call, token and dollar is there', async () => {
    const call = (n: number) =>
      send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(n % 4 === 3 ? 'tg_nobody-0123456789abcdef' : n % 2 === 0 ? SECRETS.triage : SECRETS.engineering), body: n % 8 === 1 ? '{' : hello({ stream: n % 3 === 0 }) });
    for (let n = 0; n < 40; n++) await call(n);
    await settled(scene.gateway);
    const { total } = await ask<UsageAnswer>(scene.gateway, `/api/usage?${LATELY}`);
    expect(total).toMatchObject({ requests: 30, refused: 5, attempts: 25 });

    await eventually('a scrape after the last call', async () => ((await query('sum(tollgate_requests_total)')) === 30 ? true : null));
    expect(await query('up{job="tollgate"}')).toBe(1);
    expect(await query('sum(tollgate_turned_away_total)')).toBe(10);
    expect(await query('sum(tollgate_requests_total{workspace="support",workflow="ticket-triage",outcome="ok"})')).toBe(20);
    expect(await query('sum(tollgate_requests_total{outcome="blocked"}) + sum(tollgate_requests_total{outcome="client_error"})')).toBe(5);
    expect(await query('sum(tollgate_tokens_total{kind="output"})')).toBe(total.tokens.output);
    expect(await query('sum(tollgate_cost_usd_total)')).toBeCloseTo(Number(total.cost_usd), 9);
    expect(await query('tollgate_budget_spent_usd{budget="support-year"} / tollgate_budget_limit_usd')).toBeGreaterThan(0);
    expect(await query('sum(tollgate_request_duration_seconds_count)')).toBe(25);
    expect(await query('tollgate_config_last_reload_successful')).toBe(1);
  });

  test('it finds nothing to complain about: no sample is dropped and every metric has its type and help', async () => {
    expect(await query('scrape_samples_scraped{job="tollgate"} - scrape_samples_post_metric_relabeling{job="tollgate"}')).toBe(0);
    const { data } = (await (await fetch(`${url}/api/v1/metadata`)).json()) as { data: Record<string, { type: string; help: string }[]> };
    const ours = Object.entries(data).filter(([name]) => name.startsWith('tollgate_'));
    expect(ours.length).toBeGreaterThan(30);
    expect(ours.filter(([, [told]]) => told!.help === '' || !['counter', 'gauge', 'histogram'].includes(told!.type))).toEqual([]);
    const { data: targets } = (await (await fetch(`${url}/api/v1/targets`)).json()) as { data: { activeTargets: { lastError: string }[] } };
    expect(targets.activeTargets.map((target) => target.lastError)).toEqual(['']);
  });
});
