// test/admit/budgets.test.ts: hard budgets hold, whatever races, settles late, rolls over or is edited.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { periodAt } from '../../server/domain/calendar.ts';
import type { EpochMs } from '../../server/domain/ids.ts';
import type { Nanodollars } from '../../server/domain/money.ts';
import { admit, admitted, budget, MovableClock, openGate, settings, tokens, usd, workspace, type Wish } from './scene.ts';

const left = new AbortController();
left.abort();
/** A call that does not wait for holds of others. */
const impatient: Wish = { signal: left.signal };

test('of 1,000 racing calls of $0.10, exactly 50 fit into $5.00', async () => {
  const { gate, clock } = openGate({ budgets: [budget('b', '5')] });
  const verdicts = await Promise.all(Array.from({ length: 1_000 }, () => admit(gate, { ...impatient, ceiling: '0.10' })));
  const calls = verdicts.flatMap((verdict) => (verdict.ok ? [verdict.value] : []));
  expect(calls).toHaveLength(50);
  expect(gate.standings(clock.now())).toMatchObject([{ spent: 0n, held: usd('5') }]);
  for (const call of calls) call.release(usd('0.10'), tokens(1, 1));
  expect(gate.standings(clock.now())).toMatchObject([{ spent: usd('5'), held: 0n }]);
  expect(await admit(gate, { ceiling: '0.000000001' })).toMatchObject({ refusal: { reason: 'budget_exhausted' } });
});

describe('a call is held in all budgets that cover it, or in none', () => {
  test('the narrowest one that is full keeps it out of the others', async () => {
    const { gate, clock } = openGate({
      budgets: [budget('org', '100'), budget('space', '50', { scope: { workspace: 'w' } }), budget('flow', '0.05', { scope: { workspace: 'w', workflow: 'f' } }), budget('elsewhere', '1', { scope: { workspace: 'x' } })],
    });
    expect(await admit(gate, { ceiling: '0.06' })).toMatchObject({ refusal: { reason: 'budget_exhausted', rule: 'budget:flow' } });
    expect(gate.standings(clock.now()).map(({ held }) => held)).toEqual([0n, 0n, 0n, 0n]);
    await admitted(admit(gate, { ceiling: '0.05' }));
    expect(gate.standings(clock.now()).map(({ held }) => held)).toEqual([usd('0.05'), usd('0.05'), usd('0.05'), 0n]);
  });

  test.each([
    { scope: { key: 'k1' }, inside: { key: 'k1' }, outside: { key: 'k2' } },
    { scope: { user: 'ann' }, inside: { user: 'ann' }, outside: {} },
    { scope: { model: 'm1' }, inside: { model: 'm1' }, outside: { model: 'm2' } },
    { scope: { user: '__proto__' }, inside: { user: '__proto__' }, outside: { user: 'constructor' } },
  ])('$scope covers $inside and not $outside', async ({ scope, inside, outside }) => {
    const { gate } = openGate({ budgets: [budget('b', '0.01', { scope })] });
    expect(await admit(gate, { ...inside, ceiling: '0.02' })).toMatchObject({ ok: false });
    expect(await admit(gate, { ...outside, ceiling: '0.02' })).toMatchObject({ ok: true });
  });

  test('a limit that refuses leaves no hold in a budget', async () => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { requestsPerMinute: 1 } })], budgets: [budget('b', '5')] });
    await admitted(admit(gate, { ceiling: '1' }));
    expect(await admit(gate, { ceiling: '1' })).toMatchObject({ refusal: { reason: 'rate_limited' } });
    expect(gate.standings(clock.now())).toMatchObject([{ held: usd('1') }]);
  });
});

describe('exhausted and held up are two things', () => {
  test('exhausted says what, how much, and until when', async () => {
    const clock = new MovableClock('2025-06-15T22:00:00.500Z');
    const period = periodAt('day', clock.now(), 'UTC');
    const b = budget('support-day', '5', { scope: { workspace: 'w' } });
    const { gate } = openGate({ clock, budgets: [b], standings: [{ budget: b, period, spent: usd('4.95'), held: usd('0') }] });
    expect(await admit(gate, { ceiling: '0.10' })).toEqual({
      ok: false,
      refusal: {
        reason: 'budget_exhausted',
        message:
          'budget support-day (workspace w) has too little left for this call: 4.950000000 USD of 5.000000000 USD for this day is spent, and this call can cost up to 0.100000000 USD. A new day begins at 2025-06-16T00:00:00.000Z; raising the limit or granting more helps at once',
        rule: 'budget:support-day',
        retryAfterSeconds: 7_200,
        budget: { period: 'day', resetsAt: Date.parse('2025-06-16T00:00:00Z') },
      },
    });
    await admitted(admit(gate, { ceiling: '0.05' }));
  });

  test('only holds in the way is never called exhausted, and the other way round', async () => {
    const { gate } = openGate({ budgets: [budget('b', '5')] });
    const call = await admitted(admit(gate, { ceiling: '4.95' }));
    expect(await admit(gate, { ...impatient, ceiling: '0.10' })).toMatchObject({ refusal: { reason: 'budget_held', retryAfterSeconds: 2, rule: 'budget:b' } });
    call.release(usd('4.95'), tokens(1));
    expect(await admit(gate, { ...impatient, ceiling: '0.10' })).toMatchObject({ refusal: { reason: 'budget_exhausted' } });
  });

  test('an exhausted budget is named before one that is only held up', async () => {
    const b = budget('spent', '1');
    const { gate, clock } = openGate({ budgets: [budget('held', '1'), b], standings: [{ budget: b, period: periodAt('day', Date.parse('2025-06-15T12:00:00Z') as EpochMs, 'UTC'), spent: usd('0.6'), held: usd('0') }] });
    await admitted(admit(gate, { ceiling: '0.4' }));
    expect(gate.standings(clock.now())[1]).toMatchObject({ spent: usd('0.6'), held: usd('0.4') });
    expect(await admit(gate, { ...impatient, ceiling: '0.7' })).toMatchObject({ refusal: { reason: 'budget_exhausted', rule: 'budget:spent' } });
  });

  test('a call that costs nothing passes an exhausted budget', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '0')] });
    const call = await admitted(admit(gate, { ceiling: '0' }));
    call.release(usd('0'), null);
    expect(gate.standings(clock.now())).toMatchObject([{ spent: 0n, held: 0n }]);
  });

  test('a soft budget never refuses, and says that it would have', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '0.01', { mode: 'soft' })] });
    const call = await admitted(admit(gate, { ceiling: '1' }));
    expect(call.decisions).toEqual([{ rule: 'budget:b', verdict: 'would_refuse', detail: 'held 1.000000000 of 0.010000000' }]);
    call.release(usd('0.5'), null);
    expect(gate.standings(clock.now())).toMatchObject([{ spent: usd('0.5'), held: 0n }]);
  });

  test('a tolerance lets holds overshoot by so much and no more', async () => {
    const { gate } = openGate({ budgets: [budget('b', '1', { tolerance: '0.05' })] });
    await admitted(admit(gate, { ceiling: '1' }));
    await admitted(admit(gate, { ceiling: '0.05' }));
    expect(await admit(gate, { ...impatient, ceiling: '0.000000001' })).toMatchObject({ refusal: { reason: 'budget_held' } });
  });
});

describe('a hold', () => {
  test('shrinks at the start, never grows, and ends once', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '10')] });
    const standing = () => gate.standings(clock.now())[0]!;
    const call = await admitted(admit(gate, { ceiling: '4' }));
    expect(call).toMatchObject({ held: usd('4'), admittedAt: clock.now() });
    call.started(tokens(10), usd('1'));
    expect([call.held, standing().held]).toEqual([usd('1'), usd('1')]);
    call.started(tokens(10), usd('3'));
    expect(standing().held).toBe(usd('1'));
    call.release(usd('0.4'), tokens(10, 5));
    call.release(usd('0.4'), tokens(10, 5));
    call.started(tokens(10), usd('0'));
    expect(standing()).toMatchObject({ spent: usd('0.4'), held: 0n });
  });

  test('that was too small is settled at the true cost all the same', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '10')] });
    (await admitted(admit(gate, { ceiling: '1' }))).release(usd('1.5'), tokens(1));
    expect(gate.standings(clock.now())).toMatchObject([{ spent: usd('1.5'), held: 0n }]);
  });
});

describe('periods', () => {
  test('a new one begins empty, and a late settlement goes where the call was admitted', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1')], clock: new MovableClock('2025-06-15T23:59:59.999Z') });
    const call = await admitted(admit(gate, { ceiling: '1' }));
    clock.pass(1);
    expect(gate.standings(clock.now())).toMatchObject([{ spent: 0n, held: 0n, period: { from: Date.parse('2025-06-16T00:00:00Z') } }]);
    const next = await admitted(admit(gate, { ceiling: '0.7' }));
    call.started(tokens(1), usd('0.9'));
    call.release(usd('0.8'), tokens(1));
    expect(gate.standings(clock.now())).toMatchObject([{ spent: 0n, held: usd('0.7') }]);
    next.release(usd('0.6'), tokens(1));
    expect(gate.standings(clock.now())).toMatchObject([{ spent: usd('0.6'), held: 0n }]);
    expect(gate.standings((clock.now() - 1) as EpochMs)).toMatchObject([{ spent: usd('0.8'), held: 0n }]);
  });

  test('a wall clock that steps back finds the sums of the period it steps into', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1')], clock: new MovableClock('2025-06-15T23:59:59Z') });
    (await admitted(admit(gate, { ceiling: '1' }))).release(usd('1'), null);
    clock.wall += 2_000;
    await admitted(admit(gate, { ceiling: '0.3' }));
    clock.wall -= 2_000;
    expect(await admit(gate, { ceiling: '0.1' })).toMatchObject({ refusal: { reason: 'budget_exhausted' } });
    clock.wall += 2_000;
    expect(gate.standings(clock.now())).toMatchObject([{ spent: 0n, held: usd('0.3') }]);
  });

  test.each([
    { name: 'the day of 23 hours', zone: 'Europe/Berlin', at: '2025-03-30T10:00:00Z', ends: '2025-03-30T22:00:00Z', begins: '2025-03-29T23:00:00Z' },
    { name: 'the day of 25 hours', zone: 'Europe/Berlin', at: '2025-10-26T10:00:00Z', ends: '2025-10-26T23:00:00Z', begins: '2025-10-25T22:00:00Z' },
    { name: 'a day that has no midnight', zone: 'America/Santiago', at: '2025-09-07T12:00:00Z', ends: '2025-09-08T03:00:00Z', begins: '2025-09-07T04:00:00Z' },
    { name: 'a zone with 45 minutes', zone: 'Asia/Kathmandu', at: '2025-06-15T12:00:00Z', ends: '2025-06-15T18:15:00Z', begins: '2025-06-14T18:15:00Z' },
  ])('$name ends when its own clock says so', async ({ zone, at, ends, begins }) => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1')], timezone: zone, clock: new MovableClock(at) });
    const { period } = gate.standings(clock.now())[0]!;
    expect([new Date(period.from), new Date(period.to)]).toEqual([new Date(begins), new Date(ends)]);
    (await admitted(admit(gate, { ceiling: '1' }))).release(usd('1'), null);
    clock.wall = Date.parse(ends) - 1;
    expect(await admit(gate, { ceiling: '1' })).toMatchObject({ refusal: { reason: 'budget_exhausted', retryAfterSeconds: 1 } });
    clock.wall += 1;
    await admitted(admit(gate, { ceiling: '1' }));
  });
});

describe('an edit', () => {
  const nothingSpent = async () => usd('0');

  test('of the limit keeps what is spent and held, and acts on the next call', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1')] });
    (await admitted(admit(gate, { ceiling: '0.5' }))).release(usd('0.5'), null);
    await admitted(admit(gate, { ceiling: '0.5' }));
    await gate.reload(settings({ budgets: [budget('b', '2')] }), () => Promise.reject(new Error('a budget that goes on is not read again')));
    expect(gate.standings(clock.now())).toMatchObject([{ spent: usd('0.5'), held: usd('0.5'), budget: { limit: usd('2') } }]);
    await admitted(admit(gate, { ceiling: '1' }));
    await gate.reload(settings({ budgets: [budget('b', '0.4')] }), nothingSpent);
    expect(await admit(gate, { ceiling: '0.000000001' })).toMatchObject({ refusal: { reason: 'budget_exhausted' } });
  });

  test('of the scope or period makes it new, with what the ledger says', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '5')] });
    (await admitted(admit(gate, { ceiling: '1' }))).release(usd('1'), null);
    const asked: string[] = [];
    await gate.reload(settings({ budgets: [budget('b', '5', { period: 'month' })] }), async (b, period) => {
      asked.push(`${b.id} ${period.kind} ${new Date(period.from).toISOString()}`);
      return usd('3');
    });
    expect(asked).toEqual(['b month 2025-06-01T00:00:00.000Z', 'b month 2025-05-01T00:00:00.000Z', 'b month 2025-07-01T00:00:00.000Z']);
    expect(gate.standings(clock.now())).toMatchObject([{ spent: usd('3') }]);
  });

  test('that brings a budget counts calls in flight once, whether they settle before or after its past is read', async () => {
    const { gate, clock } = openGate({});
    const [before, during, after] = [await admitted(admit(gate, { ceiling: '1' })), await admitted(admit(gate, { ceiling: '1' })), await admitted(admit(gate, { ceiling: '1' }))];
    before.release(usd('0.1'), null);
    const ledger = { asked: () => {}, answer: (_spent: Nanodollars) => {} };
    const asked = new Promise<void>((resolve) => (ledger.asked = resolve));
    const answered = new Promise<Nanodollars>((resolve) => (ledger.answer = resolve));
    const reloaded = gate.reload(settings({ budgets: [budget('new', '5')] }), (_, { from }) => {
      ledger.asked();
      return from > clock.now() - 86_400_000 ? answered : nothingSpent();
    });
    await asked;
    during.release(usd('0.2'), null);
    const late = await admitted(admit(gate, { ceiling: '2' }));
    ledger.answer(usd('0.1'));
    await reloaded;
    expect(gate.standings(clock.now())).toMatchObject([{ spent: usd('0.3'), held: usd('3') }]);
    after.release(usd('0.3'), null);
    late.release(usd('0.4'), null);
    expect(gate.standings(clock.now())).toMatchObject([{ spent: usd('1'), held: 0n }]);
  });

  test('whose past cannot be read changes nothing, and the next one works', async () => {
    const { gate, clock } = openGate({ workspaces: [workspace('w', { limits: { requestsPerMinute: 5 } })], budgets: [budget('b', '1')] });
    const next = settings({ workspaces: [workspace('w', { limits: { requestsPerMinute: 9 } })], budgets: [budget('b', '7'), budget('c', '1')] });
    await expect(gate.reload(next, () => Promise.reject(new Error('the disk is gone')))).rejects.toThrow('the disk is gone');
    expect(gate.standings(clock.now())).toMatchObject([{ budget: { id: 'b', limit: usd('1') } }]);
    expect(gate.buckets(clock.now())).toMatchObject([{ limit: 5 }]);
    await gate.reload(next, nothingSpent);
    expect(gate.standings(clock.now())).toMatchObject([{ budget: { limit: usd('7') } }, { budget: { id: 'c' } }]);
    expect(gate.buckets(clock.now())).toMatchObject([{ limit: 9 }]);
  });

  test('that takes a budget away frees its calls, which settle as if nothing had been', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1')] });
    const call = await admitted(admit(gate, { ceiling: '1' }));
    await gate.reload(settings({}), nothingSpent);
    await admitted(admit(gate, { ceiling: '9' }));
    call.release(usd('1'), null);
    expect(gate.standings(clock.now())).toEqual([]);
  });
});

describe('a call that only others in flight keep out', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  test('waits and is let in as soon as one of them ends', async () => {
    const { gate } = openGate({ budgets: [budget('b', '1')] });
    const first = await admitted(admit(gate, { ceiling: '1' }));
    const waiting = admit(gate, { ceiling: '0.5' });
    expect(gate.waiting()).toBe(1);
    first.release(usd('0.5'), null);
    await admitted(waiting);
    expect(gate.waiting()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([
    { name: 'when a hold shrinks', free: async ({ call }: { call: Awaited<ReturnType<typeof admitted>>; reload: () => Promise<void> }) => call.started(tokens(1), usd('0.2')) },
    { name: 'when the limit is raised', free: async ({ reload }: { reload: () => Promise<void> }) => reload() },
  ])('is let in $name', async ({ free }) => {
    const { gate } = openGate({ budgets: [budget('b', '1')] });
    const call = await admitted(admit(gate, { ceiling: '1' }));
    const waiting = admit(gate, { ceiling: '0.5' });
    await free({ call, reload: () => gate.reload(settings({ budgets: [budget('b', '2')] }), async () => usd('0')) });
    await admitted(waiting);
  });

  test('is refused after two seconds, and holds nothing', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1')] });
    await admitted(admit(gate, { ceiling: '1' }));
    const waiting = admit(gate, { ceiling: '0.5' });
    await vi.advanceTimersByTimeAsync(1_999);
    expect(gate.waiting()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await waiting).toMatchObject({ refusal: { reason: 'budget_held', retryAfterSeconds: 2 } });
    expect(gate.standings(clock.now())).toMatchObject([{ held: usd('1') }]);
    expect(gate.waiting()).toBe(0);
  });

  test('is let in at the end when a new period has begun meanwhile', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1')], clock: new MovableClock('2025-06-15T23:59:59Z') });
    await admitted(admit(gate, { ceiling: '1' }));
    const waiting = admit(gate, { ceiling: '0.5' });
    clock.pass(2_000);
    await vi.advanceTimersByTimeAsync(2_000);
    await admitted(waiting);
  });

  test('is refused as exhausted the moment that is what it is', async () => {
    const { gate } = openGate({ budgets: [budget('b', '1')] });
    const first = await admitted(admit(gate, { ceiling: '1' }));
    const waiting = admit(gate, { ceiling: '0.5' });
    first.release(usd('0.9'), null);
    expect(await waiting).toMatchObject({ refusal: { reason: 'budget_exhausted' } });
  });

  test('stops waiting when its client leaves, and takes nothing then', async () => {
    const { gate, clock } = openGate({ budgets: [budget('b', '1')] });
    const first = await admitted(admit(gate, { ceiling: '1' }));
    const client = new AbortController();
    const waiting = admit(gate, { ceiling: '0.5', signal: client.signal });
    client.abort();
    expect(await waiting).toMatchObject({ ok: false });
    first.release(usd('0'), null);
    expect(gate.standings(clock.now())).toMatchObject([{ spent: 0n, held: 0n }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is served in the order of arrival, and a large one keeps no small one waiting', async () => {
    const { gate } = openGate({ budgets: [budget('b', '1')] });
    const first = await admitted(admit(gate, { ceiling: '1' }));
    const served: string[] = [];
    const queue = (name: string, ceiling: string) => admitted(admit(gate, { ceiling })).then((call) => (served.push(name), call));
    const [a] = [queue('a', '0.4'), queue('large', '0.9'), queue('b', '0.4'), queue('c', '0.4')];
    first.release(usd('0'), null);
    await vi.advanceTimersByTimeAsync(0);
    expect(served).toEqual(['a', 'b']);
    (await a).release(usd('0'), null);
    await vi.advanceTimersByTimeAsync(0);
    expect(served).toEqual(['a', 'b', 'c']);
    expect(gate.waiting()).toBe(1);
  });
});
