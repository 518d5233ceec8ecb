// server/http/admin/wire/budgets.ts: budgets as they stand, and the grants that raise them.

import { z } from 'zod';
import { PERIODS } from '../../../domain/calendar.ts';
import { Instant, Money, When } from './atoms.ts';
import { NextCursor, page, scopes } from './queries.ts';

export const BudgetsQuery = z.strictObject({ ...page, ...scopes });
export type BudgetsQuery = z.input<typeof BudgetsQuery>;

/** Every field given must match; `organization: true` stands alone. */
export const ScopeAnswer = z.object({
  organization: z.literal(true).optional(),
  workspace: z.string().optional(),
  workflow: z.string().optional(),
  key: z.string().optional(),
  user: z.string().optional(),
  model: z.string().optional(),
});
export type ScopeAnswer = z.infer<typeof ScopeAnswer>;

const AlertState = z.object({
  at: z.number().positive().describe('the fraction of the limit, e.g. 0.8'),
  state: z.enum(['ok', 'firing']),
  since: Instant.nullable().describe('null when not firing, or when it is not known since when'),
});

export const GrantRow = z.object({
  id: z.string(),
  budget: z.string(),
  amount_usd: Money,
  created_at: Instant,
  until: Instant.describe('when it ends by itself'),
  reason: z.string(),
  actor: z.string(),
  revoked_at: Instant.nullable().describe('null when it was not ended early'),
});
export type GrantRow = z.infer<typeof GrantRow>;

export const BudgetRow = z.object({
  id: z.string(),
  scope: ScopeAnswer,
  mode: z.enum(['hard', 'soft']),
  dry_run: z.boolean().describe('true only records what it would refuse'),
  period: z.object({ kind: z.enum(PERIODS), from: Instant, to: Instant }),
  limit_usd: Money,
  granted_usd: Money.describe('what grants in force add to the limit'),
  grants: z.array(GrantRow).describe('those in force'),
  tolerance_usd: Money,
  spent_usd: Money,
  held_usd: Money.describe('what calls in flight may still cost'),
  hold: z.enum(['worst_case', 'expected']).describe('what calls in flight count as'),
  expected_usd: Money.describe('what calls in flight count as: held_usd, or what they will probably cost'),
  overshoot_usd: Money.describe('how far a hard budget lets the worst case of calls in flight stand above the limit: its tolerance, and with `hold: expected` its overshoot'),
  at_risk_usd: Money.describe('by how much the limit would be passed if every call in flight cost the most it can'),
  remaining_usd: Money.describe('limit and grants less spent and expected; negative when overspent'),
  refused: z.object({ calls: z.int().positive(), last_at: Instant }).nullable().describe('calls of this period that can cost more than was left of it, since the gateway started; null: none'),
  forecast_usd: z.object({ p50: Money, p90: Money }).nullable().describe('at the end of the period; null while there is too little to go by'),
  alerts: z.array(AlertState),
  notify: z.array(z.string()).describe('channels that are told; empty: nobody is'),
});
export type BudgetRow = z.infer<typeof BudgetRow>;
export const BudgetsAnswer = z.object({ at: Instant, timezone: z.string(), rows: z.array(BudgetRow), next_cursor: NextCursor });
export type BudgetsAnswer = z.infer<typeof BudgetsAnswer>;

export const GrantBody = z.strictObject({
  amount_usd: z.string().regex(/^\d{1,8}(\.\d{1,9})?$/, 'expected US dollars such as "50" or "12.50"').describe('US dollars on top of the limit, at most nine places'),
  until: When.describe('when it ends'),
  reason: z.string().trim().min(1, 'expected a reason').max(200, 'expected at most 200 characters').regex(/^\P{C}+$/u, 'expected one line of text').describe('why, for the audit log'),
});
export type GrantBody = z.input<typeof GrantBody>;
export const GrantAnswer = z.object({ grant: GrantRow });
export type GrantAnswer = z.infer<typeof GrantAnswer>;
