// server/http/admin/wire/usage.ts: sums of calls, by whatever they are grouped; the values that filters can take.

import { z } from 'zod';
import { GROUPINGS } from '../../../domain/reports.ts';
import { Count, Instant, Money, Percentiles, TokenCounts } from './atoms.ts';
import { LIMITS, filters, limit, range } from './queries.ts';

export const UsageQuery = z.strictObject({
  ...range,
  group_by: z.string().max(200).optional().describe(`a comma-separated list of ${GROUPINGS.join(', ')}`),
  limit: limit(LIMITS.usage, 1_000),
  times: z.enum(['yes', 'no']).optional().describe('no: duration_ms and ttft_ms are left null, which is faster where groups are many'),
  ...filters,
});
export type UsageQuery = z.input<typeof UsageQuery>;

export const FacetsQuery = z.strictObject({ ...range, limit: limit(LIMITS.facets, 50) });
export type FacetsQuery = z.input<typeof FacetsQuery>;

export const UsageExportQuery = z.strictObject({ ...range, group_by: UsageQuery.shape.group_by, limit: UsageQuery.shape.limit, ...filters });
export type UsageExportQuery = z.input<typeof UsageExportQuery>;
export const UsageFigures = z.object({
  requests: Count.describe('calls by clients, refused ones included'),
  attempts: Count.describe('tries on the wire'),
  refused: Count.describe('our own no'),
  errors: Count.describe("outcomes that are neither ok, truncated, refused nor the client's own leaving"),
  tokens: TokenCounts,
  web_searches: Count,
  cost_usd: Money,
  estimated_cost_usd: Money.describe('the part of cost_usd that is estimated'),
  cache_savings_usd: Money.describe('what cache reads saved less what cache writes cost extra; can be negative'),
  duration_ms: Percentiles,
  ttft_ms: Percentiles,
});
export type UsageFigures = z.infer<typeof UsageFigures>;

/** Only the keys that were grouped by are there; a null user, key or model means that the calls had none. */
export const UsageRow = UsageFigures.extend({
  workspace: z.string().optional(),
  workflow: z.string().optional(),
  user: z.string().nullable().optional(),
  model: z.string().nullable().optional(),
  key: z.string().nullable().optional(),
  outcome: z.string().optional(),
  hour: Instant.optional().describe('the instant at which the hour begins'),
  day: Instant.optional().describe('the instant at which the day begins in `timezone`'),
  month: Instant.optional().describe('the instant at which the month begins in `timezone`'),
  last_at: Instant.optional().describe('where grouped by user alone, for the 500 dearest users: their last call in the range whose row is kept, whatever the other filters'),
});
export type UsageRow = z.infer<typeof UsageRow>;

export const UsageAnswer = z.object({
  from: Instant,
  to: Instant,
  timezone: z.string(),
  group_by: z.array(z.enum(GROUPINGS)),
  rows: z.array(UsageRow),
  truncated: z.boolean().describe('true when `limit` left rows out; they are in `total` all the same'),
  total: UsageFigures,
});
export type UsageAnswer = z.infer<typeof UsageAnswer>;

export const FacetsAnswer = z.object({
  workspace: z.array(z.string()),
  workflow: z.array(z.string()),
  user: z.array(z.string()),
  model: z.array(z.string()),
  key: z.array(z.string()),
  outcome: z.array(z.string()),
  policy: z.array(z.string()).describe('rules that refused calls or changed their model, or would have, by name; empty for refusals that no rule of the configuration made'),
});
export type FacetsAnswer = z.infer<typeof FacetsAnswer>;
