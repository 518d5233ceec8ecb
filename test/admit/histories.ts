// test/admit/histories.ts: random lives of a gate against the plainest bookkeeping there is.

import fc from 'fast-check';
import { expect } from 'vitest';
import type { Admission } from '../../server/domain/admission.ts';
import type { Budget, Scope } from '../../server/domain/budget.ts';
import { periodAt, periodsAround } from '../../server/domain/calendar.ts';
import type { Grant } from '../../server/domain/grant.ts';
import type { BudgetId, EpochMs } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { admit, budget, MovableClock, openGate, settings, tokens } from './scene.ts';

/** One call as a ledger would have it; `cost` null while it is in flight. */
interface Row {
  readonly admission: Admission;
  readonly at: EpochMs;
  readonly place: string;
  held: bigint;
  /** What it was opened with in the ledger; a hold shrinks, a row does not. */
  readonly opened: bigint;
  cost: bigint | null;
}

const ZONE = 'America/New_York';
const places = ['w/f', 'w/g', 'x/f'];
const scopes: Partial<Scope>[] = [{}, { workspace: 'w' }, { workspace: 'w', workflow: 'f' }, { workflow: 'f' }];
const money = fc.bigInt({ min: 1n, max: 500_000_000n });
const periods = fc.constantFrom('hour' as const, 'day' as const, 'week' as const);

const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('admit' as const), place: fc.constantFrom(...places), ceiling: money }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const), pick: fc.nat(), percent: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('shrink' as const), pick: fc.nat(), percent: fc.nat(120) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), minutes: fc.oneof(fc.nat(30), fc.nat(2_000)) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('step' as const), minutes: fc.integer({ min: -29, max: 29 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('grant' as const), which: fc.nat(3), amount: money, minutes: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), nth: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('edit' as const), which: fc.nat(3), limit: money, tolerance: fc.nat(20), period: fc.option(periods, { nil: undefined }) }) },
);

const grantOf = (which: number, amount: bigint, at: number, minutes: number): Grant => ({
  id: `grant_${at}_${amount}`, budget: `b${which}` as BudgetId, amount: nanodollars(amount), createdAt: at as EpochMs, until: (at + minutes * 60_000) as EpochMs, reason: 'launch', actor: 'ann', revokedAt: null,
});

const covers = (scope: Scope, place: string): boolean => {
  const [workspace, workflow] = place.split('/');
  return (scope.workspace ?? workspace) === workspace && (scope.workflow ?? workflow) === workflow;
};

function sums(rows: readonly Row[], b: Budget, at: EpochMs): { spent: bigint; held: bigint } {
  const period = periodAt(b.period, at, ZONE);
  const inIt = rows.filter((row) => row.at >= period.from && row.at < period.to && covers(b.scope, row.place));
  return {
    spent: inIt.reduce((sum, row) => sum + (row.cost ?? 0n), 0n),
    held: inIt.reduce((sum, row) => sum + (row.cost === null ? row.held : 0n), 0n),
  };
}

const grantedTo = (b: Budget, grants: readonly Grant[], at: EpochMs): bigint => grants.filter((g) => g.budget === b.id && g.revokedAt === null && at < g.until).reduce((sum, g) => sum + g.amount, 0n);
const left = new AbortController();
left.abort();

/**
 * Whatever happens in whatever order, the gate admits what fits and nothing else, says why, and its sums are those of the rows.
 * A failure prints its seed and path; TOLLGATE_SEED and TOLLGATE_PATH play it again.
 */
export async function everyHistoryHolds(numRuns: number): Promise<void> {
  const { TOLLGATE_SEED: seed, TOLLGATE_PATH: path } = process.env;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 200 }), fc.array(money, { minLength: 4, maxLength: 4 }), async (commands, limits) => {
      // Around the clock change of 9 March 2025, where a day has 23 hours.
      const clock = new MovableClock('2025-03-08T20:00:00Z');
      const start = clock.wall;
      let budgets = scopes.map((scope, i) => ({ ...budget(`b${i}`, '0', { scope, period: (['day', 'hour', 'day', 'week'] as const)[i]! }), limit: nanodollars(limits[i]! * 4n) }));
      let { gate } = openGate({ budgets, timezone: ZONE, clock });
      const rows: Row[] = [];
      let grants: Grant[] = [];
      const limitOf = (b: Budget): bigint => b.limit + b.tolerance + grantedTo(b, grants, clock.now());

      for (const c of commands) {
        const open = rows.filter((row) => row.cost === null);
        const row = 'pick' in c ? open[c.pick % open.length] : undefined;
        if (c.do === 'admit') {
          const covering = budgets.filter((b) => covers(b.scope, c.place)).map((b) => ({ b, ...sums(rows, b, clock.now()) }));
          const fits = covering.every(({ b, spent, held }) => spent + held + c.ceiling <= limitOf(b));
          const wouldFitAlone = covering.every(({ b, spent }) => spent + c.ceiling <= limitOf(b));
          const verdict = await admit(gate, { place: c.place, ceiling: nanodollars(c.ceiling), signal: left.signal });
          expect(verdict.ok ? 'admitted' : verdict.refusal.reason).toBe(fits ? 'admitted' : wouldFitAlone ? 'budget_held' : 'budget_exhausted');
          if (verdict.ok) rows.push({ admission: verdict.value, at: clock.now(), place: c.place, held: c.ceiling, opened: c.ceiling, cost: null });
        } else if (c.do === 'settle' && row) {
          row.cost = (row.held * BigInt(c.percent)) / 100n;
          row.admission.release(nanodollars(row.cost), tokens(1, 1));
        } else if (c.do === 'shrink' && row) {
          const to = (row.held * BigInt(c.percent)) / 100n;
          row.admission.started(tokens(1), nanodollars(to));
          if (to < row.held) row.held = to;
        } else if (c.do === 'again') {
          const settled = rows.filter((r) => r.cost !== null);
          settled[c.pick % settled.length]?.admission.release(nanodollars(1_000_000n), null);
        } else if (c.do === 'pass') clock.pass(c.minutes * 60_000);
        else if (c.do === 'step') clock.wall = start + clock.steady + c.minutes * 60_000;
        else if (c.do === 'crash') {
          // What recovery makes of open rows: the amount they were opened with, since nobody knows better.
          for (const lost of open) lost.cost = lost.opened;
          const known = budgets.flatMap((b) => periodsAround(b.period, clock.now(), ZONE).map((period) => ({ budget: b, period, spent: nanodollars(sums(rows, b, period.from).spent), held: nanodollars(0n) })));
          gate = openGate({ budgets, timezone: ZONE, clock, standings: known }).gate;
          gate.grant(grants);
        } else if (c.do === 'grant') {
          grants = [...grants, grantOf(c.which, c.amount, clock.now(), c.minutes)];
          gate.grant(grants);
        } else if (c.do === 'revoke') {
          grants = grants.map((g, i) => (i === c.nth % grants.length ? { ...g, revokedAt: clock.now() } : g));
          gate.grant(grants);
        } else if (c.do === 'edit') {
          budgets = budgets.map((b, i) => (i === c.which ? { ...b, limit: nanodollars(c.limit), tolerance: nanodollars((c.limit * BigInt(c.tolerance)) / 100n), period: c.period ?? b.period } : b));
          // The ledger has what is settled; it knows nothing of holds.
          await gate.reload(settings({ budgets, timezone: ZONE }), async (b, period) => nanodollars(sums(rows, b, period.from).spent));
        }
        const expected = budgets.map((b) => ({ id: b.id, ...sums(rows, b, clock.now()) }));
        expect(gate.standings(clock.now()).map(({ granted }) => granted ?? 0n)).toEqual(budgets.map((b) => grantedTo(b, grants, clock.now())));
        expect(gate.standings(clock.now()).map(({ budget: { id }, spent, held }) => ({ id, spent, held }))).toEqual(expected);
      }

      // Nothing leaks: when the last call has ended, nothing is held anywhere.
      for (const row of rows) row.admission.release(nanodollars(0n), null);
      expect(gate.standings(clock.now()).every(({ held }) => held === 0n)).toBe(true);
      expect(gate.waiting()).toBe(0);
    }),
    { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }), ...(path === undefined ? {} : { path }) },
  );
}
