// server/http/admin/wire/operation.ts: the gateway itself: sign-in, state, health, backup.

import { z } from 'zod';
import { SEVERITIES } from '../../../domain/alert.ts';
import { Count, Instant, Milliseconds, Money } from './atoms.ts';

export const LoginBody = z.strictObject({ token: z.string().min(1).max(1024) });
export type LoginBody = z.input<typeof LoginBody>;
export const SessionAnswer = z.object({
  required: z.boolean().describe('false: this port is open, no sign-in is needed'),
  signed_in: z.boolean(),
  expires_at: Instant.nullable(),
});
export type SessionAnswer = z.infer<typeof SessionAnswer>;

export const BackupBody = z.strictObject({});
export const BackupAnswer = z.object({ file: z.string(), bytes: Count, at: Instant, duration_ms: Milliseconds });
export type BackupAnswer = z.infer<typeof BackupAnswer>;

export const StatusAnswer = z.object({
  version: z.string(),
  node: z.string(),
  now: Instant,
  started_at: Instant,
  uptime_ms: Milliseconds,
  timezone: z.string(),
  base_url: z.string().describe('what an app sets as its base URL'),
  access: z.enum(['open', 'keys']),
  provider_key_configured: z.boolean(),
  ready: z.boolean(),
  not_ready_because: z.array(z.string()),
  in_flight: Count,
  alerts: z.object({ open: Count, worst: z.enum(SEVERITIES).nullable() }).describe('how many fire that nobody has taken on or silenced, and how urgent the worst is'),
  ledger: z.object({
    writable: z.boolean(),
    queued: Count,
    last_commit_ms: Milliseconds.nullable(),
    trouble: z.string().nullable(),
    open_holds: Count,
    database_bytes: Count.nullable(),
  }),
  recovery: z.object({ crashed: Count, crashed_cost_usd: Money }).describe('calls that the last run left unsettled'),
  config: z.object({
    file: z.string(),
    digest: z.string(),
    loaded_at: Instant,
    last_reload: z.object({ at: Instant, ok: z.boolean(), error: z.string().nullable() }).nullable().describe('null before the first reload'),
  }),
  pricing: z
    .object({ from: Instant, to: Instant, cost_usd: Money, estimated_cost_usd: Money, exact_ratio: z.number().min(0).max(1).nullable(), ceiling_priced: Count, book_verified_on: z.string().nullable() })
    .describe('the last seven days; exact_ratio is the share of the cost that came from complete usage, null without cost; ceiling_priced counts calls of unknown models since the start'),
  first_run: z.object({ has_traffic: z.boolean(), has_workspaces: z.boolean(), has_keys: z.boolean(), has_budgets: z.boolean() }),
});
export type StatusAnswer = z.infer<typeof StatusAnswer>;

export const HealthAnswer = z.object({ status: z.literal('ok') });
export type HealthAnswer = z.infer<typeof HealthAnswer>;
export const ReadyAnswer = z.object({ ready: z.boolean(), reasons: z.array(z.string()) });
export type ReadyAnswer = z.infer<typeof ReadyAnswer>;
