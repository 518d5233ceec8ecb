// server/http/admin/wire/shapes.ts: how long answers are and how fast they came, and why calls failed or were refused.

import { z } from 'zod';
import { OUTCOMES } from '../../../domain/call.ts';
import { REASON_GROUPINGS } from '../../../domain/reports.ts';
import { Count, Instant, Milliseconds } from './atoms.ts';
import { filters, range } from './queries.ts';

export const ShapesQuery = z.strictObject({ ...range, ...filters });
export type ShapesQuery = z.input<typeof ShapesQuery>;

export const ShapesAnswer = z.object({
  from: Instant,
  to: Instant,
  counted_from: Instant.describe('later than `from` where more rows had to be read than are at once'),
  calls: Count.describe('served ones'),
  sizes: z.array(z.object({ from_tokens: Count, to_tokens: Count, answers: Count })).describe('answers by output tokens, in steps that double, half-open; within 3 % at the edges'),
  speeds: z.array(z.object({ model: z.string().nullable(), answers: Count, tokens_per_second: z.object({ p50: z.number(), p5: z.number().describe('one in twenty is slower') }) })).describe('of streamed answers of 20 tokens and more, from the first token to the last'),
  overhead_ms: z.object({ p50: Milliseconds.nullable(), p95: Milliseconds.nullable() }).describe('what calls spent in the gateway itself'),
});
export type ShapesAnswer = z.infer<typeof ShapesAnswer>;

export const ReasonsQuery = z.strictObject({ ...range, group_by: z.string().max(200).optional().describe(`a comma-separated list of ${REASON_GROUPINGS.join(', ')}`), ...filters });
export type ReasonsQuery = z.input<typeof ReasonsQuery>;

export const ReasonRow = z.object({
  outcome: z.enum(OUTCOMES),
  status: z.int().nullable(),
  reason: z.string().nullable().describe('of a refusal why, of an error its type'),
  calls: Count,
  workspace: z.string().optional(), workflow: z.string().optional(), hour: Instant.optional(), day: Instant.optional(), month: Instant.optional(),
});
export type ReasonRow = z.infer<typeof ReasonRow>;
export const ReasonsAnswer = z.object({
  from: Instant,
  to: Instant,
  group_by: z.array(z.enum(REASON_GROUPINGS)),
  rows: z.array(ReasonRow).describe('the most frequent first'),
  total: Count,
});
export type ReasonsAnswer = z.infer<typeof ReasonsAnswer>;
