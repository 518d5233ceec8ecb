// server/http/admin/wire/policies.ts: the rules in force, and who changed what.

import { z } from 'zod';
import { Count, Instant, Money } from './atoms.ts';
import { LIMITS, NextCursor, cursor, limit, page, scopes } from './queries.ts';

const anyOf = (what: string) => z.array(z.string().min(1).max(256)).max(200).optional().describe(`${what}; may be repeated, any of them matches`);
export const AuditQuery = z.strictObject({ action: anyOf('what was done, e.g. `key.create`'), actor: anyOf('who did it'), limit: limit(LIMITS.audit, 100), cursor });
export type AuditQuery = z.input<typeof AuditQuery>;
const { workspace, workflow, model, key } = scopes;
export const PoliciesQuery = z.strictObject({ ...page, workspace, workflow, model: model.describe('model, or a class of models, that a row of `limits` is about; empty for rows that are about none; may be repeated, any of them matches'), key });
export type PoliciesQuery = z.input<typeof PoliciesQuery>;
const rateLimits = {
  requests_per_minute: z.number().nullable(),
  input_tokens_per_minute: z.number().nullable(),
  output_tokens_per_minute: z.number().nullable(),
  concurrent: z.number().nullable(),
};

const policy = {
  models: z.object({ allow: z.array(z.string()).nullable(), deny: z.array(z.string()), alias: z.record(z.string(), z.string()) }),
  limits: z.object(rateLimits),
  max_output_tokens: Count.nullable(),
  cheaper_models: z.object({ budget: z.string(), at: z.number().describe('the share of the budget that must be spent'), models: z.record(z.string(), z.string()), dry_run: z.boolean() }).nullable().describe('which models stand in for others in sessions that begin from then on; null: none'),
  unbounded_hold_usd: Money.nullable().describe('held, besides its bytes, for a call that may read more than it says; null: its worst case'),
  priority: z.enum(['interactive', 'background']).nullable().describe('of calls that do not say it themselves; null: the wider scope\'s, or interactive'),
  features: z.object({ allow: z.array(z.string()), deny: z.array(z.string()) }).nullable().describe('null allows every feature'),
  dry_run: z.array(z.enum(['models', 'features', 'limits', 'max_output_tokens', 'cheaper_models'])).describe('rules that only record what they would do'),
};

export const PoliciesAnswer = z.object({
  config_file: z.string(),
  config_digest: z.string(),
  access: z.enum(['open', 'keys']),
  timezone: z.string(),
  unknown_model: z.enum(['ceiling', 'refuse']),
  on_abort: z.enum(['drain', 'cut']),
  requests_retention_days: z.number(),
  max_in_flight: Count,
  workspaces: z.array(
    z.object({
      id: z.string(),
      upstream_key: z.string(),
      open_workflows: z.boolean(),
      ...policy,
      workflows: z.array(z.object({ id: z.string(), ...policy })),
    }),
  ),
  limits: z.array(
    z.object({
      id: z.string(),
      scope: z.object({ workspace: z.string().optional(), workflow: z.string().optional(), key: z.string().optional(), model_class: z.string().optional() }).describe('every field given must match; none is every call'),
      each: z.enum(['key', 'model_class']).nullable().describe('a limit of its own for each of them; null: one for all'),
      limits: z.object(rateLimits),
      dry_run: z.boolean(),
    }),
  ).describe('limits by key and by class of models'),
  next_cursor: NextCursor,
});
export type PoliciesAnswer = z.infer<typeof PoliciesAnswer>;

export const AuditRow = z.object({ id: Count, at: Instant, actor: z.string(), action: z.string(), subject: z.string(), detail: z.unknown().describe('an object; text where it was not JSON') });
export type AuditRow = z.infer<typeof AuditRow>;
export const AuditAnswer = z.object({ rows: z.array(AuditRow), next_cursor: z.string().nullable() });
export type AuditAnswer = z.infer<typeof AuditAnswer>;
