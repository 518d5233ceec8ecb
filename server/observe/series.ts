// server/observe/series.ts: the series that calls are counted in, one for each set of labels, and how many sets there may be.

import { TOKEN_KINDS } from '../domain/usage.ts';
import { createHistogram, type Histogram } from './histogram.ts';
import type { Labels } from './labels.ts';
import { COST_KINDS, METRIC_ENDPOINTS, METRIC_OUTCOMES, METRICS, NONE, OTHER, POLICY_ACTIONS, RETRY_REASONS, type MetricEndpoint } from './metric-names.ts';

/**
 * Caps on sets of labels; past them a set is counted under `other`, which is a set of its own. With them a scrape stays near
 * 25,000 series at the very worst: a set of calls is 12, of outcomes (one for each endpoint of a set of calls) 10, of pairs 55, of decisions 3.
 */
const SET_CAPS = { calls: 400, outcomes: 600, pairs: 170, decisions: 300 } as const;

/** Of one workspace, workflow and model. */
export interface CallSeries {
  readonly workspace: string;
  readonly workflow: string;
  readonly model: string;
  /** By METRIC_ENDPOINTS, then METRIC_OUTCOMES; null where the endpoint was never called. */
  readonly outcomes: (number[] | null)[];
  /** By TOKEN_KINDS. */
  readonly tokens: number[];
  /** Pico-dollars by COST_KINDS, exact. */
  readonly cost: bigint[];
}

/** Of one workspace and model. */
export interface PairSeries {
  readonly workspace: string;
  readonly model: string;
  readonly duration: { readonly stream: Histogram; readonly whole: Histogram };
  readonly timeToFirstToken: Histogram;
  /** By RETRY_REASONS. */
  readonly retries: number[];
  clientRetries: number;
  /** Pico-dollars. */
  cacheDiscount: bigint;
  cachePremium: bigint;
}

export interface ModelSeries {
  readonly input: Histogram;
  readonly output: Histogram;
  readonly speed: Histogram;
}

/** Of one workspace and rule. */
export interface DecisionSeries {
  readonly workspace: string;
  readonly policy: string;
  /** By POLICY_ACTIONS. */
  readonly counts: number[];
}

/** All that there are so far. Whoever asks for one that is not there makes it. */
export interface SeriesBook {
  readonly calls: readonly CallSeries[];
  readonly pairs: readonly PairSeries[];
  readonly models: ReadonlyMap<string, ModelSeries>;
  readonly decisions: ReadonlyMap<string, DecisionSeries>;
  callsOf(workspace: string, workflow: string, model: string): CallSeries;
  /** How the calls of an endpoint ended, by METRIC_OUTCOMES. */
  outcomesOf(series: CallSeries, endpoint: MetricEndpoint): number[];
  pairOf(workspace: string, model: string): PairSeries;
  modelOf(model: string): ModelSeries;
  decisionOf(workspace: string, rule: string): DecisionSeries;
  /** A rule let a call pass: it stands at zero from then on, so that its first no is seen as a rise. */
  asked(workspace: string, rule: string): void;
  /** Makes the series of every configured workspace and workflow, at zero. */
  prepare(): void;
}

const ENDPOINT_AT = Object.fromEntries(METRIC_ENDPOINTS.map((name, at) => [name, at])) as Record<MetricEndpoint, number>;

export const zeros = (length: number): number[] => Array.from({ length }, () => 0);

/** What stands under a key, made where nothing does. */
export function branch<Value>(tree: Map<string, Value>, key: string, make: () => Value): Value {
  let value = tree.get(key);
  if (value === undefined) tree.set(key, (value = make()));
  return value;
}

/** @param grew told whenever a set of labels came up that was not there before */
export function createSeries(labels: Labels, grew: () => void): SeriesBook {
  const calls: CallSeries[] = [];
  const callTree = new Map<string, Map<string, Map<string, CallSeries>>>();
  const pairs: PairSeries[] = [];
  const pairTree = new Map<string, Map<string, PairSeries>>();
  const models = new Map<string, ModelSeries>();
  const decisions = new Map<string, DecisionSeries>();
  const askedOf = new Map<string, Set<string>>();
  let outcomeSets = 0;

  const callsOf = (workspace: string, workflow: string, model: string): CallSeries => {
    const known = callTree.get(workspace)?.get(workflow)?.get(model);
    if (known) return known;
    if (calls.length >= SET_CAPS.calls && workspace !== OTHER) {
      labels.overflowed('series');
      return callsOf(OTHER, OTHER, OTHER);
    }
    const made: CallSeries = { workspace, workflow, model, outcomes: METRIC_ENDPOINTS.map(() => null), tokens: zeros(TOKEN_KINDS.length), cost: COST_KINDS.map(() => 0n) };
    calls.push(made);
    grew();
    branch(branch(callTree, workspace, () => new Map<string, Map<string, CallSeries>>()), workflow, () => new Map<string, CallSeries>()).set(model, made);
    return made;
  };
  const pairOf = (workspace: string, model: string): PairSeries => {
    const known = pairTree.get(workspace)?.get(model);
    if (known) return known;
    if (pairs.length >= SET_CAPS.pairs && workspace !== OTHER) {
      labels.overflowed('series');
      return pairOf(OTHER, OTHER);
    }
    const made: PairSeries = {
      workspace,
      model,
      duration: { stream: createHistogram(METRICS.duration.buckets), whole: createHistogram(METRICS.duration.buckets) },
      timeToFirstToken: createHistogram(METRICS.timeToFirstToken.buckets),
      retries: zeros(RETRY_REASONS.length),
      clientRetries: 0,
      cacheDiscount: 0n,
      cachePremium: 0n,
    };
    pairs.push(made);
    grew();
    branch(pairTree, workspace, () => new Map<string, PairSeries>()).set(model, made);
    return made;
  };
  const outcomesOf = (series: CallSeries, endpoint: MetricEndpoint): number[] => {
    const at = ENDPOINT_AT[endpoint];
    const known = series.outcomes[at];
    if (known) return known;
    // Under `other` there always is room.
    if (outcomeSets >= SET_CAPS.outcomes && series.workspace !== OTHER) {
      labels.overflowed('series');
      return outcomesOf(callsOf(OTHER, OTHER, OTHER), endpoint);
    }
    outcomeSets++;
    grew();
    return (series.outcomes[at] = zeros(METRIC_OUTCOMES.length));
  };
  const decisionsBy = (workspace: string, policy: string): DecisionSeries => branch(decisions, `${workspace} ${policy}`, () => ({ workspace, policy, counts: zeros(POLICY_ACTIONS.length) }));

  return {
    calls,
    pairs,
    models,
    decisions,
    callsOf,
    outcomesOf,
    pairOf,
    modelOf: (model) =>
      branch(models, model, () => ({
        input: createHistogram(METRICS.requestTokens.buckets),
        output: createHistogram(METRICS.requestTokens.buckets),
        speed: createHistogram(METRICS.outputSpeed.buckets),
      })),
    decisionOf(workspace, rule) {
      const policy = labels.policy(rule);
      if (decisions.size < SET_CAPS.decisions || decisions.has(`${workspace} ${policy}`)) return decisionsBy(workspace, policy);
      labels.overflowed('series');
      return decisionsBy(OTHER, policy);
    },
    asked(workspace, rule) {
      const rules = branch(askedOf, workspace, () => new Set<string>());
      if (rules.has(rule)) return;
      rules.add(rule);
      // As with calls, at most half of the room goes to zeros.
      if (decisions.size < SET_CAPS.decisions / 2) decisionsBy(workspace, labels.policy(rule));
    },
    prepare() {
      for (const [workspace, workflow] of labels.pairs) {
        for (const model of [NONE, ...labels.namedModels]) {
          // The room for series is for traffic first: at most half of it goes to zeros.
          if (calls.length < SET_CAPS.calls / 2) {
            const made = callsOf(workspace, workflow, model);
            if (outcomeSets < SET_CAPS.outcomes) outcomesOf(made, 'messages');
          }
          if (pairs.length < SET_CAPS.pairs / 2 && model !== NONE) pairOf(workspace, model);
        }
      }
    },
  };
}
