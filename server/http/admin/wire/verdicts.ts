// server/http/admin/wire/verdicts.ts: what rules said of calls, other than that they may pass.

import { z } from 'zod';
import { COUNTED_VERDICTS } from '../../../domain/call.ts';
import { VERDICT_GROUPINGS } from '../../../domain/reports.ts';
import { Count, Instant } from './atoms.ts';
import { filters, range } from './queries.ts';

export const VerdictsQuery = z.strictObject({ ...range, group_by: z.string().max(200).optional().describe(`a comma-separated list of ${VERDICT_GROUPINGS.join(', ')}`), ...filters });
export type VerdictsQuery = z.input<typeof VerdictsQuery>;

export const VerdictRow = z.object({
  policy: z.string().nullable().describe('the rule, e.g. models:support; null for refusals that no rule of the configuration made'),
  verdict: z.enum(COUNTED_VERDICTS).describe('would_refuse and would_rewrite are what dry runs and soft budgets say'),
  calls: Count.describe('that have ended'),
  workspace: z.string().optional(), workflow: z.string().optional(), hour: Instant.optional(), day: Instant.optional(), month: Instant.optional(),
});
export type VerdictRow = z.infer<typeof VerdictRow>;

export const VerdictsAnswer = z.object({
  from: Instant,
  to: Instant,
  group_by: z.array(z.enum(VERDICT_GROUPINGS)),
  rows: z.array(VerdictRow).describe('the most frequent first'),
  total: Count.describe('of all rows; a call that several rules spoke of is in it once for each'),
});
export type VerdictsAnswer = z.infer<typeof VerdictsAnswer>;
