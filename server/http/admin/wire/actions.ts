// server/http/admin/wire/actions.ts: what one action of a user costs.

import { z } from 'zod';
import { ACTION_GROUPINGS } from '../../../domain/reports.ts';
import { Count, Instant, Money } from './atoms.ts';
import { filters, range } from './queries.ts';

export const ActionsQuery = z.strictObject({ ...range, group_by: z.string().max(200).optional().describe(`a comma-separated list of ${ACTION_GROUPINGS.join(', ')}`), ...filters });
export type ActionsQuery = z.input<typeof ActionsQuery>;

const ActionFigures = z.object({
  actions: Count.describe('calls of one workflow and one local day that name one action are one; a call that names none is one by itself; refused calls are none'),
  calls: Count,
  named_calls: Count.describe('of the calls, those that name their action'),
  cost_usd: Money,
  per_action_usd: z.object({ p50: Money.nullable(), p95: Money.nullable() }).describe('by nearest rank; within 3 % where whole days are told by their sums'),
});
export type ActionFigures = z.infer<typeof ActionFigures>;
export const ActionsRow = ActionFigures.extend({ workspace: z.string().optional(), workflow: z.string().optional(), hour: Instant.optional(), day: Instant.optional(), month: Instant.optional() });
export type ActionsRow = z.infer<typeof ActionsRow>;

export const ActionsAnswer = z.object({
  from: Instant,
  to: Instant,
  counted_from: Instant.describe('later than `from` where more calls matched than are read at once'),
  group_by: z.array(z.enum(ACTION_GROUPINGS)),
  rows: z.array(ActionsRow).describe('the dearest first'),
  total: ActionFigures,
  steps: z.array(z.object({ from_usd: Money, to_usd: Money, actions: Count })).describe('actions by cost, in steps of 1, 2 and 5 times a power of ten, half-open; those that cost nothing are left out'),
  dearest: z.array(z.object({ workspace: z.string(), workflow: z.string(), action: z.string(), calls: Count, cost_usd: Money, at: Instant.describe('of its first call') })).describe('the ten dearest that were named'),
});
export type ActionsAnswer = z.infer<typeof ActionsAnswer>;
