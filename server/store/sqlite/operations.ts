// server/store/sqlite/operations.ts: what the main thread asks of the writing thread, as flat tuples of what JSON can hold: a batch
// crosses between the threads as one text, which costs a fifth of a structured clone.

import type { BatchItem } from '../../domain/batch.ts';
import type { Decision, Intent } from '../../domain/call.ts';
import type { AuditEntry, Correction, OpenEntry, RefusedEntry, Settlement } from '../../domain/ledger.ts';
import type { PriceRow } from '../../domain/price.ts';
import { limitsText } from './limits-text.ts';

/** Kinds of operation; the first element of each tuple. */
export const OP = { open: 0, attempt: 1, settle: 2, refuse: 3, audit: 4, keyCreate: 5, keyRotate: 6, keyRevoke: 7, keysUsed: 8, probe: 9, batchOpen: 10, own: 11, disown: 12, alerts: 13, correct: 14, grant: 15, grantRevoke: 16, saving: 17, batchPromise: 18, batchWithdraw: 19 } as const;

type Text = string | null;
/** Whole nano-dollars in decimal; JSON has no bigint. */
type Money = string;

/** A price row by its version; the content is null once a commit has told the writer of it. */
export type PriceRef = [version: string, content: Text];

type IntentFields = [
  id: string, admittedAt: number, workspace: string, workflow: string, key: Text, user: Text, modelRequested: Text, endpoint: string,
  stream: number, background: number, clientRetry: number | null, session: Text, action: Text, tags: Text, decisions: Text, trace: Text,
];
export type OpenOp = [typeof OP.open, ...IntentFields, modelSent: Text, held: Money, price: PriceRef | null];
export type RefuseOp = [typeof OP.refuse, ...IntentFields, endedAt: number, refusal: string, status: number, durationUs: number];
export type AttemptOp = [typeof OP.attempt, id: string, number: number, startedAt: number];
export type SettledAttempt = [number: number, startedAt: number, outcome: string, status: number | null, headersUs: number | null, durationUs: number, upstreamRequestId: Text, errorType: Text, failover: Text, limits: Text, clientWaitUs: number | null];
export type SettleOp = [
  typeof OP.settle, id: string, endedAt: number, outcome: string, status: number | null,
  input: number, cacheWrite5m: number, cacheWrite1h: number, cacheRead: number, output: number,
  webSearch: number, webFetch: number, codeExecution: number, cost: Money, cacheSavings: Money, estimated: number,
  durationUs: number, ttftUs: number | null, overheadUs: number, requestBytes: number, responseBytes: number,
  basis: string, stopReason: Text, errorType: Text, estimateMethod: Text, speed: Text, serviceTier: Text, inferenceGeo: Text,
  upstreamRequestId: Text, modelServed: Text, parts: Text, prompt: Text, prices: PriceRef[], attempts: SettledAttempt[],
];
export type CorrectOp = [
  typeof OP.correct, id: string, at: number, run: string, reason: string, actor: string, before: Money, cost: Money, cacheSavings: Money,
  estimated: number, estimateMethod: Text, basis: string, prices: PriceRef[],
];
export type AuditOp = [typeof OP.audit, at: number, actor: string, action: string, subject: string, detail: string];
export type KeyCreateOp = [typeof OP.keyCreate, id: string, workspace: string, workflow: Text, hash: string, hint: string, at: number, expiresAt: number | null, actor: string];
export type KeyRotateOp = [typeof OP.keyRotate, id: string, hash: string, hint: string, at: number, oldEndsAt: number, actor: string];
export type KeyRevokeOp = [typeof OP.keyRevoke, id: string, at: number, actor: string];
export type KeysUsedOp = [typeof OP.keysUsed, used: [id: string, at: number][]];
/** Writes and nothing else, to see whether the store can be written again. */
export type ProbeOp = [typeof OP.probe, at: number];

/** Changes of alerts, as JSON: there are few of them, and only this room and the one that made them read it. */
export type AlertsOp = [typeof OP.alerts, changes: string, at: number];

/** One model of a batch: its items, what is held for them, and the price of the creation's day. */
export type BatchModelFields = [model: string, items: number, held: Money, basis: string, likelyInputTokens: number, price: PriceRef | null, container: string | null];
export type BatchPromiseOp = [typeof OP.batchPromise, call: string, createdAt: number, expiresAt: number, credential: Text, models: BatchModelFields[]];
export type BatchOpenOp = [typeof OP.batchOpen, id: string, call: string, createdAt: number, expiresAt: number, credential: Text, workspace: string];
export type BatchWithdrawOp = [typeof OP.batchWithdraw, call: string];
export type OwnOp = [typeof OP.own, id: string, kind: string, workspace: string, credential: Text, createdAt: number];
export type DisownOp = [typeof OP.disown, id: string];
/** An item of a batch; its settlement's durations, attempts and bytes mean nothing. */
export type BookItem = [id: string, customId: Text, modelSent: string, settle: SettleOp];

export type GrantOp = [typeof OP.grant, id: string, budget: string, amount: Money, at: number, until: number, reason: string, actor: string];
export type GrantRevokeOp = [typeof OP.grantRevoke, id: string, budget: string, at: number, actor: string];

/** What someone decided about a finding of the savings advisor; the baseline is JSON that only its room reads. */
export type SavingOp = [typeof OP.saving, id: string, state: string, at: number, actor: string, owner: Text, reason: Text, baseline: Text];

export type Op = OpenOp | AttemptOp | SettleOp | RefuseOp | CorrectOp | AuditOp | KeyCreateOp | KeyRotateOp | KeyRevokeOp | KeysUsedOp | ProbeOp | BatchPromiseOp | BatchOpenOp | BatchWithdrawOp | OwnOp | DisownOp | AlertsOp | GrantOp | GrantRevokeOp | SavingOp;

/** Says for a price row whether the writer needs its content. */
export type PriceRefOf = (row: PriceRow) => PriceRef;

export const openOp = (entry: OpenEntry, priceRef: PriceRefOf): OpenOp => [
  OP.open, ...intentFields(entry), entry.modelSent, String(entry.held), entry.price === null ? null : priceRef(entry.price),
];

export const refuseOp = (entry: RefusedEntry): RefuseOp => [
  OP.refuse, ...intentFields(entry), entry.endedAt, entry.refusal, entry.status, micros(entry.durationMs),
];

export const auditOp = (entry: AuditEntry): AuditOp => [OP.audit, entry.at, entry.actor, entry.action, entry.subject, entry.detail];

export function settleOp(s: Settlement, priceRef: PriceRefOf): SettleOp {
  const { cost } = s;
  const { tokens, serverTools } = cost;
  return [
    OP.settle, s.id, s.endedAt, s.outcome, s.status,
    tokens.input, tokens.cacheWrite5m, tokens.cacheWrite1h, tokens.cacheRead, tokens.output,
    serverTools.webSearch, serverTools.webFetch, serverTools.codeExecution, String(cost.total), String(cost.cacheSavings), cost.estimated ? 1 : 0,
    micros(s.durationMs), microsOrNull(s.timeToFirstTokenMs), micros(s.overheadMs), s.requestBytes, s.responseBytes,
    cost.basis, s.stopReason, s.errorType, cost.estimateMethod, cost.speed, cost.serviceTier, cost.inferenceGeo,
    s.upstreamRequestId, cost.modelServed, cost.parts.length === 0 ? null : JSON.stringify(cost.parts), s.prompt ?? null, cost.prices.map(priceRef),
    s.attempts.map((a) => [a.number, a.startedAt, a.outcome, a.status, microsOrNull(a.headersMs), micros(a.durationMs), a.upstreamRequestId, a.errorType, a.failover ?? null, a.limits ? limitsText(a.limits, a.startedAt) : null, microsOrNull(a.clientWaitMs === undefined ? 0 : a.clientWaitMs)]),
  ];
}

export const bookItem = (item: BatchItem, priceRef: PriceRefOf): BookItem => [
  item.id, item.customId, item.modelSent,
  settleOp({
    id: item.id, endedAt: item.endedAt, outcome: item.outcome, status: 200, cost: item.cost, timeToFirstTokenMs: null, durationMs: 0, overheadMs: 0, attempts: [],
    stopReason: item.stopReason, upstreamRequestId: null, errorType: null, requestBytes: 0, responseBytes: 0,
  }, priceRef),
];

export const correctOp = (c: Correction, priceRef: PriceRefOf): CorrectOp => [
  OP.correct, c.call, c.at, c.run, c.reason, c.actor, String(c.before), String(c.cost), String(c.cacheSavings), c.estimated ? 1 : 0, c.estimateMethod, c.basis, c.prices.map(priceRef),
];

function intentFields(intent: Intent): IntentFields {
  const { caller } = intent;
  return [
    intent.id, intent.admittedAt, caller.workspace, caller.workflow, caller.key, caller.user, intent.modelRequested, intent.endpoint,
    intent.stream ? 1 : 0, caller.priority === 'background' ? 1 : 0, intent.clientRetry, caller.session, caller.action,
    caller.tags.size === 0 ? null : JSON.stringify(Object.fromEntries(caller.tags)),
    intent.decisions.length === 0 ? null : JSON.stringify(intent.decisions.map(compactDecision)),
    intent.traceId ?? null,
  ];
}

const compactDecision = (d: Decision): (string | null)[] => (d.detail === null ? [d.rule, d.verdict] : [d.rule, d.verdict, d.detail]);
const micros = (ms: number): number => Math.round(ms * 1000);
const microsOrNull = (ms: number | null): number | null => (ms === null ? null : micros(ms));
