// server/http/admin/wire/proof.ts: whether the ledger is right: corrections by a better price, sums worked out anew, the provider's own figures beside ours.

import { z } from 'zod';
import { Count, Instant, Money, TokenCounts } from './atoms.ts';

const givenTime = (when: string) => z.string().max(40).optional().describe(`${when}; as in queries`);
export const RepriceBody = z.strictObject({ from: z.string().max(40).describe('calls admitted from here on; as in queries'), to: givenTime('and before this; now unless told'), dry_run: z.boolean().default(false).describe('says what would change, and changes nothing') });
export type RepriceBody = z.input<typeof RepriceBody>;

export const RepriceRun = z.object({
  run: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  dry_run: z.boolean(),
  from: Instant,
  to: Instant,
  started_at: Instant,
  ended_at: Instant.nullable(),
  progress: z.number().min(0).max(1).describe('the part of the time that is done'),
  calls: Count,
  changed: Count,
  unpriced: Count.describe('calls of models without a price now either; they stay at the dearest known rates'),
  unexplained: Count.describe('calls whose stored usage does not give their cost, e.g. what a crash left; they keep it'),
  before_usd: Money,
  after_usd: Money,
  difference_usd: Money,
  models: z.array(z.object({ model: z.string(), calls: Count, changed: Count, before_usd: Money, after_usd: Money, difference_usd: Money, price_versions: z.array(z.string()) })),
  error: z.string().nullable(),
});
export type RepriceRun = z.infer<typeof RepriceRun>;
export const RepriceAnswer = z.object({ run: RepriceRun.nullable().describe('null when there was none since the start') });
export type RepriceAnswer = z.infer<typeof RepriceAnswer>;

export const VerifyBody = z.strictObject({ from: givenTime('from, in it; the first day whose rows are kept unless told'), to: givenTime('to, not in it; the end unless told') });
export type VerifyBody = z.input<typeof VerifyBody>;
export const VerifyRun = z.object({
  state: z.enum(['running', 'done', 'failed']),
  from: Instant,
  to: Instant,
  started_at: Instant,
  ended_at: Instant.nullable(),
  progress: z.number().min(0).max(1),
  calls: Count.describe('whose cost was worked out anew'),
  cost_usd: Money,
  estimated_cost_usd: Money,
  at_hold: Count.describe('of these: booked at what was held, because a crash or a batch without results took their usage'),
  days: Count.describe('whose sums were worked out anew'),
  budgets: Count.describe('whose sums in memory were compared with the ledger'),
  drift: Count.describe('figures that are not what they should be'),
  examples: z.array(z.object({ kind: z.enum(['cost', 'rollup', 'budget']), subject: z.string(), figure: z.string(), expected: z.string(), found: z.string() })).describe('the first hundred; money in dollars, counts as they are'),
  error: z.string().nullable(),
});
export type VerifyRun = z.infer<typeof VerifyRun>;
export const VerifyAnswer = z.object({ run: VerifyRun.nullable().describe('null when there was none since the start') });
export type VerifyAnswer = z.infer<typeof VerifyAnswer>;

export const BilledSide = z.object({ cost_usd: Money, tokens: TokenCounts, web_searches: Count });
export const ReconciledDay = z.object({
  day: z.string().describe("a UTC day, as the provider's reports are cut"),
  provider_workspace: z.string().nullable().describe('null where everything is compared as one'),
  workspaces: z.array(z.string()).describe('whose calls go to that workspace of the provider; empty where everything is compared as one'),
  ledger: BilledSide,
  estimated_usd: Money.describe("the part of the ledger's cost that is an estimate"),
  provider: BilledSide,
  difference_usd: Money.describe('ledger less provider'),
  difference_ratio: z.number().describe("of the provider's bill"),
});
export type ReconciledDay = z.infer<typeof ReconciledDay>;
export const ReconciliationAnswer = z.object({
  enabled: z.boolean().describe('false without `reconciliation.admin_key`'),
  at: Instant.nullable().describe('the latest comparison; null when there was none since the start'),
  trouble: z.string().nullable().describe('why the latest try did not work'),
  difference_ratio: z.number().nullable().describe('of the latest day, all workspaces together'),
  days: z.array(ReconciledDay).describe('of the past two weeks, the latest first'),
});
export type ReconciliationAnswer = z.infer<typeof ReconciliationAnswer>;
