// test/bill/bill.test.ts: bills are shared out so that every column adds up.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apportion } from '../../server/bill/apportion.ts';
import { atListPrice, chargesOf } from '../../server/bill/charges.ts';
import { FOCUS_COLUMNS, openFocus, type FocusRow } from '../../server/bill/focus.ts';
import { openStatement } from '../../server/bill/statement.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { nanodollars, picodollars, roundUpToNano } from '../../server/domain/money.ts';
import type { CostLine } from '../../server/domain/price.ts';
import type { BilledCall, CallRow, UsageRow } from '../../server/domain/reports.ts';
import { priceRow } from '../store/written-ledger.ts';

const NOON = Date.UTC(2026, 10, 10, 12);
const MODEL = 'claude-haiku-4-5';

const line = (more: Partial<CostLine> = {}): CostLine => ({ kind: 'input', model: MODEL, quantity: 1, unitPrice: picodollars(1_500n), amount: picodollars(1_500n), factors: [], priceVersion: 'v1', ...more });

/** A call that costs what its lines come to, unless told. */
function call(lines: readonly CostLine[], more: Partial<CallRow> = {}): BilledCall {
  const cost = roundUpToNano(picodollars(lines.reduce((sum, one) => sum + one.amount, 0n)));
  const row = { id: 'req_1', admittedAt: epochMs(NOON), workspace: 'support', workflow: 'triage', modelServed: MODEL, modelSent: MODEL, modelRequested: MODEL, cost, estimated: false, cacheSavings: nanodollars(0n), priceVersion: 'v1', ...more } as CallRow;
  return { row, parts: [], speed: null, serviceTier: null, inferenceGeo: null, prices: [], corrections: [] };
}

const lines = fc.array(fc.record({ kind: fc.constantFrom('input' as const, 'output' as const, 'cacheRead' as const), quantity: fc.integer({ min: 0, max: 1e6 }), unitPrice: fc.bigInt({ min: 1n, max: 10n ** 8n }) }).map(({ quantity, unitPrice, ...rest }) => line({ ...rest, quantity, unitPrice: picodollars(unitPrice), amount: picodollars(unitPrice * BigInt(quantity)) })), { maxLength: 6 });

describe('parts of a whole', () => {
  test('add up to it, and none is off its share by a whole unit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), fc.array(fc.bigInt({ min: 0n, max: 10n ** 15n }), { minLength: 1 }), (total, weights) => {
        const parts = apportion(total, weights);
        const sum = weights.reduce((a, b) => a + b, 0n);
        expect(parts.reduce((a, b) => a + b, 0n)).toBe(total);
        if (sum === 0n) return;
        for (const [at, part] of parts.entries()) {
          const off = part * sum - total * (weights[at] as bigint);
          expect((off < 0n ? -off : off) < sum).toBe(true);
        }
      }),
    );
  });

  test('of three equal shares of a dollar, the first takes the cent that is left', () => {
    expect(apportion(100n, [1n, 1n, 1n])).toEqual([34n, 33n, 33n]);
    expect(apportion(7n, [0n, 0n])).toEqual([7n, 0n]);
    expect(apportion(7n, [])).toEqual([]);
  });
});

test('the charges of a call add up to its cost, and a cost that no line explains stands as one', () => {
  fc.assert(fc.property(lines, (all) => {
    const detail = call(all);
    expect(chargesOf(detail, all).reduce((sum, one) => sum + one.cost, 0n)).toBe(detail.row.cost);
  }));
  const held = call([], { cost: nanodollars(99n) });
  expect(chargesOf(held, [])).toMatchObject([{ kind: 'unexplained', quantity: 0, unitPrice: null, cost: 99n }]);
  expect(chargesOf(call([line()], { cost: nanodollars(99n) }), [line()])).toMatchObject([{ kind: 'unexplained', cost: 99n }]);
});

test('a statement adds up in nano-dollars and in cents, whatever was called', () => {
  fc.assert(fc.property(fc.array(lines), (calls) => {
    const open = openStatement();
    let spent = 0n;
    for (const all of calls) {
      const detail = call(all);
      spent += detail.row.cost;
      open.add(detail, all);
    }
    const { total, totalCents, lines: written, calls: count } = open.close();
    expect([total, count]).toEqual([spent, calls.length]);
    expect(written.reduce((sum, one) => sum + one.amount, 0n)).toBe(total);
    expect(written.reduce((sum, one) => sum + one.cents, 0n)).toBe(totalCents);
    for (const one of written) expect(Math.abs(Number(one.cents) - Number(one.amount) / 1e7)).toBeLessThan(1.5);
  }));
});

test('a statement keeps prices apart, and adds days whose calls are gone as sums', () => {
  const open = openStatement();
  const cheap = line({ quantity: 10, amount: picodollars(15_000n) });
  const dear = line({ quantity: 10, unitPrice: picodollars(3_000n), amount: picodollars(30_000n), factors: ['us x1.1'] });
  open.add(call([cheap]), [cheap]);
  open.add(call([dear], { estimated: true }), [dear]);
  open.addPast([{ group: { workflow: 'triage', model: MODEL }, requests: 7, refused: 2, cost: nanodollars(5n), estimatedCost: nanodollars(1n), cacheSavings: nanodollars(3n) } as unknown as UsageRow]);
  const { lines: written, calls, estimated, cacheSavings } = open.close();
  expect(written.map((one) => [one.kind, one.quantity, one.amount, one.factors.join()])).toEqual([['input', 10, 15n, ''], ['input', 10, 30n, 'us x1.1'], ['past_rows', 0, 5n, '']]);
  expect([calls, estimated, cacheSavings]).toEqual([7, 31n, 3n]);
});

describe('FOCUS rows', () => {
  const told = { accountOf: () => 'default' };
  const cell = (row: FocusRow, name: string) => FOCUS_COLUMNS[name]!(row, told);

  test('stand per period in UTC, and a period is given once it is over', () => {
    const open = openFocus('day');
    const at = (ms: number) => call([line()], { admittedAt: epochMs(ms) });
    expect(open.add(at(NOON), [line()], [line()])).toEqual([]);
    expect(open.add(at(NOON + 60_000), [line()], [line()])).toEqual([]);
    const [first] = open.add(at(NOON + 86_400_000), [line()], [line()]);
    expect([cell(first!, 'ChargePeriodStart'), cell(first!, 'ChargePeriodEnd'), cell(first!, 'BillingPeriodStart'), cell(first!, 'x_RequestCount')]).toEqual(['2026-11-10T00:00:00Z', '2026-11-11T00:00:00Z', '2026-11-01T00:00:00Z', 2]);
    expect(open.close()).toHaveLength(1);
    expect(open.close()).toEqual([]);
  });

  test('fill every column that FOCUS demands, and quantity times price is what was consumed', () => {
    const open = openFocus('hour');
    open.add(call([line({ kind: 'cacheRead', quantity: 2_000_000, unitPrice: picodollars(100_000n), amount: picodollars(200_000_000_000n) })]), [line({ kind: 'cacheRead', quantity: 2_000_000, unitPrice: picodollars(100_000n), amount: picodollars(200_000_000_000n) })], []);
    const [row] = open.close();
    for (const name of ['BilledCost', 'BillingAccountId', 'BillingCurrency', 'BillingPeriodStart', 'BillingPeriodEnd', 'ChargeCategory', 'ChargeDescription', 'ChargePeriodStart', 'ChargePeriodEnd', 'ContractedCost', 'EffectiveCost', 'InvoiceIssuerName', 'ListCost', 'PricingQuantity', 'PricingUnit', 'ProviderName', 'PublisherName', 'ServiceCategory', 'ServiceName', 'SkuId', 'SkuPriceId']) expect({ name, filled: cell(row!, name) !== null }).toEqual({ name, filled: true });
    expect([cell(row!, 'BilledCost'), cell(row!, 'PricingQuantity'), cell(row!, 'ContractedUnitPrice'), cell(row!, 'SkuMeter')]).toEqual(['0.200000000', 2, '0.100000000000', 'Input Tokens']);
    expect(JSON.parse(cell(row!, 'SkuPriceDetails') as string)).toEqual({ x_TokenDirection: 'Input', x_TokenCacheAction: 'Read' });
  });

  test('of a contract say what the list price would have been', () => {
    const contract = { ...priceRow(MODEL), version: `${MODEL}@2026-01-01+contract#1`, contract: { name: 'ours', until: null } };
    const detail = { ...call([line({ quantity: 100, amount: picodollars(100_000n), unitPrice: picodollars(1_000n) })]), prices: [contract] };
    const listed = atListPrice(detail, [priceRow(MODEL), contract, { ...priceRow(MODEL), version: 'later', effectiveFrom: epochMs(NOON + 1) }]);
    expect(listed.prices.map((row) => row.version)).toEqual([priceRow(MODEL).version]);
    expect(atListPrice(call([]), [])).toMatchObject({ prices: [] });
    const open = openFocus('day');
    open.add(detail, [line({ quantity: 100, amount: picodollars(100_000n), unitPrice: picodollars(1_000n) })], [line({ quantity: 100, amount: picodollars(150_000n), unitPrice: picodollars(1_500n) })]);
    const [row] = open.close();
    expect([cell(row!, 'BilledCost'), cell(row!, 'ListCost'), cell(row!, 'ListUnitPrice')]).toEqual(['0.000000100', '0.000000150', '0.001500000000']);
  });
});
