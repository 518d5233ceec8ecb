// server/http/admin/wire/statement.ts: what a workspace pays for a month, and the bill in the FOCUS format.

import { z } from 'zod';
import { FOCUS_VERSIONS, GRAINS } from '../../../bill/focus.ts';
import { Count, ExactMoney, Instant, Money } from './atoms.ts';
import { range } from './queries.ts';

export const StatementQuery = z.strictObject({ workspace: z.string().min(1).max(256).describe('whose'), month: z.string().regex(/^\d{4}-\d\d$/, 'expected a month such as 2026-11').optional().describe('of the reporting time zone; the running one unless told') });
export type StatementQuery = z.input<typeof StatementQuery>;
export const FocusExportQuery = z.strictObject({ ...range, version: z.enum(FOCUS_VERSIONS).default('1.2').describe('of FOCUS'), grain: z.enum(GRAINS).default('day').describe('of a charge period') });
export type FocusExportQuery = z.input<typeof FocusExportQuery>;

export const StatementLine = z.object({
  workflow: z.string(),
  model: z.string(),
  kind: z.enum(['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'code_execution', 'unexplained', 'past_rows']).describe('unexplained: a cost that no usage makes up, e.g. what was held at a crash; past_rows: days of which only sums are kept'),
  factors: z.array(z.string()).describe("what made the price what it is, e.g. 'batch x0.5'"),
  calls: Count,
  quantity: Count.describe('tokens, or uses of a tool'),
  unit_price_usd: ExactMoney.nullable().describe('per token or use, every factor applied'),
  amount_usd: Money.describe('the lines add up to total_usd'),
  amount_cents_usd: z.string().regex(/^-?\d+\.\d\d$/).describe('rounded by largest remainder: the lines add up to total_cents_usd'),
});
export type StatementLine = z.infer<typeof StatementLine>;

export const StatementAnswer = z.object({
  workspace: z.string(),
  month: z.string().describe('e.g. 2026-11'),
  period: z.object({ from: Instant, to: Instant }),
  until: Instant.describe('the end of the month, or now while it runs'),
  timezone: z.string(),
  running: z.boolean().describe('true while the month is not over: calls still come'),
  made_at: Instant,
  rows_from: Instant.nullable().describe('where single calls begin; what came before stands as sums. Null: every call of the month is kept'),
  calls: Count.describe('calls that were sent'),
  lines: z.array(StatementLine),
  total_usd: Money,
  total_cents_usd: z.string(),
  estimated_usd: Money,
  exact_ratio: z.number().min(0).max(1).nullable(),
  cache_savings_usd: Money,
  price_versions: z.array(z.object({ version: z.string(), kind: z.enum(['list', 'contract', 'ceiling']) })),
  actions: z.object({ actions: Count, per_action_usd: Money.describe('the mean') }).nullable(),
  budgets: z.array(z.object({ id: z.string(), limit_usd: Money, granted_usd: Money.describe('what grants added at the end of the month, or add now'), left_usd: Money.describe('of both; negative when overspent') })).describe('monthly ones of exactly this workspace, as they are now'),
  trend: z.array(z.object({ month: z.string(), cost_usd: Money })).describe('up to six months, this one last'),
});
export type StatementAnswer = z.infer<typeof StatementAnswer>;
