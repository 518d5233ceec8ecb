// test/web/pages.test.ts: what the pages on workspaces, workflows, users, models, limits, policies and plans make of the server's figures.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { ActionsRow, BudgetRow, BudgetsAnswer, LimitsAnswer, PlanModelAnswer, PoliciesAnswer, PriceRowAnswer, ReasonRow, UsageRow, VerdictRow } from '../../server/http/admin/wire.ts';
import { quantile } from '../../web/figures.ts';
import { burnUpOf } from '../../web/pages/budgets/burn-up.ts';
import { reachedAt } from '../../web/pages/budgets/scale.ts';
import { suggestionOf } from '../../web/pages/budgets/suggest.ts';
import { failuresOf, headroomOf, poolsOf } from '../../web/pages/limits/figures.ts';
import { priceOf, speedsOf } from '../../web/pages/models/figures.ts';
import { weekOf } from '../../web/pages/overview/week.ts';
import { monthEndOf } from '../../web/pages/overview/forecast.ts';
import { bodyOf, FIRST, leversOf, taskFrom, taskLike, taskText } from '../../web/pages/planner/task.ts';
import { ON_TRIAL, onTrial, refusedBy, spokenBy } from '../../web/pages/policies/figures.ts';
import { spreadOf, stuck, usersOf } from '../../web/pages/users/figures.ts';
import { causesOf, strongest } from '../../web/causes.ts';
import { actionCost, workflowsOf } from '../../web/pages/workflows/figures.ts';
import { budgetOf, scaleOf, workspacesOf } from '../../web/pages/workspaces/figures.ts';

const monday = Date.UTC(2026, 10, 16);
const dayMs = 86_400_000;
const usd = (dollars: number): string => dollars.toFixed(9);
const nano = 1_000_000_000n;

function usage(more: Partial<UsageRow> & { cost?: number; input?: number }): UsageRow {
  const { cost = 0, input = 0, ...rest } = more;
  return {
    requests: 1, attempts: 1, refused: 0, errors: 0, tokens: { input, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0, output: 0 }, web_searches: 0,
    cost_usd: usd(cost), estimated_cost_usd: usd(0), cache_savings_usd: usd(0), duration_ms: { p50: null, p95: null }, ttft_ms: { p50: null, p95: null }, ...rest,
  };
}

function budget(more: Partial<BudgetRow>): BudgetRow {
  return {
    id: 'b', scope: { workspace: 'support' }, mode: 'hard', period: { kind: 'week', from: new Date(monday).toISOString(), to: new Date(monday + 7 * dayMs).toISOString() }, limit_usd: usd(70), tolerance_usd: usd(0), spent_usd: usd(25), held_usd: usd(0),
    remaining_usd: usd(45), refused: null, forecast_usd: { p50: usd(65), p90: usd(105) }, alerts: [], notify: [], granted_usd: usd(0), grants: [], dry_run: false, hold: 'worst_case', expected_usd: usd(0), overshoot_usd: usd(0), at_risk_usd: usd(0), ...more,
  };
}

describe('workspaces', () => {
  test('a workspace takes the budget of exactly its scope, the longest where there are several', () => {
    const week = budget({ id: 'week' });
    const month = budget({ id: 'month', period: { kind: 'month', from: new Date(monday).toISOString(), to: new Date(monday + 30 * dayMs).toISOString() } });
    const flow = budget({ id: 'flow', scope: { workspace: 'support', workflow: 'triage' } });
    expect(budgetOf([week, flow, month], 'support')?.id).toBe('month');
    expect(budgetOf([week, flow, month], 'support', 'triage')?.id).toBe('flow');
    expect(budgetOf([week, flow, month], 'catalog')).toBeNull();
  });

  test('stand with the dearest first, and what was not there before counts from zero', () => {
    const rows = [usage({ workspace: 'a', cost: 1 }), usage({ workspace: 'b', cost: 3 })];
    const all = workspacesOf({ perWorkspace: rows, perWorkflow: [], before: [usage({ workspace: 'a', cost: 2 })], days: null, budgets: [] }, monday, 'UTC');
    expect(all.map((one) => [one.name, one.before])).toEqual([['b', 0n], ['a', 2n * nano]]);
  });

  test('one towering day does not flatten the scale, an ordinary peak sets it', () => {
    expect(scaleOf([Array.from({ length: 40 }, () => 10n), [1_000n]])).toBe(20n);
    expect(scaleOf([[10n, 12n, 15n]])).toBe(15n);
  });
});

describe('the end of the month', () => {
  test('is said from three complete days on, and counts days without spend in between', () => {
    const now = monday + 3.5 * dayMs;
    const days = (costs: [number, number][]) => costs.map(([n, cost]) => ({ at: monday + n * dayMs, cost: BigInt(cost) * nano }));
    expect(monthEndOf(days([[2, 1], [3, 1]]), now, 'UTC')).toBeNull();
    const forecast = monthEndOf(days([[0, 3], [2, 3], [3, 1]]), now, 'UTC')!;
    expect(forecast.spent).toBe(7n * nano);
    // Two dollars a day on the mean, for the eleven and a half days that November has left.
    expect(forecast.p50).toBe(30n * nano);
  });
});

test('the week puts each hour under the weekday and hour of the zone, and adds up the weeks', () => {
  // Sunday 23:30 in London is Monday 00:30 in Berlin.
  const late = (week: number) => usage({ hour: new Date(monday + week * 7 * dayMs - dayMs / 48).toISOString(), cost: 1 });
  const [berlin, london] = [weekOf([late(0), late(1)], 'Europe/Berlin'), weekOf([late(0)], 'Europe/London')];
  expect([berlin[0]![0], london[6]![23]]).toEqual([2n * nano, nano]);
  expect(berlin.flat().filter((cost) => cost > 0n)).toHaveLength(1);
});

describe('workflows', () => {
  const counted = (more: Partial<ActionsRow>): ActionsRow => ({ workspace: 'a', workflow: 'f', actions: 4, calls: 10, named_calls: 8, cost_usd: usd(5), per_action_usd: { p50: usd(1), p95: usd(2) }, ...more });

  test('cost per action, retries and truncated answers stand per workflow', () => {
    const [one] = workflowsOf([usage({ workspace: 'a', workflow: 'f', requests: 10, refused: 2, attempts: 12, cost: 5 })], [counted({})], null, [usage({ workspace: 'a', workflow: 'f', outcome: 'truncated', requests: 1 })]);
    expect(one).toMatchObject({ action: { actions: 4, named: 0.8, mean: (5n * nano) / 4n, p50: nano, p95: 2n * nano }, actionBefore: null, truncated: 0.1, retries: 0.5 });
  });

  test('a workflow whose actions are not counted, or has none, has no cost per action', () => {
    expect(workflowsOf([usage({ workspace: 'a', workflow: 'f' })], [], [], [])[0]).toMatchObject({ action: null, actionBefore: null });
    expect(actionCost(counted({ actions: 0, per_action_usd: { p50: null, p95: null } }))).toBeNull();
  });
});

describe('the causes of a change', () => {
  const rows = fc.array(fc.record({ model: fc.constantFrom('haiku', 'opus', null), requests: fc.integer({ min: 0, max: 1e6 }), cost: fc.integer({ min: 0, max: 1e5 }), input: fc.integer({ min: 0, max: 1e9 }), saved: fc.integer({ min: -1e4, max: 1e4 }) }).map(({ saved, ...row }) => usage({ ...row, cache_savings_usd: usd(saved) })), { maxLength: 4 });

  test('add up to it to the nano-dollar, whatever came and went', () => {
    fc.assert(fc.property(rows, rows, (now, before) => {
      const causes = causesOf(now, before);
      const spent = (all: readonly UsageRow[]) => all.reduce((sum, row) => sum + BigInt(row.cost_usd.replace('.', '')), 0n);
      if (causes === null) expect(Math.min(...[now, before].map((all) => all.reduce((sum, row) => sum + row.requests, 0)))).toBe(0);
      else expect(Object.values(causes).reduce((a, b) => a + b, 0n)).toBe(spent(now) - spent(before));
    }));
  });

  const none = { calls: 0n, mix: 0n, tokens: 0n, cache: 0n, rate: 0n };
  test.each([
    { name: 'twice the calls of the same kind', now: [usage({ model: 'h', requests: 20, cost: 2, input: 200 })], causes: { ...none, calls: nano } },
    { name: 'the same calls on a model ten times as dear', now: [usage({ model: 'o', requests: 10, cost: 10, input: 100 })], causes: { ...none, mix: 9n * nano } },
    { name: 'prompts twice as long', now: [usage({ model: 'h', requests: 10, cost: 2, input: 200 })], causes: { ...none, tokens: nano } },
    { name: 'caching that saves what it did not before', now: [usage({ model: 'h', requests: 10, cost: 0.4, input: 100, cache_savings_usd: usd(0.6) })], causes: { ...none, cache: (-6n * nano) / 10n } },
    { name: 'the same tokens at twice the price', now: [usage({ model: 'h', requests: 10, cost: 2, input: 100 })], causes: { ...none, rate: nano } },
  ])('$name have one cause and no other', ({ now, causes }) => {
    expect(causesOf(now, [usage({ model: 'h', requests: 10, cost: 1, input: 100 })])).toEqual(causes);
  });

  test('the strongest come first, in words that say which way', () => {
    expect(strongest({ ...none, calls: -100n, tokens: 900n, rate: 1n })).toEqual([{ cause: 'tokens', word: 'more tokens a call', amount: 900n }, { cause: 'calls', word: 'fewer calls', amount: -100n }]);
  });
});

describe('users', () => {
  const users = usersOf([{ ...usage({ user: 'a', cost: 8 }), last_at: new Date(monday + dayMs).toISOString() }, usage({ user: 'b', cost: 1 }), usage({ user: 'c', cost: 1 }), usage({ user: null, cost: 10 })], 20n * nano);

  test('the spread is over named users alone, and says what nobody is named for', () => {
    expect(spreadOf(users)).toMatchObject({ active: 3, fourFifths: 1, unnamed: 0.5, cumulative: [0, 0.8, 0.9, 1], p50: nano, p95: 8n * nano });
  });

  test('last seen is the newest day, and unknown where no day is', () => {
    expect(users.find((one) => one.user === 'a')?.lastAt).toBe(monday + dayMs);
    expect(users.find((one) => one.user === 'b')?.lastAt).toBeNull();
  });

  test.each([
    { name: 'many failures of many calls', requests: 20, errors: 3, refused: 0, is: true },
    { name: 'many refusals', requests: 20, errors: 0, refused: 5, is: true },
    { name: 'few failures', requests: 20, errors: 2, refused: 0, is: false },
    { name: 'nothing but failures, but few calls', requests: 19, errors: 19, refused: 0, is: false },
  ])('$name: stuck is $is', ({ requests, errors, refused, is }) => {
    expect(stuck(usersOf([usage({ user: 'u', requests, errors, refused })], 1n)[0]!)).toBe(is);
  });
});

describe('models', () => {
  const price = (model: string, more: Partial<PriceRowAnswer> = {}): PriceRowAnswer => ({ model, kind: 'list', in_force: true, ...more }) as PriceRowAnswer;

  test('a price is found by id or without one trailing date, a contract wins, and a prefix is never enough', () => {
    const prices = [price('claude-haiku-4-5-20251001'), price('claude-sonnet-5'), price('claude-sonnet-5', { kind: 'contract' }), price('claude-opus-4-8', { in_force: false })];
    expect(priceOf(prices, 'claude-haiku-4-5')?.model).toBe('claude-haiku-4-5-20251001');
    expect(priceOf(prices, 'claude-sonnet-5-20260801')?.kind).toBe('contract');
    expect(priceOf(prices, 'claude-sonnet-5-5')).toBeNull();
    expect(priceOf(prices, 'claude-opus-4-8')).toBeNull();
  });

  test('a model writes as fast as its streamed answers after their first token, and too few say nothing', () => {
    const speeds = speedsOf([{ model: 'o', answers: 5, tokens_per_second: { p50: 300, p5: 100 } }, { model: 'h', answers: 4, tokens_per_second: { p50: 1, p5: 1 } }, { model: null, answers: 9, tokens_per_second: { p50: 1, p5: 1 } }]);
    expect([...speeds]).toEqual([['o', { p50: 300, p95: 100 }]]);
  });
});

describe('limits', () => {
  const seen = (more: Partial<LimitsAnswer['provider'][number]>): LimitsAnswer['provider'][number] => ({ credential: 'default', model_class: 'haiku', dimension: 'requests', limit: 100, remaining: 20, reset_at: new Date(monday + 1).toISOString(), seen_at: new Date(monday).toISOString(), ...more });

  test('the tightest stands first; a limit whose reset has passed is full again', () => {
    const rooms = headroomOf([seen({}), seen({ model_class: 'opus', remaining: 5 })], monday);
    expect(rooms.map((room) => [room.modelClass, room.lowest])).toEqual([['opus', 0.05], ['haiku', 0.2]]);
    expect(headroomOf([seen({})], monday + 1)[0]!.lowest).toBe(1);
    expect(headroomOf([seen({ reset_at: null })], monday + dayMs)[0]!.lowest).toBe(0.2);
  });

  test('a pool is as tight as its tightest dimension in each minute, and a gap stays a gap', () => {
    const one = (dimension: 'requests' | 'tokens', lowest: (number | null)[], modelClass = 'opus-4') => ({ credential: 'default', model_class: modelClass, dimension, lowest });
    expect(poolsOf([one('requests', [0.9, null, 0.2]), one('tokens', [0.5, null, 0.7]), one('requests', [0.1, 1, 1], 'haiku')])).toEqual([
      { name: 'haiku', lowest: [0.1, 1, 1], least: 0.1 }, { name: 'opus-4', lowest: [0.5, null, 0.2], least: 0.2 },
    ]);
  });

  test('failures are told whose they are, the most frequent first', () => {
    const failures = failuresOf([reason({ outcome: 'refused', status: 429, reason: 'rate_limited' }), reason({ outcome: 'upstream_error', status: 529, reason: 'overloaded_error', calls: 2 })]);
    expect(failures.map(({ type, side, count }) => ({ type, side, count }))).toEqual([{ type: 'overloaded_error', side: 'The provider', count: 2 }, { type: 'rate_limited', side: 'Refused by us', count: 1 }]);
  });
});

const reason = (more: Partial<ReasonRow>): ReasonRow => ({ outcome: 'refused', status: null, reason: null, calls: 1, ...more });

test('refused calls are counted by reason over all their days, others are left out', () => {
  const refusals = refusedBy([reason({ reason: 'rate_limited', calls: 2 }), reason({ reason: 'budget_exhausted', calls: 2 }), reason({ reason: 'budget_exhausted' }), reason({ outcome: 'crashed', calls: 9 })]);
  expect(refusals.map((one) => [one.reason, one.calls])).toEqual([['budget_exhausted', 3], ['rate_limited', 2]]);
});

describe('what rules said', () => {
  const said = (more: Partial<VerdictRow>): VerdictRow => ({ policy: 'budget:a', verdict: 'would_refuse', calls: 1, ...more });

  test('is counted by rule over all its days, of the verdicts asked for alone', () => {
    const rows = [said({}), said({ policy: 'models:b', calls: 4, verdict: 'would_rewrite' }), said({ calls: 2 }), said({ verdict: 'refuse', calls: 9 }), said({ policy: null, verdict: 'refuse' })];
    expect(spokenBy(rows, ON_TRIAL).map(({ policy, verdicts, calls }) => [policy, verdicts, calls])).toEqual([['models:b', ['would_rewrite'], 4], ['budget:a', ['would_refuse'], 3]]);
    expect(spokenBy(rows, ['refuse']).map(({ policy, calls }) => [policy, calls])).toEqual([['budget:a', 9], ['', 1]]);
  });

  test('can come of the rules on trial: dry runs of scopes, limits and budgets, and soft budgets', () => {
    const scope = (id: string, dryRun: string[], workflows: unknown[] = []) => ({ id, dry_run: dryRun, workflows });
    const policies = { workspaces: [scope('support', ['models'], [scope('triage', ['limits'])]), scope('catalog', [])], limits: [{ id: 'each-key', dry_run: true }, { id: 'hard', dry_run: false }] } as unknown as PoliciesAnswer;
    const budgets = { rows: [budget({ id: 'hard' }), budget({ id: 'tried', dry_run: true }), budget({ id: 'soft', mode: 'soft' })] } as unknown as BudgetsAnswer;
    expect(onTrial(policies, budgets)).toEqual(['models:support', 'limit:support/triage', 'limit:each-key', 'budget:tried', 'budget:soft']);
  });
});

test('a budget reaches its limit where the forecast line meets it, or not in this period', () => {
  // $25 of $70 on the second day of seven; $65 at the end.
  expect(reachedAt(budget({}), monday + 2 * dayMs)).toBeNull();
  // $115 at the end: $45 more are gone half-way through the five days that are left.
  expect(reachedAt(budget({ forecast_usd: { p50: usd(115), p90: usd(120) } }), monday + 2 * dayMs)).toBe(monday + 4.5 * dayMs);
  expect(reachedAt(budget({ forecast_usd: null }), monday)).toBeNull();
});

test('three budgets are suggested that fit the spend, as YAML that the config takes', () => {
  const { budgets } = parse(suggestionOf([10, 30, 20], [{ name: 'support', dollars: 41 }, { name: 'catalog', dollars: 19 }])) as { budgets: { id: string; limit_usd: number; mode: string }[] };
  expect(budgets.map(({ id, limit_usd, mode }) => [id, limit_usd, mode])).toEqual([['everything-month', 72, 'soft'], ['support-month', 50, 'soft'], ['runaway-day', 60, 'hard']]);
});

describe('the burn-up of a budget', () => {
  const rows = [usage({ day: new Date(monday).toISOString(), cost: 10 }), usage({ day: new Date(monday + 2 * dayMs).toISOString(), cost: 14 })];
  const burn = burnUpOf(budget({}), rows, monday + 2.5 * dayMs, 'UTC');
  const dollars = (amounts: readonly (bigint | null)[]) => amounts.map((amount) => (amount === null ? null : Number(amount / nano)));

  test('adds up the days, ends with what the budget counts, and stops at the present', () => {
    expect(dollars(burn.spent)).toEqual([10, 10, 25, null, null, null, null]);
  });

  test('goes on from there to the forecast at the end', () => {
    expect(dollars(burn.p50)).toEqual([null, null, 25, 35, 45, 55, 65]);
    expect(dollars(burn.p90)).toEqual([null, null, 25, 45, 65, 85, 105]);
    expect(burnUpOf(budget({ forecast_usd: null }), rows, monday, 'UTC').p50.every((amount) => amount === null)).toBe(true);
  });
});

describe('a plan', () => {
  test('comes back from the address as it went in, and the first one needs none', () => {
    expect(taskText(FIRST)).toBeNull();
    const task = { ...FIRST, model: 'claude-sonnet-5', calls: '7', rate: '12.5' };
    expect(taskFrom(taskText(task))).toEqual(task);
  });

  test('by hand is asked with its minutes, and with a rate where there is one', () => {
    expect(bodyOf({ ...FIRST, rate: '40' })).not.toHaveProperty('hourly_rate_usd');
    expect(bodyOf({ ...FIRST, minutes: '3' })).toMatchObject({ minutes_per_task: '3' });
    expect(bodyOf({ ...FIRST, minutes: '3' })).not.toHaveProperty('hourly_rate_usd');
    expect(bodyOf({ ...FIRST, minutes: '3', rate: '40' })).toMatchObject({ minutes_per_task: '3', hourly_rate_usd: '40' });
  });

  test('like a workflow takes its means per call that was sent, and nothing of one without calls', () => {
    const row = usage({ requests: 65, refused: 5, input: 600, tokens: { input: 600, cache_write_5m: 60, cache_write_1h: 0, cache_read: 540, output: 120 } });
    expect(taskLike(row, 'm', 30)).toMatchObject({ model: 'm', calls: '2', input: '20', output: '2', prefix: '10', ttl: '5m' });
    expect(taskLike(usage({ requests: 3, refused: 3 }), 'm', 30)).toBeNull();
  });

  test('names what moves it most first, and nothing that moves nothing', () => {
    const month = (dollars: number) => ({ month_usd: usd(dollars), kinds: [{ kind: 'output', tokens_per_month: 1, month_usd: `${usd(dollars)}000` }] });
    const levers = leversOf({ described: month(10), plain: month(10), cached: null, batched: month(5) } as unknown as PlanModelAnswer);
    expect(levers.map((one) => [one.name, Number(one.change / nano)])).toEqual([['All in batches, uncached', -5], ['A fifth more calls', 2], ['Answers a fifth longer', 2]]);
  });
});

test.each([
  { values: [], share: 0.5, is: null },
  { values: [3n, 1n, 2n], share: 0.5, is: 2n },
  { values: [3n, 1n, 2n], share: 1, is: 3n },
  { values: [3n, 1n, 2n], share: 0, is: 1n },
])('the quantile $share of $values is $is', ({ values, share, is }) => {
  expect(quantile(values, share)).toBe(is);
});
