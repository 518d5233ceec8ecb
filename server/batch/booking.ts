// server/batch/booking.ts: turns a batch's results into ledger rows, a transaction at a time, each item once.

import type { StandingHold } from '../domain/admission.ts';
import type { Batch, BatchEnd, BatchItem, BatchModel, BatchStore } from '../domain/batch.ts';
import type { Ask, Caller } from '../domain/call.ts';
import type { CallId, Clock } from '../domain/ids.ts';
import type { ReadMessage } from '../domain/meter.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from '../domain/money.ts';
import type { Observer } from '../domain/observer.ts';
import type { Cost, Pricing, Quote } from '../domain/price.ts';
import { NO_SERVER_TOOLS, NO_TOKENS } from '../domain/usage.ts';
import { linesOf } from './lines.ts';
import { readResult, type ResultType } from './results.ts';

/** Items of one transaction: few enough that a call which waits for its own commit does not notice. */
const ITEMS_AT_ONCE = 200;

const TRUNCATED = new Set(['max_tokens', 'model_context_window_exceeded']);

export interface Bookkeeping {
  readonly store: BatchStore;
  readonly pricing: () => Pricing;
  readonly readMessage: ReadMessage;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly newCallId: (at: number) => CallId;
}

/** A batch in care: what it still holds, and what its rows came to so far. */
export interface CaredFor {
  readonly batch: Batch;
  readonly hold: StandingHold;
  /** By model. */
  readonly booked: Map<string, Nanodollars>;
}

/** The results ended before they were whole: to be read again later. */
export class IncompleteResults extends Error {
  override readonly name = 'IncompleteResults';
}

/**
 * Books every succeeded item of the results and ends the batch. Items that errored, were cancelled or expired cost nothing and get no
 * row. An item that is in the ledger already is left as it is, so what broke off may be read again from the start.
 * @param succeeded how many the provider says there are; null when it is not known
 * @throws whatever the body throws; `IncompleteResults`; `SyntaxError` for a line that cannot be read; `LedgerUnavailable`
 */
export async function bookResults(cared: CaredFor, body: AsyncIterable<Buffer>, succeeded: number | null, keeping: Bookkeeping): Promise<Readonly<Record<ResultType, number>>> {
  const count: Record<ResultType, number> = { succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  const price = pricerOf(cared.batch, keeping.pricing());
  let waiting: BatchItem[] = [];
  for await (const line of linesOf(body)) {
    const { customId, type, message } = readResult(line);
    count[type] += 1;
    if (type !== 'succeeded') continue;
    if (message === null) throw new SyntaxError('a succeeded result has no message');
    const endedAt = keeping.clock.now();
    waiting.push({ id: keeping.newCallId(endedAt), customId, endedAt, ...price(message, keeping.readMessage) });
    if (waiting.length < ITEMS_AT_ONCE) continue;
    await write(cared, waiting, null, keeping);
    waiting = [];
  }
  // What was booked so far stays; only the end must wait for the rest.
  if (succeeded !== null && count.succeeded < succeeded) {
    await write(cared, waiting, null, keeping);
    throw new IncompleteResults(`${count.succeeded} of ${succeeded} results`);
  }
  await write(cared, waiting, 'booked', keeping);
  cared.hold.release();
  return count;
}

/** Ends a batch whose results cannot be had: what is left of its hold is taken for the cost, by model, flagged. Never nothing. */
export async function bookEstimate(cared: CaredFor, method: string, keeping: Bookkeeping): Promise<void> {
  const endedAt = keeping.clock.now();
  const items = cared.batch.models.flatMap((model): BatchItem[] => {
    const rest = nanodollars(model.held - (cared.booked.get(model.model) ?? 0n));
    if (rest <= 0n) return [];
    return [{ id: keeping.newCallId(endedAt), customId: null, modelSent: model.model, outcome: 'upstream_timeout', stopReason: null, endedAt, cost: estimateOf(model, rest, method) }];
  });
  await write(cared, items, 'estimated', keeping);
  cared.hold.release();
}

async function write(cared: CaredFor, items: readonly BatchItem[], end: BatchEnd | null, { store, observer }: Bookkeeping): Promise<void> {
  if (items.length === 0 && end === null) return;
  const { batch, hold, booked } = cared;
  const charge = hold.charge();
  const fresh = await store.book(batch, items, end);
  const costs = new Map<string, Nanodollars>();
  for (const [at, item] of items.entries()) {
    if (!fresh[at]) continue;
    costs.set(item.modelSent, nanodollars((costs.get(item.modelSent) ?? 0n) + item.cost.total));
    tell(batch, item, observer);
    if (item.containerId !== undefined) await store.own({ id: item.containerId, kind: 'container', workspace: batch.caller.workspace, credential: batch.credential, createdAt: item.endedAt });
  }
  for (const [model, cost] of costs) booked.set(model, nanodollars((booked.get(model) ?? 0n) + cost));
  charge([...costs].map(([model, amount]) => ({ model, amount })));
}

/** An item is a call that was never on the wire: it has no attempt and no duration. */
function tell(batch: Batch, item: BatchItem, observer: Observer): void {
  observer.started(batch.caller.workspace, 'batch_results');
  observer.settled({
    opened: {
      id: item.id, admittedAt: batch.createdAt, endpoint: 'batch_results', stream: false, modelRequested: item.modelSent, modelSent: item.modelSent, clientRetry: null, decisions: [],
      held: NO_MONEY, price: item.cost.prices[0] ?? null,
      caller: creatorOf(batch),
    },
    settlement: {
      id: item.id, endedAt: item.endedAt, outcome: item.outcome, status: 200, cost: item.cost, timeToFirstTokenMs: null, durationMs: 0, overheadMs: 0, attempts: [],
      stopReason: item.stopReason, upstreamRequestId: null, errorType: null, requestBytes: 0, responseBytes: 0,
    },
  });
}

/** Made once: a copy for every item of a large batch is left to the collector of old objects, which comes late. */
const creators = new WeakMap<Batch, Caller>();
function creatorOf(batch: Batch): Caller {
  let creator = creators.get(batch);
  // Whose credential it was is nobody's business any more.
  if (creator === undefined) creators.set(batch, (creator = { ...batch.caller, upstream: { kind: 'callers_own' } }));
  return creator;
}

/** Prices an item's message at the rates of its model on the day of the creation. */
function pricerOf(batch: Batch, pricing: Pricing): (message: Buffer, read: ReadMessage) => Pick<BatchItem, 'modelSent' | 'outcome' | 'stopReason' | 'cost' | 'containerId'> {
  const quotes = new Map(batch.models.map((model) => [model.model, quoteOf(model, batch)]));
  const sentFor = new Map<string | null, string>();
  return (message, read) => {
    const reading = read(message);
    const served = reading.usage?.modelServed ?? null;
    let sent = sentFor.get(served);
    if (sent === undefined) sentFor.set(served, (sent = sentModel(batch, served, pricing)));
    const cost = pricing.cost(quotes.get(sent)!, { status: 200, sent: true, reading });
    return { modelSent: sent, outcome: TRUNCATED.has(reading.stopReason ?? '') ? 'truncated' : 'ok', stopReason: reading.stopReason, cost, ...(reading.containerId === undefined ? {} : { containerId: reading.containerId }) };
  };
}

/** Which of the batch's models an item asked for, by the one that served it: the same name, else the same line of the price book. */
function sentModel({ models, createdAt }: Batch, served: string | null, pricing: Pricing): string {
  const first = models[0]!;
  if (models.length === 1 || served === null) return first.model;
  const same = models.find(({ model }) => model === served);
  if (same !== undefined) return same.model;
  const listed = pricing.quote({ endpoint: 'batch_results', ask: askFor(served), model: served, at: createdAt });
  const line = listed.ok && listed.value.basis === 'listed' ? listed.value.row?.model : undefined;
  return (models.find(({ row }) => row !== null && row.model === line) ?? first).model;
}

const quoteOf = ({ model, row, basis, likelyInputTokens, container }: BatchModel, { createdAt }: Batch): Quote => ({
  endpoint: 'batch_results', quotedAt: createdAt, model, row, basis, ceiling: NO_MONEY, maxInputTokens: 0, maxOutputTokens: row?.maxOutputTokens ?? 0, likelyInputTokens, container, ask: null,
});

/** The least there is to ask of a model: for its line in the price book. */
const askFor = (model: string): Ask => ({
  model, modelSpan: [0, 0], stream: false, maxTokens: 1, includeUsage: false, userId: null, speed: null, serviceTier: null, inferenceGeo: null, cacheTtl: null, fallbackModels: [],
  serverTools: [], maxSearches: 0, samplings: 1, compactions: 0, continues: false, inlineImages: 0, unboundedInput: false, fileIds: [], skillIds: [], billedElsewhere: false, bodyBytes: 0,
});

const estimateOf = (model: BatchModel, total: Nanodollars, method: string): Cost => ({
  lines: [], total, tokens: NO_TOKENS, serverTools: NO_SERVER_TOOLS, parts: [], estimated: true, estimateMethod: method, cacheSavings: NO_MONEY,
  modelServed: null, speed: null, serviceTier: 'batch', inferenceGeo: null, prices: model.row === null ? [] : [model.row], basis: model.basis,
});
