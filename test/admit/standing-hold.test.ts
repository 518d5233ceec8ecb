// test/admit/standing-hold.test.ts: what a batch may cost is held by model until it is booked, whatever happens to the call, the config and the process.

import { expect, test } from 'vitest';
import type { Share } from '../../server/domain/admission.ts';
import type { EpochMs } from '../../server/domain/ids.ts';
import { NO_MONEY } from '../../server/domain/money.ts';
import { admitted, budget, caller, openGate, quote, settings, usd, workspace } from './scene.ts';

const share = (model: string, amount: string): Share => ({ model, amount: usd(amount) });
const SHARES = [share('haiku', '2'), share('sonnet', '5')];
const BUDGETS = [budget('all', '10'), budget('sonnet', '6', { scope: { model: 'sonnet' } }), budget('opus', '1', { scope: { model: 'opus' } })];
const left = AbortSignal.abort();

type Gate = ReturnType<typeof openGate>['gate'];
const admitBatch = (gate: Gate, shares: readonly Share[], signal = left) =>
  gate.admit({ caller: caller('w/f'), endpoint: 'batches', clearance: { model: null, decisions: [] }, quote: quote(shares.reduce((sum, { amount }) => (sum + amount) as typeof amount, NO_MONEY)), shares, signal });
const figures = (gate: Gate, at: EpochMs): [string, bigint, bigint][] => gate.standings(at).map(({ budget: { id }, spent, held }) => [id, spent, held]);

test('each budget holds what it covers, and goes on holding when the call has ended', async () => {
  const { gate, clock } = openGate({ budgets: BUDGETS, workspaces: [workspace('w', { limits: { concurrent: 1, inputTokensPerMinute: 1 } })] });
  const admission = await admitted(admitBatch(gate, SHARES));
  const hold = admission.keep();
  admission.release(usd('7'), null);
  expect(figures(gate, clock.now())).toEqual([['all', 0n, usd('7')], ['sonnet', 0n, usd('5')], ['opus', 0n, 0n]]);
  // Its place among the calls in flight is free again.
  (await admitted(admitBatch(gate, [share('haiku', '1')]))).release(NO_MONEY, null);
  hold.charge()([share('sonnet', '1.5')]);
  expect(figures(gate, clock.now())).toEqual([['all', usd('1.5'), usd('5.5')], ['sonnet', usd('1.5'), usd('3.5')], ['opus', 0n, 0n]]);
  hold.release();
  hold.release();
  expect(figures(gate, clock.now())).toEqual([['all', usd('1.5'), 0n], ['sonnet', usd('1.5'), 0n], ['opus', 0n, 0n]]);
});

test('the budget of one model keeps a whole batch out, and it is the batch\'s part in it that is named', async () => {
  const { gate, clock } = openGate({ budgets: BUDGETS });
  expect(await admitBatch(gate, [share('haiku', '1'), share('sonnet', '6.5')])).toMatchObject({ refusal: { reason: 'budget_exhausted', rule: 'budget:sonnet', message: expect.stringContaining('6.500000000') } });
  const hold = (await admitted(admitBatch(gate, SHARES))).keep();
  expect(await admitBatch(gate, [share('haiku', '1'), share('sonnet', '2')])).toMatchObject({ refusal: { reason: 'budget_held', rule: 'budget:sonnet' } });
  expect(figures(gate, clock.now())[0]).toEqual(['all', 0n, usd('7')]);
  hold.release();
});

test('a batch that costs more than was held counts in full', async () => {
  const { gate, clock } = openGate({ budgets: BUDGETS });
  const hold = (await admitted(admitBatch(gate, [share('sonnet', '1')]))).keep();
  hold.charge()([share('sonnet', '3')]);
  hold.release();
  expect(figures(gate, clock.now())[1]).toEqual(['sonnet', usd('3'), 0n]);
});

test('a creation that is charged as a whole is charged to each model as far as it was held', async () => {
  const { gate, clock } = openGate({ budgets: BUDGETS });
  (await admitted(admitBatch(gate, SHARES))).release(usd('7'), null);
  expect(figures(gate, clock.now())).toEqual([['all', usd('7'), 0n], ['sonnet', usd('5'), 0n], ['opus', 0n, 0n]]);
});

test('a batch of an earlier run is held again, in the period in which it was admitted', async () => {
  const { gate, clock } = openGate({ budgets: [budget('all', '1')] });
  gate.adopt({ caller: caller('w/f'), shares: SHARES, admittedAt: clock.now() });
  expect(figures(gate, clock.now())).toEqual([['all', 0n, usd('7')]]);
  gate.adopt({ caller: caller('w/f'), shares: SHARES, admittedAt: (clock.now() - 86_400_000) as EpochMs });
  expect(figures(gate, clock.now())).toEqual([['all', 0n, usd('7')]]);
});

test('a budget that joins while a cost is being written counts it once', async () => {
  const { gate, clock } = openGate({ budgets: BUDGETS });
  const hold = (await admitted(admitBatch(gate, SHARES))).keep();
  const written = hold.charge();
  // The ledger has the cost already when the new budget asks; the gate hears of it after that.
  const answers: (() => void)[] = [];
  const joined = gate.reload(settings({ budgets: [...BUDGETS, budget('late', '20')] }), (_, period) => new Promise((resolve) => answers.push(() => resolve(period.to > clock.now() ? usd('4') : NO_MONEY))));
  await Promise.resolve();
  written([share('sonnet', '4')]);
  for (const answer of answers) answer();
  await joined;
  expect(figures(gate, clock.now()).find(([id]) => id === 'late')).toEqual(['late', usd('4'), usd('3')]);
  hold.release();
});
