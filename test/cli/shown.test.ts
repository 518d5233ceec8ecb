// test/cli/shown.test.ts: how figures, names and times look in a terminal.

import { expect, test } from 'vitest';
import type { AlertFiring, RequestAnswer, UsageAnswer, UsageFigures } from '../../server/http/admin/wire.ts';
import { alertsTable } from '../../server/cli/alerts.ts';
import { explainText } from '../../server/cli/explain.ts';
import { reportText } from '../../server/cli/report.ts';
import { dollars, dollarsLeft, exactDollars, printable, table } from '../../server/cli/show.ts';
import { laterInstant } from '../../server/cli/times.ts';
import { recoveredText } from '../../server/main.ts';

test.each([
  ['0.000000000', '$0.0000'],
  ['0.000000001', '$0.0001'],
  ['0.000100000', '$0.0001'],
  ['12.345600001', '$12.3457'],
  ['999.999900001', '$1,000.0000'],
  ['1234567.000000000', '$1,234,567.0000'],
  ['9007199254740993.500000000', '$9,007,199,254,740,993.5000'],
  ['-0.000000001', '-$0.0001'],
])('%s is shown as %s', (usd, shown) => {
  expect(dollars(usd)).toBe(shown);
});

test.each([
  ['0.000000000', '$0.0000'],
  ['0.000099999', '$0.0000'],
  ['69.976099999', '$69.9760'],
  ['999.999900001', '$999.9999'],
  ['-0.000000001', '-$0.0001'],
])('%s that is left is shown as %s, never as more', (usd, shown) => {
  expect(dollarsLeft(usd)).toBe(shown);
});

test.each([
  ['400.000000000', '$400.0000'],
  ['0.000001000', '$0.000001'],
  ['0.000000001', '$0.000000001'],
  ['12.345678900', '$12.3456789'],
  ['1234567.500000000', '$1,234,567.5000'],
])('a limit of %s is shown as it was written, %s', (usd, shown) => {
  expect(exactDollars(usd)).toBe(shown);
});

test('one call that was recovered is one, and more are many', () => {
  expect(recoveredText(1)).toBe('1 call that was in flight when the last run ended; it is booked at what was held for it');
  expect(recoveredText(2)).toBe('2 calls that were in flight when the last run ended; each is booked at what was held for it');
});

test('a name from a client cannot move the cursor, ring the bell or turn the text around', () => {
  expect(printable('a\u001b[2Jb\u0007\n\u202ec')).toBe('a?[2Jb???c');
  expect(table(['user'], [['\u001b[31mred']])).not.toContain('\u001b');
});

test('columns are as wide as their widest cell, figures to the right', () => {
  expect(table(['name', 'cost'], [['a', '$1'], ['longer', '$100']], ['cost'])).toBe('name    cost\na         $1\nlonger  $100');
});

const NOW = Date.parse('2026-06-15T12:00:00Z');
test.each([
  ['90d', '2026-09-13T12:00:00.000Z'],
  ['1w', '2026-06-22T12:00:00.000Z'],
  ['24h', '2026-06-16T12:00:00.000Z'],
  ['30m', '2026-06-15T12:30:00.000Z'],
  ['2027-01-31', '2027-01-31T00:00:00.000Z'],
  ['2027-01-31T18:00:00+02:00', '2027-01-31T16:00:00.000Z'],
])('%s is %s', (text, instant) => {
  expect(laterInstant(text, NOW).toISOString()).toBe(instant);
});

test.each(['', '90', '-1d', '1y', '2027-13-01', '2027-01-31T18:00', 'tomorrow', '2026-06-15T12:00:00Z', '0d'])('"%s" is no time to come', (text) => {
  expect(() => laterInstant(text, NOW)).toThrow(/Expected/);
});

const figures = (cost: string, estimated = '0.000000000'): UsageFigures => ({
  requests: 1200, attempts: 1201, refused: 3, errors: 1, tokens: { input: 10, cache_write_5m: 20, cache_write_1h: 30, cache_read: 40, output: 50 },
  web_searches: 0, cost_usd: cost, estimated_cost_usd: estimated, cache_savings_usd: '0.000000000', duration_ms: { p50: null, p95: null }, ttft_ms: { p50: null, p95: null },
});
const answer = (more: Partial<UsageAnswer>): UsageAnswer => ({
  from: '2026-06-01T00:00:00.000Z', to: '2026-06-15T00:00:00.000Z', timezone: 'Europe/Berlin', group_by: ['day', 'user'],
  rows: [{ ...figures('1.500000000'), day: '2026-06-13T22:00:00.000Z', user: null }], truncated: false, total: figures('1.500000000'), ...more,
});

test('a report shows days where the calendar of the gateway is, and who has no name as (none)', () => {
  const lines = reportText(answer({})).split('\n');
  expect(lines[3]).toMatch(/^2026-06-14 +\(none\) +1,200 +3 +1 +10 +40 +50 +50 +\$1\.5000$/);
  expect(lines[4]).toMatch(/^total +1,200 /);
  expect(lines).toHaveLength(5);
});

test('a report says when rows were left out and how much of the cost is estimated', () => {
  const text = reportText(answer({ truncated: true, total: figures('1.500000000', '0.250000000') }));
  expect(text).toContain('Some rows were left out');
  expect(text).toContain('$0.2500 of the cost is estimated.');
});

test.each([
  { inference_geo: 'us', shown: '(tier standard, ran in us)' },
  // The provider's word where it does not tell.
  { inference_geo: 'not_available', shown: '(tier standard)' },
])('a call whose place is $inference_geo is explained with $shown', ({ inference_geo, shown }) => {
  const request = {
    id: 'req_1', admitted_at: '2026-06-15T12:00:00.000Z', workspace: 'support', workflow: 'triage', endpoint: 'messages', model_requested: 'claude-haiku-4-5', model_served: 'claude-haiku-4-5', outcome: 'ok', status: 200,
    cost_usd: '0.001000000', settled_cost_usd: '0.001000000', estimated: false, estimate_method: null,
  } as RequestAnswer['request'];
  const answer: RequestAnswer = { request, attempts: [], cost_lines: [], cost_lines_usd: '0', cost_note: null, corrections: [], decisions: [], usage_parts: [], speed: null, service_tier: 'standard', inference_geo };
  expect(explainText(answer).split('\n')[1]).toBe(`  support/triage, messages, claude-haiku-4-5 ${shown}`);
});

test('a list of alerts says when each began and ended', () => {
  const alert = { state: 'firing', since: '2026-06-15T12:00:00.000Z', resolved_at: null, severity: 'warning', title: 'Calls fail', acknowledged_by: null, silenced: null, fingerprint: 'errors:gateway' } as AlertFiring;
  const [head, firing, over] = alertsTable([alert, { ...alert, state: 'resolved', resolved_at: '2026-06-15T18:30:00.000Z' }]).split('\n');
  expect(head).toMatch(/^state +since +ended +severity/);
  expect(firing).toMatch(/^firing +2026-06-15 12:00 UTC +warning/);
  expect(over).toMatch(/^resolved +2026-06-15 12:00 UTC +2026-06-15 18:30 UTC +warning/);
});
