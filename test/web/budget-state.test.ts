// test/web/budget-state.test.ts: what the Budgets page says of calls in flight: held, counted as less, at risk, and when nothing more fits.

import { describe, expect, test } from 'vitest';
import type { BudgetRow } from '../../server/http/admin/wire.ts';
import { flightOf, stateOf } from '../../web/pages/budgets/state.ts';

const usd = (dollars: number): string => dollars.toFixed(9);
/** A hundred dollars a month. */
function budget(more: Partial<BudgetRow> = {}): BudgetRow {
  return {
    id: 'b', scope: { organization: true }, mode: 'hard', dry_run: false, period: { kind: 'month', from: '2026-11-01T00:00:00.000Z', to: '2026-12-01T00:00:00.000Z' }, limit_usd: usd(100), granted_usd: usd(0), grants: [],
    tolerance_usd: usd(0), spent_usd: usd(40), held_usd: usd(0), hold: 'worst_case', expected_usd: usd(0), overshoot_usd: usd(0), at_risk_usd: usd(0), remaining_usd: usd(60), refused: null, forecast_usd: null, alerts: [], notify: [], ...more,
  };
}
const expected = { hold: 'expected', overshoot_usd: usd(25) } as const;

describe('calls in flight', () => {
  test.each<{ name: string; row: Partial<BudgetRow>; word: string; counted: bigint | null; atRisk: bigint; bound: bigint | null }>([
    { name: 'that fit', row: { held_usd: usd(30), expected_usd: usd(30) }, word: 'On track', counted: null, atRisk: 0n, bound: 0n },
    { name: 'that hold all that is left', row: { held_usd: usd(60), expected_usd: usd(60) }, word: 'Held up by calls in flight', counted: null, atRisk: 0n, bound: 0n },
    { name: 'within a tolerance', row: { held_usd: usd(63), expected_usd: usd(63), tolerance_usd: usd(5), overshoot_usd: usd(5), at_risk_usd: usd(3) }, word: 'Calls in flight may pass its limit', counted: null, atRisk: 3_000_000_000n, bound: 5_000_000_000n },
    { name: 'that fill a tolerance', row: { held_usd: usd(65), expected_usd: usd(65), tolerance_usd: usd(5), overshoot_usd: usd(5), at_risk_usd: usd(5) }, word: 'Held up by calls in flight', counted: null, atRisk: 5_000_000_000n, bound: 5_000_000_000n },
    { name: 'that will probably fit', row: { ...expected, held_usd: usd(80), expected_usd: usd(8), at_risk_usd: usd(20) }, word: 'Calls in flight may pass its limit', counted: 8_000_000_000n, atRisk: 20_000_000_000n, bound: 25_000_000_000n },
    { name: 'whose worst case is as far above as it may', row: { ...expected, held_usd: usd(85), expected_usd: usd(8), at_risk_usd: usd(25) }, word: 'Held up by calls in flight', counted: 8_000_000_000n, atRisk: 25_000_000_000n, bound: 25_000_000_000n },
    { name: 'that will probably use all of it', row: { ...expected, held_usd: usd(70), expected_usd: usd(60), at_risk_usd: usd(10) }, word: 'Held up by calls in flight', counted: 60_000_000_000n, atRisk: 10_000_000_000n, bound: 25_000_000_000n },
    { name: 'of a soft budget', row: { mode: 'soft', held_usd: usd(90), expected_usd: usd(90), at_risk_usd: usd(30) }, word: 'On track', counted: null, atRisk: 30_000_000_000n, bound: null },
    { name: 'of a dry run', row: { dry_run: true, held_usd: usd(90), expected_usd: usd(90), at_risk_usd: usd(30) }, word: 'On track', counted: null, atRisk: 30_000_000_000n, bound: null },
  ])('$name: $word', ({ row, word, counted, atRisk, bound }) => {
    expect(flightOf(budget(row))).toMatchObject({ counted, atRisk, bound });
    expect(stateOf(budget(row)).word).toBe(word);
  });

  test('are no excuse for what is spent: a budget that is used up says so', () => {
    expect(stateOf(budget({ spent_usd: usd(100), held_usd: usd(5), expected_usd: usd(5) })).word).toBe('Used up, calls are refused');
  });
});

test.each([
  { name: 'that refused a call just now', row: { refused: { calls: 3, last_at: new Date(Date.now() - 60_000).toISOString() } }, word: 'Refuses calls that can cost more than is left' },
  { name: 'that refused one hours ago', row: { refused: { calls: 3, last_at: new Date(Date.now() - 7_200_000).toISOString() } }, word: 'On track' },
])('a budget $name: $word', ({ row, word }) => {
  expect(stateOf(budget(row)).word).toBe(word);
});
