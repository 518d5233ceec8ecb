// server/http/admin/wire/savings.ts: waste that was found, and what was decided about it.

import { z } from 'zod';
import { GRADES, LEVERS, SAVING_STATES } from '../../../domain/advice.ts';
import { Count, Instant, Money } from './atoms.ts';
import { filters } from './queries.ts';

export const SavingsQuery = z.strictObject({ workspace: filters.workspace, workflow: filters.workflow, model: filters.model });
export type SavingsQuery = z.input<typeof SavingsQuery>;

export const SavingRow = z.object({
  id: z.string().describe('`lever:workspace/workflow`; stays the same from look to look'),
  lever: z.enum(LEVERS),
  title: z.string(),
  why: z.string(),
  fix: z.string(),
  snippet: z.string().nullable().describe('the change to paste; null where there is none'),
  caveat: z.string(),
  grade: z.enum(GRADES).describe('exact: recorded facts times price; bounded: the truth lies in the range; estimate: needs a trial, in no total; signal: money at stake, none claimed'),
  workspace: z.string(),
  workflow: z.string(),
  models: z.array(z.string()).describe('of the calls behind it, the dearest first'),
  low_usd: Money.describe('saved at least, over the window'),
  high_usd: Money.describe('saved at most, over the window'),
  at_stake_usd: Money.describe('what the calls behind a signal cost; zero for others'),
  small: z.boolean().describe('less than a dollar'),
  calls: Count.describe('calls behind it'),
  examples: z.array(z.string()).describe('ids of a few of them, the latest first'),
  state: z.enum(SAVING_STATES),
  reopened: z.boolean().describe('it was done, and has come back'),
  owner: z.string().nullable(),
  reason: z.string().nullable().describe('why it was dismissed'),
  decided_at: Instant.nullable(),
  decided_by: z.string().nullable(),
  effect: z
    .object({
      actions: Count.describe('since it was done'),
      before_usd: Money.describe('cost of an action in the two weeks before'),
      since_usd: Money.describe('cost of an action since'),
      saved_usd: Money.describe('the difference times the actions since; negative where it became dearer'),
    })
    .nullable()
    .describe('null before it was done, and while too few actions came since'),
});
export type SavingRow = z.infer<typeof SavingRow>;

export const SavingsAnswer = z.object({
  at: Instant.describe('when the ledger was looked over'),
  from: Instant,
  to: Instant,
  timezone: z.string(),
  spend_usd: Money,
  captured_usd: Money.describe('what caching and batches saved already, less what cache writes cost extra; can be negative'),
  recoverable_usd: Money.describe('exact findings and the least of bounded ones, as far as they are open; each call counted once'),
  recoverable_most_usd: Money.describe('the same with the most of bounded ones'),
  estimated_usd: Money.describe('the most of estimates, which are in no other total'),
  levers: Count.describe('kinds of waste that were looked for'),
  calls: Count.describe('answered calls'),
  coverage: z.number().nullable().describe('the share of them whose prompts have hashes; null without a call'),
  weeks: z.array(z.object({ from: Instant, to: Instant, whole: z.boolean(), spend_usd: Money, captured_usd: Money, recoverable_usd: Money, recoverable_most_usd: Money })),
  rows: z.array(SavingRow).describe('the surest and dearest first'),
});
export type SavingsAnswer = z.infer<typeof SavingsAnswer>;

export const SavingBody = z
  .strictObject({
    id: z.string().min(1).max(400),
    state: z.enum(SAVING_STATES),
    owner: z.string().trim().min(1).max(64).nullable().optional().describe('who sees to it; left out, it stays'),
    reason: z.string().trim().min(1).max(500).nullable().optional().describe('why it is dismissed'),
  })
  .refine(({ state, reason }) => state !== 'dismissed' || (reason ?? null) !== null, { path: ['reason'], message: 'expected the reason why it is dismissed' });
export type SavingBody = z.input<typeof SavingBody>;
export const SavingAnswer = z.object({ saving: SavingRow });
export type SavingAnswer = z.infer<typeof SavingAnswer>;
