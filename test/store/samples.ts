// test/store/samples.ts: calls to write into a ledger, with everything set to something, and what each test cares about on top.

import type { Attempt, Caller } from '../../server/domain/call.ts';
import { epochMs, type CallId, type Clock, type EpochMs, type KeyId, type WorkflowId, type WorkspaceId } from '../../server/domain/ids.ts';
import type { OpenEntry, RefusedEntry, Settlement } from '../../server/domain/ledger.ts';
import { nanodollars, NO_MONEY, picodollars } from '../../server/domain/money.ts';
import type { Log, LogFields } from '../../server/domain/observer.ts';
import type { Cost, PriceRow, Rates } from '../../server/domain/price.ts';
import { NO_SERVER_TOOLS, NO_TOKENS, type Tokens } from '../../server/domain/usage.ts';

/** 2026-03-04T10:20:30.000Z */
export const NOON = epochMs(Date.UTC(2026, 2, 4, 10, 20, 30));

export const writerEntry = new URL('../../dist/server/store/sqlite/writer.js', import.meta.url);

/** A wall clock that the test moves. */
export function clockAt(start: EpochMs): Clock & { at: EpochMs } {
  return { at: start, now() { return this.at; }, monotonic: () => performance.now() };
}

/** Collects what is logged. */
export function logbook(): Log & { lines: { event: string; fields: LogFields }[] } {
  const lines: { event: string; fields: LogFields }[] = [];
  const add = (event: string, fields: LogFields = {}): void => void lines.push({ event, fields });
  return { lines, debug: add, info: add, warn: add, error: add };
}

const rates = (input: bigint, output: bigint): Rates => ({
  input: picodollars(input), cacheWrite5m: picodollars((input * 5n) / 4n), cacheWrite1h: picodollars(input * 2n), cacheRead: picodollars(input / 10n), output: picodollars(output),
});

export const price = (model: string, digest = '1f2e3d4c'): PriceRow => ({
  version: `${model}@2025-10-01#${digest}`,
  model,
  effectiveFrom: epochMs(Date.UTC(2025, 9, 1)),
  standard: rates(1_000_000n, 5_000_000n),
  batch: rates(500_000n, 2_500_000n),
  fast: null,
  longPrompt: null,
  usInference: { numerator: 11n, denominator: 10n },
  webSearchFee: picodollars(10_000_000_000n),
  contextWindowTokens: 200_000,
  maxOutputTokens: 64_000,
  minCacheableTokens: 4096,
  source: 'a price list',
  verifiedOn: '2026-03-01',
});

export interface CallerParts {
  workspace?: string;
  workflow?: string;
  key?: string | null;
  user?: string | null;
}

export const caller = ({ workspace = 'support', workflow = 'triage', key = 'triage-prod', user = 'mia' }: CallerParts = {}): Caller => ({
  workspace: workspace as WorkspaceId,
  workflow: workflow as WorkflowId,
  key: key as KeyId | null,
  user,
  session: 'session-7',
  action: 'answer-ticket',
  tags: new Map([['team', 'blue']]),
  priority: 'interactive',
  upstream: { kind: 'configured', name: 'default', secret: 'sk-ant-never-to-be-written' },
});

export const openEntry = (id: string, more: Partial<OpenEntry> = {}): OpenEntry => ({
  id: id as CallId,
  admittedAt: NOON,
  caller: caller(),
  endpoint: 'messages',
  stream: true,
  modelRequested: 'fast',
  clientRetry: 0,
  decisions: [{ rule: 'models:support', verdict: 'rewrite', detail: 'fast is claude-haiku-4-5' }, { rule: 'budget:month', verdict: 'allow', detail: null }],
  modelSent: 'claude-haiku-4-5',
  held: nanodollars(24_000_000n),
  price: price('claude-haiku-4-5'),
  ...more,
});

export const cost = (more: Partial<Cost> = {}): Cost => ({
  lines: [],
  total: nanodollars(1_234_567n),
  tokens: { input: 1000, cacheWrite5m: 20, cacheWrite1h: 3, cacheRead: 4000, output: 50 },
  serverTools: { webSearch: 2, webFetch: 1, codeExecution: 0 },
  parts: [],
  estimated: false,
  estimateMethod: null,
  cacheSavings: nanodollars(77n),
  modelServed: 'claude-haiku-4-5-20251001',
  speed: 'standard',
  serviceTier: 'standard',
  inferenceGeo: 'global',
  prices: [price('claude-haiku-4-5')],
  basis: 'listed',
  ...more,
});

export const noCost: Cost = cost({ total: NO_MONEY, tokens: NO_TOKENS, serverTools: NO_SERVER_TOOLS, cacheSavings: NO_MONEY, modelServed: null, prices: [], basis: 'free' });

export const tokens = (input: number, output: number): Tokens => ({ ...NO_TOKENS, input, output });

export const attempt = (number: number, more: Partial<Attempt> = {}): Attempt => ({
  number, startedAt: NOON, status: 200, outcome: 'ok', upstreamRequestId: `req_up${number}`, headersMs: 210.5, durationMs: 1890.25, errorType: null, failover: null, ...more,
});

export const settlement = (id: string, more: Partial<Settlement> = {}): Settlement => ({
  id: id as CallId,
  endedAt: epochMs(NOON + 1900),
  outcome: 'ok',
  status: 200,
  cost: cost(),
  timeToFirstTokenMs: 312.125,
  durationMs: 1900.5,
  overheadMs: 0.75,
  attempts: [attempt(1)],
  stopReason: 'end_turn',
  upstreamRequestId: 'req_up1',
  errorType: null,
  requestBytes: 2048,
  responseBytes: 4096,
  ...more,
});

export const refusedEntry = (id: string, more: Partial<RefusedEntry> = {}): RefusedEntry => {
  const { modelSent: _sent, held: _held, price: _price, ...intent } = openEntry(id);
  return { ...intent, endedAt: epochMs(NOON + 1), refusal: 'budget_exhausted', status: 429, durationMs: 0.4, ...more };
};
