// server/domain/plan.ts: a task described in numbers, and what it will cost by the price book.

import type { Nanodollars, Picodollars } from './money.ts';
import type { PriceRow } from './price.ts';
import type { TokenKind } from './usage.ts';

/** A task that is done again and again. Token counts are those of `model`'s own tokenizer. */
export interface PlanTask {
  readonly model: string;
  /** Shown side by side with it; null takes every active model. */
  readonly compare: readonly string[] | null;
  readonly callsPerDay: number;
  /** Tokens of one prompt, the cached prefix included. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The part of the prompt that is the same every time and marked for caching; 0 caches nothing. */
  readonly prefixTokens: number;
  readonly cacheTtl: '5m' | '1h';
  /** How thick the calls come while they come: decides whether the prefix is still cached. Null spreads them over 24 hours. */
  readonly callsPerHour: number | null;
  /** The share of calls that goes through batches, in millionths. */
  readonly batchMillionths: number;
  /** Days per month on which the task is done; a year has twelve such months. */
  readonly daysPerMonth: number;
  /** Whether it runs in the US only. */
  readonly us: boolean;
  /** What doing it by hand takes; null leaves hours and savings out, and a null rate only the savings. */
  readonly byHand: { /** Thousand-millionths of a minute per task. */ readonly minutes: bigint; readonly hourlyRate: Nanodollars | null } | null;
}

/** Each rounded up on its own from the exact sum; `call` is the mean over a day's calls. */
export interface PlanFigures {
  readonly call: Nanodollars;
  readonly day: Nanodollars;
  readonly month: Nanodollars;
  readonly year: Nanodollars;
  /** A month by kind of token; kinds that do not occur are absent. */
  readonly lines: readonly PlanLine[];
}

export interface PlanLine {
  readonly kind: TokenKind;
  /** Of a month; whole unless a batch share splits a call. */
  readonly tokens: number;
  readonly amount: Picodollars;
}

export interface PlanWarning {
  readonly code: 'prefix_too_short' | 'cache_goes_cold' | 'no_caching' | 'prompt_too_long' | 'output_too_long' | 'other_tokenizer' | 'batch_without_cache' | 'not_active';
  readonly message: string;
}

export interface PlanForModel {
  readonly model: string;
  readonly row: PriceRow;
  /** What one call comes to in this model's tokens. */
  readonly tokens: { readonly input: number; readonly output: number; readonly prefix: number };
  /** As it was told: with its cached prefix and its batch share. */
  readonly described: PlanFigures;
  /** Neither cached nor in batches. */
  readonly plain: PlanFigures;
  /** With the prefix cached and nothing in batches; null where there is no prefix that this model can cache. */
  readonly cached: PlanFigures | null;
  /** All of it in batches, uncached. */
  readonly batched: PlanFigures;
  /** What a month by hand is worth less what a month by this model costs; null where no hourly rate was told. */
  readonly savedPerMonth: Nanodollars | null;
  readonly warnings: readonly PlanWarning[];
}

export interface Plan {
  readonly task: PlanTask;
  /** The task's own model first, then the cheapest as described first. */
  readonly models: readonly PlanForModel[];
  /** Null where nothing was said of doing it by hand. Its worth is rounded down; null where no hourly rate was told. */
  readonly byHand: { readonly hoursPerMonth: number; readonly worthPerMonth: Nanodollars | null } | null;
}

/** A plan, or the name of a model that the price book does not know, with one that it may have meant. */
export type Planned = { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly unknownModel: string; readonly known: readonly string[] };
