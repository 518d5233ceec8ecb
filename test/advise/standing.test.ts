// test/advise/standing.test.ts: what people decide about a finding, and what came of it with the volume held constant.

import { describe, expect, test } from 'vitest';
import { baselineOf, savingsOf } from '../../server/advise/standing.ts';
import type { Advice, Finding, SavingDecision } from '../../server/domain/advice.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';

const DAY = 86_400_000;
const usd = (dollars: number) => nanodollars(BigInt(Math.round(dollars * 1e9)));
const START = Date.UTC(2026, 10, 1);
const DAYS = 30;

/** @param perAction dollars, by day @param claimed dollars a day, by day */
function advice({ perAction = () => 1, claimed = () => 10, actions = 40 }: { perAction?: (day: number) => number; claimed?: (day: number) => number; actions?: number } = {}): Advice {
  const days = Array.from({ length: DAYS }, (_, day) => day);
  const finding: Finding = {
    id: 'broken_cache:shop/w', lever: 'broken_cache', grade: 'exact', workspace: 'shop', workflow: 'w', models: ['m'], low: usd(1), high: usd(1), atStake: usd(0), calls: 1, examples: [],
    days: days.map((day) => ({ low: usd(claimed(day)), high: usd(claimed(day)) })), facts: {},
  };
  return {
    at: epochMs(START + DAYS * DAY), from: epochMs(START), to: epochMs(START + DAYS * DAY), dayStarts: days.map((day) => epochMs(START + day * DAY)), calls: 1, hashed: 1, tookMs: 1, findings: [finding],
    workflows: [{ workspace: 'shop', workflow: 'w', cost: days.map((day) => usd(perAction(day) * actions)), captured: days.map(() => usd(0)), calls: days.map(() => actions), actions: days.map(() => actions) }],
  };
}

function done(at: number, from: Advice): SavingDecision {
  const now = epochMs(START + at * DAY + DAY / 2);
  return { id: 'broken_cache:shop/w', state: 'done', at: now, actor: 'ada', owner: null, reason: null, baseline: baselineOf(from.findings[0]!, from, now) };
}

const savingOn = (day: Advice, decision: SavingDecision) => savingsOf(day, [decision])[0]!;

test('the baseline is what an action cost in the two weeks before, and what was claimed of a day', () => {
  const { from, to, actions, cost, perDay } = done(20, advice({ perAction: (day) => (day < 7 ? 99 : 1) })).baseline!;
  expect({ days: (to - from) / DAY, actions, cost, perDay }).toEqual({ days: 14, actions: 560, cost: usd(560), perDay: usd(10) });
});

describe('after it was done', () => {
  const fixed = { perAction: (day: number) => (day <= 20 ? 1 : 0.6), claimed: (day: number) => (day <= 20 ? 10 : 0) };

  test('the effect is the fall of the cost of an action, times the actions since, whatever their number', () => {
    const saving = savingOn(advice(fixed), done(20, advice(fixed)));
    expect(saving).toMatchObject({ state: 'done', reopened: false, effect: { actions: 360, before: usd(1), since: usd(0.6), saved: usd(144) } });
  });

  test('a finding that is back at half its rate is open again', () => {
    const back = advice({ ...fixed, claimed: () => 6 });
    expect(savingOn(back, done(20, advice()))).toMatchObject({ state: 'open', reopened: true });
    expect(savingOn(advice({ ...fixed, claimed: (day) => (day <= 20 ? 10 : 4) }), done(20, advice()))).toMatchObject({ state: 'done', reopened: false });
  });

  test('it is open again where actions cost as much as before', () => {
    expect(savingOn(advice({ claimed: (day) => (day <= 20 ? 10 : 0) }), done(20, advice()))).toMatchObject({ state: 'open', reopened: true, effect: { saved: 0n } });
  });

  test('a few days and a few actions say nothing', () => {
    expect(savingOn(advice({ claimed: () => 10 }), done(27, advice()))).toMatchObject({ state: 'done', reopened: false });
    expect(savingOn(advice({ ...fixed, actions: 1 }), done(20, advice({ actions: 1 }))).effect).toBeNull();
  });

  test('what is gone from the findings stays to be seen', () => {
    const gone = { ...advice(fixed), findings: [] };
    expect(savingOn(gone, done(20, advice()))).toMatchObject({ state: 'done', finding: { workspace: 'shop', workflow: 'w', high: 0n }, effect: { saved: usd(144) } });
  });
});

test('what was dismissed stays dismissed with its reason, and an id of no lever is passed over', () => {
  const decision: SavingDecision = { id: 'broken_cache:shop/w', state: 'dismissed', at: epochMs(START), actor: 'ada', owner: 'ada', reason: 'a policy wants it', baseline: null };
  expect(savingsOf(advice(), [decision, { ...decision, id: 'no_such_lever:shop/w' }])).toMatchObject([{ state: 'dismissed', decision: { reason: 'a policy wants it' } }]);
});
