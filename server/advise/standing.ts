// server/advise/standing.ts: how a finding stands after what people decided about it, and what came of it.

import { LEVERS, type Advice, type Baseline, type Effect, type Finding, type Saving, type SavingDecision, type WorkflowDays } from '../domain/advice.ts';
import { DAY_MS } from '../domain/durations.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from '../domain/money.ts';

const BASELINE_DAYS = 14;
/** Below this an effect is chance. */
const LEAST_ACTIONS = 20;
/** After so many whole days it shows whether a finding has come back: at half its old rate or more. */
const BACK_AFTER_DAYS = 3;
/** After so many, a gain must show in what an action costs, too. */
const GAIN_AFTER_DAYS = 7;

/** Every finding with its decision, and decided ones of which nothing is left, dearest first. */
export function savingsOf(advice: Advice, decisions: readonly SavingDecision[]): Saving[] {
  const byId = new Map(decisions.map((decision) => [decision.id, decision]));
  const found = new Set(advice.findings.map(({ id }) => id));
  const gone = decisions.filter(({ id }) => !found.has(id)).flatMap(({ id }) => nothingLeft(id, advice) ?? []);
  return [...advice.findings, ...gone].map((finding) => savingOf(finding, byId.get(finding.id) ?? null, advice)).toSorted(dearest);
}

export function savingOf(finding: Finding, decision: SavingDecision | null, advice: Advice): Saving {
  const effect = decision?.state === 'done' ? effectOf(finding, decision, advice) : null;
  const reopened = decision?.state === 'done' && hasFaded(finding, decision, effect, advice);
  return { finding, decision, effect, reopened, state: reopened ? 'open' : (decision?.state ?? 'open') };
}

/** What an action of the workflow cost, and what was claimed of a day, over the two weeks up to now. */
export function baselineOf(finding: Finding, advice: Advice, now: EpochMs): Baseline {
  const from = epochMs(Math.max(advice.from, now - BASELINE_DAYS * DAY_MS));
  const days = daysWithin(advice, from, now);
  const { actions, cost } = sums(workflowOf(finding, advice), days);
  return { from, to: now, actions, cost, perDay: perDay(finding, days) };
}

/** With the volume held constant: what the actions since would have cost at the old cost of one. */
function effectOf(finding: Finding, { at, baseline }: SavingDecision, advice: Advice): Effect | null {
  const since = sums(workflowOf(finding, advice), daysWithin(advice, wholeDayAfter(advice, at), advice.to));
  if (baseline === null || baseline.actions < LEAST_ACTIONS || since.actions < LEAST_ACTIONS) return null;
  return {
    actions: since.actions,
    before: nanodollars(baseline.cost / BigInt(baseline.actions)),
    since: nanodollars(since.cost / BigInt(since.actions)),
    saved: nanodollars((baseline.cost * BigInt(since.actions)) / BigInt(baseline.actions) - since.cost),
  };
}

function hasFaded(finding: Finding, { at, baseline }: SavingDecision, effect: Effect | null, advice: Advice): boolean {
  if (baseline === null) return false;
  const days = daysWithin(advice, wholeDayAfter(advice, at), advice.to);
  if (days.length > BACK_AFTER_DAYS && perDay(finding, days) * 2n >= baseline.perDay && baseline.perDay > 0n) return true;
  return days.length > GAIN_AFTER_DAYS && effect !== null && effect.saved <= 0n;
}

/** The day on which something was done is neither before nor after. */
const wholeDayAfter = ({ dayStarts, to }: Advice, at: EpochMs): EpochMs => dayStarts.find((start) => start >= at) ?? to;

const daysWithin = ({ dayStarts }: Advice, from: EpochMs, to: EpochMs): number[] => dayStarts.flatMap((start, day) => (start >= from && start < to ? [day] : []));

const workflowOf = ({ workspace, workflow }: Finding, { workflows }: Advice): WorkflowDays | null => workflows.find((known) => known.workspace === workspace && known.workflow === workflow) ?? null;

function sums(workflow: WorkflowDays | null, days: readonly number[]): { actions: number; cost: Nanodollars } {
  return { actions: days.reduce((sum, day) => sum + (workflow?.actions[day] ?? 0), 0), cost: nanodollars(days.reduce((sum, day) => sum + (workflow?.cost[day] ?? NO_MONEY), 0n)) };
}

const perDay = ({ days }: Finding, over: readonly number[]): Nanodollars => (over.length === 0 ? NO_MONEY : nanodollars(over.reduce((sum, day) => sum + (days[day]?.high ?? NO_MONEY), 0n) / BigInt(over.length)));

/** Null for an id that this version knows no lever of. */
function nothingLeft(id: string, { dayStarts }: Advice): Finding | null {
  const [, name, workspace, workflow] = /^([a-z_]+):([^/]*)\/(.*)$/s.exec(id) ?? [];
  const lever = LEVERS.find((known) => known === name);
  if (lever === undefined || workspace === undefined || workflow === undefined) return null;
  return { id, lever, grade: 'exact', workspace, workflow, models: [], low: NO_MONEY, high: NO_MONEY, atStake: NO_MONEY, calls: 0, examples: [], days: dayStarts.map(() => ({ low: NO_MONEY, high: NO_MONEY })), facts: {} };
}

function dearest({ finding: a }: Saving, { finding: b }: Saving): number {
  const by = (one: Finding, other: Finding, key: (finding: Finding) => bigint): number => (key(one) === key(other) ? 0 : key(one) > key(other) ? -1 : 1);
  // What is certain comes before what may be, and that before what is only at stake.
  return by(a, b, ({ grade, low }) => (grade === 'estimate' ? 0n : low)) || by(a, b, ({ grade, high }) => (grade === 'estimate' ? 0n : high)) || by(a, b, ({ high }) => high) || by(a, b, ({ atStake }) => atStake) || (a.id < b.id ? -1 : 1);
}
