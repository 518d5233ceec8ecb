// test/store/grants.test.ts: temporary raises of budgets outlive a restart, end by themselves, and stand in the audit log.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { inForce, sumInForce } from '../../server/domain/grant.ts';
import { epochMs, type BudgetId } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import type { OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { clockAt, NOON } from './samples.ts';
import { scratch, type Scratch } from './scratch.ts';

const HOUR = 3_600_000;
const month = 'support-month' as BudgetId;
const request = { budget: month, amount: nanodollars(50_000_000_001n), until: epochMs(NOON + HOUR), reason: 'launch week', actor: 'ann' };

let place: Scratch;
let clock: ReturnType<typeof clockAt>;
let open: OpenLedger;
beforeEach(async () => {
  place = scratch();
  clock = clockAt(NOON);
  open = await place.open({ clock });
});
afterEach(async () => {
  await open.ledger.close();
  place.remove();
});

test('a grant is exact, told to who decides, and there again after a crash', async () => {
  const told: number[] = [];
  open.grants.onChange = (grants) => told.push(grants.length);
  const grant = await open.grants.create(request);
  expect(grant).toEqual({ ...request, id: expect.stringMatching(/^grant_[0-9a-f]{16}$/), createdAt: NOON, revokedAt: null });
  expect(told).toEqual([1]);
  const crashed = place.crashed();
  const again = await crashed.open({ clock });
  expect(again.grants.list()).toEqual([grant]);
  await again.ledger.close();
});

test('it is over at its end to the millisecond, and is listed for 90 days more', async () => {
  const grant = await open.grants.create(request);
  expect([NOON, NOON + HOUR - 1, NOON + HOUR].map((at) => [inForce(grant, epochMs(at)), sumInForce([grant, grant], epochMs(at))])).toEqual([[true, 100_000_000_002n], [true, 100_000_000_002n], [false, 0n]]);
  await open.ledger.close();
  open = await place.open({ clock: clockAt(epochMs(NOON + HOUR + 90 * 24 * HOUR)) });
  expect(open.grants.list()).toEqual([grant]);
  await open.ledger.close();
  open = await place.open({ clock: clockAt(epochMs(NOON + HOUR + 90 * 24 * HOUR + 1)) });
  expect(open.grants.list()).toEqual([]);
});

test('it can be ended early, once, and only under its own budget', async () => {
  const { id } = await open.grants.create(request);
  await expect(open.grants.revoke({ id, budget: 'other' as BudgetId, actor: 'bob' })).rejects.toMatchObject({ code: 'unknown_grant' });
  await expect(open.grants.revoke({ id: 'grant_0000000000000000', budget: month, actor: 'bob' })).rejects.toMatchObject({ code: 'unknown_grant' });
  const ended = await open.grants.revoke({ id, budget: month, actor: 'bob' });
  expect([ended.revokedAt, inForce(ended, NOON)]).toEqual([NOON, false]);
  expect(await open.grants.revoke({ id, budget: month, actor: 'eve' })).toEqual(ended);
  const audit = place.read<{ actor: string; action: string; subject: string; detail: string }>('SELECT actor, action, subject, detail FROM audit ORDER BY id');
  expect(audit.map(({ actor, action, subject }) => [actor, action, subject])).toEqual([['ann', 'budget.grant', month], ['bob', 'budget.grant.revoke', month]]);
  expect(JSON.parse(audit[0]!.detail)).toEqual({ id, nanodollars: '50000000001', until: NOON + HOUR, reason: 'launch week' });
});
