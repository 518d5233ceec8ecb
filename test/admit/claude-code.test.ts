// test/admit/claude-code.test.ts: what Claude Code is told of a budget, and who is taken for it.

import { expect, test } from 'vitest';
import { exhaustedHeaders, isClaudeCode, warningHeaders } from '../../server/admit/claude-code.ts';
import type { Standing } from '../../server/domain/budget.ts';
import { periodAt } from '../../server/domain/calendar.ts';
import type { EpochMs } from '../../server/domain/ids.ts';
import { admit, admitted, budget, openGate, usd } from './scene.ts';

const noon = Date.parse('2025-06-15T12:00:00Z') as EpochMs;
const standing = (spent: string, limit: string, granted?: string): Standing => ({
  budget: budget('b', limit), period: periodAt('day', noon, 'UTC'), spent: usd(spent), held: usd('0'), ...(granted === undefined ? {} : { granted: usd(granted) }),
});
const pairs = (flat: readonly string[]): Record<string, string> => Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name.replace('anthropic-ratelimit-unified-', ''), flat[i + 1]!]] : [])));
const midnight = String(Date.parse('2025-06-16T00:00:00Z') / 1000);

test.each([
  { headers: { 'x-app': 'cli' }, is: true },
  { headers: { 'user-agent': 'claude-cli/2.1.0 (external, cli)' }, is: true },
  { headers: { 'user-agent': 'Anthropic/JS 1.11.0' }, is: false },
  { headers: { 'user-agent': 'my-claude-cli/1' }, is: false },
  { headers: { 'x-app': 'cli-bg' }, is: false },
  { headers: {}, is: false },
])('$headers is Claude Code: $is', ({ headers, is }) => {
  expect(isClaudeCode(headers)).toBe(is);
});

test.each([
  { period: 'day' as const, word: 'daily' },
  { period: 'week' as const, word: 'weekly' },
  { period: 'month' as const, word: 'monthly' },
  { period: 'hour' as const, word: undefined },
  { period: 'quarter' as const, word: undefined },
])('an exhausted budget of a $period is a spend limit, reset at the end of the period', ({ period, word }) => {
  expect(pairs(exhaustedHeaders({ period, resetsAt: 1_750_032_000_001 as EpochMs }))).toEqual({
    status: 'rejected', reset: '1750032001', 'overage-reset': '1750032001', 'overage-utilization': '1', 'overage-surpassed-threshold': '1', 'overage-disabled-reason': 'org_spend_cap_reached',
    ...(word === undefined ? {} : { 'overage-period': word }),
  });
});

test.each([
  { spent: '7.499999999', limit: '10', used: null, passed: null },
  { spent: '7.5', limit: '10', used: '0.75', passed: '0.75' },
  { spent: '9.499999999', limit: '10', used: '0.94', passed: '0.75' },
  { spent: '9.5', limit: '10', used: '0.95', passed: '0.95' },
  { spent: '11', limit: '10', used: '0.99', passed: '0.95' },
  { spent: '0', limit: '0', used: '0.99', passed: '0.95' },
  { spent: '9.5', limit: '10', granted: '10', used: null, passed: null },
])('with $spent of $limit (granted: $granted) spent, it is warned at $passed', ({ spent, limit, granted, used, passed }) => {
  const said = pairs(warningHeaders(standing(spent, limit, granted)));
  expect(said).toEqual(used === null ? {} : { status: 'allowed_warning', reset: midnight, 'overage-reset': midnight, 'representative-claim': 'overage', 'overage-status': 'allowed_warning', 'overage-utilization': used, 'overage-surpassed-threshold': passed });
});

test('of all hard budgets that cover a call, the one with the smallest share left is told', async () => {
  const budgets = [budget('wide', '100'), budget('near', '10', { scope: { workspace: 'w' } }), budget('soft', '1', { mode: 'soft' }), budget('other', '1', { scope: { workspace: 'x' } })];
  const period = periodAt('day', noon, 'UTC');
  const spent = ['80', '9', '5', '1'];
  const { gate } = openGate({ budgets, standings: budgets.map((b, i) => ({ budget: b, period, spent: usd(spent[i]!), held: usd('0') })) });
  expect((await admitted(admit(gate))).tightest?.budget.id).toBe('near');
  expect((await admitted(admit(openGate({}).gate))).tightest).toBeNull();
  expect(warningHeaders(null)).toEqual([]);
});
