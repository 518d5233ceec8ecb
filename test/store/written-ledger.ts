// test/store/written-ledger.ts: a ledger on disk, written by the writing side's own code, for tests of the reading side.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Decision, Outcome } from '../../server/domain/call.ts';
import { epochMs, type CallId, type KeyId, type WorkflowId, type WorkspaceId } from '../../server/domain/ids.ts';
import type { OpenEntry, RefusedEntry, Settlement } from '../../server/domain/ledger.ts';
import { nanodollars, NO_MONEY, picodollars } from '../../server/domain/money.ts';
import type { PriceRow, Rates } from '../../server/domain/price.ts';
import { NO_SERVER_TOOLS, NO_TOKENS, type Tokens } from '../../server/domain/usage.ts';
import { bucketsIn } from '../../server/store/sqlite/buckets.ts';
import { openForWriting } from '../../server/store/sqlite/database.ts';
import { foldedOf } from '../../server/store/sqlite/folded.ts';
import { foldingOf } from '../../server/store/sqlite/folding.ts';
import { namesOf } from '../../server/store/sqlite/names.ts';
import { auditOp, openOp, refuseOp, settleOp, type Op } from '../../server/store/sqlite/operations.ts';
import { priceContent } from '../../server/store/sqlite/stored-price.ts';
import { transactionsOf } from '../../server/store/sqlite/transactions.ts';

/** A call as a test tells it; money in nano-dollars, durations in ms. Outcome null: in flight. */
export interface ToldCall {
  readonly at: number;
  readonly workspace: string;
  readonly workflow: string;
  readonly user: string | null;
  readonly key: string | null;
  readonly session: string | null;
  readonly action: string | null;
  readonly modelSent: string | null;
  readonly modelServed: string | null;
  readonly outcome: Outcome | null;
  readonly attempts: number;
  readonly tokens: Tokens;
  readonly webSearches: number;
  readonly cost: bigint;
  readonly estimated: boolean;
  readonly cacheSavings: bigint;
  readonly durationMs: number;
  readonly timeToFirstTokenMs: number | null;
  /** Absent: it names none. */
  readonly trace?: string | null;
  /** What rules said of it, beside one that let it pass. */
  readonly said: readonly (readonly [rule: string, verdict: Decision['verdict']])[];
  /** Absent: none was taken. */
  readonly prompt?: string;
}

export const anyCall: ToldCall = {
  at: Date.UTC(2026, 5, 10, 12), workspace: 'support', workflow: 'triage', user: null, key: null, session: null, action: null,
  modelSent: 'claude-haiku-4-5', modelServed: 'claude-haiku-4-5-20251001', outcome: 'ok', attempts: 1, tokens: { ...NO_TOKENS, input: 100, output: 10 },
  webSearches: 0, cost: 150_000n, estimated: false, cacheSavings: 0n, durationMs: 800, timeToFirstTokenMs: 200, said: [],
};

const rates = (base: bigint): Rates => ({
  input: picodollars(base), cacheWrite5m: picodollars(base + 1n), cacheWrite1h: picodollars(base + 2n), cacheRead: picodollars(base / 10n), output: picodollars(base * 5n),
});

export const priceRow = (model: string): PriceRow => ({
  version: `${model}@2026-01-01#1`, model, effectiveFrom: epochMs(Date.UTC(2026, 0, 1)), standard: rates(1_000_000n), batch: rates(500_000n), fast: null,
  longPrompt: { aboveTokens: 200_000, standard: rates(2_000_000n), batch: rates(1_000_000n) }, usInference: { numerator: 11n, denominator: 10n },
  webSearchFee: picodollars(10_000_000_000n), contextWindowTokens: 200_000, maxOutputTokens: 64_000, minCacheableTokens: null, source: 'a test', verifiedOn: '2026-01-02',
});

export interface WrittenLedger {
  readonly file: string;
  /** Ids in the order told. */
  write(calls: readonly ToldCall[]): string[];
  audit(at: number, action: string): void;
  /** Folds what is over by `now`, or takes only so many steps towards it. */
  fold(now: number, steps?: number): void;
  /** Leaves a folding that is under way where it is; the next begins as in a new process. */
  forgetFolding(zone?: string): void;
  /** The connection that writes, for what a test does to the file itself. */
  readonly db: ReturnType<typeof openForWriting>['db'];
  remove(): void;
}

export function writtenLedger(zone: string): WrittenLedger {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-reports-'));
  const file = join(folder, 'ledger.db');
  const { db } = openForWriting(file, 'normal');
  const names = namesOf(db);
  const folded = foldedOf(db);
  const transactions = transactionsOf(db, names, bucketsIn(zone), folded);
  const newFolding = (cutIn?: string) => foldingOf(db, names, cutIn === undefined ? folded : foldedOf(db), bucketsIn(cutIn ?? zone), cutIn ?? zone);
  let folding = newFolding();
  let told = 0;
  const apply = (ops: Op[]): void => {
    const answer = transactions.apply({ again: 0, ops: JSON.stringify(ops) });
    if (typeof answer !== 'number') throw new Error(`not written: ${JSON.stringify(answer)}`);
  };
  return {
    file,
    db,
    write(calls) {
      const ids = calls.map(() => `req_${String(++told).padStart(26, '0')}` as CallId);
      const ops = calls.flatMap((call, at) => opsOf(ids[at] as CallId, call));
      if (ops.length > 0) apply(ops);
      return ids;
    },
    audit: (at, action) => apply([auditOp({ at: epochMs(at), actor: 'cli', action, subject: 'triage-prod', detail: '{}' })]),
    fold(now, steps = Infinity) {
      for (let step = 0; step < steps && folding.step(now); step++);
    },
    forgetFolding: (cutIn) => void (folding = newFolding(cutIn)),
    remove() {
      db.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function opsOf(id: CallId, call: ToldCall): Op[] {
  const intent = {
    id, admittedAt: epochMs(call.at), endpoint: 'messages' as const, stream: true, modelRequested: call.modelSent, clientRetry: null, traceId: call.trace ?? null,
    decisions: [{ rule: 'models:support', verdict: 'allow' as const, detail: null }, ...call.said.map(([rule, verdict]) => ({ rule, verdict, detail: 'a "would_be" detail' }))],
    caller: {
      workspace: call.workspace as WorkspaceId, workflow: call.workflow as WorkflowId, key: call.key as KeyId | null, user: call.user, session: call.session,
      action: call.action, tags: new Map([['team', 'blue']]), priority: 'interactive' as const, upstream: { kind: 'callers_own' as const },
    },
  };
  if (call.outcome === 'refused') {
    const refused: RefusedEntry = { ...intent, endedAt: epochMs(call.at + Math.ceil(call.durationMs)), refusal: 'rate_limited', status: 429, durationMs: call.durationMs };
    return [refuseOp(refused)];
  }
  const price = call.modelSent === null ? null : priceRow(call.modelSent);
  const ref = (row: PriceRow): [string, string] => [row.version, priceContent(row)];
  const open: OpenEntry = { ...intent, modelSent: call.modelSent, held: nanodollars(call.cost + 1n), price };
  if (call.outcome === null) return [openOp(open, ref)];
  const { outcome } = call;
  const settlement: Settlement = {
    id, endedAt: epochMs(call.at + Math.ceil(call.durationMs)), outcome, status: 200, timeToFirstTokenMs: call.timeToFirstTokenMs, durationMs: call.durationMs, overheadMs: 0.25,
    attempts: Array.from({ length: call.attempts }, (_, at) => ({
      number: at + 1, startedAt: epochMs(call.at), status: 200, outcome, upstreamRequestId: `up-${at}`, headersMs: 1.5, durationMs: 2.5, errorType: null,
    })),
    cost: {
      lines: [], total: nanodollars(call.cost), tokens: call.tokens, serverTools: { ...NO_SERVER_TOOLS, webSearch: call.webSearches },
      parts: [{ type: 'message', model: null, tokens: call.tokens }], estimated: call.estimated, estimateMethod: call.estimated ? 'a guess' : null,
      cacheSavings: nanodollars(call.cacheSavings), modelServed: call.modelServed, speed: null, serviceTier: 'standard', inferenceGeo: null,
      prices: price === null ? [] : [price, priceRow('claude-fallback')], basis: price === null ? 'free' : 'listed',
    },
    stopReason: 'end_turn', upstreamRequestId: 'up-0', errorType: errorOf(call), requestBytes: 10, responseBytes: 20, prompt: call.prompt ?? null,
  };
  return [openOp(open, ref), settleOp(settlement, ref)];
}

/** What reports file a call under. */
export const modelOf = (call: ToldCall): string | null => (call.outcome === 'refused' || call.outcome === null ? call.modelSent : (call.modelServed ?? call.modelSent));

/** The verdicts that are counted, by rule; a refusal that no rule made is one of none. */
export function verdictsOf(call: ToldCall): (readonly [rule: string, verdict: string])[] {
  const counted = call.said.filter(([rule, verdict]) => verdict !== 'allow' && (verdict !== 'rewrite' || rule.startsWith('cheaper_models:')));
  return isRefused(call) && !counted.some(([, verdict]) => verdict === 'refuse') ? [...counted, ['', 'refuse']] : counted;
}

/** The type of the error that it is written with. */
export const errorOf = (call: ToldCall): string | null => (call.outcome === 'upstream_error' ? 'overloaded_error' : null);
/** Calls in flight are no estimate yet, and a refused one never is. */
export const isEstimated = (call: ToldCall): boolean => call.outcome !== null && !isRefused(call) && call.estimated;

export const isRefused = (call: ToldCall): boolean => call.outcome === 'refused';
export const costOf = (call: ToldCall): bigint => (isRefused(call) || call.outcome === null ? NO_MONEY : call.cost);
