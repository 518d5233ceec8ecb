// test/admin/answers.test.ts: what the admin API answers over a ledger with known rows; every answer fits its own schema.

import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { LedgerUnavailable, type OpenEntry } from '../../server/domain/ledger.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { NO_SERVER_TOOLS } from '../../server/domain/usage.ts';
import { encodeMarks } from '../../server/identify/prompt-marks.ts';
import { ROUTES } from '../../server/http/admin/routes.ts';
import type * as wire from '../../server/http/admin/wire.ts';
import { attempt, caller, cost, NOON, openEntry, price, refusedEntry, settlement, tokens } from '../store/samples.ts';
import { adminGateway, type AdminGateway } from './gateway.ts';

let gateway: AdminGateway;

beforeAll(async () => {
  gateway = await adminGateway();
  const { ledger, clock } = gateway;
  const opened = async (id: string, at: number, workflow: string, more: Partial<OpenEntry> = {}) => ledger.open(openEntry(id, { admittedAt: epochMs(at), caller: caller({ workflow }), ...more }));
  const told = { limits: [{ dimension: 'requests' as const, limit: 4000, remaining: 3999, resetAt: epochMs(NOON + 30_000) }, { dimension: 'output_tokens' as const, limit: 80_000, remaining: 0, resetAt: null }], retryAfterSeconds: null };
  // 1,000 input tokens at 1.00 and 50 output tokens at 5.00 US dollars per million.
  await opened('req_exact', NOON - 7_200_000, 'triage');
  await ledger.settle(settlement('req_exact', { endedAt: epochMs(NOON - 7_198_000), cost: cost({ total: nanodollars(1_250_000n), tokens: tokens(1000, 50), serverTools: NO_SERVER_TOOLS, inferenceGeo: null, cacheSavings: nanodollars(-77n) }), attempts: [attempt(1, { status: 529, outcome: 'upstream_error', errorType: 'overloaded_error', limits: { limits: [], retryAfterSeconds: 1.5 } }), attempt(2, { limits: told })] }));
  await opened('req_cut', NOON - 3_600_000, 'summary', { decisions: [{ rule: 'limit:support/requests', verdict: 'would_refuse', detail: 'support has used its limit' }] });
  await ledger.settle(settlement('req_cut', { outcome: 'upstream_reset', cost: cost({ total: nanodollars(9_000_000n), tokens: tokens(1000, 50), serverTools: NO_SERVER_TOOLS, estimated: true, estimateMethod: 'output from streamed text', inferenceGeo: null }) }));
  await ledger.refuse(refusedEntry('req_no', { admittedAt: epochMs(NOON - 1_800_000), endedAt: epochMs(NOON - 1_799_999), decisions: [{ rule: 'budget:support-month', verdict: 'refuse', detail: 'held 0.1 of 0.2' }] }));
  await opened('req_open', NOON - 60_000, 'triage');
  gateway.state.spent = nanodollars(330_000_000_000n);
  gateway.state.held = nanodollars(24_000_000n);
  await gateway.alerts.look();
  clock.wall = NOON;
});
afterAll(() => gateway.close());

/** The answer, checked against the schema of its route. */
async function get<Answer = wire.ErrorAnswer>(path: string, status = 200): Promise<Answer> {
  const answer = await request(gateway.port.app).get(path);
  expect([answer.status, answer.status === status ? '' : answer.text]).toEqual([status, '']);
  const route = ROUTES.find((r) => r.method === 'get' && new RegExp(`^${r.path.replace(/:\w+/g, '[^/]+')}$`).test(path.split('?')[0] ?? ''));
  if (status < 400 && route && 'name' in route.answer) route.answer.schema.parse(answer.body);
  return answer.body as Answer;
}

test('usage groups, totals, and says what it was asked', async () => {
  const body = await get<wire.UsageAnswer>('/api/usage?group_by=workflow,outcome&from=now-1d&to=now');
  expect([body.from, body.to, body.timezone, body.group_by, body.truncated]).toEqual(['2026-03-03T10:20:30.000Z', '2026-03-04T10:20:30.000Z', 'Europe/Berlin', ['workflow', 'outcome'], false]);
  expect(body.rows.map((row) => [row.workflow, row.outcome, row.cost_usd])).toContainEqual(['summary', 'upstream_reset', '0.009000000']);
  expect(body.total).toMatchObject({ refused: 1, errors: 1, tokens: { input: 2000, output: 100 }, cost_usd: '0.010250000', estimated_cost_usd: '0.009000000' });
});

test('usage by time names the instant at which each begins, and a limit that leaves rows out says so', async () => {
  const hours = await get<wire.UsageAnswer>('/api/usage?group_by=hour&from=now-1d');
  expect(hours.rows.map((row) => row.hour).sort()).toEqual(['2026-03-04T08:00:00.000Z', '2026-03-04T09:00:00.000Z', '2026-03-04T10:00:00.000Z'].slice(0, hours.rows.length));
  const one = await get<wire.UsageAnswer>('/api/usage?group_by=workflow&from=now-1d&limit=1');
  expect([one.rows.length, one.truncated, one.total.cost_usd]).toEqual([1, true, '0.010250000']);
});

test('requests come newest first and page to the end without a gap or a double', async () => {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const body: wire.RequestsAnswer = await get<wire.RequestsAnswer>(`/api/requests?limit=2${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
    ids.push(...body.rows.map((row) => row.id));
    cursor = body.next_cursor;
  } while (cursor !== null);
  expect(ids).toEqual(['req_open', 'req_no', 'req_cut', 'req_exact']);
});

test('filters narrow, and repeat', async () => {
  const ids = async (query: string): Promise<string[]> => (await get<wire.RequestsAnswer>(`/api/requests?${query}`)).rows.map((row) => row.id);
  expect(await ids('outcome=refused&outcome=upstream_reset')).toEqual(['req_no', 'req_cut']);
  expect(await ids('workflow=summary')).toEqual(['req_cut']);
  expect(await ids('user=')).toEqual([]);
});

test('calls are found by what rules said of them, in the list, in its sums and in its export', async () => {
  const found = async (query: string): Promise<unknown[]> => {
    const ids = (await get<wire.RequestsAnswer>(`/api/requests?${query}`)).rows.map((row) => row.id);
    expect((await get<wire.UsageAnswer>(`/api/usage?group_by=outcome&${query}`)).total.requests).toBe(ids.length);
    const csv = (await request(gateway.port.app).get(`/api/export/requests.csv?${query}`)).text.trim().split('\r\n').slice(1);
    expect(csv.map((line) => line.split(',')[0])).toEqual(ids);
    return ids;
  };
  expect(await found('policy=budget:support-month')).toEqual(['req_no']);
  expect(await found('policy=limit:support/requests')).toEqual(['req_cut']);
  expect(await found('policy=limit:support/requests&policy=budget:support-month')).toEqual(['req_no', 'req_cut']);
  expect(await found('verdict=would_refuse&verdict=would_rewrite')).toEqual(['req_cut']);
  expect(await found('policy=budget:support-month&verdict=would_refuse')).toEqual([]);
  // An alias that was resolved is no verdict.
  expect(await found('policy=models:support')).toEqual([]);
});

test('what rules said is counted by rule and time, and exported as it is answered', async () => {
  const body = await get<wire.VerdictsAnswer>('/api/verdicts?group_by=workflow,day&from=now-1d');
  expect(body.rows.map(({ policy, verdict, workflow, day, calls }) => [policy, verdict, workflow, day, calls]).toSorted()).toEqual([
    ['budget:support-month', 'refuse', 'triage', '2026-03-03T23:00:00.000Z', 1], ['limit:support/requests', 'would_refuse', 'summary', '2026-03-03T23:00:00.000Z', 1],
  ]);
  expect([body.total, (await get<wire.VerdictsAnswer>('/api/verdicts?verdict=refuse&from=now-1d')).total]).toEqual([2, 1]);
  const csv = (await request(gateway.port.app).get('/api/export/verdicts.csv?group_by=workflow&verdict=would_refuse&from=now-1d')).text;
  expect(csv).toBe('workflow,policy,verdict,calls\r\nsummary,limit:support/requests,would_refuse,1\r\n');
  expect((await get<wire.FacetsAnswer>('/api/facets?from=now-1d')).policy.toSorted()).toEqual(['budget:support-month', 'limit:support/requests']);
});

test('one request shows its tries, its decisions, and a bill that sums to its cost', async () => {
  const body = await get<wire.RequestAnswer>('/api/requests/req_exact');
  expect(body.cost_lines.map((line) => [line.kind, line.quantity, line.unit_price_usd, line.amount_usd])).toEqual([
    ['input', 1000, '0.000001000000', '0.001000000000'],
    ['output', 50, '0.000005000000', '0.000250000000'],
  ]);
  expect([body.cost_lines_usd, body.request.cost_usd, body.cost_note]).toEqual(['0.001250000000', '0.001250000', null]);
  expect(body.cost_lines[0]).toMatchObject({ source: 'a price list', price_version: price('claude-haiku-4-5').version });
  expect(body.attempts.map((a) => [a.number, a.status, a.error_type])).toEqual([[1, 529, 'overloaded_error'], [2, 200, null]]);
  expect(body.decisions[0]).toEqual({ rule: 'models:support', verdict: 'rewrite', detail: 'fast is claude-haiku-4-5' });
});

test('one request tells the limits of each answer, none where it told none, and null where nobody read them', async () => {
  const { attempts } = await get<wire.RequestAnswer>('/api/requests/req_exact');
  expect(attempts.map((one) => one.limits)).toEqual([
    { rows: [], retry_after_s: 1.5 },
    { rows: [{ dimension: 'requests', limit: 4000, remaining: 3999, reset_at: '2026-03-04T10:21:00.000Z' }, { dimension: 'output_tokens', limit: 80_000, remaining: 0, reset_at: null }], retry_after_s: null },
  ]);
  expect((await get<wire.RequestAnswer>('/api/requests/req_cut')).attempts.map((one) => one.limits)).toEqual([null]);
});

describe('traces', () => {
  const LONG_AGO = NOON - 300 * 86_400_000;
  const range = `from=${LONG_AGO - 1}&to=${LONG_AGO + 3_600_000}`;
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
  beforeAll(async () => {
    const { ledger } = gateway;
    for (const [id, second, traceId, stopReason] of [['req_t1', 0, TRACE, 'tool_use'], ['req_t2', 1, TRACE, 'end_turn'], ['req_t3', 2, '0af7651916cd43dd8448eb211c80319c', 'end_turn'], ['req_t4', 3, null, 'end_turn']] as const) {
      await ledger.open(openEntry(id, { admittedAt: epochMs(LONG_AGO + second * 1_000), caller: caller({ workflow: 'summary' }), traceId }));
      await ledger.settle(settlement(id, { endedAt: epochMs(LONG_AGO + second * 1_000 + 1_900), stopReason, cost: cost({ total: nanodollars(BigInt(second + 1) * 1_000_000n) }) }));
    }
    await ledger.refuse(refusedEntry('req_t5', { admittedAt: epochMs(LONG_AGO + 4_000), endedAt: epochMs(LONG_AGO + 4_001), caller: caller({ workflow: 'summary' }), traceId: TRACE }));
  });

  test('a trace is a filter of requests, refused ones included, and a field of each', async () => {
    const { rows } = await get<wire.RequestsAnswer>(`/api/requests?${range}&trace=${TRACE.toUpperCase()}`);
    expect(rows.map((row) => [row.id, row.trace_id])).toEqual([['req_t5', TRACE], ['req_t2', TRACE], ['req_t1', TRACE]]);
    expect((await get<wire.RequestAnswer>('/api/requests/req_t4')).request.trace_id).toBe(null);
    expect((await get<wire.UsageAnswer>(`/api/usage?${range}&trace=${TRACE}&trace=0af7651916cd43dd8448eb211c80319c`)).total).toMatchObject({ requests: 4, refused: 1, cost_usd: '0.006000000' });
    for (const bad of ['x', TRACE.slice(1), `${TRACE}0`, '']) expect((await get(`/api/requests?trace=${bad}`, 400)).error.message).toMatch(/32 hexadecimal digits/);
  });

  test('the steps of a workflow are the first calls of its traces, the second ones, and what they cost', async () => {
    const body = await get<wire.StepsAnswer>(`/api/steps?${range}&workspace=support&workflow=summary`);
    expect({ traces: body.traces, calls: body.calls, most: body.most_traces, counted: body.counted_from === body.from }).toEqual({ traces: 2, calls: 3, most: 1000, counted: true });
    expect(body.rows[0]).toEqual({
      step: 1, calls: 2, traces: 2, model: 'claude-haiku-4-5-20251001', model_calls: 2, tool_use_calls: 1, cost_usd: { p50: '0.001000000', p95: '0.003000000' }, tokens: { p50: 5073, p95: 5073 },
      duration_ms: { p50: 1900.5, p95: 1900.5 }, dearest_trace: '0af7651916cd43dd8448eb211c80319c',
    });
    expect(body.rows[1]).toMatchObject({ step: 2, calls: 1, traces: 1, tool_use_calls: 0, dearest_trace: TRACE });
    expect(body.rows).toHaveLength(2);
    expect((await get('/api/steps?workspace=support', 400)).error.message).toMatch(/workflow/);
  });
});

describe('the prompt of one request', () => {
  const LONG_AGO = NOON - 200 * 86_400_000;
  const marks = (question: string, bytes: number): string => encodeMarks({
    cacheTtl: '5m', thinking: false, unbounded: false, automatic: false, maxTokens: 64, messages: 1, body: question.padEnd(11, '-'),
    marks: [{ part: 'system', breakpoint: true, bytes: 800, hash: 'the-policies' }, { part: 'messages', breakpoint: false, bytes, hash: question.padEnd(11, '-') }],
  });
  const used = (cacheWrite5m: number, cacheRead: number) => cost({ tokens: { input: 30, cacheWrite5m, cacheWrite1h: 0, cacheRead, output: 5 } });
  beforeAll(async () => {
    const { ledger } = gateway;
    // Long before what the other tests ask about.
    for (const [id, minute, prompt, spent] of [['req_p1', 0, marks('one', 950), used(200, 0)], ['req_p2', 1, marks('two', 900), used(0, 200)], ['req_p3', 9, marks('three', 910), used(200, 0)]] as const) {
      const at = LONG_AGO + minute * 60_000;
      await ledger.open(openEntry(id, { admittedAt: epochMs(at), caller: { ...caller({ workflow: 'summary' }), session: id === 'req_p3' ? 'of-its-own' : 'of-both' } }));
      await ledger.settle(settlement(id, { endedAt: epochMs(at + 2_000), cost: spent, prompt }));
    }
  });

  test('is compared with the call before of its session, boundary by boundary, with what that meant for the cache', async () => {
    expect(await get<wire.PromptAnswer>('/api/requests/req_p2/prompt')).toEqual({
      hashed: true, cache_ttl: '5m', automatic: false, bytes: 900, tokens: { input: 30, cache_write_5m: 0, cache_write_1h: 0, cache_read: 200, output: 5 },
      before: { id: 'req_p1', admitted_at: '2025-08-16T10:20:30.000Z', chosen: 'session', model: 'claude-haiku-4-5', same_model: true, tokens: { input: 30, cache_write_5m: 200, cache_write_1h: 0, cache_read: 0, output: 5 } },
      shared_bytes: 800,
      boundaries: [
        { part: 'system', message: null, prefix: 'the-policie', breakpoint: true, bytes: 800, bytes_before: 800, state: 'same' },
        { part: 'messages', message: 1, prefix: 'two--------', breakpoint: false, bytes: 900, bytes_before: 950, state: 'differs' },
      ],
      cache: 'read',
    });
  });

  test('is compared with the one that shares most where its session has no other', async () => {
    expect(await get<wire.PromptAnswer>('/api/requests/req_p3/prompt')).toMatchObject({ before: { id: 'req_p2', chosen: 'longest' }, shared_bytes: 800, cache: 'lapsed' });
  });

  test('its beginnings find the calls whose prompts begin so', async () => {
    const range = `from=${new Date(LONG_AGO).toISOString()}&to=${new Date(LONG_AGO + 3_600_000).toISOString()}`;
    const found = async (query: string) => (await get<wire.RequestsAnswer>(`/api/requests?${range}&${query}`)).rows.map(({ id }) => id);
    expect(await found('prefix=the-policie')).toEqual(['req_p3', 'req_p2', 'req_p1']);
    expect(await found('prefix=one--------&prefix=three------')).toEqual(['req_p3', 'req_p1']);
    expect(await found('prefix=system00000')).toEqual([]);
    expect((await get<wire.UsageAnswer>(`/api/usage?${range}&prefix=two--------`)).total.requests).toBe(1);
    for (const bad of ['', 'short', 'two-long-hashes', 'two%25%25%25%25%25%25%25%25']) expect((await get(`/api/requests?prefix=${bad}`, 400)).error.message).toContain('eleven');
  });

  test('has nothing to be compared with where it is the first, and no hashes where the call was refused', async () => {
    expect(await get<wire.PromptAnswer>('/api/requests/req_p1/prompt')).toMatchObject({ hashed: true, bytes: 950, before: null, boundaries: [], cache: null });
    expect(await get<wire.PromptAnswer>('/api/requests/req_no/prompt')).toMatchObject({ hashed: false, before: null, boundaries: [], cache: null });
    for (const id of ['req_absent', '%00']) expect((await get(`/api/requests/${id}/prompt`, 404)).error.code).toBe('not_found');
  });
});

test('a bill that does not sum to the cost says why', async () => {
  expect((await get<wire.RequestAnswer>('/api/requests/req_cut')).cost_note).toBe('The cost is an estimate (output from streamed text); the lines show only what was counted.');
  expect((await get<wire.RequestAnswer>('/api/requests/req_no')).cost_note).toBe(null);
});

test('no such request is a 404, whatever the id looks like', async () => {
  for (const id of ['req_absent', '..%2f..%2fetc', '%00', "'%20or%201=1"]) expect((await get(`/api/requests/${id}`, 404)).error.code).toBe('not_found');
});

test('budgets show what is left and which thresholds were reached', async () => {
  const [row] = (await get<wire.BudgetsAnswer>('/api/budgets')).rows;
  expect(row).toEqual({
    id: 'support-month', scope: { workspace: 'support' }, mode: 'hard', dry_run: false, period: { kind: 'month', from: '2026-02-28T23:00:00.000Z', to: '2026-03-31T22:00:00.000Z' },
    limit_usd: '400.000000000', granted_usd: '0.000000000', grants: [], tolerance_usd: '0.000000000', spent_usd: '330.000000000', held_usd: '0.024000000', hold: 'worst_case', expected_usd: '0.024000000', overshoot_usd: '0.000000000', at_risk_usd: '0.000000000', remaining_usd: '69.976000000', refused: null, forecast_usd: null,
    alerts: [{ at: 0.5, state: 'firing', since: '2026-03-04T10:20:30.000Z' }, { at: 0.8, state: 'firing', since: '2026-03-04T10:20:30.000Z' }, { at: 1, state: 'ok', since: null }], notify: ['ops-slack'],
  });
});

test('alerts name what is configured and what fires, and claim no delivery', async () => {
  const body = await get<wire.AlertsAnswer>('/api/alerts');
  expect(body.firing.filter((f) => f.rule === 'budget').map((f) => [f.scope, f.state, f.severity, f.tier, f.value, f.threshold])).toEqual([['support-month', 'firing', 'warning', 2, 330, 320]]);
  expect(body.rules.find((r) => r.rule === 'forecast')).toEqual({ rule: 'forecast', enabled: true, yaml: expect.stringContaining('forecast:') });
  expect([body.delivering, body.deliveries]).toEqual([body.channels.length > 0, []]);
});

test('limits, policies, prices, facets and status fit their schemas and hold no secret', async () => {
  const limits = await get<wire.LimitsAnswer>('/api/limits');
  expect([limits.provider[0]?.remaining, limits.own[0]?.scope]).toEqual([1000, 'support/triage']);
  const policies = await get<wire.PoliciesAnswer>('/api/policies');
  expect(policies.workspaces[0]).toMatchObject({ id: 'support', models: { allow: ['claude-haiku-4-5', 'claude-opus-*'], alias: { fast: 'claude-haiku-4-5' } } });
  const prices = await get<wire.PricesAnswer>('/api/prices');
  expect(prices.rows.map((row) => [row.effective_from, row.in_force])).toEqual([['2025-10-01T00:00:00.000Z', true], ['2027-01-01T00:00:00.000Z', false]]);
  expect([prices.rows[0]?.usd_per_mtok.standard.input, prices.rows[0]?.usd_per_mtok.batch.output, prices.rows[0]?.web_search_fee_usd]).toEqual(['1.000000', '2.500000', '0.010000000000']);
  expect((await get<wire.FacetsAnswer>('/api/facets')).workspace).toEqual(['support']);
  const shapes = await get<wire.ShapesAnswer>('/api/shapes');
  expect(shapes.sizes.reduce((sum, step) => sum + step.answers, 0)).toBeLessThanOrEqual(shapes.calls);
  expect(shapes.calls).toBe((await get<wire.UsageAnswer>('/api/usage')).total.requests - (await get<wire.UsageAnswer>('/api/usage')).total.refused);
  const reasons = await get<wire.ReasonsAnswer>('/api/reasons?group_by=workspace,day');
  expect(reasons.rows.filter((row) => row.outcome === 'refused').reduce((sum, row) => sum + row.calls, 0)).toBe((await get<wire.UsageAnswer>('/api/usage')).total.refused);
  const status = await get<wire.StatusAnswer>('/api/status');
  expect(status).toMatchObject({ ready: true, provider_key_configured: true, first_run: { has_traffic: true, has_workspaces: true, has_budgets: true }, pricing: { cost_usd: '0.010250000', exact_ratio: 0.121951 } });
  expect(JSON.stringify([limits, policies, prices, status])).not.toContain('sk-ant');
});

describe('keys', () => {
  const send = (method: 'post' | 'delete', path: string, body: object = {}) => request(gateway.port.app)[method](path).set('content-type', 'application/json').send(method === 'post' ? JSON.stringify(body) : undefined);
  test('are issued with a secret shown once, rotated, revoked, and audited', async () => {
    const made = await send('post', '/api/keys', { id: 'mobile', workspace: 'support', workflow: 'triage', expires_at: '2027-01-01T00:00:00Z' });
    expect([made.status, made.body.key.state, made.headers['cache-control']]).toEqual([201, 'active', 'no-store']);
    const { secret } = made.body;
    const listed = await get<wire.KeysAnswer>('/api/keys');
    expect(listed.rows.map((row) => row.id)).toContain('mobile');
    expect(JSON.stringify(listed)).not.toContain(secret);
    const turned = await send('post', '/api/keys/mobile/rotate');
    expect([turned.status, turned.body.secret === secret]).toEqual([200, false]);
    const gone = await send('delete', '/api/keys/mobile');
    expect([gone.status, gone.body.key.state]).toEqual([200, 'revoked']);
    const found = await get<wire.KeysAnswer>('/api/keys?workspace=support&workflow=triage');
    expect(found.rows.map(({ id, workflow }) => ({ id, workflow }))).toContainEqual({ id: 'mobile', workflow: 'triage' });
    expect(found.rows.every(({ workspace, workflow }) => workspace === 'support' && workflow === 'triage')).toBe(true);
    expect((await get<wire.KeysAnswer>('/api/keys?key=mobile&key=nobody')).rows.every(({ id }) => id === 'mobile')).toBe(true);
    expect((await get<wire.KeysAnswer>('/api/keys?workspace=nowhere')).rows).toEqual([]);
    const revocations = await get<wire.AuditAnswer>('/api/audit?action=key.revoke&action=key.rotate');
    expect(new Set(revocations.rows.map(({ action }) => action))).toEqual(new Set(['key.revoke', 'key.rotate']));
    expect((await get<wire.AuditAnswer>('/api/audit?actor=stranger')).rows).toEqual([]);
    const { rows } = await get<wire.AuditAnswer>('/api/audit?limit=3');
    expect(rows.map((row) => [row.action, row.subject, row.actor])).toEqual([['key.revoke', 'mobile', 'local'], ['key.rotate', 'mobile', 'local'], ['key.create', 'mobile', 'local']]);
    expect(JSON.stringify(rows)).not.toContain(secret);
  });
  test('are listed in pages that meet', async () => {
    for (const id of ['page-a', 'page-b', 'page-c']) await send('post', '/api/keys', { id, workspace: 'support' });
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const body: wire.KeysAnswer = await get<wire.KeysAnswer>(`/api/keys?limit=1${cursor === null ? '' : `&cursor=${cursor}`}`);
      ids.push(...body.rows.map((row) => row.id));
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(ids).toEqual([...ids].sort());
    expect(ids.filter((id) => id.startsWith('page-'))).toEqual(['page-a', 'page-b', 'page-c']);
  });
  test.each([
    [{ id: 'page-a', workspace: 'support' }, 409, 'taken'],
    [{ id: 'new', workspace: 'nowhere' }, 400, 'unknown_workspace'],
    [{ id: 'New Key', workspace: 'support' }, 400, 'bad_body'],
    [{ id: 'new' }, 400, 'bad_body'],
    [{ id: 'new', workspace: 'support', owner: 'me' }, 400, 'bad_body'],
    [{ id: 'new', workspace: 'support', expires_at: '2020-01-01T00:00:00Z' }, 400, 'bad_body'],
    [{ id: 'new', workspace: 'support', expires_at: 'tomorrow' }, 400, 'bad_body'],
  ])('%o is refused with %i %s', async (body, status, code) => {
    const answer = await send('post', '/api/keys', body);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
  });
  test('that nobody knows cannot be rotated or revoked', async () => {
    expect((await send('post', '/api/keys/nobody/rotate')).status).toBe(404);
    expect((await send('delete', '/api/keys/nobody')).status).toBe(404);
    expect((await send('delete', '/api/keys/NO%2f..')).status).toBe(404);
  });
});

test.each([
  ['/api/usage?group_by=workflw', 'group_by: unknown grouping "workflw"; did you mean workflow?'],
  ['/api/usage?group_by=day,day', 'group_by: "day" is named twice'],
  ['/api/usage?groupby=day', 'unknown parameter "groupby"; did you mean group_by?'],
  ['/api/usage?__proto__=1', 'unknown parameter "__proto__"'],
  ['/api/usage?limit=10001', 'limit: expected a whole number from 1 to 10000, found "10001"'],
  ['/api/usage?limit=0', 'limit: expected a whole number from 1 to 10000, found "0"'],
  ['/api/usage?limit=9999999999', 'limit: expected a whole number from 1 to 10000, found "9999999999"'],
  ['/api/usage?limit=ten', 'limit: expected a whole number from 1 to 10000, found "ten"'],
  ['/api/usage?limit=1.5', 'limit: expected a whole number from 1 to 10000, found "1.5"'],
  ['/api/prices/check?max_age_days=0', 'max_age_days: expected a whole number from 1 to 10000, found "0"'],
  ['/api/usage?from=yesterday', 'from: expected ISO 8601, milliseconds since the epoch, now or now-7d (units s m h d w), found "yesterday"'],
  ['/api/usage?from=now&to=now-1d', 'from: expected an instant before to'],
  ['/api/usage?from=now-1d&from=now-2d', 'from: expected one value, found 2'],
  ['/api/requests?limit=1001', 'limit: expected a whole number from 1 to 1000, found "1001"'],
  ['/api/requests?outcome=fine', 'outcome: expected ok, truncated, client_error, upstream_error, connect_failed, upstream_reset, upstream_timeout, upstream_protocol, client_abort, drained, crashed or refused, found "fine"'],
  ['/api/requests?outcome=ok&outcome=refusd', /^outcome: expected ok, .* or refused, found "refusd"; did you mean refused\?$/],
  ['/api/requests?verdict=allow', 'verdict: expected refuse, would_refuse, would_rewrite or rewrite, found "allow"'],
  ['/api/usage?estimated=ture', 'estimated: expected true or false, found "ture"; did you mean true?'],
  ['/api/alerts/replay?rule=buget', /^rule: expected budget, .* or delivery, found "buget"; did you mean budget\?$/],
  ['/api/alerts/replay?since=30y', 'since: expected ISO 8601, '],
  ['/api/alerts/replay?since=400d', 'since: expected a time of the past year'],
  ['/api/verdicts?group_by=user', 'group_by: unknown grouping "user"'],
  ['/api/requests?cursor=not-a-cursor', ''],
  ['/api/budgets?from=now-1d', 'unknown parameter "from"'],
  ['/api/export/requests.csv?limit=3', 'unknown parameter "limit"'],
  ['/api/export/usage.csv?group_by=nothing', 'group_by: unknown grouping "nothing"'],
])('%s is a 400 that names what is wrong', async (path, message) => {
  const { error } = await get(path, 400);
  expect(error.code).toBe('bad_query');
  if (typeof message === 'string') expect(error.message.slice(0, message.length)).toBe(message);
  else expect(error.message).toMatch(message);
});

test.each([
  ['from=2026-03-04T08:00:00Z&to=2026-03-04T09:00:00%2B01:00', '2026-03-04T08:00:00.000Z', null],
  ['from=1772600000000&to=now', '2026-03-04T04:53:20.000Z', '2026-03-04T10:20:30.000Z'],
  ['from=2026-03-04&to=now', '2026-03-03T23:00:00.000Z', '2026-03-04T10:20:30.000Z'],
  ['from=now-90m&to=now%2B1h', '2026-03-04T08:50:30.000Z', '2026-03-04T11:20:30.000Z'],
  ['', '2026-02-25T10:20:30.000Z', '2026-03-04T10:20:30.000Z'],
])('the range %s is from %s to %s', async (query, from, to) => {
  if (to === null) return void expect((await get(`/api/usage?${query}`, 400)).error.message).toContain('before to');
  const body = await get<wire.UsageAnswer>(`/api/usage?${query}`);
  expect([body.from, body.to]).toEqual([from, to]);
});

test.each([
  ['1d', '2026-03-03T10:20:30.000Z'],
  ['90m', '2026-03-04T08:50:30.000Z'],
  ['now-1d', '2026-03-03T10:20:30.000Z'],
  ['2026-03-04', '2026-03-03T23:00:00.000Z'],
])('alerts are replayed since %s', async (since, from) => {
  expect((await get<wire.AlertReplayAnswer>(`/api/alerts/replay?since=${since}`)).from).toBe(from);
});

test('a body that is too large, broken or no JSON is refused without being quoted', async () => {
  const post = (type: string, body: string) => request(gateway.port.app).post('/api/keys').set('content-type', type).send(body);
  expect((await post('application/json', JSON.stringify({ id: 'x'.repeat(70_000) }))).status).toBe(413);
  const broken = await post('application/json', '{"id": CANARY');
  expect([broken.status, broken.text.includes('CANARY')]).toEqual([400, false]);
  expect((await post('text/plain', '{}')).status).toBe(415);
  expect((await request(gateway.port.app).put('/api/keys').type('json').send('{}')).status).toBe(405);
  expect((await get('/api/nothing', 404)).error.code).toBe('not_found');
  expect((await get('/api/requests/%ff', 400)).error.code).toBe('bad_path');
});

test('HEAD asks for the headers of a stream or an export, and gets no more', async () => {
  for (const path of ['/api/live', '/api/export/requests.csv', '/metrics']) {
    const answer = await request(gateway.port.app).head(path);
    expect([path, answer.status, answer.text]).toEqual([path, 200, undefined]);
  }
});

test('a backup is a whole database, and audited', async () => {
  const answer = await request(gateway.port.app).post('/api/backup').type('json').send('{}');
  expect(answer.status).toBe(201);
  expect(statSync(answer.body.file).size).toBe(answer.body.bytes);
  expect((await get<wire.AuditAnswer>('/api/audit?limit=1')).rows[0]).toMatchObject({ action: 'backup.create', subject: answer.body.file, detail: { bytes: answer.body.bytes } });
});

test('readiness is lost while the gateway drains, with the reason; liveness is not', async () => {
  expect(await get('/readyz')).toEqual({ ready: true, reasons: [] });
  gateway.state.gateway = { draining: true };
  expect(await get('/readyz', 503)).toEqual({ ready: false, reasons: ['draining: the gateway is shutting down'] });
  expect(await get('/healthz')).toEqual({ status: 'ok' });
  gateway.state.gateway = {};
});

test('a ledger that cannot be written is told apart from a fault, and a fault tells nothing', async () => {
  const full = await adminGateway({}, { backup: () => Promise.reject(new LedgerUnavailable('disk full at /secret/path')) });
  const faulty = await adminGateway({}, { priceRows: () => { throw new Error('CANARY'); } });
  try {
    const refused = await request(full.port.app).post('/api/backup').type('json').send('{}');
    expect([refused.status, refused.body.error.code, refused.text.includes('/secret')]).toEqual([503, 'ledger_unavailable', false]);
    const failed = await request(faulty.port.app).get('/api/prices');
    expect([failed.status, failed.body.error.code, failed.text.includes('CANARY')]).toEqual([500, 'internal', false]);
    expect(faulty.log.lines).toContainEqual({ event: 'admin_failed', fields: { endpoint: '/api/prices', code: 'Error' } });
  } finally {
    await Promise.all([full.close(), faulty.close()]);
  }
});

test('the metrics are served as Prometheus reads them', async () => {
  const answer = await request(gateway.port.app).get('/metrics');
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(answer.text).toContain('tollgate_build_info{version="1.2.3"');
});

interface Document {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string; parameters: { name: string }[]; requestBody: { content: Record<string, { schema: { required: string[] } }> }; responses: Record<string, { content: Record<string, { schema: { $ref?: string } }> }> }>>;
  components: { schemas: Record<string, object> };
}

test('the OpenAPI document has every route, and every reference in it leads somewhere', async () => {
  const document = await get<Document>('/api/openapi.json');
  expect(document.openapi).toBe('3.1.0');
  expect(ROUTES.filter((route) => document.paths[route.path.replace(/:(\w+)/g, '{$1}')]?.[route.method] === undefined)).toEqual([]);
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? '');
  expect(references.filter((name) => document.components.schemas[name] === undefined)).toEqual([]);
  expect(document.paths['/api/usage']?.['get']?.parameters.find((p) => p.name === 'workspace')).toMatchObject({ in: 'query', schema: { type: 'array', items: { type: 'string' } }, style: 'form', explode: true });
  expect(document.paths['/api/keys']?.['post']?.requestBody.content['application/json']?.schema.required).toEqual(['id', 'workspace']);
  const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((operation) => operation.operationId));
  expect(new Set(ids).size).toBe(ids.length);
});

test('the OpenAPI document tells of every route how it refuses and how it fails', async () => {
  const { paths } = await get<Document>('/api/openapi.json');
  const schemaOf = (path: string, method: string, status: string) => paths[path]?.[method]?.responses[status]?.content['application/json']?.schema.$ref;
  for (const [path, operations] of Object.entries(paths)) {
    for (const method of Object.keys(operations)) {
      expect([path, schemaOf(path, method, '4XX'), schemaOf(path, method, '5XX')]).toEqual([path, '#/components/schemas/Error', '#/components/schemas/Error']);
    }
  }
  // What is not ready says so in the words of what is.
  expect(schemaOf('/readyz', 'get', '503')).toBe('#/components/schemas/Ready');
});

describe('the dashboard', () => {
  test('says in a sentence that it was not built', async () => {
    const answer = await request(gateway.port.app).get('/');
    expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('The dashboard is not built.')]);
  });
  test('serves its page for its own addresses, its hashed files for ever, and nothing of the disk', async () => {
    const web = join(gateway.dir, 'web');
    mkdirSync(join(web, 'assets'), { recursive: true });
    writeFileSync(join(web, 'index.html'), '<!doctype html><title>Tollgate</title>');
    writeFileSync(join(web, 'assets', 'main-4f2a.js'), 'export {};');
    writeFileSync(join(web, '.hidden'), 'CANARY');
    const fetched = (path: string) => request(gateway.port.app).get(path);
    for (const path of ['/', '/budgets', '/requests/req_1']) {
      const page = await fetched(path).set('sec-fetch-site', 'cross-site').set('sec-fetch-mode', 'navigate');
      expect([page.status, page.headers['cache-control'], page.text]).toEqual([200, 'no-cache', expect.stringContaining('Tollgate')]);
    }
    expect((await fetched('/assets/main-4f2a.js')).headers['cache-control']).toBe('public, max-age=31536000, immutable');
    for (const path of ['/assets/gone-1.js', '/.hidden', '/..%2fledger.db', '/assets/..%2f..%2fledger.db', '/api/nothing', '/api']) {
      const answer = await fetched(path);
      expect([path, answer.status]).toEqual([path, 404]);
    }
    expect((await request(gateway.port.app).post('/budgets')).status).toBe(404);
  });
});
