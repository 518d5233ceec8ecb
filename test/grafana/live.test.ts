// test/grafana/live.test.ts: every query of the boards, asked of a real Prometheus that scrapes the real gateway under mixed traffic: none may stay empty.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RECORDED } from '../../grafana/recording.ts';
import type { LimitsAnswer, RequestAnswer } from '../../server/http/admin/wire.ts';
import { DELIVERY_RESULTS, METRICS } from '../../server/observe/metric-names.ts';
import { ADMIN_KEY, billFrom } from '../demo/bill.ts';
import { openWithPast } from '../demo/past.ts';
import { startGateway, type RunningGateway } from '../flow/gateway.ts';
import { mixedRun } from '../flow/mixed-run.ts';
import { apiHeaders, ask, baseConfig, eventually, hello, PROVIDER_KEY, SECRETS, send } from '../flow/scene.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { boards, labelValues, targets } from './boards.ts';
import { startPrometheus, type Past, type Prometheus } from './prometheus.ts';
import { exposed, PROMISED, type Exposed } from './promised.ts';
import { here, notNeeded } from './promtool.ts';

const installed = here('prometheus') && here('promtool');
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Seconds that stand for the range of a board, and for the window of a rate: more than a busy machine takes from the last call to the instant that is asked about. */
const RANGE = 9;
const RATE = 10;
const WEEK = 7 * 86_400;
/** Where a zero is the good answer, by metric: nothing was lost, and everything is written. */
const MAY_BE_ZERO: readonly string[] = [METRICS.recordsDropped.name, METRICS.recordQueue.name];

let standin: Standin;
let gateway: RunningGateway;
let prometheus: Prometheus;
let folder: string;
/** The instant of every query, in seconds. */
let at: number;

/** What no gateway of a few seconds can have: spend in the same hour of past weeks. */
function pastOf(now: number): readonly Past[] {
  const weeks = [3, 2, 1].map((week) => ({ from: now - week * WEEK - 300, to: now - week * WEEK + 600, value: () => 0.5 * week }));
  return ['support', 'engineering'].map((workspace) => ({ series: `${RECORDED.spend}{job="tollgate",workspace="${workspace}"}`, stretches: weeks }));
}

beforeAll(async () => {
  if (!installed) return;
  folder = mkdtempSync(join(tmpdir(), 'tollgate-boards-data-'));
  // A month in the ledger, for forecasts; the counters of the metrics begin at zero all the same.
  const { store } = await openWithPast({ dataDir: folder, now: Date.now(), calls: 1_500, root });
  await store.ledger.close();
  standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' }, pace: { firstByteMs: [5, 30], msPerToken: 0.2 }, reports: { adminKey: ADMIN_KEY, billedOn: (day) => billFrom(gateway.adminUrl)(day) } });
  const base = baseConfig(standin.url);
  gateway = await startGateway({
    dataDir: folder,
    config: {
      ...base,
      timezone: 'Europe/Berlin',
      reconciliation: { admin_key: ADMIN_KEY },
      // Kept for interactive calls, so that a background one waits for as long as it is looked at.
      upstream: { origin: standin.url, keys: { default: PROVIDER_KEY }, queue: { below: '90%', max_wait: '10m' } },
      workspaces: [
        { id: 'support', models: { alias: { fast: 'claude-haiku-4-5' }, deny: ['claude-opus-4-7'] }, workflows: [{ id: 'ticket-triage' }, { id: 'reply-draft' }] },
        { id: 'engineering', open_workflows: true, models: { deny: ['claude-opus-4-7'] }, workflows: [{ id: 'claude-code' }] },
      ],
      // Nothing gets through to it: loopback is not an address for messages.
      alerts: { channels: { ops: { type: 'slack', url: 'http://127.0.0.1:9/nobody' } } },
      budgets: ['day', 'week', 'month', 'year'].map((period) => ({ id: `all-${period}`, scope: { organization: true }, limit_usd: 5000, period })),
    },
  });
  const target = new URL(gateway.adminUrl).host;
  prometheus = await startPrometheus(target, pastOf(Math.floor(Date.now() / 1000)));
  await eventually('a first scrape', async () => ((await prometheus.query('up{job="tollgate"} == 1')).length > 0 ? true : null));
  const began = Date.now();
  let from = 0;
  // Traffic over two ranges and more, so that there is one to compare with.
  while (Date.now() - began < (2 * RANGE + 2) * 1000) from += await mixedRun(gateway.dataUrl, standin, { rounds: 1, atOnce: 6, from });
  await waitForProvider();
  // One more stays in flight, so that there is something to see.
  void send(`${gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.support), 'x-standin-fault': 'stall:3' }, body: hello({ stream: true }) }).catch(() => undefined);
  await eventually('a scrape sees it', async () => ((await prometheus.query(`sum(${METRICS.inFlight.name}) > 0`)).length > 0 ? true : null));
  at = Date.now() / 1000;
  await eventually('a scrape and an evaluation after that', async () => ((await prometheus.query(`timestamp(${METRICS.requests.name}) > ${at}`)).length > 0 && (await prometheus.query(`timestamp(${RECORDED.cacheReadRatio}) > ${at}`)).length > 0 ? true : null));
});
/** The provider says that it has little left: one background call waits and leaves, another waits for as long as anybody looks. */
async function waitForProvider(): Promise<void> {
  const left = { 'anthropic-ratelimit-requests-limit': '1000', 'anthropic-ratelimit-requests-remaining': '20', 'anthropic-ratelimit-requests-reset': new Date(Date.now() + 60_000).toISOString() };
  standin.script(() => ({ headers: left, outputTokens: 3 }));
  const call = (headers: Record<string, string>, signal?: AbortSignal) => send(`${gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.support), ...headers }, body: hello(), ...(signal ? { signal } : {}) });
  const background = (signal?: AbortSignal) => call({ 'x-tollgate-priority': 'background' }, signal).catch(() => undefined);
  const waiting = (calls: number) => eventually(`${calls} calls wait`, async () => ((await ask<LimitsAnswer>(gateway, '/api/limits')).queue.waiting === calls ? true : null));
  await call({});
  const leaving = new AbortController();
  void background(leaving.signal);
  await waiting(1);
  leaving.abort();
  await waiting(0);
  void background();
  await waiting(1);
  await eventually('a scrape sees both', async () => ((await prometheus.query(`sum(${METRICS.queueLength.name}) > 0 and sum(${METRICS.queueCalls.name}) > 0`)).length > 0 ? true : null));
}

afterAll(async () => {
  if (!installed) return;
  await prometheus?.close();
  await gateway?.close();
  await standin?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As Grafana fills it in, with short windows where the board has long ones. */
function filled(query: string, variables: Readonly<Record<string, string>> = {}): string {
  return query
    .replaceAll('$__rate_interval', `${RATE}s`)
    .replaceAll('$__range', `${RANGE}s`)
    .replaceAll(/\$(job|instance|workspace|model)\b/g, (_all, name: string) => variables[name] ?? '.*');
}

test('Prometheus is here wherever a test run is the last word', () => {
  if (!installed) notNeeded();
});

describe.each(targets.map(({ name, panel, target }) => ({ name, panel, target })))('$name', ({ panel, target }) => {
  test('is not empty, and its series have the labels of the legend', async () => {
    if (!installed) return notNeeded();
    // A panel that is repeated shows one value of its variable at a time.
    const variables: Record<string, string> = panel.repeat === 'workspace' ? { workspace: 'support' } : panel.repeat === 'model' ? { model: 'claude-haiku-4-5-20251001' } : {};
    const answer = await prometheus.query(filled(target.expr, variables), at);
    expect(answer.length).toBeGreaterThan(0);
    const finite = answer.filter(({ value }) => Number.isFinite(value));
    expect(finite.length).toBeGreaterThan(0);
    if (!MAY_BE_ZERO.some((name) => target.expr.includes(name))) expect(finite.some(({ value }) => value !== 0)).toBe(true);
    const legend = panel.type === 'table' ? ['workspace', 'workflow'] : [...target.legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
    for (const { metric } of answer) for (const label of legend) expect(metric[label] ?? '').not.toBe('');
    // Two lines with one name could not be told apart.
    const names = answer.map(({ metric }) => JSON.stringify(legend.map((label) => metric[label])));
    expect(new Set(names).size).toBe(names.length);
  });
});

const variables = boards.flatMap((board) => board.templating.list.filter((variable) => variable.type === 'query').map((variable) => ({ board: board.title, name: variable.name, ...labelValues(variable) })));
const EXPECTED: Readonly<Record<string, readonly string[]>> = { job: ['tollgate'], instance: [], workspace: ['engineering', 'support'], model: ['claude-haiku-4-5-20251001', 'claude-sonnet-5'] };

test.each(variables)('$board: the variable $name offers what there is', async ({ name, selector, label }) => {
  if (!installed) return notNeeded();
  const offered = await prometheus.labelValues(filled(selector), label);
  expect(offered.length).toBeGreaterThan(0);
  expect(offered).toEqual(expect.arrayContaining([...EXPECTED[name]!]));
});

test('the difference to the bill is the one that the stand-in made', async () => {
  if (!installed) return notNeeded();
  const [difference] = await prometheus.query(METRICS.reconciliation.name, at);
  expect(difference!.value).toBeCloseTo(-0.004 / 1.004, 5);
});

test('every rule evaluates, and every alert that is active names what it is about', async () => {
  if (!installed) return notNeeded();
  const { groups } = await prometheus.get<{ groups: { rules: { name: string; health: string; lastError?: string; alerts?: { annotations: Record<string, string> }[] }[] }[] }>('rules');
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(30);
  expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  const said = rules.flatMap(({ alerts }) => alerts ?? []).flatMap(({ annotations }) => Object.values(annotations));
  // Unknown names and a model that is not in the book are part of the traffic.
  expect(said.length).toBeGreaterThan(0);
  expect(said.filter((text) => text.includes('<no value>') || text.includes('{{'))).toEqual([]);
});

test('deliveries are there before the first, with the results that the alert on them looks for', async () => {
  if (!installed) return notNeeded();
  expect(await prometheus.labelValues(`${METRICS.alertDeliveries.name}{channel="ops"}`, 'result')).toEqual([...DELIVERY_RESULTS].sort());
});

test('a bucket leads to one of its calls', async () => {
  if (!installed) return notNeeded();
  const found = await prometheus.get<{ exemplars: { labels: Record<string, string> }[] }[]>(`query_exemplars?query=${METRICS.duration.name}_bucket&start=${at - 60}&end=${at + 60}`);
  const calls = found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels['call']!));
  expect(calls.length).toBeGreaterThan(0);
  expect((await ask<RequestAnswer>(gateway, `/api/requests/${calls[0]!}`)).request.id).toBe(calls[0]);
});

test('promtool finds nothing wrong with a scrape of the busy gateway', async () => {
  if (!installed) return notNeeded();
  const classic = await fetch(`${gateway.adminUrl}/metrics`);
  expect(classic.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: await classic.text(), encoding: 'utf8' });
  expect([checked.status, checked.stderr, checked.stdout]).toEqual([0, '', '']);
});

describe('a scrape of the busy gateway has what the catalogue promises', () => {
  let shown: ReadonlyMap<string, Exposed>;
  beforeAll(async () => {
    if (installed) shown = exposed(await (await fetch(`${gateway.adminUrl}/metrics`)).text());
  });

  test.each(Object.entries(PROMISED))('%s', (name, { type, labels, buckets = [], values = {} }) => {
    if (!installed) return notNeeded();
    const metric = shown.get(name);
    expect(metric).toBeDefined();
    expect([metric!.type, [...metric!.labels], metric!.buckets]).toEqual([type, [[...labels].sort().join(' ')], buckets]);
    expect(metric!.help).toMatch(/^.{10,}\.$/);
    for (const [label, some] of Object.entries(values)) expect([...metric!.values(label)]).toEqual(expect.arrayContaining([...some]));
  });

  test('and nothing that the code does not name', () => {
    if (!installed) return notNeeded();
    expect([...shown.keys()].sort()).toEqual(Object.values(METRICS).map(({ name }): string => name).sort());
  });
});
