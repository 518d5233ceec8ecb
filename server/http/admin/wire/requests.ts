// server/http/admin/wire/requests.ts: single calls, with their attempts, cost lines and decisions.

import { z } from 'zod';
import { HEADROOM_DIMENSIONS } from '../../../domain/provider-limits.ts';
import { Count, Endpoint, ExactMoney, Instant, Milliseconds, Money, Outcome, ServerToolCounts, TokenCounts } from './atoms.ts';
import { LIMITS, cursor, filters, limit, range } from './queries.ts';

export const RequestsQuery = z.strictObject({ ...range, limit: limit(LIMITS.requests, 100), cursor, ...filters });
export type RequestsQuery = z.input<typeof RequestsQuery>;

export const RequestsExportQuery = z.strictObject({ ...range, ...filters });
export type RequestsExportQuery = z.input<typeof RequestsExportQuery>;

export const RequestRow = z.object({
  id: z.string(),
  admitted_at: Instant,
  ended_at: Instant.nullable().describe('null while the call is in flight'),
  workspace: z.string(),
  workflow: z.string(),
  user: z.string().nullable(),
  session: z.string().nullable(),
  action: z.string().nullable(),
  tags: z.record(z.string(), z.string()),
  key_id: z.string().nullable(),
  endpoint: Endpoint,
  stream: z.boolean(),
  model_requested: z.string().nullable(),
  model_served: z.string().nullable(),
  outcome: Outcome.nullable().describe('null while the call is in flight'),
  status: z.int().nullable(),
  refusal: z.string().nullable(),
  tokens: TokenCounts,
  server_tools: ServerToolCounts,
  cost_usd: Money.describe('corrections included'),
  settled_cost_usd: Money.describe('what it was booked at when it ended'),
  corrections: Count.describe('how many corrections changed it since'),
  held_usd: Money.describe('what was held from the budgets when the call left'),
  estimated: z.boolean(),
  estimate_method: z.string().nullable(),
  cache_savings_usd: Money,
  price_version: z.string().nullable(),
  price_kind: z.enum(['list', 'contract', 'ceiling']).nullable().describe('whose price it is; ceiling: the dearest known rates, for a model that the price book did not know'),
  ttft_ms: Milliseconds.nullable(),
  duration_ms: Milliseconds.nullable(),
  overhead_ms: Milliseconds.nullable(),
  attempts: Count,
  client_retry: Count.nullable(),
  stop_reason: z.string().nullable(),
  error_type: z.string().nullable(),
  upstream_request_id: z.string().nullable(),
  batch_id: z.string().nullable().describe('of the batch that the call created, or whose results it was booked from'),
  custom_id: z.string().nullable().describe('the name of the item in its batch'),
  trace_id: z.string().nullable().describe('32 hexadecimal digits, of the `traceparent` that the client sent; null where it sent none'),
});
export type RequestRow = z.infer<typeof RequestRow>;

export const RequestsAnswer = z.object({ from: Instant, to: Instant, rows: z.array(RequestRow), next_cursor: z.string().nullable() });
export type RequestsAnswer = z.infer<typeof RequestsAnswer>;

const ToldLimits = z.object({
  rows: z.array(z.object({
    dimension: z.enum(HEADROOM_DIMENSIONS),
    limit: Count.describe('per minute'),
    remaining: Count,
    reset_at: Instant.nullable().describe('when all of it is there again, to the second; null where the provider did not say'),
  })).describe('empty where the answer told of none'),
  retry_after_s: z.number().min(0).nullable().describe('for how long the provider asked to be left alone; null where it did not'),
});

export const AttemptRow = z.object({
  number: z.int().positive(),
  started_at: Instant,
  status: z.int().nullable(),
  outcome: Outcome,
  upstream_request_id: z.string().nullable(),
  headers_ms: Milliseconds.nullable(),
  duration_ms: Milliseconds,
  client_wait_ms: Milliseconds.nullable().describe('the part of it in which the answer stood still because the client took no more; the rest is the provider. Null where it was not kept yet'),
  error_type: z.string().nullable(),
  failover: z.string().nullable().describe('the place of `upstream.failover` that it went to; null: the upstream itself'),
  limits: ToldLimits.nullable().describe("what the answer's headers told of the provider's limits; null where no answer came or nobody read them, as of endpoints with limits of their own and of calls before these were kept"),
});
export type AttemptRow = z.infer<typeof AttemptRow>;

export const CostLineRow = z.object({
  kind: z.enum(['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'code_execution']),
  model: z.string(),
  quantity: Count,
  unit_price_usd: ExactMoney.describe('per token, or per use of a tool; every factor applied'),
  amount_usd: ExactMoney,
  factors: z.array(z.string()).describe("what made the price what it is, e.g. 'batch x0.5'"),
  price_version: z.string(),
  price_kind: z.enum(['list', 'contract', 'ceiling']).describe('ceiling: the dearest known rates, for a model that the price book did not know'),
  source: z.string().describe('where the price was read; empty when the price row is not known'),
});
export type CostLineRow = z.infer<typeof CostLineRow>;

export const DecisionRow = z.object({ rule: z.string(), verdict: z.enum(['allow', 'refuse', 'would_refuse', 'rewrite', 'would_rewrite']), detail: z.string().nullable() });
export type DecisionRow = z.infer<typeof DecisionRow>;

export const RequestAnswer = z.object({
  request: RequestRow,
  attempts: z.array(AttemptRow),
  cost_lines: z.array(CostLineRow),
  cost_lines_usd: ExactMoney.describe('the exact sum of the lines'),
  cost_note: z.string().nullable().describe("says why the lines do not sum to the row's cost; null when they do"),
  corrections: z.array(
    z.object({
      at: Instant,
      run: z.string(),
      reason: z.string(),
      actor: z.string(),
      difference_usd: Money,
      cost_usd: Money.describe('from then on'),
      estimated: z.boolean(),
      estimate_method: z.string().nullable(),
      price_version: z.string(),
      price_kind: z.enum(['list', 'contract', 'ceiling']),
    }),
  ),
  decisions: z.array(DecisionRow),
  usage_parts: z.array(z.object({ type: z.string(), model: z.string().nullable(), tokens: TokenCounts })),
  speed: z.string().nullable(),
  service_tier: z.string().nullable(),
  inference_geo: z.string().nullable(),
});
export type RequestAnswer = z.infer<typeof RequestAnswer>;
