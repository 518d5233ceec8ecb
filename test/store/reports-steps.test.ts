// test/store/reports-steps.test.ts: the steps of a workflow's traces: which calls they are, and what they cost and take.

import { afterEach, expect, test } from 'vitest';
import { report } from '../../server/store/sqlite/reports.ts';
import { openSource } from '../../server/store/sqlite/reports-source.ts';
import { anyCall, modelOf, writtenLedger, type ToldCall } from './written-ledger.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

const trace = (n: number): string => n.toString(16).padStart(32, '0');
const at = (second: number, n: number | null, more: Partial<ToldCall> = {}): ToldCall => ({ ...anyCall, at: anyCall.at + second * 1_000, trace: n === null ? null : trace(n), ...more });

function stepsOf(told: readonly ToldCall[], more: { from?: number; to?: number; workspace?: string; workflow?: string; mostTraces?: number; mostCalls?: number; mostSteps?: number } = {}) {
  const ledger = writtenLedger('UTC');
  ledger.write(told);
  const source = openSource(ledger.file, 'UTC');
  closing.push(() => (source.close(), ledger.remove()));
  return report(source, 'steps', { from: anyCall.at, to: anyCall.at + 3_600_000, workspace: 'support', workflow: 'triage', mostTraces: 100, mostCalls: 1_000, mostSteps: 20, ...more });
}

test('a step is the call of that number in its trace, however traces overlap', () => {
  const tokens = (input: number) => ({ ...anyCall.tokens, input, output: 5, cacheRead: 10 });
  const { rows, traces, calls, from } = stepsOf([
    at(0, 1, { cost: 10n, tokens: tokens(100), durationMs: 400 }), at(1, 2, { cost: 30n, tokens: tokens(300), durationMs: 200 }), at(2, 1, { cost: 7n, tokens: tokens(1), durationMs: 50, modelServed: 'claude-opus-4-6' }),
    at(3, 3, { cost: 20n, tokens: tokens(200), durationMs: 300 }), at(4, null, { cost: 1_000n }),
  ]);
  expect({ traces, calls, from }).toEqual({ traces: 3, calls: 4, from: anyCall.at });
  expect(rows).toEqual([
    { step: 1, calls: 3, traces: 3, model: modelOf(anyCall), modelCalls: 3, toolUse: 0, cost: { p50: 20n, p95: 30n }, tokens: { p50: 215, p95: 315 }, durationMs: { p50: 300, p95: 400 }, dearestTrace: trace(2) },
    { step: 2, calls: 1, traces: 1, model: 'claude-opus-4-6', modelCalls: 1, toolUse: 0, cost: { p50: 7n, p95: 7n }, tokens: { p50: 16, p95: 16 }, durationMs: { p50: 50, p95: 50 }, dearestTrace: trace(1) },
  ]);
});

test('only answered calls of the workflow and workspace are steps', () => {
  const { rows } = stepsOf([
    at(0, 1, { outcome: 'upstream_error' }), at(1, 1, { outcome: 'refused' }), at(2, 1, { outcome: null }), at(3, 1, { workflow: 'digest' }), at(4, 1, { workspace: 'research' }),
    at(5, 1, { cost: 3n }), at(6, 1, { outcome: 'truncated', cost: 4n }), at(7, 1, { outcome: 'client_abort', cost: 5n }), at(8, 2, { outcome: 'refused' }),
  ]);
  expect(rows.map(({ step, cost, traces }) => [step, cost.p50, traces])).toEqual([[1, 3n, 1], [2, 4n, 1], [3, 5n, 1]]);
});

test('a trace that began before the range keeps the numbers of its steps, and one without a call in it is left out', () => {
  const { rows, traces } = stepsOf([at(-20, 2), at(-10, 1, { cost: 1n }), at(10, 1, { cost: 2n }), at(3_600, 3)]);
  expect({ traces, costs: rows.map(({ cost }) => cost.p50) }).toEqual({ traces: 1, costs: [1n, 2n] });
});

test('steps past the last that is told apart are one, of as many traces as have them', () => {
  const { rows } = stepsOf([...[0, 1, 2, 3, 4].map((second) => at(second, 1)), ...[5, 6, 7].map((second) => at(second, 2))], { mostSteps: 2 });
  expect(rows.map(({ step, calls, traces }) => [step, calls, traces])).toEqual([[1, 2, 2], [2, 2, 2], [null, 4, 2]]);
});

test('of many traces the newest by their last call are told, and from when on', () => {
  const told = [at(0, 1, { cost: 1n }), at(1, 2, { cost: 2n }), at(2, 3, { cost: 3n }), at(3, 1, { cost: 9n })];
  const { rows, traces, from } = stepsOf(told, { mostTraces: 2 });
  expect({ traces, from, costs: rows.map(({ cost }) => [cost.p50, cost.p95]) }).toEqual({ traces: 2, from: anyCall.at + 2_000, costs: [[1n, 3n], [9n, 9n]] });
  expect(stepsOf(told, { mostTraces: 3 })).toMatchObject({ traces: 3, from: anyCall.at });
  // Whole traces: the one that reaches the mark is read to its end.
  expect(stepsOf(told, { mostCalls: 1 })).toMatchObject({ traces: 1, calls: 2, from: anyCall.at + 3_000 });
  expect(stepsOf(told, { mostCalls: 4 })).toMatchObject({ traces: 3, calls: 4, from: anyCall.at });
});

test('where nothing is traced, or nobody has the name, there are none', () => {
  expect(stepsOf([at(0, null)])).toEqual({ traces: 0, calls: 0, from: anyCall.at, rows: [] });
  expect(stepsOf([at(0, 1)], { workflow: 'nobody' }).rows).toEqual([]);
});
