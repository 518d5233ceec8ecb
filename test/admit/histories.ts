// test/admit/histories.ts: random lives of a gate against the plainest bookkeeping there is.

import fc from 'fast-check';
import { expect } from 'vitest';
import type { Admission, StandingHold } from '../../server/domain/admission.ts';
import type { Budget, Scope } from '../../server/domain/budget.ts';
import { periodAt, periodsAround } from '../../server/domain/calendar.ts';
import type { Grant } from '../../server/domain/grant.ts';
import type { BudgetId, EpochMs, KeyId, WorkflowId, WorkspaceId } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { budget, caller, MovableClock, openGate, quote, settings, tokens } from './scene.ts';

/** Who makes a call, and for which model. */
interface Who {
  readonly place: string;
  readonly key: string | null;
  readonly user: string | null;
  readonly model: string;
}

/** One call, or one model of a batch, as a ledger would have it; `cost` null while it is in flight. */
interface Row {
  readonly who: Who;
  readonly at: EpochMs;
  held: bigint;
  /** What was held at first, as the ledger has it: a hold shrinks, a row does not. */
  readonly opened: bigint;
  /** What it was expected to cost. */
  readonly likely: bigint;
  cost: bigint | null;
  /** What it was settled at, whatever was corrected since; absent where it did not end by itself. */
  booked?: bigint;
  /** Null for what has no call of its own in flight. */
  readonly admission: Admission | null;
}

/** A batch that the provider has: its holds outlive the call that made it, and a crash. */
interface Batch {
  hold: StandingHold;
  readonly rows: Row[];
}

const ZONE = 'America/New_York';
const places = ['w/f', 'w/g', 'x/f'];
const scopes: Partial<Scope>[] = [{}, { workspace: 'w' }, { workspace: 'w', workflow: 'f' }, { workflow: 'f' }, { key: 'k1' }, { user: 'ann', model: 'm1' }];
const money = fc.bigInt({ min: 1n, max: 500_000_000n });
const periods = fc.constantFrom('hour' as const, 'day' as const, 'week' as const, 'month' as const);
const who = fc.record({ place: fc.constantFrom(...places), key: fc.constantFrom('k1', 'k2', null), user: fc.constantFrom('ann', null), model: fc.constantFrom('m1', 'm2') });
const which = fc.nat(scopes.length - 1);

const command = fc.oneof(
  { weight: 16, arbitrary: fc.record({ do: fc.constant('admit' as const), who, ceiling: money }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('settle' as const), pick: fc.nat(), percent: fc.nat(100) }) },
  // More than was held: what no hold could foresee.
  { weight: 1, arbitrary: fc.record({ do: fc.constant('settle' as const), pick: fc.nat(), percent: fc.integer({ min: 101, max: 300 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('shrink' as const), pick: fc.nat(), percent: fc.nat(120) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('again' as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('batch' as const), who, amounts: fc.tuple(money, money) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('book' as const), pick: fc.nat(), nth: fc.nat(1), percent: fc.nat(120) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire' as const), pick: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), minutes: fc.oneof(fc.nat(30), fc.nat(2_000), fc.nat(50_000)) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('step' as const), minutes: fc.integer({ min: -29, max: 29 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('correct' as const), pick: fc.nat(), percent: fc.nat(200) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('grant' as const), which, amount: money, minutes: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('revoke' as const), nth: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke-key' as const), key: fc.constantFrom('k1', 'k2') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('edit' as const), which, limit: money, tolerance: fc.nat(20), period: fc.option(periods, { nil: undefined }), overshoot: fc.option(fc.nat(100), { nil: undefined }) }) },
);

const grantOf = (nth: number, amount: bigint, at: number, minutes: number): Grant => ({
  id: `grant_${at}_${amount}`, budget: `b${nth}` as BudgetId, amount: nanodollars(amount), createdAt: at as EpochMs, until: (at + minutes * 60_000) as EpochMs, reason: 'launch', actor: 'ann', revokedAt: null,
});

function covers(scope: Scope, { place, key, user, model }: Who): boolean {
  const [workspace, workflow] = place.split('/');
  return (scope.workspace ?? workspace) === workspace && (scope.workflow ?? workflow) === workflow && (scope.key ?? key) === key && (scope.user ?? user) === user && (scope.model ?? model) === model;
}

type Said = 'admitted' | 'budget_held' | 'budget_exhausted';

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

function sums(rows: readonly Row[], b: Budget, at: EpochMs): { spent: bigint; held: bigint; expected: bigint } {
  const period = periodAt(b.period, at, ZONE);
  const inIt = rows.filter((row) => row.at >= period.from && row.at < period.to && covers(b.scope, row.who));
  const open = inIt.filter(({ cost }) => cost === null);
  return {
    spent: inIt.reduce((sum, row) => sum + (row.cost ?? 0n), 0n),
    held: open.reduce((sum, { held }) => sum + held, 0n),
    expected: open.reduce((sum, { held, likely }) => sum + smaller(held, likely), 0n),
  };
}

const grantedTo = (b: Budget, grants: readonly Grant[], at: EpochMs): bigint => grants.filter((g) => g.budget === b.id && g.revokedAt === null && at < g.until).reduce((sum, g) => sum + g.amount, 0n);
const left = new AbortController();
left.abort();

/** What calls of one key and model cost, as parts of what was held for them: the dearest of fewer than a hundred is what 99 of 100 stay below. */
class Costs {
  readonly #parts = new Map<string, number[]>();
  learn(by: Who, ceiling: bigint, cost: bigint): void {
    const name = `${by.key ?? by.place} ${by.model}`;
    if (cost > 0n) this.#parts.set(name, [...(this.#parts.get(name) ?? []), Number(cost) / Number(ceiling)]);
  }
  likely(by: Who, ceiling: bigint): bigint {
    const parts = this.#parts.get(`${by.key ?? by.place} ${by.model}`) ?? [];
    if (parts.length < 20) return ceiling;
    const quarters = Math.ceil(4 * Math.log2(parts.toSorted((a, b) => a - b)[Math.ceil(parts.length * 0.99) - 1]!));
    return quarters >= 0 ? ceiling : BigInt(Math.ceil(Number(ceiling) * 2 ** (Math.max(quarters, -63) / 4)));
  }
}

/**
 * Whatever happens in whatever order, the gate admits what fits and nothing else, says why, and its sums are those of the rows.
 *
 * I1 no admission takes a hard budget past limit, grants, tolerance and overshoot; I2 a second ending changes nothing; I3 sums are
 * those of the rows, over crashes and restarts; I5 all budgets that cover a call hold it, or none; I6 what is decided is what some
 * order decides, since the books are kept one after the other; I7 a refused call holds nothing; I8 what fits is admitted; I9 no hold
 * outlives its call; I13 an edit keeps what is used, and each row is in one window of each budget. (I4 is proved by the kill tests, I10 to
 * I12 by those of prices.)
 *
 * A failure prints its seed and path; TOLLGATE_SEED and TOLLGATE_PATH play it again.
 */
export async function everyHistoryHolds(numRuns: number): Promise<void> {
  const { TOLLGATE_SEED: seed, TOLLGATE_PATH: path } = process.env;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 200 }), fc.array(money, { minLength: scopes.length, maxLength: scopes.length }), async (commands, limits) => {
      // Around the clock change of 9 March 2025, where a day has 23 hours.
      const clock = new MovableClock('2025-03-08T20:00:00Z');
      const start = clock.wall;
      let budgets = scopes.map((scope, i) => ({ ...budget(`b${i}`, '0', { scope, period: (['day', 'hour', 'day', 'week', 'month', 'day'] as const)[i]! }), limit: nanodollars(limits[i]! * 4n) }));
      const rows: Row[] = [];
      const tells = (): Row[] => rows.filter(({ admission, booked }) => admission !== null && booked !== undefined && booked > 0n);
      const pastOf = async () => tells().map(({ who: { place, key, model }, opened, booked }) => ({ workspace: place.split('/')[0]!, workflow: place.split('/')[1]!, key, modelSent: model, held: BigInt64Array.of(opened), cost: BigInt64Array.of(booked!) }));
      let { gate } = openGate({ budgets, timezone: ZONE, clock, pastOf });
      const batches: Batch[] = [];
      const revoked = new Set<string | null>();
      let costs = new Costs();
      let remembers = false;
      /** What the ledger tells of calls before, once in a life and only when somebody wants to know. */
      const remember = (): void => {
        if (remembers || !expects()) return;
        remembers = true;
        for (const row of tells()) costs.learn(row.who, row.opened, row.booked!);
      };
      let grants: Grant[] = [];
      const limitOf = (b: Budget): bigint => b.limit + b.tolerance + grantedTo(b, grants, clock.now());
      const expects = (): boolean => budgets.some((b) => 'expected' in b);
      const admit = (by: Who, ceiling: bigint, shares: { model: string; amount: bigint }[] | null) =>
        gate.admit({
          caller: caller(by.place, { ...(by.key === null ? {} : { key: by.key }), ...(by.user === null ? {} : { user: by.user }) }),
          endpoint: 'messages', clearance: { model: shares === null ? by.model : null, decisions: [] }, quote: quote(nanodollars(ceiling)), signal: left.signal,
          ...(shares === null ? {} : { shares: shares.map(({ model, amount }) => ({ model, amount: nanodollars(amount) })) }),
        });
      /** What the rule says of one call, or of all models of a batch together. */
      const decide = (asks: { by: Who; amount: bigint; likely: bigint }[]): Said => {
        const verdicts = budgets.map((b): Said => {
          const mine = asks.filter(({ by }) => covers(b.scope, by));
          if (mine.length === 0) return 'admitted';
          const ask = mine.reduce((sum, { amount }) => sum + amount, 0n);
          const likely = mine.reduce((sum, each) => sum + each.likely, 0n);
          const { spent, held, expected } = sums(rows, b, clock.now());
          const fits = (h: bigint, e: bigint): boolean => ('expected' in b ? spent + e + likely <= limitOf(b) && spent + h + ask <= limitOf(b) + (b.expected as { overshoot: bigint }).overshoot : spent + h + ask <= limitOf(b));
          return fits(held, expected) ? 'admitted' : fits(0n, 0n) ? 'budget_held' : 'budget_exhausted';
        });
        return (['budget_exhausted', 'budget_held', 'admitted'] as const).find((verdict) => verdicts.includes(verdict))!;
      };

      for (const c of commands) {
        const open = rows.filter((row) => row.cost === null && row.admission !== null);
        const row = 'pick' in c ? open[c.pick % open.length] : undefined;
        const batch = 'pick' in c ? batches[c.pick % batches.length] : undefined;
        if (c.do === 'admit' && !revoked.has(c.who.key)) {
          const likely = expects() ? costs.likely(c.who, c.ceiling) : c.ceiling;
          const verdict = await admit(c.who, c.ceiling, null);
          expect(verdict.ok ? 'admitted' : verdict.refusal.reason).toBe(decide([{ by: c.who, amount: c.ceiling, likely }]));
          if (verdict.ok) rows.push({ who: c.who, at: clock.now(), held: c.ceiling, opened: c.ceiling, likely, cost: null, admission: verdict.value });
        } else if (c.do === 'settle' && row) {
          row.cost = (row.held * BigInt(c.percent)) / 100n;
          row.booked = row.cost;
          row.admission!.release(nanodollars(row.cost), tokens(1, 1));
          if (learns.has(row)) costs.learn(row.who, row.opened, row.cost);
        } else if (c.do === 'shrink' && row) {
          const to = (row.held * BigInt(c.percent)) / 100n;
          row.admission!.started(tokens(1), nanodollars(to));
          if (to < row.held) row.held = to;
        } else if (c.do === 'again') {
          const settled = rows.filter((r) => r.cost !== null && r.admission !== null);
          settled[c.pick % settled.length]?.admission!.release(nanodollars(1_000_000n), null);
        } else if (c.do === 'batch' && !revoked.has(c.who.key)) {
          const shares = ['m1', 'm2'].map((model, i) => ({ by: { ...c.who, model }, model, amount: c.amounts[i]!, likely: c.amounts[i]! }));
          const verdict = await admit(c.who, c.amounts[0] + c.amounts[1], shares);
          expect(verdict.ok ? 'admitted' : verdict.refusal.reason).toBe(decide(shares));
          if (verdict.ok) {
            const mine = shares.map(({ by, amount }): Row => ({ who: by, at: clock.now(), held: amount, opened: amount, likely: amount, cost: null, admission: null }));
            rows.push(...mine);
            batches.push({ hold: verdict.value.keep(), rows: mine });
          }
        } else if (c.do === 'book' && batch) {
          const item = batch.rows[c.nth]!;
          const cost = (item.held * BigInt(c.percent)) / 100n;
          batch.hold.charge()([{ model: item.who.model, amount: nanodollars(cost) }]);
          item.held -= smaller(cost, item.held);
          rows.push({ ...item, held: 0n, cost, admission: null });
        } else if (c.do === 'expire' && batch) {
          batch.hold.release();
          batch.hold.release();
          for (const item of batch.rows) item.cost = 0n;
          batches.splice(batches.indexOf(batch), 1);
        } else if (c.do === 'pass') clock.pass(c.minutes * 60_000);
        else if (c.do === 'step') clock.wall = start + clock.steady + c.minutes * 60_000;
        else if (c.do === 'crash') {
          // What recovery makes of open rows: the amount they were opened with, since nobody knows better. Batches are taken up again.
          for (const lost of open) lost.cost = lost.opened;
          costs = new Costs();
          remembers = false;
          const known = budgets.flatMap((b) => periodsAround(b.period, clock.now(), ZONE).map((period) => ({ budget: b, period, spent: nanodollars(sums(rows, b, period.from).spent), held: nanodollars(0n) })));
          gate = openGate({ budgets, timezone: ZONE, clock, standings: known, pastOf }).gate;
          await gate.remember();
          remember();
          gate.grant(grants);
          for (const taken of batches) {
            const { place, key, user } = taken.rows[0]!.who;
            const { upstream: _none, ...by } = caller(place, { ...(key === null ? {} : { key }), ...(user === null ? {} : { user }) });
            taken.hold = gate.adopt({ caller: by, shares: taken.rows.map((item) => ({ model: item.who.model, amount: nanodollars(item.held) })), admittedAt: taken.rows[0]!.at });
          }
        } else if (c.do === 'correct') {
          const settled = rows.filter((r) => r.cost !== null);
          const wrong = settled[c.pick % settled.length];
          // The gate keeps the periods that calls may still be in; an older one is in the ledger alone.
          const current = wrong !== undefined && budgets.every((b) => wrong.at >= periodAt(b.period, clock.now(), ZONE).from && wrong.at < periodAt(b.period, clock.now(), ZONE).to);
          if (wrong !== undefined && current) {
            const right = (wrong.cost! * BigInt(c.percent)) / 100n;
            const [workspace, workflow] = wrong.who.place.split('/') as [WorkspaceId, WorkflowId];
            gate.correct({ workspace, workflow, key: wrong.who.key as KeyId | null, user: wrong.who.user, model: wrong.who.model }, wrong.at, nanodollars(right - wrong.cost!));
            wrong.cost = right;
          }
        } else if (c.do === 'grant') {
          grants = [...grants, grantOf(c.which, c.amount, clock.now(), c.minutes)];
          gate.grant(grants);
        } else if (c.do === 'revoke') {
          grants = grants.map((g, i) => (i === c.nth % grants.length ? { ...g, revokedAt: clock.now() } : g));
          gate.grant(grants);
        } else if (c.do === 'revoke-key') revoked.add(c.key);
        else if (c.do === 'edit') {
          budgets = budgets.map((b, i) => {
            if (i !== c.which) return b;
            const { expected: _before, ...rest } = b as Budget;
            return { ...rest, limit: nanodollars(c.limit), tolerance: nanodollars((c.limit * BigInt(c.tolerance)) / 100n), period: c.period ?? b.period, ...(c.overshoot === undefined ? {} : { expected: { overshoot: nanodollars((c.limit * BigInt(c.overshoot)) / 100n) } }) };
          });
          remember();
          // The ledger has what is settled; it knows nothing of holds.
          await gate.reload(settings({ budgets, timezone: ZONE }), async (b, period) => nanodollars(sums(rows, b, period.from).spent));
        }
        if (c.do === 'admit' && expects()) {
          const last = rows.at(-1);
          if (last !== undefined && last.admission !== null && last.cost === null) learns.add(last);
        }
        const standings = gate.standings(clock.now());
        expect(standings.map(({ granted }) => granted ?? 0n)).toEqual(budgets.map((b) => grantedTo(b, grants, clock.now())));
        const expected = budgets.map((b) => {
          const { spent, held, expected: probably } = sums(rows, b, clock.now());
          return 'expected' in b ? { id: b.id, spent, held, probably } : { id: b.id, spent, held };
        });
        expect(standings.map(({ budget: { id }, spent, held, expected: probably }) => (probably === undefined ? { id, spent, held } : { id, spent, held, probably }))).toEqual(expected);
      }

      // Nothing leaks: when the last call has ended, nothing is held anywhere.
      for (const row of rows) row.admission?.release(nanodollars(0n), null);
      for (const { hold } of batches) hold.release();
      expect(gate.standings(clock.now()).every(({ held, expected = held }) => held === 0n && expected === 0n)).toBe(true);
      expect(gate.waiting()).toBe(0);
    }),
    { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }), ...(path === undefined ? {} : { path }) },
  );
}

/** Calls that were admitted while some budget counted with what they probably cost: only from those anything is learned. */
const learns = new WeakSet<Row>();
