// test/contract/ledger.ts: what every ledger must do, whatever stores it.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Scope } from '../../server/domain/budget.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Ledger, Recovery } from '../../server/domain/ledger.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { caller, cost, NOON, openEntry, refusedEntry, settlement } from '../store/samples.ts';

export interface LedgerUnderTest {
  readonly ledger: Ledger;
  readonly recovery: Recovery;
  /** As after a crash: what was acknowledged is there, nothing was closed in order. */
  crashAndReopen(): Promise<LedgerUnderTest>;
  end(): Promise<void>;
}

const EVERYTHING: Scope = { workspace: null, workflow: null, key: null, user: null, model: null };
const HOUR = 3_600_000;

export function ledgerContract(name: string, open: () => Promise<LedgerUnderTest>): void {
  describe(`a ledger on ${name}`, () => {
    let under: LedgerUnderTest;
    const spent = (scope: Partial<Scope> = {}, from: number = NOON - 1000 * HOUR, to: number = NOON + 1000 * HOUR): Promise<bigint> =>
      under.ledger.spent({ ...EVERYTHING, ...scope }, epochMs(from), epochMs(to));
    const spend = async (id: string, nanos: bigint, more: Parameters<typeof openEntry>[1] = {}): Promise<void> => {
      await under.ledger.open(openEntry(id, more));
      await under.ledger.settle(settlement(id, { cost: cost({ total: nanodollars(nanos) }) }));
    };

    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.end());

    test('an open call has spent nothing yet', async () => {
      await under.ledger.open(openEntry('req_1'));
      expect(await spent()).toBe(0n);
    });

    test('a settled call has spent its cost, to the nano-dollar and beyond what a float can hold', async () => {
      await spend('req_1', 9_007_199_254_740_993n);
      await spend('req_2', 1n);
      expect(await spent()).toBe(9_007_199_254_740_994n);
    });

    test('a call is opened once', async () => {
      await under.ledger.open(openEntry('req_1'));
      await expect(under.ledger.open(openEntry('req_1'))).rejects.toThrow(/req_1/);
    });

    test('a call is settled once, and the second settlement changes nothing', async () => {
      await spend('req_1', 5n);
      await expect(under.ledger.settle(settlement('req_1', { cost: cost({ total: nanodollars(7n) }) }))).rejects.toThrow(/req_1/);
      expect(await spent()).toBe(5n);
    });

    test('what was spent is told with every settlement that was handed over before the question, and with none that was after', async () => {
      const ids = Array.from({ length: 900 }, (_, n) => `req_${n}`);
      await Promise.all(ids.map((id) => under.ledger.open(openEntry(id))));
      const settle = (id: string): Promise<void> => under.ledger.settle(settlement(id, { cost: cost({ total: nanodollars(1n) }) }));
      const told: Promise<bigint>[] = [];
      const settled = ids.map((id, n) => {
        const done = settle(id);
        if ([0, 1, 599, 899].includes(n)) told.push(spent(), spent());
        return done;
      });
      expect(await Promise.all(told)).toEqual([1n, 1n, 2n, 2n, 600n, 600n, 900n, 900n]);
      await Promise.all(settled);
      expect(await spent()).toBe(900n);
    });

    test('a call that was never opened cannot be settled or tried again', async () => {
      await expect(under.ledger.settle(settlement('req_9'))).rejects.toThrow(/req_9/);
      await expect(under.ledger.attempt(openEntry('req_9').id, 2, NOON)).rejects.toThrow(/req_9/);
      expect(await spent()).toBe(0n);
    });

    test('a call that has ended has no further attempt', async () => {
      await spend('req_1', 5n);
      await expect(under.ledger.attempt(openEntry('req_1').id, 2, NOON)).rejects.toThrow(/req_1/);
    });

    test('one bad operation does not take its neighbours with it', async () => {
      await under.ledger.open(openEntry('req_1'));
      const results = await Promise.allSettled([
        under.ledger.open(openEntry('req_2')), under.ledger.open(openEntry('req_1')), under.ledger.settle(settlement('req_1', { cost: cost({ total: nanodollars(3n) }) })),
        under.ledger.settle(settlement('req_404')), under.ledger.refuse(refusedEntry('req_3')),
      ]);
      expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
      await under.ledger.settle(settlement('req_2', { cost: cost({ total: nanodollars(4n) }) }));
      expect(await spent()).toBe(7n);
    });

    test('a refused call spends nothing', async () => {
      await under.ledger.refuse(refusedEntry('req_1'));
      expect(await spent()).toBe(0n);
    });

    test('spend counts where the call was admitted, whenever it ended', async () => {
      await under.ledger.open(openEntry('req_1', { admittedAt: epochMs(NOON - 1) }));
      await under.ledger.settle(settlement('req_1', { endedAt: epochMs(NOON + 5 * HOUR), cost: cost({ total: nanodollars(11n) }) }));
      expect(await spent({}, NOON - 1, NOON)).toBe(11n);
      expect(await spent({}, NOON, NOON + 10 * HOUR)).toBe(0n);
    });

    test('a range begins with its first instant and ends before its last', async () => {
      await spend('req_1', 1n, { admittedAt: NOON });
      expect(await spent({}, NOON, NOON + 1)).toBe(1n);
      expect(await spent({}, NOON - 1, NOON)).toBe(0n);
      expect(await spent({}, NOON, NOON)).toBe(0n);
    });

    test.each<{ scope: Partial<Scope>; sum: bigint }>([
      { scope: {}, sum: 111_111n },
      { scope: { workspace: 'support' }, sum: 111n },
      { scope: { workspace: 'support', workflow: 'triage' }, sum: 11n },
      { scope: { user: 'mia' }, sum: 10_101n },
      { scope: { workspace: 'support', user: 'mia' }, sum: 101n },
      { scope: { key: 'other-key' }, sum: 100_000n },
      { scope: { model: 'claude-opus-4-8' }, sum: 1_000n },
      { scope: { workflow: 'nothing-here' }, sum: 0n },
    ])('spend is summed for exactly the scope $scope', async ({ scope, sum }) => {
      await spend('req_1', 1n, { caller: caller() });
      await spend('req_2', 10n, { caller: caller({ user: 'ben' }) });
      await spend('req_3', 100n, { caller: caller({ workflow: 'answers' }) });
      await spend('req_4', 1_000n, { caller: caller({ workspace: 'lab', user: null }), modelSent: 'claude-opus-4-8' });
      await spend('req_5', 10_000n, { caller: caller({ workspace: 'lab', key: null }) });
      await spend('req_6', 100_000n, { caller: caller({ workspace: 'lab', key: 'other-key', user: 'ben' }) });
      expect(await spent(scope)).toBe(sum);
      // A range that cuts through hours is summed from other places, and comes to the same.
      expect(await spent(scope, NOON - 17, NOON + 23)).toBe(sum);
    });

    test('a call open at a crash becomes an entry at the cost that was held for it', async () => {
      await spend('req_1', 5n);
      await under.ledger.open(openEntry('req_2', { held: nanodollars(700n) }));
      await under.ledger.open(openEntry('req_3', { held: nanodollars(30n) }));
      under = await under.crashAndReopen();
      expect(under.recovery).toEqual({ crashed: 2, crashedCost: 730n });
      expect(await spent()).toBe(735n);
      await expect(under.ledger.settle(settlement('req_2'))).rejects.toThrow(/req_2/);
    });

    test('a start after an orderly end has nothing to recover', async () => {
      await spend('req_1', 5n);
      await under.ledger.close();
      under = await under.crashAndReopen();
      expect(under.recovery).toEqual({ crashed: 0, crashedCost: 0n });
      expect(await spent()).toBe(5n);
    });

    test('closing waits for what was written before it', async () => {
      const written = Promise.all([under.ledger.open(openEntry('req_1')), under.ledger.refuse(refusedEntry('req_2'))]);
      await under.ledger.close();
      await expect(written).resolves.toBeDefined();
      await expect(under.ledger.open(openEntry('req_3'))).rejects.toMatchObject({ name: 'LedgerUnavailable' });
    });

    test('a healthy ledger says so', async () => {
      await under.ledger.open(openEntry('req_1'));
      expect(under.ledger.health()).toEqual({ writable: true, queued: 0, lastCommitMs: expect.any(Number), trouble: null });
    });

    test('an audit line is taken', async () => {
      await expect(under.ledger.audit({ at: NOON, actor: 'cli', action: 'config.reload', subject: 'config', detail: '{}' })).resolves.toBeUndefined();
    });
  });
}
