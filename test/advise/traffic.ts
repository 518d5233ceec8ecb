// test/advise/traffic.ts: calls whose waste is known, since the same traffic can be made again without it: real bodies, the stand-in's prompt cache, the real price book.

import { readFileSync } from 'node:fs';
import type { MessageCreateParamsBase } from '@anthropic-ai/sdk/resources/messages/messages.js';
import { advise, type Question } from '../../server/advise/advise.ts';
import type { Finding, Lever } from '../../server/domain/advice.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { NO_SERVER_TOOLS, type Tokens } from '../../server/domain/usage.ts';
import { scanAsk } from '../../server/identify/ask.ts';
import { PromptLayout } from '../../server/identify/prompt-layout.ts';
import { promptMarks } from '../../server/identify/prompt-marks.ts';
import { loadPriceBook } from '../../server/price/load-book.ts';
import { createPricing } from '../../server/price/pricing.ts';
import type { AdvisedCall } from '../../server/store/sqlite/advised-calls.ts';
import { openPromptCache } from '../standin/cache.ts';
import { findModel } from '../standin/models.ts';

const file = 'config/prices.yaml';
const loaded = loadPriceBook(readFileSync(file, 'utf8'), file);
if (!loaded.ok) throw new Error('the price book cannot be read');
const book = loaded.book;
const pricing = createPricing({ book, unknownModel: 'refuse' });

export const DAY = 86_400_000;
export const MINUTE = 60_000;
/** A Monday, midnight in UTC. */
export const MONDAY = Date.UTC(2026, 10, 16);

export interface Request {
  readonly at: number;
  readonly body: Partial<MessageCreateParamsBase> & Record<string, unknown>;
  readonly workspace?: string;
  readonly workflow?: string;
  readonly user?: string;
  readonly session?: string | null;
  readonly action?: string | null;
  readonly background?: boolean;
  readonly output?: number;
  readonly outcome?: 'ok' | 'client_abort' | 'truncated';
  readonly stopReason?: string;
  readonly webSearches?: number;
  /** From the start to the first token; 1 s unless told. */
  readonly firstMs?: number;
  readonly geo?: 'us';
  readonly speed?: 'fast';
  /** As if the advisor had been told to keep no hashes. */
  readonly unhashed?: boolean;
  /** Answered from a batch. */
  readonly batch?: boolean;
}

export const text = (bytes: number, seed: string): string => {
  let out = '';
  for (let n = 0; out.length < bytes; n++) out += `${seed} ${n} lorem ipsum dolor sit amet, `;
  return out.slice(0, bytes);
};

/** What the gateway would have booked. Requests in order of time. */
export function booked(requests: readonly Request[]): AdvisedCall[] {
  let now = 0;
  const cache = openPromptCache(() => now);
  const commits: { at: number; commit: () => void }[] = [];
  return requests.toSorted((a, b) => a.at - b.at).map((request, n): AdvisedCall => {
    const { at, workspace = 'shop', workflow = 'w', firstMs = 1_000, outcome = 'ok', output = 200 } = request;
    // What began to answer by now stands in the cache.
    for (const { at: due, commit } of commits.splice(0, commits.length)) {
      if (due > at) commits.push({ at: due, commit });
      else {
        now = due;
        commit();
      }
    }
    now = at;
    const body = { model: 'claude-sonnet-4-6', max_tokens: 1_024, messages: [], ...request.body } as MessageCreateParamsBase;
    const bytes = Buffer.from(JSON.stringify(body));
    const layout = new PromptLayout();
    const ask = scanAsk(bytes, 'messages', layout);
    const model = findModel(body.model);
    if (!ask.ok || model === null) throw new Error(ask.ok ? `no model ${body.model}` : ask.refusal.message);
    const counted = cache.count(body, model, workspace);
    const { prompt } = counted;
    commits.push({ at: at + firstMs, commit: () => counted.commit() });
    const tokens: Tokens = { input: prompt.input, cacheWrite5m: prompt.write5m, cacheWrite1h: prompt.write1h, cacheRead: prompt.read, output };
    const quote = pricing.quote({ endpoint: request.batch ? 'batch_results' : 'messages', ask: ask.value, model: body.model, at: epochMs(at) });
    if (!quote.ok) throw new Error(quote.refusal.message);
    const cost = pricing.cost(quote.value, {
      status: 200, sent: true,
      reading: {
        usage: { tokens, serverTools: { ...NO_SERVER_TOOLS, webSearch: request.webSearches ?? 0 }, parts: [], modelServed: model.id, speed: request.speed ?? null, serviceTier: null, inferenceGeo: request.geo ?? null },
        complete: true, contentBytes: 0, stopReason: request.stopReason ?? 'end_turn', errorType: null, errorCode: null, firstContentAt: null, obstacle: null,
      },
    });
    return {
      n: n + 1, id: `call-${n}`, at, answeredAt: at + firstMs, workspace, workflow, user: request.user ?? '', session: request.session ?? null, action: request.action ?? null, model: model.id,
      stream: body.stream ?? false, background: request.background ?? false, batch: request.batch ?? false, endpoint: 'messages', outcome, stopReason: request.stopReason ?? 'end_turn',
      tokens, webSearches: request.webSearches ?? 0, cost: Number(cost.total), cacheSavings: Number(cost.cacheSavings), speed: request.speed ?? null, serviceTier: null, inferenceGeo: request.geo ?? null,
      price: quote.value.row, prompt: request.unhashed || request.batch ? null : promptMarks(bytes, layout, ask.value, 'k'.repeat(43)),
    };
  });
}

export const spend = (calls: readonly AdvisedCall[]): number => calls.reduce((sum, call) => sum + call.cost, 0);

function questionOf(calls: readonly AdvisedCall[]): Question {
  const from = Math.floor((calls[0]?.at ?? MONDAY) / DAY) * DAY;
  const to = (calls.at(-1)?.at ?? MONDAY) + 3 * 60 * MINUTE;
  return {
    from, to,
    dayStarts: Array.from({ length: Math.floor((to - from) / DAY) + 1 }, (_, day) => from + day * DAY),
    models: book.models().filter((model) => model.status === 'active').map((model) => ({ row: model.rows.at(-1)!, bytesPerToken: model.bytesPerToken })),
    scopes: new Map(),
  };
}

export const adviseOn = (calls: readonly AdvisedCall[]) => advise(calls, questionOf(calls));

export function found(calls: readonly AdvisedCall[], lever: Lever): Finding | null {
  return adviseOn(calls).findings.find((finding) => finding.lever === lever) ?? null;
}

/** All that is claimed at the most, estimates included. */
export const claimed = (findings: readonly Finding[]): number => findings.reduce((sum, { high }) => sum + Number(high), 0);

/** Holds what was claimed against what the fix really saves, in nano-dollars. */
export function truth(wasteful: readonly Request[], fixed: readonly Request[]): number {
  return spend(booked(wasteful)) - spend(booked(fixed));
}
