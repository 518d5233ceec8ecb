// test/flow/one-truth.test.ts: after a mixed run, the provider's own log priced by an independent calculation, the ledger, every report, the exports, the metrics, the budgets and the dashboard say one thing, before and after a kill, to the nano-dollar.

import { DateTime } from 'luxon';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionsAnswer, BudgetsAnswer, RequestAnswer, RequestRow, StatementAnswer, TokenCounts, UsageAnswer, UsageFigures } from '../../server/http/admin/wire.ts';
import { oracleNanos, ORACLE_MODELS, type OracleTurn } from '../price/oracle.ts';
import type { RecordedRequest } from '../standin/standin.ts';
import { launchChromium } from '../browser/chromium.ts';
import { startGateway } from './gateway.ts';
import { mixedRun } from './mixed-run.ts';
import { LATELY, ask, baseConfig, budgetsOf, count, eventually, ledgerRows, nanos, scrape, settled, startScene, verified, type Sample, type Scene } from './scene.ts';

const ZONE = 'Europe/Berlin';
const KINDS = ['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output'] as const;

let scene: Scene;
let config: Record<string, unknown>;
let rows: RequestRow[];
let sent: number;

beforeAll(async () => {
  config = {
    timezone: ZONE,
    workspaces: [
      { id: 'support', models: { deny: ['claude-opus-4-7'] }, workflows: [{ id: 'ticket-triage' }, { id: 'reply-draft' }] },
      { id: 'engineering', models: { deny: ['claude-opus-4-7'] }, open_workflows: true },
    ],
    budgets: [
      { id: 'all', scope: { organization: true }, limit_usd: 500, period: 'year', mode: 'soft' },
      { id: 'support', scope: { workspace: 'support' }, limit_usd: 500, period: 'year' },
      { id: 'triage', scope: { workspace: 'support', workflow: 'ticket-triage' }, limit_usd: 500, period: 'year' },
      { id: 'key', scope: { key: 'engineering-any' }, limit_usd: 500, period: 'year' },
      { id: 'ada', scope: { user: 'ada' }, limit_usd: 500, period: 'year' },
      { id: 'haiku', scope: { model: 'claude-haiku-4-5' }, limit_usd: 500, period: 'year' },
    ],
  };
  scene = await startScene(config);
  sent = await mixedRun(scene.gateway.dataUrl, scene.standin, { rounds: 10, atOnce: 24 });
  await scene.standin.idle();
  await settled(scene.gateway);
  rows = await ledgerRows(scene.gateway, '', 97);
});
afterAll(() => scene.close());

const sum = (of: readonly RequestRow[], figure: (row: RequestRow) => bigint): bigint => of.reduce((total, row) => total + figure(row), 0n);
const cost = (row: RequestRow): bigint => nanos(row.cost_usd);
const tokens = (of: readonly RequestRow[]): TokenCounts => Object.fromEntries(KINDS.map((kind) => [kind, of.reduce((total, row) => total + row.tokens[kind], 0)])) as TokenCounts;

/** What the provider will put on its bill for one call. */
function billed({ response }: RecordedRequest): bigint {
  const usage = response.billed as (NonNullable<RecordedRequest['response']['billed']> & { iterations?: readonly Iteration[] }) | null;
  if (usage === null) return 0n;
  const turn = (model: string, of: Iteration): OracleTurn => ({
    model: ORACLE_MODELS.find((m) => m.id === model || m.aliases.includes(model))!.id,
    input_tokens: of.input_tokens,
    write_5m: of.cache_creation?.ephemeral_5m_input_tokens ?? 0,
    write_1h: of.cache_creation?.ephemeral_1h_input_tokens ?? 0,
    read: of.cache_read_input_tokens ?? 0,
    output_tokens: of.output_tokens,
  });
  const served = response.model!;
  return oracleNanos({
    turns: usage.iterations?.map((one) => turn(one.model ?? served, one)) ?? [turn(served, usage)],
    searches: usage.server_tool_use?.web_search_requests ?? 0,
    batch: false,
    fast: usage.speed === 'fast',
    us: usage.inference_geo === 'us',
  });
}
interface Iteration {
  readonly model?: string | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_input_tokens: number | null;
  readonly cache_creation: { readonly ephemeral_5m_input_tokens: number; readonly ephemeral_1h_input_tokens: number } | null;
}

test('the run was a mixed one', () => {
  const outcomes = new Set(rows.map((row) => row.outcome));
  expect([...outcomes].sort()).toEqual(['client_abort', 'client_error', 'ok', 'refused', 'truncated', 'upstream_error', 'upstream_protocol', 'upstream_reset']);
  expect(rows.length).toBeGreaterThan(300);
  expect(new Set(rows.map((row) => row.id)).size).toBe(rows.length);
  expect(rows.filter((row) => (row.client_retry ?? 0) > 0).length).toBeGreaterThan(10);
});

test('every request that the provider saw is one attempt of one row, and no row is open', () => {
  expect(rows.filter((row) => row.ended_at === null)).toEqual([]);
  expect(rows.reduce((total, row) => total + row.attempts, 0)).toBe(scene.standin.requests());
  const ids = rows.flatMap((row) => row.upstream_request_id ?? []);
  expect(new Set(ids).size).toBe(ids.length);
  const unseen = scene.standin.log.filter((request) => !ids.includes(request.id));
  // The only ones whose id nobody heard: reset before their headers, or left before them by the client.
  expect(unseen.every((request) => request.response.status === null)).toBe(true);
  expect(rows.filter((row) => row.attempts === 1 && row.upstream_request_id === null)).toHaveLength(unseen.length);
});

test('every row costs what the provider bills, to the nano-dollar, unless it says that it is an estimate', () => {
  const byId = new Map(scene.standin.log.map((request) => [request.id, request]));
  const exact = rows.filter((row) => !row.estimated);
  const wrong = exact.filter((row) => {
    const request = row.upstream_request_id === null ? null : byId.get(row.upstream_request_id);
    const due = request && ['messages', 'chat_completions'].includes(row.endpoint) ? billed(request) : 0n;
    return due !== cost(row);
  });
  expect(wrong.slice(0, 3)).toEqual([]);
  expect(sum(exact, cost)).toBe(scene.standin.log.filter((request) => exact.some((row) => row.upstream_request_id === request.id)).reduce((total, request) => total + billed(request), 0n));
  expect(exact.filter((row) => cost(row) > 0n).length).toBeGreaterThan(200);
});

test('an estimate stands exactly where the provider\'s last count never came, and is never nothing', () => {
  const byId = new Map(scene.standin.log.map((request) => [request.id, request]));
  const lacking = new Set(scene.standin.log.filter(({ response, url, body }) => {
    if (response.status === null || response.status >= 400 || response.billed === null || !/^\/v1\/(messages|chat\/completions)$/.test(url)) return response.status === null;
    const told = response.usage !== null && response.usage.output_tokens === response.billed.output_tokens;
    return !told || (response.ending !== 'complete' && JSON.parse(body.toString()).stream === true && response.body.indexOf('message_stop') === -1) || !/usage/.test(response.body.toString());
  }).map((request) => request.id));
  const estimated = rows.filter((row) => row.estimated);
  expect(estimated.length).toBeGreaterThan(20);
  expect(estimated.filter((row) => cost(row) === 0n)).toEqual([]);
  for (const row of estimated) if (row.upstream_request_id !== null) expect({ row, lacks: lacking.has(byId.get(row.upstream_request_id)!.id) }).toMatchObject({ lacks: true });
  // The prompt of a stream that began is known, whatever became of it.
  for (const row of estimated) {
    const usage = row.upstream_request_id === null ? null : byId.get(row.upstream_request_id)!.response.usage;
    if (usage) expect(row.tokens.input).toBe(usage.input_tokens);
  }
});

const figures = (of: readonly RequestRow[]): Omit<UsageFigures, 'duration_ms' | 'ttft_ms'> => ({
  requests: of.length,
  attempts: of.reduce((total, row) => total + row.attempts, 0),
  refused: of.filter((row) => row.outcome === 'refused').length,
  errors: of.filter((row) => !['ok', 'truncated', 'refused', 'client_abort'].includes(row.outcome!)).length,
  tokens: tokens(of),
  web_searches: of.reduce((total, row) => total + row.server_tools.web_search, 0),
  cost_usd: usd(sum(of, cost)),
  estimated_cost_usd: usd(sum(of, (row) => (row.estimated ? cost(row) : 0n))),
  cache_savings_usd: usd(sum(of, (row) => nanos(row.cache_savings_usd))),
});
const usd = (amount: bigint): string => {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(10, '0');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`;
};
const alike = ({ duration_ms: _d, ttft_ms: _t, ...rest }: UsageFigures): object => rest;

test('the total of every report is the sum of the rows', async () => {
  for (const by of ['', 'workspace', 'workflow', 'user', 'model', 'key', 'outcome', 'hour', 'day', 'month', 'workspace,workflow,user,model,key,outcome', 'day,model', 'hour,workspace,outcome']) {
    const report = await ask<UsageAnswer>(scene.gateway, `/api/usage?${LATELY}&limit=10000&group_by=${by}`);
    expect({ by, ...alike(report.total) }).toEqual({ by, ...figures(rows) });
    expect(report.rows.reduce((total, row) => total + nanos(row.cost_usd), 0n)).toBe(sum(rows, cost));
    expect(report.rows.reduce((total, row) => total + row.requests, 0)).toBe(rows.length);
  }
});

const starts = { hour: 'hour', day: 'day', month: 'month' } as const;
const groups: Record<string, (row: RequestRow) => string | null> = {
  workspace: (row) => row.workspace,
  workflow: (row) => row.workflow,
  user: (row) => row.user,
  key: (row) => row.key_id,
  outcome: (row) => row.outcome,
  ...Object.fromEntries(Object.keys(starts).map((unit) => [unit, (row: RequestRow) => DateTime.fromISO(row.admitted_at, { zone: ZONE }).startOf(unit as keyof typeof starts).toUTC().toISO()])),
};

test.each(Object.keys(groups))('every line of the report by %s is the sum of its rows', async (by) => {
  const report = await ask<UsageAnswer>(scene.gateway, `/api/usage?${LATELY}&group_by=${by}`);
  const expected = new Map<string | null, RequestRow[]>();
  for (const row of rows) expected.set(groups[by]!(row), [...(expected.get(groups[by]!(row)) ?? []), row]);
  const told = Object.fromEntries(report.rows.map(({ last_at: lastAt, ...row }) => {
    if (by === 'user' && row.user !== null) expect(lastAt).toBe(expected.get(row.user ?? null)?.map((one) => one.admitted_at).toSorted().at(-1));
    return [String(row[by as 'workspace']), alike(row)];
  }));
  expect(told).toEqual(Object.fromEntries([...expected].map(([value, of]) => [String(value), { [by]: value, ...figures(of) }])));
});

test('every line of the report by model is the sum of the rows that the same filter finds', async () => {
  const report = await ask<UsageAnswer>(scene.gateway, `/api/usage?${LATELY}&group_by=model`);
  expect(report.rows.length).toBeGreaterThan(6);
  for (const { model, ...line } of report.rows) {
    const found = await ledgerRows(scene.gateway, `&model=${encodeURIComponent(model ?? '')}`);
    expect({ model, ...alike(line) }).toEqual({ model, ...figures(found) });
  }
});

/** Quoted cells as RFC 4180 has them. */
function csv(text: string): Record<string, string>[] {
  const lines = text.replace(/^\uFEFF/, '').split('\r\n').filter((line) => line !== '').map((line) => [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].slice(0, -1 + (line.endsWith(',') ? 1 : 0) || undefined).map((cell) => cell[1]!.replace(/^"|"$/g, '').replaceAll('""', '"')));
  const [names, ...cells] = lines;
  return cells.map((line) => Object.fromEntries(names!.map((name, at) => [name, line[at] ?? ''])));
}

test('the exports hold what the tables show', async () => {
  const requests = csv(await (await fetch(`${scene.gateway.adminUrl}/api/export/requests.csv?${LATELY}`)).text());
  expect(requests.map((line) => ({ id: line['id'], cost: line['cost_usd'], held: line['held_usd'], output: line['output_tokens'], outcome: line['outcome'] }))).toEqual(
    rows.map((row) => ({ id: row.id, cost: row.cost_usd, held: row.held_usd, output: String(row.tokens.output), outcome: row.outcome })),
  );
  const usage = csv(await (await fetch(`${scene.gateway.adminUrl}/api/export/usage.csv?${LATELY}&group_by=workspace,workflow,user,model,key,outcome`)).text());
  expect(usage.reduce((total, line) => total + nanos(line['cost_usd']!), 0n)).toBe(sum(rows, cost));
  expect(usage.reduce((total, line) => total + Number(line['requests']), 0)).toBe(rows.length);
  for (const kind of KINDS) expect(usage.reduce((total, line) => total + Number(line[`${kind}_tokens`]), 0)).toBe(tokens(rows)[kind]);
});

test('FOCUS rows, statements and actions add up to the ledger, to the nano-dollar and in cents', async () => {
  const focus = csv(await (await fetch(`${scene.gateway.adminUrl}/api/export/focus.csv?${LATELY}&grain=hour`)).text());
  for (const column of ['BilledCost', 'ContractedCost', 'EffectiveCost', 'ListCost']) expect({ column, sum: focus.reduce((total, line) => total + nanos(line[column]!), 0n) }).toEqual({ column, sum: sum(rows, cost) });
  for (const workspace of new Set(rows.map((row) => row.workspace))) {
    const own = rows.filter((row) => row.workspace === workspace);
    expect(focus.filter((line) => line['SubAccountId'] === workspace).reduce((total, line) => total + nanos(line['BilledCost']!), 0n)).toBe(sum(own, cost));
    const month = await Promise.all([...new Set(own.map((row) => DateTime.fromISO(row.admitted_at, { zone: ZONE }).toFormat('yyyy-MM')))].map((one) => ask<StatementAnswer>(scene.gateway, `/api/statement?workspace=${workspace}&month=${one}`)));
    expect(month.reduce((total, one) => total + nanos(one.total_usd), 0n)).toBe(sum(own, cost));
    expect(month.reduce((total, one) => total + nanos(one.estimated_usd), 0n)).toBe(sum(own.filter((row) => row.estimated), cost));
    for (const one of month) {
      expect(one.lines.reduce((total, line) => total + nanos(line.amount_usd), 0n)).toBe(nanos(one.total_usd));
      expect(one.lines.reduce((total, line) => total + BigInt(line.amount_cents_usd.replace('.', '')), 0n)).toBe(BigInt(one.total_cents_usd.replace('.', '')));
      const written = csv(await (await fetch(`${scene.gateway.adminUrl}/api/export/statement.csv?workspace=${workspace}&month=${one.month}`)).text());
      expect(written.map((line) => line['amount_usd'])).toEqual(one.lines.map((line) => line.amount_usd));
    }
  }
  const actions = await ask<ActionsAnswer>(scene.gateway, `/api/actions?${LATELY}&group_by=workspace,workflow`);
  expect(nanos(actions.total.cost_usd)).toBe(sum(rows, cost));
  expect(actions.total.calls).toBe(rows.filter((row) => row.outcome !== 'refused').length);
});

/** The decimal as written, times 10^30: exact. */
function exactly(text: string): bigint {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text);
  if (!match) throw new Error(`not a decimal: ${text}`);
  const [, whole = '', part = '', exponent = '0'] = match;
  const shift = 30 - part.length + Number(exponent);
  return BigInt(whole + part) * 10n ** BigInt(shift);
}

test('the metrics are the sums of the rows: calls, tokens and money', async () => {
  const of = (samples: readonly Sample[], name: string): Sample[] => samples.filter((sample) => sample.name === name);
  const samples = await eventually('a scrape that is younger than the last call', async () => {
    const fresh = await scrape(scene.gateway);
    return count(fresh, 'tollgate_requests_total') === rows.length ? fresh : null;
  });
  expect(count(samples, 'tollgate_requests_total') + count(samples, 'tollgate_turned_away_total')).toBe(sent + rows.filter((row) => (row.client_retry ?? 0) > 0).length);
  for (const kind of KINDS) expect({ kind, tokens: count(samples, 'tollgate_tokens_total', { kind }) }).toEqual({ kind, tokens: tokens(rows)[kind] });
  // The lines of a row are exact to the pico-dollar; its cost is their sum, rounded up to the nano-dollar.
  const answers: RequestAnswer[] = [];
  for (const row of rows) answers.push(await ask<RequestAnswer>(scene.gateway, `/api/requests/${row.id}`));
  const lines = answers.reduce((total, answer) => total + BigInt(answer.cost_lines_usd.replace('.', '')), 0n);
  expect(answers.filter((answer) => (BigInt(answer.cost_lines_usd.replace('.', '')) + 999n) / 1000n !== cost(answer.request)).map((answer) => answer.cost_note)).toEqual([]);
  const metrics = of(samples, 'tollgate_cost_usd_total').reduce((total, sample) => total + exactly(sample.text), 0n);
  const due = lines * 10n ** 18n;
  const off = metrics > due ? metrics - due : due - metrics;
  expect(off * 10n ** 12n <= due).toBe(true);
  const toNano = (amount: bigint): bigint => (amount + 5n * 10n ** 20n) / 10n ** 21n;
  expect(toNano(metrics)).toBe(toNano(due));
  expect(sum(rows, cost) - toNano(due)).toBeLessThan(BigInt(rows.length));
});

const inBudget: Record<string, (row: RequestRow) => boolean> = {
  all: () => true,
  support: (row) => row.workspace === 'support',
  triage: (row) => row.workspace === 'support' && row.workflow === 'ticket-triage',
  key: (row) => row.key_id === 'engineering-any',
  ada: (row) => row.user === 'ada',
  haiku: (row) => row.model_requested === 'claude-haiku-4-5',
};

function expectBudgets(told: BudgetsAnswer): void {
  expect(Object.fromEntries(told.rows.map((row) => [row.id, { spent: row.spent_usd, held: row.held_usd }]))).toEqual(
    Object.fromEntries(Object.entries(inBudget).map(([id, covers]) => [id, { spent: usd(sum(rows.filter(covers), cost)), held: '0.000000000' }])),
  );
}

test('every budget has spent the sum of its rows, and holds nothing', async () => {
  expectBudgets(await budgetsOf(scene.gateway));
  const samples = await scrape(scene.gateway);
  for (const [id, covers] of Object.entries(inBudget)) {
    const gauge = samples.find((sample) => sample.name === 'tollgate_budget_spent_usd' && sample.labels['budget'] === id)!;
    expect(BigInt(Math.round(Number(gauge.text) * 1e9))).toBe(sum(rows.filter(covers), cost));
  }
});

test('more questions at once than the reports can take are put off, not failed', async () => {
  const answers = await Promise.all(Array.from({ length: 150 }, () => fetch(`${scene.gateway.adminUrl}/api/requests/${rows[0]!.id}`)));
  const put = answers.filter((answer) => answer.status !== 200);
  expect(put.map((answer) => [answer.status, answer.headers.get('retry-after')])).toEqual(put.map(() => [503, '2']));
  expect(put.length).toBeLessThan(150);
});

/** Refused calls and free endpoints have no price, and nothing to work out. */
const priced = (row: RequestRow): boolean => row.price_version !== null;
const sound = () => ({ state: 'done', calls: rows.filter(priced).length, cost_usd: usd(sum(rows, cost)), estimated_cost_usd: usd(sum(rows, (row) => (row.estimated ? cost(row) : 0n))), budgets: 6, drift: 0, examples: [] });

test('the ledger, its roll-ups and its budgets are what a recomputation from raw usage gives', async () => {
  expect(await verified(scene.gateway)).toMatchObject(sound());
  expect(rows.filter((row) => !priced(row) && cost(row) > 0n)).toEqual([]);
});

test('the dashboard shows the sum of the rows, to the nano-dollar, and how many calls it is of', async () => {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`${scene.gateway.adminUrl}/`);
    const figure = (name: string) => page.locator('.card', { has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('.card-figure');
    await figure('Spend').waitFor();
    expect(await figure('Spend').getAttribute('title')).toBe(`$${usd(sum(rows, cost))}`);
    expect(Number((await figure('Requests').getAttribute('title'))!.replaceAll(',', ''))).toBe(rows.length);
  } finally {
    await browser.close();
  }
});

test.each([{ signal: 'SIGKILL' as const, code: null }, { signal: 'SIGTERM' as const, code: 0 }])('an end by $signal and a new start change no figure', async ({ signal, code }) => {
  const before = await ask<UsageAnswer>(scene.gateway, `/api/usage?${LATELY}&group_by=workspace,model`);
  expect(await scene.gateway.stop(signal)).toBe(code);
  const again = await startGateway({ config: { ...baseConfig(scene.standin.url), ...config }, dataDir: scene.gateway.dataDir });
  scene = { ...scene, gateway: again, close: joined(again.close, scene.close) };
  expectBudgets(await budgetsOf(again));
  expect(await ledgerRows(again)).toEqual(rows);
  const after = await ask<UsageAnswer>(again, `/api/usage?${LATELY}&group_by=workspace,model`);
  expect({ rows: after.rows, total: after.total }).toEqual({ rows: before.rows, total: before.total });
  expect(await verified(again)).toMatchObject(sound());
});

const joined = (first: () => Promise<void>, then: () => Promise<void>) => async (): Promise<void> => {
  await first();
  await then();
};
