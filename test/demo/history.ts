// test/demo/history.ts: writes a believable past into a ledger, through the same prices and the same ledger that the gateway uses.

import type { Ledger } from '../../server/domain/ledger.ts';
import { NO_MONEY, nanodollars, type Nanodollars } from '../../server/domain/money.ts';
import type { Pricing } from '../../server/domain/price.ts';
import { chanceOf } from '../standin/chance.ts';
import { findModel } from '../standin/models.ts';
import { entriesOf, type CacheState } from './entries.ts';
import { callsOfSlot, SLOT_MS, type PlannedCall } from './plot.ts';

export interface HistoryOptions {
  readonly ledger: Ledger;
  readonly pricing: Pricing;
  /** Epoch ms; both are rounded down to slots of five minutes, so that a later history can go on exactly where this one ends. */
  readonly from: number;
  readonly to: number;
  readonly seed?: string | number;
  /** Calls in 30 days, about. Default 60,000. */
  readonly calls?: number;
  /** IANA; working hours are in it. */
  readonly zone: string;
  readonly onProgress?: (done: { readonly calls: number; readonly until: number }) => void;
  /** Ends it between two batches; what was written by then stays. */
  readonly signal?: AbortSignal;
}

export interface HistoryDone {
  readonly calls: number;
  readonly refused: number;
  readonly cost: Nanodollars;
  /** Where a later history has to begin. */
  readonly until: number;
}

const DAY_MS = 86_400_000;
const CACHE_MS = 300_000;
/** Changes given to the ledger at once. */
const AT_ONCE = 1_000;

/** Generates the calls that began in [from, to); the same options write the same rows. Rejects when the ledger cannot be written, or when `signal` fires. */
export async function generateHistory(options: HistoryOptions): Promise<HistoryDone> {
  const { ledger, pricing, zone, seed = 'demo', calls = 60_000 } = options;
  const plot = { seed, zone, calls };
  const until = Math.floor(options.to / SLOT_MS) * SLOT_MS;
  const cached = new Map<string, { tokens: number; expiresAt: number }>();
  const done = { calls: 0, refused: 0, cost: NO_MONEY };
  let waiting: Promise<void>[] = [];
  let committing: Promise<unknown> = Promise.resolve();
  let later: PlannedCall[] = [];
  const give = (change: Promise<void>): void => {
    // A failure is met where its batch is waited for.
    change.catch(() => undefined);
    waiting.push(change);
  };

  for (let day = Math.floor(options.from / SLOT_MS) * SLOT_MS; day < until; day += DAY_MS) {
    const end = Math.min(day + DAY_MS, until);
    const planned = later;
    for (let slot = day; slot < end; slot += SLOT_MS) planned.push(...callsOfSlot(slot, plot));
    // Sessions run on into the next day; what would run past `until` has not happened yet.
    later = planned.filter((call) => call.at >= end);
    for (const call of planned.filter((c) => c.at < end).sort((a, b) => a.at - b.at)) {
      const entries = entriesOf(call, cacheFor(call, cached), pricing, chanceOf(seed, 'call', call.at, call.part.workflow, call.user, call.retry, done.calls));
      done.calls += 1;
      if ('refused' in entries) {
        done.refused += 1;
        give(ledger.refuse(entries.refused));
      } else {
        done.cost = nanodollars(done.cost + entries.settlement.cost.total);
        give(ledger.open(entries.opened));
        give(ledger.settle(entries.settlement));
      }
      if (waiting.length >= AT_ONCE) {
        // While one batch is committed by its thread, the next one is made up here.
        await committing;
        committing = Promise.all(waiting);
        committing.catch(() => undefined);
        waiting = [];
        options.signal?.throwIfAborted();
      }
    }
    options.onProgress?.({ calls: done.calls, until: end });
  }
  await committing;
  await Promise.all(waiting);
  return { ...done, until };
}

/** Within five minutes of its last use a prefix is read, and what is new of it is written. Failed calls leave the cache alone. */
function cacheFor(call: PlannedCall, cached: Map<string, { tokens: number; expiresAt: number }>): CacheState {
  const smallest = findModel(call.model)?.minCacheable ?? Infinity;
  if (call.cacheKey === null || call.fate.kind === 'error' || call.fate.kind === 'refused') return { read: 0, written: 0 };
  // Too short for the cache: all of it is plain input.
  if (call.prefixTokens < smallest) return { read: 0, written: 0 };
  const known = cached.get(call.cacheKey);
  const read = known && known.expiresAt > call.at && !call.part.changing ? Math.min(known.tokens, call.prefixTokens) : 0;
  cached.set(call.cacheKey, { tokens: call.prefixTokens, expiresAt: call.at + CACHE_MS });
  if (cached.size > 5_000) for (const [key, entry] of cached) if (entry.expiresAt <= call.at) cached.delete(key);
  return { read, written: call.prefixTokens - read };
}
