// server/http/admin/wire/plan.ts: what a described task will cost.

import { z } from 'zod';
import { Count, ExactMoney, Instant, Money, wholeFrom } from './atoms.ts';

const Decimal = z.union([z.number(), z.string()]).transform(String).pipe(z.string().regex(/^\d{1,9}(\.\d{1,9})?$/, 'expected a decimal of at most nine places'));
const TOKENS_AT_MOST = 100_000_000;

export const PlanBody = z
  .strictObject({
    model: z.string().min(1).max(256).describe('whose tokenizer the token counts are of'),
    compare: z.array(z.string().min(1).max(256)).max(50).optional().describe('models to put beside it; every active one unless told'),
    calls_per_day: wholeFrom(1, 1_000_000_000),
    input_tokens: wholeFrom(0, TOKENS_AT_MOST).describe('of one prompt, the cached prefix included'),
    output_tokens: wholeFrom(0, TOKENS_AT_MOST),
    cached_prefix_tokens: wholeFrom(0, TOKENS_AT_MOST).default(0).describe('the part of the prompt that is the same every time and marked for caching'),
    cache_ttl: z.enum(['5m', '1h']).default('5m'),
    calls_per_hour: z.number().positive().max(1e9).nullable().default(null).describe('how thick the calls come while they come: decides whether the prefix is still cached; spread over 24 hours unless told'),
    batch_share: z.number().min(0).max(1).default(0).describe('the part of the calls that goes through batches, 0 to 1'),
    days_per_month: wholeFrom(1, 31).default(30).describe('a year has twelve such months'),
    us_inference: z.boolean().optional().describe('whether it runs in the US only; as the config assumes unless told'),
    minutes_per_task: Decimal.optional().describe('what doing it by hand takes: the hours that are saved'),
    hourly_rate_usd: Decimal.optional().describe('what an hour by hand costs: the money that is saved'),
  })
  .refine((task) => task.cached_prefix_tokens <= task.input_tokens, { path: ['cached_prefix_tokens'], error: 'expected no more than input_tokens' })
  .refine((task) => task.input_tokens + task.output_tokens > 0, { path: ['input_tokens'], error: 'expected at least one token, of input or output' })
  .refine((task) => task.minutes_per_task !== undefined || task.hourly_rate_usd === undefined, { path: ['hourly_rate_usd'], error: 'expected minutes_per_task beside it' });
export type PlanBody = z.input<typeof PlanBody>;

const PlanFiguresAnswer = z.object({
  call_usd: Money.describe('the mean over a day; each figure is rounded up on its own'),
  day_usd: Money,
  month_usd: Money,
  year_usd: Money,
  kinds: z.array(z.object({ kind: z.enum(['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output']), tokens_per_month: z.number().nonnegative(), month_usd: ExactMoney })),
});
export type PlanFiguresAnswer = z.infer<typeof PlanFiguresAnswer>;

export const PlanModelAnswer = z.object({
  model: z.string(),
  price_version: z.string(),
  price_kind: z.enum(['list', 'contract', 'ceiling']),
  tokens_per_call: z.object({ input: Count, output: Count, cached_prefix: Count }).describe("in this model's tokens"),
  described: PlanFiguresAnswer.describe('as told: with its cached prefix and its batch share'),
  plain: PlanFiguresAnswer.describe('neither cached nor in batches'),
  cached: PlanFiguresAnswer.nullable().describe('the prefix cached, nothing in batches; null where this model caches no such prefix'),
  batched: PlanFiguresAnswer.describe('all of it in batches, uncached'),
  saved_month_usd: Money.nullable().describe('what a month by hand is worth, less its cost by this model'),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })),
});
export type PlanModelAnswer = z.infer<typeof PlanModelAnswer>;

export const PlanAnswer = z.object({
  at: Instant.describe('the moment whose prices were taken'),
  models: z.array(PlanModelAnswer).describe("the task's own model first, then the cheapest first"),
  by_hand: z.object({ hours_per_month: z.number().nonnegative(), worth_month_usd: Money.nullable().describe('null where no hourly rate was told') }).nullable(),
});
export type PlanAnswer = z.infer<typeof PlanAnswer>;
