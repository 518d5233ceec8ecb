// server/observe/tallies.ts: what is counted for every call, in own arrays and maps: it runs on the data path, so it must cost next to nothing.

import type { CostLine, Cost } from '../domain/price.ts';
import type { LedgerEntry, RefusedEntry } from '../domain/ledger.ts';
import type { Observer } from '../domain/observer.ts';
import { countingMethods } from '../domain/price.ts';
import { QUEUE_RESULTS } from '../domain/provider-queue.ts';
import { REFUSALS, type RefusalReason } from '../domain/refusal.ts';
import { promptTokens, TOKEN_KINDS, type Tokens } from '../domain/usage.ts';
import { createHistogram, observe, type Histogram } from './histogram.ts';
import type { Labels } from './labels.ts';
import { COST_KINDS, INCOMPLETE_REASONS, LOST_RECORDS, METRIC_OUTCOMES, METRICS, NONE, OBSTACLES, POLICY_ACTIONS, RETRY_REASONS, STRIKING_LIMITS, type MetricEndpoint, type MetricOutcome, type OVERHEAD_PHASES } from './metric-names.ts';
import { incompleteReason, METRIC_ENDPOINT, metricOutcome, REFUSAL_OUTCOMES, retryReason, strikingLimit } from './outcome.ts';
import { branch, createSeries, zeros, type CallSeries, type SeriesBook } from './series.ts';

export interface Tallies {
  readonly observer: Observer;
  readonly series: SeriesBook;
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
  readonly turnedAway: ReadonlyMap<RefusalReason, number>;
  readonly incomplete: ReadonlyMap<string, number>;
  /** Answers that could not be read to their end, by what was in the way. */
  readonly obstacles: ReadonlyMap<string, number>;
  /** The provider's 429s, by the limit that struck. */
  readonly rateLimited: ReadonlyMap<string, number>;
  unpriced(): number;
  /** Calls that cost more than was held for them. */
  holdExceeded(): number;
  /** Makes the series of every configured workspace and workflow, at zero. */
  prepare(): void;
}

const OUTCOME_AT = indexOf(METRIC_OUTCOMES);
const RETRY_AT = indexOf(RETRY_REASONS);
const SERVER_TOOL_AT = COST_KINDS.indexOf('server_tool');
const UNITEMIZED_AT = COST_KINDS.indexOf('unitemized');
/** Token kinds and cost kinds stand in one order, so that one index serves both. */
const KIND_AT: Readonly<Record<CostLine['kind'], number>> = { ...indexOf(TOKEN_KINDS), web_search: SERVER_TOOL_AT, code_execution: SERVER_TOOL_AT };

const countIn = <Key>(counts: Map<Key, number>, key: Key): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
const add = (counts: number[], at: number, by: number): void => void (counts[at] = (counts[at] ?? 0) + by);

/** @param grew told whenever a set of labels came up that was not there before */
export function createTallies(labels: Labels, grew: () => void = () => {}): Tallies {
  const series = createSeries(labels, grew);
  const requestCost = new Map<string, Histogram>();
  const overhead = { request: createHistogram(METRICS.overhead.buckets), response: createHistogram(METRICS.overhead.buckets) };
  const ledgerWrite = createHistogram(METRICS.ledgerWrite.buckets);
  const lost = new Map<string, number>(LOST_RECORDS.map((record) => [record, 0]));
  const inFlight = new Map<string, number>();
  const corrections = new Map<string, bigint>();
  const failovers = new Map<string, number>();
  const queue = { results: new Map<string, number[]>(), waits: createHistogram(METRICS.queueWait.buckets) };
  const queueOf = (workspace: string): number[] => branch(queue.results, workspace, () => zeros(QUEUE_RESULTS.length));
  const turnedAway = new Map<RefusalReason, number>((Object.keys(REFUSALS) as RefusalReason[]).map((reason) => [reason, 0]));
  const incomplete = new Map<string, number>(INCOMPLETE_REASONS.map((reason) => [reason, 0]));
  const obstacles = new Map<string, number>(OBSTACLES.map((obstacle) => [obstacle, 0]));
  const rateLimited = new Map<string, number>(STRIKING_LIMITS.map((limit) => [limit, 0]));
  let unpriced = 0;
  let holdExceeded = 0;

  const countOutcome = (calls: CallSeries, endpoint: MetricEndpoint, outcome: MetricOutcome): void => add(series.outcomesOf(calls, endpoint), OUTCOME_AT[outcome], 1);
  const decide = (workspace: string, rule: string, action: (typeof POLICY_ACTIONS)[number]): void => add(series.decisionOf(workspace, rule).counts, POLICY_ACTIONS.indexOf(action), 1);
  const countDecisions = (workspace: string, entry: LedgerEntry['opened'] | RefusedEntry): boolean => {
    let blocked = false;
    for (const { rule, verdict } of entry.decisions) {
      if (verdict === 'allow') {
        series.asked(workspace, rule);
        continue;
      }
      if (verdict === 'refuse') blocked = true;
      decide(workspace, rule, verdict === 'refuse' ? 'block' : verdict === 'rewrite' ? 'downgrade' : 'warn');
    }
    return blocked;
  };

  /** Tokens and money by the model that each line was priced with: a fallback or an advisor has its own. */
  const countCost = (workspace: string, workflow: string, model: string, cost: Cost): void => {
    const own = series.callsOf(workspace, workflow, model);
    let sum = 0n;
    for (const line of cost.lines) {
      const label = cost.prices.length > 1 ? labels.model(modelOf(line, cost)) : model;
      const counted = label === model ? own : series.callsOf(workspace, workflow, label);
      const at = KIND_AT[line.kind];
      counted.cost[at] = (counted.cost[at] ?? 0n) + line.amount;
      sum += line.amount;
      if (at < TOKEN_KINDS.length) add(counted.tokens, at, line.quantity);
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
    countOutcome(series.callsOf(workspace, workflow, model), endpoint, outcome);
    countCost(workspace, workflow, model, cost);
    countDecisions(workspace, opened);
    if (cost.basis === 'ceiling' && cost.total > 0n) unpriced++;
    if (cost.total > opened.held) holdExceeded++;
    // A price or a container's time that had to be guessed says nothing of the usage.
    if (countingMethods(cost.estimateMethod).length > 0) {
      countIn(incomplete, incompleteReason(settlement.outcome, settlement.obstacle ?? null));
    }
    if (settlement.obstacle) countIn(obstacles, settlement.obstacle);

    const pair = series.pairOf(workspace, model);
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
    for (const attempt of settlement.attempts) {
      if (attempt.failover != null) countIn(failovers, attempt.failover);
      if (attempt.status === 429) countIn(rateLimited, strikingLimit(attempt, attempt === settlement.attempts.at(-1) ? (settlement.errorCode ?? null) : null));
    }
    if (opened.clientRetry !== null && opened.clientRetry > 0) pair.clientRetries++;
    const { timeToFirstTokenMs } = settlement;
    if (timeToFirstTokenMs !== null) observe(pair.timeToFirstToken, (timeToFirstTokenMs - (settlement.queuedMs ?? 0)) / 1000, opened.id, settlement.endedAt);

    const prompt = promptTokens(cost.tokens);
    if (prompt + cost.tokens.output > 0) {
      const { input, output, speed } = series.modelOf(model);
      observe(input, prompt);
      observe(output, cost.tokens.output);
      const writingMs = timeToFirstTokenMs === null ? 0 : settlement.durationMs - timeToFirstTokenMs;
      if (opened.stream && settlement.outcome === 'ok' && writingMs > 0) observe(speed, (cost.tokens.output * 1000) / writingMs);
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
    countOutcome(series.callsOf(workspace, workflow, model), METRIC_ENDPOINT[entry.endpoint], REFUSAL_OUTCOMES[entry.refusal]);
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
      turnedAway: (reason) => countIn(turnedAway, reason),
      queued(workspace, result, waitedMs) {
        add(queueOf(labels.workspace(workspace)), QUEUE_RESULTS.indexOf(result), 1);
        observe(queue.waits, waitedMs / 1000);
      },
      lost: (record) => countIn(lost, record),
    },
    series,
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
    turnedAway,
    incomplete,
    obstacles,
    rateLimited,
    unpriced: () => unpriced,
    holdExceeded: () => holdExceeded,
    prepare() {
      for (const [workspace] of labels.pairs) {
        inFlight.set(workspace, inFlight.get(workspace) ?? 0);
        corrections.set(workspace, corrections.get(workspace) ?? 0n);
        queueOf(workspace);
      }
      series.prepare();
    },
  };
}

function countTokens(calls: CallSeries, tokens: Tokens): void {
  for (let at = 0; at < TOKEN_KINDS.length; at++) {
    const kind = TOKEN_KINDS[at];
    if (kind) add(calls.tokens, at, tokens[kind]);
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

function indexOf<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, at) => [name, at])) as Record<Name, number>;
}
