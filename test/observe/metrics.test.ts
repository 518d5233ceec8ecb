// test/observe/metrics.test.ts: what a scrape says after calls of every kind.

import { spawnSync } from 'node:child_process';
import { Registry } from 'prom-client';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { UNLISTED, type CostLine } from '../../server/domain/price.ts';
import type { KeyId, WorkflowId, WorkspaceId } from '../../server/domain/ids.ts';
import { nanodollars, picodollars } from '../../server/domain/money.ts';
import type { HeadroomDimension } from '../../server/domain/provider-limits.ts';
import { QUEUE_RESULTS } from '../../server/domain/provider-queue.ts';
import { METRICS } from '../../server/observe/metric-names.ts';
import type { Metrics } from '../../server/observe/metrics.ts';
import { attempt, caller, cost, noCost, openEntry, price, refusedEntry, settlement, tokens } from '../store/samples.ts';
import { metricsWith, scrape, settings, workspace } from './gateway.ts';

const open: Metrics[] = [];
afterEach(() => {
  for (const metrics of open.splice(0)) metrics.close();
});
const started = (...args: Parameters<typeof metricsWith>): ReturnType<typeof metricsWith> => {
  const made = metricsWith(...args);
  open.push(made.metrics);
  return made;
};

const HAIKU = 'workspace="support",workflow="triage",model="claude-haiku-4-5"';
const line = (kind: CostLine['kind'], quantity: number, unitPrice: bigint, model = 'claude-haiku-4-5'): CostLine => ({
  kind, model, quantity, unitPrice: picodollars(unitPrice), amount: picodollars(unitPrice * BigInt(quantity)), factors: [], priceVersion: price(model).version,
});

test('a settled call counts its outcome, its tokens and its cost by kind, exactly', async () => {
  const { metrics } = started();
  const lines = [line('input', 1000, 1_000_000n), line('output', 50, 5_000_000n), line('web_search', 2, 10_000_000_000n)];
  metrics.observer.started('support' as WorkspaceId, 'messages');
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { cost: cost({ lines, total: nanodollars(21_250_000n), tokens: tokens(1000, 50), cacheSavings: nanodollars(0n) }) }) });
  const samples = await scrape(metrics);
  expect(samples.get(`tollgate_requests_total{${HAIKU},endpoint="messages",outcome="ok"}`)).toBe(1);
  expect(samples.get(`tollgate_requests_total{${HAIKU},endpoint="messages",outcome="timeout"}`)).toBe(0);
  expect(samples.get(`tollgate_tokens_total{${HAIKU},kind="input"}`)).toBe(1000);
  expect(samples.get(`tollgate_cost_usd_total{${HAIKU},kind="input"}`)).toBe(0.001);
  expect(samples.get(`tollgate_cost_usd_total{${HAIKU},kind="output"}`)).toBe(0.00025);
  expect(samples.get(`tollgate_cost_usd_total{${HAIKU},kind="server_tool"}`)).toBe(0.02);
  expect(samples.get(`tollgate_cost_usd_total{${HAIKU},kind="unitemized"}`)).toBe(0);
  expect(samples.get('tollgate_requests_in_flight{workspace="support"}')).toBe(0);
  expect(samples.get('tollgate_request_duration_seconds_bucket{workspace="support",model="claude-haiku-4-5",stream="true",le="1"}')).toBe(0);
  expect(samples.get('tollgate_request_duration_seconds_bucket{workspace="support",model="claude-haiku-4-5",stream="true",le="2.5"}')).toBe(1);
  expect(samples.get('tollgate_request_tokens_sum{model="claude-haiku-4-5",direction="input"}')).toBe(1000);
  expect(samples.get('tollgate_request_cost_usd_count{workspace="support"}')).toBe(1);
});

test('money that no line explains is counted as unitemized, rounding is not', async () => {
  const { metrics } = started();
  const lines = [line('input', 1, 1_000_001n)];
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { cost: cost({ lines, total: nanodollars(1_001n), tokens: tokens(1, 0) }) }) });
  metrics.observer.settled({ opened: openEntry('2'), settlement: settlement('2', { cost: cost({ lines: [], total: nanodollars(5_000_000n), tokens: tokens(0, 0), estimated: true, estimateMethod: 'prompt from bytes sent' }), outcome: 'upstream_reset' }) });
  const samples = await scrape(metrics);
  expect(samples.get(`tollgate_cost_usd_total{${HAIKU},kind="unitemized"}`)).toBe(0.005);
  expect(samples.get('tollgate_usage_incomplete_total{reason="upstream_reset"}')).toBe(1);
});

test('a price that had to be guessed leaves the usage complete', async () => {
  const { metrics } = started();
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { cost: cost({ estimated: true, estimateMethod: UNLISTED }) }) });
  expect((await scrape(metrics)).get('tollgate_usage_incomplete_total{reason="usage_missing"}')).toBe(0);
});

test('an estimate says what kept the usage away, and a 429 which limit struck', async () => {
  const { metrics } = started();
  const guess = cost({ estimated: true, estimateMethod: 'output from content bytes' });
  for (const obstacle of [null, 'undecodable', 'unparsable', 'oversized_event'] as const) metrics.observer.settled({ opened: openEntry(`guess ${obstacle}`), settlement: settlement('1', { cost: guess, outcome: 'ok', obstacle }) });
  // Read exactly, with a broken line on the way.
  metrics.observer.settled({ opened: openEntry('exact'), settlement: settlement('exact', { obstacle: 'unparsable' }) });
  const refused = (number: number, ...empty: HeadroomDimension[]) => attempt(number, { status: 429, outcome: 'upstream_error', limits: { limits: empty.map((dimension) => ({ dimension, limit: 50, remaining: 0, resetAt: null })), retryAfterSeconds: 1 } });
  metrics.observer.settled({ opened: openEntry('tries'), settlement: settlement('tries', { attempts: [refused(1, 'requests', 'tokens'), refused(2, 'input_tokens', 'tokens'), refused(3, 'tokens'), refused(4), attempt(5)], errorCode: 'ramp_limit_exceeded' }) });
  for (const errorCode of ['enforced_spend_limit_reached', 'specified_spend_limit_reached', 'ramp_limit_exceeded']) metrics.observer.settled({ opened: openEntry(errorCode), settlement: settlement(errorCode, { attempts: [refused(1, 'requests')], errorCode }) });
  const samples = await scrape(metrics);
  const of = (name: string, label: string): Record<string, number> => Object.fromEntries([...samples].flatMap(([key, value]) => (key.startsWith(`${name}{`) && value > 0 ? [[new RegExp(`${label}="(\\w+)"`).exec(key)![1]!, value]] : [])));
  expect(of('tollgate_usage_incomplete_total', 'reason')).toEqual({ usage_missing: 1, undecodable: 1, unparsable: 2 });
  expect(of('tollgate_unreadable_answers_total', 'obstacle')).toEqual({ undecodable: 1, unparsable: 2, oversized_event: 1 });
  expect(of('tollgate_upstream_rate_limited_total', 'limit')).toEqual({ requests: 1, input_tokens: 1, tokens: 1, other: 1, spend: 2, ramp: 1 });
});

test('a fallback model has its own tokens and its own cost', async () => {
  const { metrics } = started();
  const prices = [price('claude-sonnet-4-6'), price('claude-haiku-4-5')];
  const lines = [line('input', 10, 1_000_000n, 'claude-sonnet-4-6'), line('output', 7, 5_000_000n)];
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { cost: cost({ lines, prices, total: nanodollars(45_000n), tokens: tokens(10, 7) }) }) });
  const samples = await scrape(metrics);
  expect(samples.get('tollgate_tokens_total{workspace="support",workflow="triage",model="claude-sonnet-4-6",kind="input"}')).toBe(10);
  expect(samples.get(`tollgate_tokens_total{${HAIKU},kind="output"}`)).toBe(7);
});

test('discount less premium of the cache is what the ledger stored as savings', async () => {
  const { metrics } = started();
  const lines = [line('cacheWrite5m', 100, 1_250_000n), line('cacheRead', 1000, 100_000n)];
  // Reads saved 1000 × 0.9, writes cost 100 × 0.25 dollars per million tokens more.
  const cacheSavings = nanodollars(900_000n - 25_000n);
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { cost: cost({ lines, total: nanodollars(225_000n), tokens: { ...tokens(0, 0), cacheWrite5m: 100, cacheRead: 1000 }, cacheSavings }) }) });
  const samples = await scrape(metrics);
  expect(samples.get('tollgate_cache_read_discount_usd_total{workspace="support",model="claude-haiku-4-5"}')).toBe(0.0009);
  expect(samples.get('tollgate_cache_write_premium_usd_total{workspace="support",model="claude-haiku-4-5"}')).toBe(0.000025);
});

test('tries of the gateway and of the client are counted as retries, the last try is not', async () => {
  const { metrics } = started();
  const attempts = [attempt(1, { outcome: 'upstream_error', status: 529 }), attempt(2, { outcome: 'connect_failed', status: null }), attempt(3)];
  metrics.observer.settled({ opened: openEntry('1', { clientRetry: 2 }), settlement: settlement('1', { attempts }) });
  const samples = await scrape(metrics);
  const pair = 'workspace="support",model="claude-haiku-4-5"';
  expect(samples.get(`tollgate_retries_total{${pair},source="proxy",reason="overloaded"}`)).toBe(1);
  expect(samples.get(`tollgate_retries_total{${pair},source="proxy",reason="connect"}`)).toBe(1);
  expect(samples.get(`tollgate_retries_total{${pair},source="proxy",reason="upstream_error"}`)).toBe(0);
  expect(samples.get(`tollgate_retries_total{${pair},source="client",reason="unknown"}`)).toBe(1);
});

test('a refusal is counted with the rule that said no, and with the gateway where no rule did', async () => {
  const { metrics } = started();
  metrics.observer.refused(refusedEntry('1', { decisions: [{ rule: 'budget:support-month', verdict: 'refuse', detail: null }] }));
  metrics.observer.refused(refusedEntry('2', { decisions: [], refusal: 'draining', status: 503 }));
  metrics.observer.turnedAway('unauthenticated', null);
  const samples = await scrape(metrics);
  expect(samples.get('tollgate_policy_decisions_total{workspace="support",policy="budget:support-month",action="block"}')).toBe(1);
  expect(samples.get('tollgate_policy_decisions_total{workspace="support",policy="gateway:draining",action="block"}')).toBe(1);
  expect(samples.get('tollgate_turned_away_total{reason="unauthenticated"}')).toBe(1);
  expect([...samples].filter(([name, value]) => name.startsWith('tollgate_requests_total') && value > 0).map(([name]) => /outcome="(\w+)"/.exec(name)?.[1]).sort()).toEqual(['blocked', 'overloaded']);
});

test('a rule stands at zero from the first call that it let pass', async () => {
  const { metrics } = started();
  metrics.observer.settled({ opened: openEntry('1', { decisions: [{ rule: 'budget:support-month', verdict: 'allow', detail: null }] }), settlement: settlement('1') });
  const samples = await scrape(metrics);
  for (const action of ['block', 'warn', 'downgrade']) expect(samples.get(`tollgate_policy_decisions_total{workspace="support",policy="budget:support-month",action="${action}"}`)).toBe(0);
  expect(samples.get('tollgate_policy_decisions_total{workspace="support",policy="models:support",action="block"}')).toBeUndefined();
});

test('rules of very many budgets leave half of their room to those that say no', async () => {
  const { metrics } = started();
  const decisions = Array.from({ length: 1_000 }, (_, n) => ({ rule: `budget:b${n}`, verdict: 'allow' as const, detail: null }));
  metrics.observer.settled({ opened: openEntry('1', { decisions }), settlement: settlement('1') });
  metrics.observer.refused(refusedEntry('2', { decisions: [{ rule: 'budget:b999', verdict: 'refuse', detail: null }] }));
  const samples = await scrape(metrics);
  expect([...samples.keys()].filter((name) => name.startsWith('tollgate_policy_decisions_total')).length).toBe(3 * 151);
  expect(samples.get('tollgate_policy_decisions_total{workspace="support",policy="budget:b999",action="block"}')).toBe(1);
  expect(samples.get('tollgate_label_overflow_total{label="policy"}')).toBe(0);
});

test('every configured workspace and workflow stands at zero before its first call', async () => {
  const { metrics } = started();
  const samples = await scrape(metrics);
  for (const pair of ['support",workflow="triage', 'support",workflow="summary', 'shop",workflow="texts', 'default",workflow="unattributed']) {
    expect(samples.get(`tollgate_requests_total{workspace="${pair}",model="claude-haiku-4-5",endpoint="messages",outcome="ok"}`)).toBe(0);
  }
  expect(samples.get('tollgate_requests_in_flight{workspace="shop"}')).toBe(0);
});

test('a workspace that a reload adds joins, and those of the config before go on', async () => {
  const { metrics, clock } = started();
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1') });
  metrics.configured(settings({ workspaces: new Map([workspace('legal', ['contracts'])]) }));
  metrics.observer.settled({ opened: openEntry('2', { caller: caller({ workspace: 'legal', workflow: 'contracts' }) }), settlement: settlement('2') });
  clock.ran += 1_000;
  const samples = await scrape(metrics);
  expect(samples.get(`tollgate_requests_total{${HAIKU},endpoint="messages",outcome="ok"}`)).toBe(1);
  expect(samples.get('tollgate_requests_total{workspace="legal",workflow="contracts",model="claude-haiku-4-5",endpoint="messages",outcome="ok"}')).toBe(1);
});

test('gauges say what the services say at the scrape', async () => {
  const { metrics } = started();
  const samples = await scrape(metrics);
  expect(Object.fromEntries([...samples].filter(([name]) => /^tollgate_(budget|upstream_(?!queue_(?:calls|wait)|rate_limited)|record|open_holds|config|database|key|ledger_writable|price_book|build)/.test(name)))).toEqual({
    'tollgate_budget_limit_usd{budget="support-month"}': 400,
    'tollgate_budget_spent_usd{budget="support-month"}': 100.000000001,
    'tollgate_budget_held_usd{budget="support-month"}': 5,
    'tollgate_budget_elapsed_ratio{budget="support-month"}': 0.25,
    'tollgate_budget_forecast_usd{budget="support-month",bound="p50"}': 300,
    'tollgate_budget_forecast_usd{budget="support-month",bound="p90"}': 350,
    'tollgate_upstream_headroom_ratio_min{credential="default",model_class="haiku-4-5",dimension="requests"}': 0.125,
    'tollgate_upstream_headroom_ratio_min{credential="default",model_class="haiku-4-5",dimension="output_tokens"}': 1,
    'tollgate_upstream_requests_per_minute_limit{credential="default",model_class="haiku-4-5"}': 4000,
    'tollgate_upstream_tokens_per_minute_limit{credential="default",model_class="haiku-4-5",direction="output"}': 80_000,
    'tollgate_upstream_queue_length{credential="default",model_class="haiku-4-5"}': 3,
    'tollgate_upstream_queue_oldest_wait_seconds{credential="default",model_class="haiku-4-5"}': 2.5,
    tollgate_record_queue_length: 3,
    'tollgate_records_dropped_total{reason="settlement"}': 0,
    'tollgate_records_dropped_total{reason="refusal"}': 0,
    tollgate_ledger_writable: 1,
    tollgate_open_holds: 2,
    tollgate_price_book_verified_timestamp_seconds: Date.parse('2026-03-01') / 1000,
    'tollgate_key_last_used_timestamp_seconds{key="triage-prod"}': Date.parse('2026-03-04T10:19:30Z') / 1000,
    tollgate_database_size_bytes: 4096,
    tollgate_config_last_reload_successful: 1,
    tollgate_config_last_reload_success_timestamp_seconds: Date.parse('2026-03-04T10:20:30Z') / 1000,
    [`tollgate_build_info{version="1.2.3",node="${process.version}"}`]: 1,
  });
});

test('waits for the provider are counted by workspace and by how they end, at zero before the first', async () => {
  const { metrics, clock } = started();
  const calls = (workspace: string, result: string): string => `tollgate_upstream_queue_calls_total{workspace="${workspace}",result="${result}"}`;
  const before = await scrape(metrics);
  expect(QUEUE_RESULTS.map((result) => before.get(calls('support', result)))).toEqual(QUEUE_RESULTS.map(() => 0));
  metrics.observer.queued?.('support' as WorkspaceId, 'passed', 1_500);
  metrics.observer.queued?.('support' as WorkspaceId, 'expired', 30_000);
  metrics.observer.queued?.('nobody-knows' as WorkspaceId, 'full', 0);
  // What it waited for the provider is no slow answer.
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { timeToFirstTokenMs: 30_400, durationMs: 31_000, queuedMs: 30_000 }) });
  clock.ran += 1_000;
  const after = await scrape(metrics);
  expect(QUEUE_RESULTS.map((result) => after.get(calls('support', result)))).toEqual([1, 1, 0, 0, 0]);
  expect(after.get(calls('other', 'full'))).toBe(1);
  expect(after.get('tollgate_upstream_queue_wait_seconds_sum')).toBe(31.5);
  expect(after.get('tollgate_upstream_queue_wait_seconds_bucket{le="2.5"}')).toBe(2);
  expect(after.get('tollgate_time_to_first_token_seconds_bucket{workspace="support",model="claude-haiku-4-5",le="0.5"}')).toBe(1);
});

test('a model that the book does not know is other, and counted as unpriced', async () => {
  const { metrics } = started();
  metrics.observer.settled({ opened: openEntry('1', { price: null, modelSent: 'made-up' }), settlement: settlement('1', { cost: cost({ prices: [], basis: 'ceiling', modelServed: 'made-up' }) }) });
  const samples = await scrape(metrics);
  expect(samples.get('tollgate_unpriced_requests_total')).toBe(1);
  expect(samples.get('tollgate_requests_total{workspace="support",workflow="triage",model="other",endpoint="messages",outcome="ok"}')).toBe(1);
  expect(samples.get('tollgate_label_overflow_total{label="model"}')).toBe(1);
  expect(metrics.unpriced()).toBe(1);
});

test('a model is one series, whichever of its names a call or the config writes', async () => {
  const { metrics } = started({ bookName: (model) => (model.startsWith('claude-haiku-4-5') ? 'claude-haiku-4-5-20251001' : null) });
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { cost: cost({ prices: [price('claude-haiku-4-5-20251001')] }) }) });
  metrics.observer.refused(refusedEntry('2', { modelRequested: 'claude-haiku-4-5', decisions: [] }));
  const samples = await scrape(metrics);
  const calls = (outcome: string): number | undefined => samples.get(`tollgate_requests_total{workspace="support",workflow="triage",model="claude-haiku-4-5-20251001",endpoint="messages",outcome="${outcome}"}`);
  expect([calls('ok'), calls('blocked'), samples.get('tollgate_label_overflow_total{label="model"}')]).toEqual([1, 1, 0]);
  expect([...samples.keys()].some((name) => name.includes('model="claude-haiku-4-5"'))).toBe(false);
});

test('100,000 distinct names of every kind do not grow a scrape', async () => {
  const { metrics, clock } = started();
  const attack = (from: number, to: number): void => {
    for (let n = from; n < to; n++) {
      const who = caller({ workspace: n % 3 === 0 ? 'support' : `w${n}`, workflow: `f${n}`, user: `u${n}`, key: `k${n}` as KeyId });
      metrics.observer.settled({ opened: openEntry(`${n}`, { caller: { ...who, tags: new Map([[`t${n}`, `v${n}`]]) }, modelSent: `m${n}`, price: null }), settlement: settlement(`${n}`, { cost: cost({ prices: [], modelServed: `m${n}` }) }) });
      metrics.observer.refused(refusedEntry(`${n}`, { modelRequested: `m${n}`, caller: caller({ workflow: `g${n}` as WorkflowId }), decisions: [] }));
      metrics.observer.turnedAway('unknown_path', null);
    }
  };
  attack(0, 10);
  const before = await scrape(metrics);
  attack(10, 100_000);
  clock.ran += 1_000;
  const after = await scrape(metrics);
  expect([...after.keys()].filter((name) => !before.has(name) && !name.includes('event_loop'))).toEqual([]);
  expect(after.get('tollgate_label_overflow_total{label="model"}')).toBe(200_000);
  expect([...after.keys()].some((name) => /[wfumkgtv]\d{3,}/.test(name))).toBe(false);
  for (const accept of ['', 'application/openmetrics-text']) expect((await metrics.render(accept)).body.length).toBeLessThan(250_000);
});

test('a config of hundreds of workflows, a busy book and every endpoint stay under 25,000 series', async () => {
  const models = Array.from({ length: 60 }, (_, n) => `claude-model-${n}`);
  const flows = Array.from({ length: 5 }, (_, n) => `flow-${n}`);
  const many = new Map(Array.from({ length: 80 }, (_, n) => workspace(`ws-${n}`, flows)));
  const { metrics } = started({ bookName: (model) => (models.includes(model) ? model : null) }, settings({ workspaces: many }));
  const priced = models.map((model) => settlement('1', { cost: cost({ prices: [price(model)] }) }));
  for (const id of many.keys()) {
    for (const workflow of flows) {
      for (const endpoint of ['messages', 'chat_completions', 'complete', 'batches'] as const) {
        const opened = openEntry('1', { endpoint, caller: caller({ workspace: id, workflow }) });
        for (const settled of priced) metrics.observer.settled({ opened, settlement: settled });
      }
    }
  }
  const samples = await scrape(metrics);
  expect(samples.size).toBeLessThan(25_000);
  expect((await metrics.render('application/openmetrics-text')).body.length).toBeLessThan(5_000_000);
  const counted = [...samples].filter(([name]) => name.startsWith('tollgate_requests_total')).reduce((sum, [, value]) => sum + value, 0);
  expect(counted).toBe(80 * 5 * 4 * 60);
});

test('labels of new series are written out before anybody scrapes, so that the first scrape is as quick as the later ones', async () => {
  const written = vi.spyOn(Registry.prototype, 'getSingleMetricAsString');
  onTestFinished(() => written.mockRestore());
  const { metrics } = started();
  await vi.waitFor(() => expect(written.mock.calls.flat()).toContain('tollgate_requests_total'), 5_000);
  written.mockClear();
  metrics.observer.settled({ opened: openEntry('1', { caller: caller({ workspace: 'shop', workflow: 'texts' }) }), settlement: settlement('1', { cost: cost({ prices: [price('claude-opus-5')] }) }) });
  await vi.waitFor(() => expect(written.mock.calls.flat()).toContain('tollgate_tokens_total'), 5_000);
});

test('a scrape is kept for a second, however often it is asked for', async () => {
  const { metrics, clock } = started();
  const [first, again] = [await metrics.render(), await metrics.render()];
  metrics.observer.turnedAway('malformed', null);
  clock.ran += 999;
  expect([again.body, (await metrics.render()).body]).toEqual([first.body, first.body]);
  clock.ran += 1;
  expect((await scrape(metrics)).get('tollgate_turned_away_total{reason="malformed"}')).toBe(1);
});

test('a call in flight shows until it ends', async () => {
  const { metrics, clock } = started();
  metrics.observer.started('shop' as WorkspaceId, 'messages');
  expect((await scrape(metrics)).get('tollgate_requests_in_flight{workspace="shop"}')).toBe(1);
  expect(metrics.inFlight()).toBe(1);
  metrics.observer.settled({ opened: openEntry('1', { caller: caller({ workspace: 'shop', workflow: 'texts' }) }), settlement: settlement('1', { cost: noCost }) });
  clock.ran += 1_000;
  expect((await scrape(metrics)).get('tollgate_requests_in_flight{workspace="shop"}')).toBe(0);
});

test('the catalogue names each metric once, and no label is a user', () => {
  const entries = Object.values(METRICS);
  expect(new Set(entries.map((entry) => entry.name)).size).toBe(entries.length);
  expect(entries.flatMap((entry) => [...entry.labels] as string[]).filter((label) => ['user', 'session', 'tag'].includes(label))).toEqual([]);
  expect(entries.filter((entry) => (entry.type === 'counter') !== entry.name.endsWith('_total')).map((entry) => entry.name)).toEqual([]);
});

test('what the gateway added is told before the call left and after the answer, and only where the two were measured', async () => {
  const { metrics } = started();
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { overheadMs: 3, overheadRequestMs: 0.75 }) });
  metrics.observer.settled({ opened: openEntry('2'), settlement: settlement('2', { overheadMs: 900 }) });
  const samples = await scrape(metrics);
  expect(samples.get('tollgate_proxy_overhead_seconds_sum{phase="request"}')).toBe(0.00075);
  expect(samples.get('tollgate_proxy_overhead_seconds_sum{phase="response"}')).toBe(0.00225);
  expect(samples.get('tollgate_proxy_overhead_seconds_count{phase="response"}')).toBe(1);
});

test('commits are timed, and rows that could not be written are counted by what they were', async () => {
  const { metrics } = started();
  metrics.committed(4);
  metrics.observer.lost?.('refusal');
  const samples = await scrape(metrics);
  expect(samples.get('tollgate_ledger_write_duration_seconds_bucket{le="0.0025"}')).toBe(0);
  expect(samples.get('tollgate_ledger_write_duration_seconds_bucket{le="0.005"}')).toBe(1);
  expect(samples.get('tollgate_records_dropped_total{reason="refusal"}')).toBe(1);
  expect(samples.get('tollgate_records_dropped_total{reason="settlement"}')).toBe(0);
});

test('the ledger and the bill are compared by whoever has both, and nothing is said until then', async () => {
  const said = async (reconciliation: () => number | null): Promise<number | undefined> => (await scrape(started({ reconciliation }).metrics)).get('tollgate_reconciliation_difference_ratio');
  expect([await said(() => null), await said(() => -0.03)]).toEqual([undefined, -0.03]);
});

test('alerts and their deliveries are told as the alerts tell them', async () => {
  const { metrics } = started({ alerts: () => ({ active: [{ rule: 'budget', severity: 'page', count: 2 }], deliveries: [{ channel: 'ops', result: 'delivered', count: 3 }, { channel: 'ops', result: 'failed', count: 0 }] }) });
  const samples = await scrape(metrics);
  expect([...samples].filter(([name]) => name.startsWith('tollgate_alert'))).toEqual([
    ['tollgate_alerts_active{rule="budget",severity="page"}', 2],
    ['tollgate_alert_deliveries_total{channel="ops",result="delivered"}', 3],
    ['tollgate_alert_deliveries_total{channel="ops",result="failed"}', 0],
  ]);
});

test('who asks for OpenMetrics gets it, with a call to look at beside a bucket', async () => {
  const { metrics } = started();
  metrics.observer.settled({ opened: openEntry('7'), settlement: settlement('7') });
  const { contentType, body } = await metrics.render('application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1');
  expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
  expect(body.endsWith('\n# EOF\n')).toBe(true);
  expect(body.split('\n').filter((text) => text.includes('_bucket') && text.includes('call="7"')).map((text) => text.slice(0, text.indexOf('{')))).toEqual(['tollgate_request_duration_seconds_bucket', 'tollgate_time_to_first_token_seconds_bucket', 'tollgate_request_cost_usd_bucket']);
  expect(body).toContain('tollgate_request_duration_seconds_bucket{workspace="support",model="claude-haiku-4-5",stream="true",le="2.5"} 1 # {call="7"} 1.9005 ');
  expect(body).toContain('# TYPE tollgate_requests counter\ntollgate_requests_total{');
  expect(body.split('\n').slice(0, -1).filter((text) => text === '')).toEqual([]);
});

test('both formats tell the same series with the same values, and the classic one no call', async () => {
  const { metrics } = started();
  metrics.observer.settled({ opened: openEntry('7'), settlement: settlement('7') });
  const samples = (text: string): string[] => text.split('\n').filter((said) => said !== '' && !said.startsWith('#') && !/event_loop|process_/.test(said)).map((said) => said.replace(/ # .*/, ''));
  const [classic, openMetrics] = [await metrics.render(), await metrics.render('application/openmetrics-text')];
  expect(samples(openMetrics.body)).toEqual(samples(classic.body));
  expect(classic.body).not.toContain('call=');
});

const promtool = spawnSync('promtool', ['--version']).status === 0;

test('promtool finds nothing wrong with a scrape', async () => {
  // A workstation may go without promtool; where this is the last word before a release it may not.
  if (!promtool) return void expect(process.env['CI']).not.toBe('true');
  const { metrics } = started();
  metrics.observer.started('support' as WorkspaceId, 'messages');
  metrics.observer.settled({ opened: openEntry('1'), settlement: settlement('1') });
  metrics.observer.refused(refusedEntry('2'));
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: (await metrics.render()).body, encoding: 'utf8' });
  expect([checked.status, checked.stderr, checked.stdout]).toEqual([0, '', '']);
});
