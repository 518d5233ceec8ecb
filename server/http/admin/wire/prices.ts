// server/http/admin/wire/prices.ts: the price book, and what it lacks.

import { z } from 'zod';
import { Count, digitsFrom, ExactMoney, Instant, Rate } from './atoms.ts';
import { NextCursor, page, range } from './queries.ts';

export const PricesQuery = z.strictObject({ ...page, model: z.array(z.string().max(256)).max(200).optional().describe('model, with or without a date at its end; may be repeated, any of them matches') });
export type PricesQuery = z.input<typeof PricesQuery>;

const Rates = z.object({ input: Rate, cache_write_5m: Rate, cache_write_1h: Rate, cache_read: Rate, output: Rate });

export const PriceRowAnswer = z.object({
  version: z.string(),
  model: z.string(),
  kind: z.enum(['list', 'contract']),
  contract: z.object({ name: z.string(), until: Instant.nullable() }).nullable().describe('null for a list price; until is the first instant after it, null where it is open-ended'),
  effective_from: Instant,
  in_force: z.boolean().describe('true for the row that a call of this moment is priced with'),
  usd_per_mtok: z.object({
    standard: Rates,
    batch: Rates,
    fast: Rates.nullable(),
    long_prompt: z.object({ above_tokens: Count, standard: Rates, batch: Rates }).nullable(),
  }),
  us_inference: z.object({ numerator: Count, denominator: Count }).describe('the factor for US-only inference'),
  web_search_fee_usd: ExactMoney,
  code_execution_fee_usd: ExactMoney.nullable().describe('for a call that ran code: the least container time that is billed; null where none is charged'),
  context_window_tokens: Count,
  max_output_tokens: Count,
  min_cacheable_tokens: Count.nullable(),
  retirement: z.object({ state: z.enum(['deprecated', 'retired']), on: z.string().nullable() }).nullable().describe('of a model that the provider ends: the day from which on calls of it fail, null where it is not known; null for one that does not end'),
  source: z.string(),
  verified_on: z.string(),
});
export type PriceRowAnswer = z.infer<typeof PriceRowAnswer>;
export const PricesAnswer = z.object({ at: Instant, rows: z.array(PriceRowAnswer), next_cursor: NextCursor });
export type PricesAnswer = z.infer<typeof PricesAnswer>;

export const PricesCheckQuery = z.strictObject({
  ...range,
  max_age_days: digitsFrom(1, 10_000).optional().describe('a row that was last compared with its source longer ago is old; 60 unless told'),
});
export type PricesCheckQuery = z.input<typeof PricesCheckQuery>;
export const PricesCheckAnswer = z.object({
  from: Instant,
  to: Instant,
  models: Count.describe('models that calls of this time used'),
  warnings: z.array(z.object({ kind: z.enum(['unpriced', 'stale', 'contract_ends']), model: z.string(), calls: Count, message: z.string() })),
});
export type PricesCheckAnswer = z.infer<typeof PricesCheckAnswer>;
