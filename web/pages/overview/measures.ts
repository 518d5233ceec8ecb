// web/pages/overview/measures.ts: what the main chart can show, and how rows of usage become series. Sums are whole numbers (nano-dollars, counts), exact.

import type { UsageFigures, UsageRow } from '../../../server/http/admin/wire.ts';
import { OTHER_SLOT, slotsFor } from '../../charts/palette.ts';
import type { Series } from '../../charts/series.ts';
import { compact, dollarsForDrawing, exactMoney, nanos, shortMoney, whole } from '../../format.ts';
import { KIND_WORDS, KINDS, tokenSum } from '../../parts/tokens.ts';
import type { Bucket, BucketUnit } from '../../state/buckets.ts';

export interface Measure {
  readonly name: string;
  readonly axis: 'money' | 'count';
  readonly of: (figures: UsageFigures) => bigint;
  readonly short: (amount: bigint) => string;
  readonly exact: (amount: bigint) => string;
}

const count = { axis: 'count', short: (amount: bigint) => compact(Number(amount)), exact: (amount: bigint) => whole(Number(amount)) } as const;

export const MEASURES = {
  cost: { name: 'Spend', axis: 'money', of: (f) => nanos(f.cost_usd), short: shortMoney, exact: exactMoney },
  tokens: { name: 'Tokens', of: (f) => BigInt(tokenSum(f.tokens)), ...count },
  requests: { name: 'Requests', of: (f) => BigInt(f.requests), ...count },
  errors: { name: 'Errors', of: (f) => BigInt(f.errors), ...count },
} as const satisfies Record<string, Measure>;
export type MeasureName = keyof typeof MEASURES;

export const GROUPS = ['workspace', 'workflow', 'model', 'user'] as const;
export const GROUP_WORDS = { workspace: 'Workspace', workflow: 'Workflow', model: 'Model', user: 'User' } as const;
export type Group = (typeof GROUPS)[number];

export const toDraw = (measure: Measure, amount: bigint): number => (measure.axis === 'money' ? dollarsForDrawing(amount) : Number(amount));

/** The group's value in a row; null: the calls had none. */
export const valueIn = (row: UsageRow, group: Group): string | null => row[group] ?? null;
/** How a value reads where there is none. */
export const nameOf = (group: Group, value: string | null): string => value ?? `no ${group}`;

const keyIn = (row: UsageRow, unit: BucketUnit): number => Date.parse(row[unit] ?? '');

/** The measure per bucket, in the order of `buckets`. */
export function perBucket(rows: readonly UsageRow[], buckets: readonly Bucket[], unit: BucketUnit, measure: Measure): bigint[] {
  const sums = buckets.map(() => 0n);
  for (const row of rows) {
    const at = keyIn(row, unit);
    const index = buckets.findIndex((bucket) => at >= bucket.from && at < bucket.to);
    if (index >= 0) sums[index]! += measure.of(row);
  }
  return sums;
}

export interface Grouped {
  readonly value: string | null;
  readonly total: bigint;
  readonly series: Series;
}

const SHOWN = 7;

/** The seven biggest values of a group, and the rest as "Other": the totals less what is shown, so that the columns add up whatever was left out. */
export function group(rows: readonly UsageRow[], totals: readonly bigint[], buckets: readonly Bucket[], unit: BucketUnit, by: Group, measure: Measure): { shown: Grouped[]; other: Grouped | null } {
  const byValue = new Map<string | null, UsageRow[]>();
  for (const row of rows) {
    const value = valueIn(row, by);
    const some = byValue.get(value);
    if (some) some.push(row);
    else byValue.set(value, [row]);
  }
  const sum = (amounts: readonly bigint[]) => amounts.reduce((a, b) => a + b, 0n);
  const ranked = [...byValue]
    .map(([value, some]) => ({ value, amounts: perBucket(some, buckets, unit, measure) }))
    .map((one) => ({ ...one, total: sum(one.amounts) }))
    .filter((one) => one.total > 0n)
    .sort((a, b) => (b.total > a.total ? 1 : b.total < a.total ? -1 : 0));
  const top = ranked.slice(0, SHOWN);
  const slots = slotsFor(by, top.map((one) => nameOf(by, one.value)));
  const seriesOf = (name: string, slot: Series['slot'], amounts: readonly bigint[]): Series => ({ name, slot, values: amounts.map((amount) => toDraw(measure, amount)), exact: amounts.map(measure.exact) });
  const shown = top.map((one, i) => ({ value: one.value, total: one.total, series: seriesOf(nameOf(by, one.value), slots[i]!, one.amounts) }));
  const rest = totals.map((total, i) => total - sum(top.map((one) => one.amounts[i] ?? 0n)));
  const other = rest.some((amount) => amount > 0n) && ranked.length > SHOWN ? { value: null, total: sum(rest), series: seriesOf('Other', OTHER_SLOT, rest) } : null;
  return { shown, other };
}

/** Tokens per bucket by kind. */
export function groupKinds(rows: readonly UsageRow[], buckets: readonly Bucket[], unit: BucketUnit): Grouped[] {
  const slots = slotsFor('kind', KINDS);
  return KINDS.map((kind, i) => {
    const amounts = perBucket(rows, buckets, unit, { ...MEASURES.tokens, of: (f) => BigInt(f.tokens[kind]) });
    return { value: kind, total: amounts.reduce((a, b) => a + b, 0n), series: { name: KIND_WORDS[kind], slot: slots[i]!, values: amounts.map(Number), exact: amounts.map(MEASURES.tokens.exact) } };
  }).filter((one) => one.total > 0n);
}

const LINES = 6;

/** The p95 of the wait for the first token, in ms per bucket, of the busiest groups that have one; null where nothing was measured. */
export function firstTokens(rows: readonly UsageRow[], buckets: readonly Bucket[], unit: BucketUnit, by: Group): { value: string | null; name: string; values: (number | null)[] }[] {
  const found = new Map<string | null, { requests: number; values: (number | null)[] }>();
  for (const row of rows) {
    const index = buckets.findIndex((bucket) => keyIn(row, unit) >= bucket.from && keyIn(row, unit) < bucket.to);
    if (index < 0 || row.ttft_ms.p95 === null) continue;
    const one = found.get(valueIn(row, by)) ?? { requests: 0, values: buckets.map(() => null) };
    one.requests += row.requests;
    one.values[index] = row.ttft_ms.p95;
    found.set(valueIn(row, by), one);
  }
  return [...found].toSorted(([, a], [, b]) => b.requests - a.requests).slice(0, LINES).map(([value, { values }]) => ({ value, name: nameOf(by, value), values }));
}
