// test/admit/expected-holds.test.ts: budgets that count calls in flight at what they probably cost.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Admission } from '../../server/domain/admission.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { admit, admitted, budget, openGate, settings, tokens, usd, type Wish } from './scene.ts';

const left = new AbortController();
left.abort();
const atOnce = { signal: left.signal } as const;

/** Ends `count` calls at a tenth of their worst case, so that it is known what such calls cost. */
async function learn(gate: ReturnType<typeof openGate>['gate'], count = 20, wish: Wish = {}, cost = '0.01'): Promise<void> {
  for (let i = 0; i < count; i++) (await admitted(admit(gate, { ceiling: '0.10', ...wish }))).release(usd(cost), tokens(1, 1));
}

async function fill(gate: ReturnType<typeof openGate>['gate'], wish: Wish = {}): Promise<Admission[]> {
  const calls: Admission[] = [];
  for (let i = 0; i < 1_000; i++) {
    const verdict = await admit(gate, { ceiling: '0.10', ...atOnce, ...wish });
    if (!verdict.ok) return calls;
    calls.push(verdict.value);
  }
  throw new Error('no end');
}

describe('a budget with hold: expected', () => {
  test('counts the worst case while too little is known, and what calls cost from then on', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1.20', { overshoot: '100' })] });
    await learn(gate, 19);
    expect((await fill(gate)).map((call) => call.release(usd('0'), null))).toHaveLength(10);
    await learn(gate, 1);
    const calls = await fill(gate);
    // A dollar is left; each counts at what it cost, rounded up to a fourth root of two.
    expect(calls.length).toBeGreaterThan(80);
    expect(calls.length).toBeLessThanOrEqual(100);
    const [standing] = gate.standings(clock.now());
    expect(standing).toMatchObject({ spent: usd('0.20'), held: usd('0.10') * BigInt(calls.length) });
    expect(standing!.expected! + standing!.spent).toBeLessThanOrEqual(usd('1.20'));
  });

  test('lets the worst case stand above the limit as far as it says, and not a nano-dollar further', async () => {
    const { gate } = openGate({ budgets: [budget('b', '1.20', { overshoot: '0.50' })] });
    await learn(gate);
    // 0.20 is spent, so 1.50 may be held.
    expect(await fill(gate)).toHaveLength(15);
    expect(await admit(gate, { ceiling: '0.10', ...atOnce })).toMatchObject({ refusal: { reason: 'budget_held', rule: 'budget:b' } });
  });

  test('learns by key and by model', async () => {
    const { gate } = openGate({ budgets: [budget('b', '10', { overshoot: '100' })] });
    await learn(gate, 20, { key: 'a', model: 'm1' });
    const detail = async (wish: Wish) => (await admitted(admit(gate, { ceiling: '0.10', ...wish }))).decisions[0]!.detail;
    expect(await detail({ key: 'a', model: 'm1' })).toMatch(/^held 0\.100000000 of 10\.000000000, counted as 0\.010\d+$/);
    for (const other of [{ key: 'b', model: 'm1' }, { key: 'a', model: 'm2' }, { model: 'm1' }]) expect(await detail(other)).toBe('held 0.100000000 of 10.000000000');
  });

  test('follows a change: when calls become dear they are expected to be, and one dear call in five is not overlooked', async () => {
    const { gate } = openGate({ budgets: [budget('b', '1000', { overshoot: '1000' })] });
    await learn(gate, 100);
    for (let i = 0; i < 5; i++) await learn(gate, 1, {}, '0.09');
    const call = await admitted(admit(gate, { ceiling: '0.10' }));
    expect(call.decisions[0]!.detail).toBe('held 0.100000000 of 1000.000000000');
  });

  test('does not learn from calls that failed before they cost anything', async () => {
    const { gate } = openGate({ budgets: [budget('b', '100', { overshoot: '100' })] });
    for (let i = 0; i < 50; i++) (await admitted(admit(gate, { ceiling: '0.10' }))).release(usd('0'), null);
    expect((await admitted(admit(gate, { ceiling: '0.10' }))).decisions[0]!.detail).toBe('held 0.100000000 of 100.000000000');
  });

  test('does not loosen another budget that counts the worst case', async () => {
    const { gate } = openGate({ budgets: [budget('loose', '100', { overshoot: '100' }), budget('strict', '0.70')] });
    await learn(gate, 20);
    expect(await fill(gate)).toHaveLength(5);
  });

  test('is exhausted as any other, and says so', async () => {
    const { gate } = openGate({ budgets: [budget('b', '0.30', { overshoot: '1' })] });
    await learn(gate, 28);
    expect(await admit(gate, { ceiling: '9', ...atOnce })).toMatchObject({ refusal: { reason: 'budget_exhausted', message: expect.stringContaining('has too little left for this call: 0.280000000 USD of 0.300000000 USD') } });
    await learn(gate, 1, { ceiling: '0.02' }, '0.02');
    expect(await admit(gate, { ceiling: '0.01', ...atOnce })).toMatchObject({ refusal: { reason: 'budget_exhausted', message: expect.stringContaining('is exhausted: 0.300000000 USD of 0.300000000 USD') } });
  });

  test('turned to and fro by reloads keeps its sums', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '10', { overshoot: '10' })] });
    await learn(gate);
    const calls = await fill(gate, { ceiling: '1' });
    await gate.reload(settings({ budgets: [budget('b', '10')] }), async () => usd('0'));
    expect(await admit(gate, { ceiling: '0.10', ...atOnce })).toMatchObject({ refusal: { reason: 'budget_held' } });
    await gate.reload(settings({ budgets: [budget('b', '10', { overshoot: '10' })] }), async () => usd('0'));
    for (const call of calls) call.release(usd('0.01'), tokens(1));
    expect(gate.standings(clock.now())[0]).toMatchObject({ held: 0n, expected: 0n });
  });
});

describe('after a restart', () => {
  const past = (count: number, more: { key?: string | null; model?: string; cost?: string } = {}) =>
    ({ workspace: 'w', workflow: 'f', key: more.key ?? null, modelSent: more.model ?? 'm', held: new BigInt64Array(count).fill(usd('0.10')), cost: new BigInt64Array(count).fill(usd(more.cost ?? '0.01')) });
  const loose = budget('b', '10', { overshoot: '100' });
  const detailOf = async (gate: ReturnType<typeof openGate>['gate'], wish: Wish = {}) => (await admitted(admit(gate, { ceiling: '0.10', ...wish }))).decisions[0]!.detail;

  test('calls count at once at what they cost before it, by key and model, and a few say nothing', async () => {
    const { gate } = openGate({ budgets: [loose], pastOf: async () => [past(20), past(20, { key: 'a', cost: '0.05' }), past(19, { key: 'b' })] });
    expect(await detailOf(gate)).toBe('held 0.100000000 of 10.000000000');
    await gate.remember();
    expect(await detailOf(gate)).toMatch(/counted as 0\.01/);
    expect(await detailOf(gate, { key: 'a' })).toMatch(/counted as 0\.05/);
    for (const wish of [{ key: 'b' }, { key: 'c' }, { model: 'n' }]) expect(await detailOf(gate, wish)).toBe('held 0.100000000 of 10.000000000');
    await learn(gate, 1, { key: 'b' });
    expect(await detailOf(gate, { key: 'b' })).toMatch(/counted as 0\.01/);
  });

  test('the ledger is asked once, for a bounded number of rows, and only where a budget wants to know: at the start, or when a reload brings one', async () => {
    const asked: number[] = [];
    const { gate } = openGate({ budgets: [budget('b', '10')], pastOf: async (most) => (asked.push(most), [past(20)]) });
    await gate.remember();
    expect(asked).toEqual([]);
    for (let n = 0; n < 2; n++) await gate.reload(settings({ budgets: [loose] }), async () => usd('0'));
    expect(asked).toEqual([20_000]);
    expect(await detailOf(gate)).toMatch(/counted as 0\.01/);
  });

  test('a ledger that cannot be read keeps nobody out: the worst case counts', async () => {
    const { gate } = openGate({ budgets: [loose], pastOf: () => Promise.reject(new Error('the disk is gone')) });
    await gate.remember();
    expect(await detailOf(gate)).toBe('held 0.100000000 of 10.000000000');
  });
});

test('whatever calls cost, spend and worst case never stand above limit, tolerance and overshoot, and nothing is left when all have ended', async () => {
  const step = fc.record({ ceiling: fc.bigInt({ min: 1n, max: 300_000_000n }), parts: fc.nat(100), settle: fc.nat(), shrink: fc.boolean(), key: fc.constantFrom('a', 'b') });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 250 }), fc.bigInt({ min: 1_000_000n, max: 5_000_000_000n }), fc.integer({ min: 0, max: 200 }), async (steps, limit, percent) => {
      const overshoot = nanodollars((limit * BigInt(percent)) / 100n);
      const { gate, clock } = openGate({ budgets: [{ ...budget('b', '1', { overshoot: '0' }), limit: nanodollars(limit), expected: { overshoot } }] });
      const open: { call: Admission; most: bigint }[] = [];
      for (const { ceiling, parts, settle, shrink, key } of steps) {
        const verdict = await admit(gate, { ceiling: nanodollars(ceiling), key, ...atOnce });
        if (verdict.ok) open.push({ call: verdict.value, most: ceiling });
        const ending = open.length > 0 && settle % 3 > 0 ? open[settle % open.length]! : null;
        if (ending !== null && shrink) {
          ending.most = (ending.most * BigInt(parts)) / 100n;
          ending.call.started(tokens(1), nanodollars(ending.most));
        } else if (ending !== null) {
          open.splice(open.indexOf(ending), 1);
          ending.call.release(nanodollars((ending.most * BigInt(parts)) / 100n), tokens(1, 1));
        }
        const standing = gate.standings(clock.now())[0]!;
        expect(standing.spent + standing.held <= limit + overshoot).toBe(true);
        expect(standing.held).toBe(open.reduce((sum, { most }) => sum + most, 0n));
        expect(standing.expected! >= 0n && standing.expected! <= standing.held).toBe(true);
      }
      for (const { call } of open) call.release(nanodollars(0n), null);
      expect(gate.standings(clock.now())[0]).toMatchObject({ held: 0n, expected: 0n });
    }),
    { numRuns: 200 },
  );
});
