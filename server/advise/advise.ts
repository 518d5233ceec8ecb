// server/advise/advise.ts: one look over the calls of a window: every lever watches them go by, in order, once.

import type { Advice, WorkflowDays } from '../domain/advice.ts';
import { epochMs } from '../domain/ids.ts';
import { nanodollars } from '../domain/money.ts';
import { promptTokens } from '../domain/usage.ts';
import { decodeMarks } from '../identify/prompt-marks.ts';
import type { AdvisedCall } from '../store/sqlite/advised-calls.ts';
import { findingsOf } from './findings.ts';
import { watchBatch } from './levers/batch.ts';
import { watchPremiums } from './levers/premiums.ts';
import { watchPromptCache } from './levers/prompt-cache.ts';
import { watchRepeats } from './levers/repeats.ts';
import { watchCutAnswers, watchHabits } from './levers/signals.ts';
import { watchModels, type Model } from './levers/smaller-model.ts';
import { watchUncachedPrefixes } from './levers/uncached-prefix.ts';
import { costAt, Group, plainRates, type Seen } from './seen.ts';

export interface Question {
  readonly from: number;
  readonly to: number;
  /** When each local day of the window begins, the first at `from`. */
  readonly dayStarts: readonly number[];
  /** Models that are sold now. */
  readonly models: readonly Model[];
  /** By workspace, the provider key that it calls with: what the provider keeps its cache by. A workspace that is not here has one of its own. */
  readonly scopes: ReadonlyMap<string, string>;
}

class Workflow {
  readonly workspace: string;
  readonly workflow: string;
  readonly cost: Float64Array;
  readonly captured: Float64Array;
  readonly calls: number[];
  readonly actions: number[];
  /** Of the day that is being read. */
  named = new Set<string>();
  namedOn = 0;
  constructor({ workspace, workflow }: AdvisedCall, days: number) {
    this.workspace = workspace;
    this.workflow = workflow;
    this.cost = new Float64Array(days);
    this.captured = new Float64Array(days);
    this.calls = Array.from({ length: days }, () => 0);
    this.actions = Array.from({ length: days }, () => 0);
  }

  add(call: AdvisedCall, day: number, captured: number): void {
    this.cost[day]! += call.cost;
    this.captured[day]! += captured;
    this.calls[day]!++;
    if (day !== this.namedOn) {
      this.named = new Set();
      this.namedOn = day;
    }
    if (call.action !== null && this.named.has(call.action)) return;
    if (call.action !== null) this.named.add(call.action);
    this.actions[day]!++;
  }
}

/** Pure but for what it reads from `calls`. @param calls answered ones of the window, in order of admission */
export function advise(calls: Iterable<AdvisedCall>, question: Question): Omit<Advice, 'at' | 'tookMs'> {
  const { from, to, dayStarts } = question;
  const days = dayStarts.length;
  // Needless calls are found first, so that no other lever looks at them.
  const watches = [watchRepeats(), watchPremiums(), watchPromptCache(), watchUncachedPrefixes(), watchBatch(), watchModels(question.models), watchCutAnswers(), watchHabits()];
  const groups = new Map<string, Group>();
  const workflows = new Map<string, Workflow>();
  let day = 0;
  let answered = 0;
  let hashed = 0;

  for (const call of calls) {
    while (day + 1 < days && call.at >= dayStarts[day + 1]!) day++;
    const workflowKey = `${call.workspace}/${call.workflow}`;
    let workflow = workflows.get(workflowKey);
    if (workflow === undefined) workflows.set(workflowKey, (workflow = new Workflow(call, days)));
    const { price } = call;
    const rates = price === null ? null : plainRates(price);
    const batched = rates !== null && call.batch ? costAt(call.tokens, rates.standard) - costAt(call.tokens, rates.batch) : 0;
    workflow.add(call, day, call.cacheSavings + batched);
    if (price === null || rates === null) continue;

    const key = `${workflowKey}/${call.model}`;
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = new Group(call, days)));
    group.cost[day]! += call.cost;
    group.calls++;
    const marks = call.prompt === null ? null : decodeMarks(call.prompt);
    // A batch's rows come from its results, without the bodies.
    if (promptTokens(call.tokens) > 0 && !call.batch) {
      answered++;
      if (marks !== null) hashed++;
    }
    const seen: Seen = { call, marks, group, day, price, rates: call.batch ? rates.batch : rates.standard, standard: rates.standard, scope: question.scopes.get(call.workspace) ?? `of ${call.workspace}`, needless: false };
    for (const watch of watches) watch.see(seen);
  }
  for (const watch of watches) watch.end(to);

  return {
    from: epochMs(from), to: epochMs(to), dayStarts: dayStarts.map((start) => epochMs(start)),
    findings: findingsOf(groups.values()),
    workflows: [...workflows.values()].map(daysOf),
    calls: answered, hashed,
  };
}

const daysOf = ({ workspace, workflow, cost, captured, calls, actions }: Workflow): WorkflowDays => ({ workspace, workflow, cost: [...cost].map(money), captured: [...captured].map(money), calls, actions });
const money = (amount: number) => nanodollars(BigInt(Math.round(amount)));
