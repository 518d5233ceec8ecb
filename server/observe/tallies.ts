// server/observe/tallies.ts: what is counted for every call, in own arrays and maps: it runs on the data path, so it must cost next to nothing.

import type { CostLine, Cost } from '../domain/price.ts';
import type { LedgerEntry, RefusedEntry } from '../domain/ledger.ts';
import type { Observer } from '../domain/observer.ts';
import { QUEUE_RESULTS } from '../domain/provider-queue.ts';
import { REFUSALS, type RefusalReason } from '../domain/refusal.ts';
import { promptTokens, TOKEN_KINDS, type Tokens } from '../domain/usage.ts';
import { createHistogram, observe, type Histogram } from './histogram.ts';
import type { Labels } from './labels.ts';
import { COST_KINDS, INCOMPLETE_REASONS, LOST_RECORDS, METRIC_ENDPOINTS, METRIC_OUTCOMES, METRICS, NONE, OTHER, POLICY_ACTIONS, RETRY_REASONS, type MetricEndpoint, type MetricOutcome, type OVERHEAD_PHASES } from './metric-names.ts';
import { incompleteReason, METRIC_ENDPOINT, metricOutcome, REFUSAL_OUTCOMES, retryReason } from './outcome.ts';

/**
 * Caps on sets of labels; past them a set is counted under `other`, which is a set of its own. With them a scrape stays near
 * 25,000 series at the very worst: a set of calls is 12, of outcomes (one for each endpoint of a set of calls) 10, of pairs 55, of decisions 3.
 */
export const SET_CAPS = { calls: 400, outcomes: 600, pairs: 170, decisions: 300 } as const;

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

export interface Tallies {
  readonly observer: Observer;
  readonly calls: CallSeries[];
  readonly pairs: PairSeries[];
  readonly models: ReadonlyMap<string, ModelSeries>;
  readonly requestCost: ReadonlyMap<string, Histogram>;
  /** By OVERHEAD_PHASES. */
  readonly overhead: Readonly<Record<(typeof OVERHEAD_PHASES)[number], Histogram>>;
  readonly ledgerWrite: Histogram;
  readonly lost: ReadonlyMap<string, number>;
  readonly inFlight: ReadonlyMap<string, number>;
  /** Nano-dollars by workspace; may be negative. */
  readonly corrections: ReadonlyMap<string, bigint>;
  corrected(workspace: string, difference: bigint): void;
  /** Of background calls that waited for the provider: by workspace, then QUEUE_RESULTS. */
  readonly queue: { readonly results: ReadonlyMap<string, number[]>; readonly waits: Histogram };
  /** By the name in the config; so many were ever in one. */
  readonly failovers: Map<string, number>;
  readonly decisions: ReadonlyMap<string, { readonly workspace: string; readonly policy: string; readonly counts: number[] }>;
  readonly turnedAway: ReadonlyMap<RefusalReason, number>;
  readonly incomplete: ReadonlyMap<string, number>;
  unpriced(): number;
  /** Calls that cost more than was held for them. */
  holdExceeded(): number;
  /** Makes the series of every configured workspace and workflow, at zero. */
  prepare(): void;
}

const OUTCOME_AT = indexOf(METRIC_OUTCOMES);
const ENDPOINT_AT = indexOf(METRIC_ENDPOINTS);
const RETRY_AT = indexOf(RETRY_REASONS);
const SERVER_TOOL_AT = COST_KINDS.indexOf('server_tool');
const UNITEMIZED_AT = COST_KINDS.indexOf('unitemized');
/** Token kinds and cost kinds stand in one order, so that one index serves both. */
const KIND_AT: Readonly<Record<CostLine['kind'], number>> = { ...indexOf(TOKEN_KINDS), web_search: SERVER_TOOL_AT, code_execution: SERVER_TOOL_AT };

const zeros = (length: number): number[] => Array.from({ length }, () => 0);
const add = (counts: number[], at: number, by: number): void => void (counts[at] = (counts[at] ?? 0) + by);

/** @param grew told whenever a set of labels came up that was not there before */
export function createTallies(labels: Labels, grew: () => void = () => {}): Tallies {
  const calls: CallSeries[] = [];
  const callTree = new Map<string, Map<string, Map<string, CallSeries>>>();
  const pairs: PairSeries[] = [];
  const pairTree = new Map<string, Map<string, PairSeries>>();
  const models = new Map<string, ModelSeries>();
  const requestCost = new Map<string, Histogram>();
  const overhead = { request: createHistogram(METRICS.overhead.buckets), response: createHistogram(METRICS.overhead.buckets) };
  const ledgerWrite = createHistogram(METRICS.ledgerWrite.buckets);
  const lost = new Map<string, number>(LOST_RECORDS.map((record) => [record, 0]));
  const inFlight = new Map<string, number>();
  const corrections = new Map<string, bigint>();
  const failovers = new Map<string, number>();
  const queue = { results: new Map<string, number[]>(), waits: createHistogram(METRICS.queueWait.buckets) };
  const queueOf = (workspace: string): number[] => branch(queue.results, workspace, () => zeros(QUEUE_RESULTS.length));
  const decisions = new Map<string, { workspace: string; policy: string; counts: number[] }>();
  const asked = new Map<string, Set<string>>();
  const turnedAway = new Map<RefusalReason, number>((Object.keys(REFUSALS) as RefusalReason[]).map((reason) => [reason, 0]));
  const incomplete = new Map<string, number>(INCOMPLETE_REASONS.map((reason) => [reason, 0]));
  let unpriced = 0;
  let holdExceeded = 0;
  let outcomeSets = 0;

  const callSeries = (workspace: string, workflow: string, model: string): CallSeries => {
    const known = callTree.get(workspace)?.get(workflow)?.get(model);
    if (known) return known;
    if (calls.length >= SET_CAPS.calls && workspace !== OTHER) {
      labels.overflowed('series');
      return callSeries(OTHER, OTHER, OTHER);
    }
    const made: CallSeries = { workspace, workflow, model, outcomes: METRIC_ENDPOINTS.map(() => null), tokens: zeros(TOKEN_KINDS.length), cost: COST_KINDS.map(() => 0n) };
    calls.push(made);
    grew();
    branch(branch(callTree, workspace, () => new Map<string, Map<string, CallSeries>>()), workflow, () => new Map<string, CallSeries>()).set(model, made);
    return made;
  };
  const pairSeries = (workspace: string, model: string): PairSeries => {
    const known = pairTree.get(workspace)?.get(model);
    if (known) return known;
    if (pairs.length >= SET_CAPS.pairs && workspace !== OTHER) {
      labels.overflowed('series');
      return pairSeries(OTHER, OTHER);
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
  const modelSeries = (model: string): ModelSeries =>
    branch(models, model, () => ({
      input: createHistogram(METRICS.requestTokens.buckets),
      output: createHistogram(METRICS.requestTokens.buckets),
      speed: createHistogram(METRICS.outputSpeed.buckets),
    }));
  const countOutcome = (series: CallSeries, endpoint: MetricEndpoint, outcome: MetricOutcome): void => {
    const counts = outcomesOf(series, ENDPOINT_AT[endpoint]);
    if (counts !== null) return add(counts, OUTCOME_AT[outcome], 1);
    labels.overflowed('series');
    countOutcome(callSeries(OTHER, OTHER, OTHER), endpoint, outcome);
  };
  /** Null where there is no room for one more; under `other` there always is. */
  const outcomesOf = (series: CallSeries, at: number): number[] | null => {
    const known = series.outcomes[at];
    if (known) return known;
    if (outcomeSets >= SET_CAPS.outcomes && series.workspace !== OTHER) return null;
    outcomeSets++;
    grew();
    return (series.outcomes[at] = zeros(METRIC_OUTCOMES.length));
  };
  const decide = (workspace: string, rule: string, action: (typeof POLICY_ACTIONS)[number]): void => {
    const policy = labels.policy(rule);
    let key = `${workspace} ${policy}`;
    if (decisions.size >= SET_CAPS.decisions && !decisions.has(key)) {
      labels.overflowed('series');
      workspace = OTHER;
      key = `${OTHER} ${policy}`;
    }
    const entry = branch(decisions, key, () => ({ workspace, policy, counts: zeros(POLICY_ACTIONS.length) }));
    add(entry.counts, POLICY_ACTIONS.indexOf(action), 1);
  };
  /** A rule that lets a call pass stands at zero from then on, so that its first no is seen as a rise. */
  const askedAbout = (workspace: string, rule: string): void => {
    const rules = branch(asked, workspace, () => new Set<string>());
    if (rules.has(rule)) return;
    rules.add(rule);
    // As with calls, at most half of the room goes to zeros.
    if (decisions.size >= SET_CAPS.decisions / 2) return;
    const policy = labels.policy(rule);
    branch(decisions, `${workspace} ${policy}`, () => ({ workspace, policy, counts: zeros(POLICY_ACTIONS.length) }));
  };
  const countDecisions = (workspace: string, entry: LedgerEntry['opened'] | RefusedEntry): boolean => {
    let blocked = false;
    for (const { rule, verdict } of entry.decisions) {
      if (verdict === 'allow') {
        askedAbout(workspace, rule);
        continue;
      }
      if (verdict === 'refuse') blocked = true;
      decide(workspace, rule, verdict === 'refuse' ? 'block' : verdict === 'rewrite' ? 'downgrade' : 'warn');
    }
    return blocked;
  };

  /** Tokens and money by the model that each line was priced with: a fallback or an advisor has its own. */
  const countCost = (workspace: string, workflow: string, model: string, cost: Cost): void => {
    const own = callSeries(workspace, workflow, model);
    let sum = 0n;
    for (const line of cost.lines) {
      const label = cost.prices.length > 1 ? labels.model(modelOf(line, cost)) : model;
      const series = label === model ? own : callSeries(workspace, workflow, label);
      const at = KIND_AT[line.kind];
      series.cost[at] = (series.cost[at] ?? 0n) + line.amount;
      sum += line.amount;
      if (at < TOKEN_KINDS.length) add(series.tokens, at, line.quantity);
    }
    if (cost.lines.length === 0) countTokens(own, cost.tokens);
    // A whole nano-dollar or more that no line explains; less is the rounding of the row.
    const rest = cost.total * 1000n - sum;
    if (rest >= 1000n) own.cost[UNITEMIZED_AT] = (own.cost[UNITEMIZED_AT] ?? 0n) + rest;
  };

  const settled = ({ opened, settlement }: LedgerEntry): void => {
    const { cost } = settlement;
    const workspace = labels.workspace(opened.caller.workspace);
    const workflow = labels.workflow(workspace, opened.caller.workflow);
    inFlight.set(workspace, (inFlight.get(workspace) ?? 0) - 1);
    const model = labels.model(cost.prices[0]?.model ?? opened.price?.model ?? cost.modelServed ?? opened.modelSent);
    const outcome = metricOutcome({ outcome: settlement.outcome, status: settlement.status, stopReason: settlement.stopReason, errorType: settlement.errorType });
    const endpoint = METRIC_ENDPOINT[opened.endpoint];
    countOutcome(callSeries(workspace, workflow, model), endpoint, outcome);
    countCost(workspace, workflow, model, cost);
    countDecisions(workspace, opened);
    if (cost.basis === 'ceiling' && cost.total > 0n) unpriced++;
    if (cost.total > opened.held) holdExceeded++;
    if (cost.estimated) {
      const reason = incompleteReason(settlement.outcome);
      incomplete.set(reason, (incomplete.get(reason) ?? 0) + 1);
    }

    const pair = pairSeries(workspace, model);
    // What was never on the wire, an item of a batch, took no time that anybody waited.
    if (settlement.attempts.length > 0) observe(opened.stream ? pair.duration.stream : pair.duration.whole, settlement.durationMs / 1000, opened.id, settlement.endedAt);
    if (settlement.overheadRequestMs !== undefined) {
      observe(overhead.request, settlement.overheadRequestMs / 1000);
      observe(overhead.response, (settlement.overheadMs - settlement.overheadRequestMs) / 1000);
    }
    for (let at = 0; at + 1 < settlement.attempts.length; at++) {
      const failed = settlement.attempts[at];
      if (failed) add(pair.retries, RETRY_AT[retryReason(failed)], 1);
    }
    for (const { failover } of settlement.attempts) if (failover != null) failovers.set(failover, (failovers.get(failover) ?? 0) + 1);
    if (opened.clientRetry !== null && opened.clientRetry > 0) pair.clientRetries++;
    const { timeToFirstTokenMs } = settlement;
    if (timeToFirstTokenMs !== null) observe(pair.timeToFirstToken, (timeToFirstTokenMs - (settlement.queuedMs ?? 0)) / 1000, opened.id, settlement.endedAt);

    const prompt = promptTokens(cost.tokens);
    if (prompt + cost.tokens.output > 0) {
      const series = modelSeries(model);
      observe(series.input, prompt);
      observe(series.output, cost.tokens.output);
      const writingMs = timeToFirstTokenMs === null ? 0 : settlement.durationMs - timeToFirstTokenMs;
      if (opened.stream && settlement.outcome === 'ok' && writingMs > 0) observe(series.speed, (cost.tokens.output * 1000) / writingMs);
    }
    if (cost.basis !== 'free') observe(branch(requestCost, workspace, () => createHistogram(METRICS.requestCost.buckets)), Number(cost.total) / 1e9, opened.id, settlement.endedAt);
    if (cost.tokens.cacheRead + cost.tokens.cacheWrite5m + cost.tokens.cacheWrite1h > 0) {
      const premium = writePremium(cost);
      const discount = cost.cacheSavings * 1000n + premium;
      // The two differ by what the ledger stored as savings; a negative rest can only be premium.
      pair.cachePremium += discount < 0n ? premium - discount : premium;
      if (discount > 0n) pair.cacheDiscount += discount;
    }
  };

  const refused = (entry: RefusedEntry): void => {
    const workspace = labels.workspace(entry.caller.workspace);
    const workflow = labels.workflow(workspace, entry.caller.workflow);
    const model = entry.modelRequested === null ? NONE : labels.model(entry.modelRequested);
    countOutcome(callSeries(workspace, workflow, model), METRIC_ENDPOINT[entry.endpoint], REFUSAL_OUTCOMES[entry.refusal]);
    if (!countDecisions(workspace, entry)) decide(workspace, `gateway:${entry.refusal}`, 'block');
  };

  return {
    observer: {
      started(workspace) {
        const label = labels.workspace(workspace);
        inFlight.set(label, (inFlight.get(label) ?? 0) + 1);
      },
      settled,
      refused,
      turnedAway: (reason) => void turnedAway.set(reason, (turnedAway.get(reason) ?? 0) + 1),
      queued(workspace, result, waitedMs) {
        add(queueOf(labels.workspace(workspace)), QUEUE_RESULTS.indexOf(result), 1);
        observe(queue.waits, waitedMs / 1000);
      },
      lost: (record) => void lost.set(record, (lost.get(record) ?? 0) + 1),
    },
    calls,
    pairs,
    models,
    requestCost,
    overhead,
    ledgerWrite,
    lost,
    inFlight,
    corrections,
    failovers,
    queue,
    corrected(workspace, difference) {
      const label = labels.workspace(workspace);
      corrections.set(label, (corrections.get(label) ?? 0n) + difference);
    },
    decisions,
    turnedAway,
    incomplete,
    unpriced: () => unpriced,
    holdExceeded: () => holdExceeded,
    prepare() {
      const messages = METRIC_ENDPOINTS.indexOf('messages');
      for (const [workspace, workflow] of labels.pairs) {
        inFlight.set(workspace, inFlight.get(workspace) ?? 0);
        corrections.set(workspace, corrections.get(workspace) ?? 0n);
        queueOf(workspace);
        for (const model of [NONE, ...labels.namedModels]) {
          // The room for series is for traffic first: at most half of it goes to zeros.
          if (calls.length < SET_CAPS.calls / 2) outcomesOf(callSeries(workspace, workflow, model), messages);
          if (pairs.length < SET_CAPS.pairs / 2 && model !== NONE) pairSeries(workspace, model);
        }
      }
    },
  };
}

function countTokens(series: CallSeries, tokens: Tokens): void {
  for (let at = 0; at < TOKEN_KINDS.length; at++) {
    const kind = TOKEN_KINDS[at];
    if (kind) add(series.tokens, at, tokens[kind]);
  }
}

/** The book's name for the model of a line; the name on the line may be a dated one. */
function modelOf(line: CostLine, cost: Cost): string {
  for (const row of cost.prices) if (row.version === line.priceVersion) return row.model;
  return line.model;
}

/** What cache writes cost more than the same tokens uncached, in pico-dollars: their price scaled by the row's own ratio of the two. */
function writePremium(cost: Cost): bigint {
  let premium = 0n;
  for (const line of cost.lines) {
    if (line.kind !== 'cacheWrite5m' && line.kind !== 'cacheWrite1h') continue;
    const rates = cost.prices.find((row) => row.version === line.priceVersion)?.standard;
    if (!rates || rates[line.kind] === 0n) continue;
    premium += line.amount - (line.amount * rates.input) / rates[line.kind];
  }
  return premium;
}

function branch<Value>(tree: Map<string, Value>, key: string, make: () => Value): Value {
  let value = tree.get(key);
  if (value === undefined) tree.set(key, (value = make()));
  return value;
}

function indexOf<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, at) => [name, at])) as Record<Name, number>;
}
