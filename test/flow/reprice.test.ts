// test/flow/reprice.test.ts: a model that was unknown gets its price later: every report, budget and metric follows, and it holds over a kill.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditAnswer, PricesCheckAnswer, RepriceAnswer, RequestAnswer, StatusAnswer, UsageAnswer } from '../../server/http/admin/wire.ts';
import { tollgate } from '../cli/tollgate.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { apiHeaders, ask, baseConfig, budgetsOf, eventually, hello, LATELY, ledgerRows, nanos, PROVIDER_KEY, rowOf, scrape, SECRETS, send, settled, verified } from './scene.ts';

const SHIPPED = readFileSync(new URL('../../config/prices.yaml', import.meta.url), 'utf8');
/** The shipped book with one of its models taken out. */
const WITHOUT = SHIPPED.replace(/ {2}- id: claude-sonnet-4-6\n[\s\S]*?(?=\n {2}- id: )/, '');

let folder: string;
let prices: string;
let standin: Standin;
let gateway: RunningGateway;
const config = (): Record<string, unknown> => ({
  ...baseConfig(standin.url),
  prices: { file: prices },
  budgets: [
    { id: 'everything', scope: { organization: true }, limit_usd: 100, period: 'year' },
    { id: 'triage', scope: { workspace: 'support', workflow: 'ticket-triage' }, limit_usd: 100, period: 'month' },
  ],
});
const call = (model: string, secret: string, more: Record<string, unknown> = {}) => send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(secret), body: hello({ model, ...more }) });
async function post<Answer>(path: string, body: object): Promise<Answer> {
  const answer = await fetch(`${gateway.adminUrl}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return (await answer.json()) as Answer;
}
const RANGE = { from: 'now-1h', to: 'now+1h' };
const total = async (): Promise<bigint> => nanos((await ask<UsageAnswer>(gateway, `/api/usage?${LATELY}`)).total.cost_usd);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tollgate-reprice-'));
  prices = join(folder, 'prices.yaml');
  expect(WITHOUT.length).toBeLessThan(SHIPPED.length);
  writeFileSync(prices, WITHOUT);
  standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' } });
  gateway = await startGateway({ config: config(), dataDir: join(folder, 'data') });
});
afterAll(async () => {
  await gateway.close();
  await standin.close();
  rmSync(folder, { recursive: true, force: true });
});

test('from the ceiling to the price, once, everywhere', { timeout: 120_000 }, async () => {
  const first = await call('claude-sonnet-4-6', SECRETS.triage);
  await call('claude-sonnet-4-6', SECRETS.engineering, { stream: true });
  await call('claude-haiku-4-5', SECRETS.triage);
  const before = await rowOf(gateway, first.headers);
  expect(before).toMatchObject({ price_kind: 'ceiling', estimated: true, corrections: 0 });
  const spentBefore = await total();
  const check = await ask<PricesCheckAnswer>(gateway, `/api/prices/check?${LATELY}`);
  expect(check.warnings).toMatchObject([{ kind: 'unpriced', model: 'claude-sonnet-4-6', calls: 2 }]);
  expect(await tollgate(['prices', 'check', '--strict', '--url', gateway.adminUrl])).toMatchObject({ code: 1 });

  // The price file alone changes; the config stays as it is.
  const { config: loaded } = await ask<StatusAnswer>(gateway, '/api/status');
  writeFileSync(prices, SHIPPED);
  await eventually('the new price file is in force', async () => ((await ask<StatusAnswer>(gateway, '/api/status')).config.loaded_at === loaded.loaded_at ? null : true));

  const dry = (await post<RepriceAnswer>('/api/reprice', { ...RANGE, dry_run: true })).run!;
  expect(dry).toMatchObject({ state: 'done', dry_run: true, calls: 3, changed: 2, unpriced: 0, unexplained: 0 });
  expect(await total()).toBe(spentBefore);

  const shown = await tollgate(['reprice', '--from', 'now-1h', '--url', gateway.adminUrl]);
  expect(shown.code).toBe(0);
  expect(shown.out).toContain('2 corrections were written');
  const run = (await ask<RepriceAnswer>(gateway, '/api/reprice')).run!;
  expect(run.difference_usd).toBe(dry.difference_usd);
  const difference = nanos(run.difference_usd);
  expect(difference).toBeLessThan(0n);

  // What the provider's own price gives: three dollars a million in, fifteen out.
  const after = (await ask<RequestAnswer>(gateway, `/api/requests/${before.id}`));
  const exact = BigInt(after.request.tokens.input) * 3_000n + BigInt(after.request.tokens.output) * 15_000n;
  expect(after.request).toMatchObject({ price_kind: 'list', estimated: false, estimate_method: null, corrections: 1, settled_cost_usd: before.cost_usd });
  expect(nanos(after.request.cost_usd)).toBe(exact);
  expect(after.corrections).toMatchObject([{ reason: 'reprice', run: run.run, cost_usd: after.request.cost_usd, price_kind: 'list' }]);
  expect(after.cost_note).toBeNull();
  const explained = await tollgate(['explain', before.id, '--url', gateway.adminUrl]);
  expect(explained.out).toContain('claude-sonnet-4-6@');
  expect(explained.out).toContain(`settled at $${before.cost_usd}; corrections:`);

  const everywhere = async (): Promise<void> => {
    const usage = await ask<UsageAnswer>(gateway, `/api/usage?${LATELY}&group_by=workspace,user,outcome`);
    const sum = nanos(usage.total.cost_usd);
    expect(sum).toBe(spentBefore + difference);
    expect(usage.total.estimated_cost_usd).toBe('0.000000000');
    const rows = await ledgerRows(gateway);
    expect(rows.reduce((all, row) => all + nanos(row.cost_usd), 0n)).toBe(sum);
    // By session only rows can tell; by day roll-ups do.
    expect(nanos((await ask<UsageAnswer>(gateway, '/api/usage?from=now-30d&to=now%2B30d&group_by=day')).total.cost_usd)).toBe(sum);
    const csv = await (await fetch(`${gateway.adminUrl}/api/export/requests.csv?${LATELY}`)).text();
    const [head = '', ...lines] = csv.trim().split('\r\n');
    const at = head.split(',').indexOf('cost_usd');
    expect(lines.reduce((all, line) => all + nanos(line.split(',')[at]!), 0n)).toBe(sum);
    const budgets = (await budgetsOf(gateway)).rows;
    expect(nanos(budgets.find((budget) => budget.id === 'everything')!.spent_usd)).toBe(sum);
    const triage = rows.filter((row) => row.workflow === 'ticket-triage').reduce((all, row) => all + nanos(row.cost_usd), 0n);
    expect(nanos(budgets.find((budget) => budget.id === 'triage')!.spent_usd)).toBe(triage);
    expect(await verified(gateway)).toMatchObject({ state: 'done', calls: 3, budgets: 2, drift: 0, examples: [] });
  };
  await everywhere();
  const samples = await scrape(gateway);
  const dollars = (name: string): number => samples.filter((sample) => sample.name === name).reduce((all, sample) => all + Number(sample.text), 0);
  expect(Math.round((dollars('tollgate_cost_usd_total') + dollars('tollgate_cost_corrections_usd')) * 1e9)).toBe(Number(await total()));

  // A second run finds nothing to do.
  expect((await post<RepriceAnswer>('/api/reprice', RANGE)).run).toMatchObject({ changed: 0, difference_usd: '0.000000000' });
  const audit = await ask<AuditAnswer>(gateway, '/api/audit');
  expect(audit.rows.filter((row) => row.action.startsWith('reprice.')).map((row) => row.action)).toEqual(['reprice.end', 'reprice.begin', 'reprice.end', 'reprice.begin']);

  await gateway.stop('SIGKILL');
  gateway = await startGateway({ config: config(), dataDir: join(folder, 'data') });
  await settled(gateway);
  await everywhere();
  expect(await tollgate(['verify', '--url', gateway.adminUrl])).toMatchObject({ code: 0, out: expect.stringContaining('Every figure is what its rows give.') });
});
