// test/cli/plan.test.ts: `tollgate plan`, which needs no gateway.

import { expect, test } from 'vitest';
import { tollgate } from './tollgate.ts';

const TICKETS = ['plan', '--model', 'claude-haiku-4-5', '--calls-per-day', '200', '--input', '200', '--output', '5'];

test('a plan is printed for people, with the sums of the task and of other models', async () => {
  const { code, out } = await tollgate([...TICKETS, '--compare', 'claude-sonnet-5-5', '--minutes', '1.5', '--hourly-rate', '40']);
  expect(code).toBe(0);
  const [, own, other] = out.split('\n');
  expect(own).toMatch(/^claude-haiku-4-5 +\$0\.000225 +\$0\.0450 +\$1\.3500 +\$16\.2000 .*\$5,998\.6500 +list$/);
  expect(other).toMatch(/^claude-sonnet-5-5 /);
  expect(out).toContain('By hand: 150 hours a month, worth $6,000.0000.');
  expect(out).toContain('claude-sonnet-5-5 makes about 30 % more tokens');
});

test('what holds of several models is said once', async () => {
  const { out } = await tollgate([...TICKETS, '--compare', 'claude-sonnet-5-5,claude-opus-5']);
  expect(out.match(/^note: .*/gm)).toEqual([expect.stringMatching(/^note: claude-sonnet-5-5, claude-opus-5: each makes about 30 % more tokens/)]);
});

test('minutes without a rate are shown as hours', async () => {
  const { code, out } = await tollgate([...TICKETS, '--minutes', '1.5', '--compare', 'claude-haiku-4-5']);
  expect(code).toBe(0);
  expect(out).toContain('By hand: 150 hours a month.\n');
  expect(out).not.toContain('saved a month');
});

test('a prompt of 2,000 tokens a thousand times costs $6 plain, and about a tenth with its prompt cached', async () => {
  const prompt = ['plan', '--model', 'claude-sonnet-4-6', '--calls-per-day', '1000', '--input', '2000', '--output', '0', '--compare', 'claude-sonnet-4-6', '--days', '1', '--json'];
  const [plain, cached] = await Promise.all([tollgate(prompt), tollgate([...prompt, '--cached', '2000'])]);
  expect(JSON.parse(plain.out)).toMatchObject({ models: [{ described: { month_usd: '6.000000000' } }] });
  expect(JSON.parse(cached.out)).toMatchObject({ models: [{ described: { call_usd: '0.000606900', month_usd: '0.606900000' }, warnings: [] }] });
});

test('a prefix that is too short to be cached is told', async () => {
  const { out } = await tollgate(['plan', '--model', 'claude-haiku-4-5', '--calls-per-day', '1000', '--input', '2000', '--output', '0', '--cached', '2000', '--compare', 'claude-haiku-4-5']);
  expect(out).toContain('note: claude-haiku-4-5-20251001 caches prefixes of 4096 tokens or more');
});

test('JSON is what the admin API answers', async () => {
  const { out } = await tollgate([...TICKETS, '--batch', '50%', '--json', '--compare', 'claude-haiku-4-5']);
  expect(JSON.parse(out)).toMatchObject({ models: [{ model: 'claude-haiku-4-5', described: { month_usd: '1.012500000' }, plain: { month_usd: '1.350000000' } }], by_hand: null });
});

test.each([
  { name: 'a share that is no percentage', args: ['--batch', '0.5'], says: 'percentage', code: 2 },
  { name: 'a prefix longer than the prompt', args: ['--cached', '300'], says: '--cached: expected no more than input_tokens', code: 2 },
  { name: 'a model that nobody knows', args: ['--compare', 'claude-haiku-4-6'], says: 'Did you mean claude-haiku-4-5?', code: 1 },
])('$name is a mistake in words', async ({ args, says, code }) => {
  const ended = await tollgate([...TICKETS, ...args]);
  expect(ended.code).toBe(code);
  expect(ended.err).toContain(says);
});
