// server/http/admin/wire/alerts.ts: alerts that fire, the messages about them, tests and replays.

import { z } from 'zod';
import { ALERT_RULES, SEVERITIES } from '../../../domain/alert.ts';
import { Count, Instant, Milliseconds, Name, When } from './atoms.ts';
import { NextCursor, page, scopes } from './queries.ts';

export const AlertsQuery = z.strictObject({ ...page, ...scopes });
export type AlertsQuery = z.input<typeof AlertsQuery>;

export const AlertFiring = z.object({
  fingerprint: z.string().describe('rule, scope and period, e.g. `budget:support-month@2026-11-01T00:00Z`'),
  incident: z.string().describe('names this firing in every message about it; empty while pending'),
  rule: z.enum(ALERT_RULES),
  scope: z.string().describe('a budget, a workspace, a credential and model class, a key, a model, or `gateway`'),
  state: z.enum(['pending', 'firing', 'acked', 'resolved']),
  severity: z.enum(SEVERITIES),
  tier: Count,
  since: Instant.nullable().describe('null while pending'),
  resolved_at: Instant.nullable(),
  acknowledged_by: z.string().nullable(),
  value: z.number(),
  threshold: z.number(),
  peak: z.number(),
  unit: z.enum(['usd', 'ratio', 'count', 'days']),
  title: z.string(),
  text: z.string(),
  facts: z.array(z.object({ label: z.string(), value: z.string() })),
  notify: z.array(z.string()).nullable().describe('channels; null: every one'),
  silenced: z.object({ id: z.string(), until: Instant }).nullable().describe('the silence that keeps its messages back; null: none does'),
});
export type AlertFiring = z.infer<typeof AlertFiring>;

export const AlertDelivery = z.object({
  id: z.string(),
  message: z.string().describe('stays the same over retries'),
  at: Instant,
  rule: z.string().describe('the rules that the message is about'),
  channel: z.string(),
  attempt: Count,
  result: z.enum(['delivered', 'retry', 'dead', 'collapsed', 'silenced']),
  status: z.number().nullable().describe('of HTTP or SMTP; null without an answer'),
  duration_ms: Milliseconds,
  detail: z.string().describe('what the receiver said, without secrets'),
  next_at: Instant.nullable(),
});
export type AlertDelivery = z.infer<typeof AlertDelivery>;

export const SilenceRow = z.object({
  id: z.string(),
  rule: z.enum(ALERT_RULES).nullable().describe('null: every rule'),
  scope: z.string().nullable().describe('`*` stands for any run of characters; null: every scope'),
  created_at: Instant,
  until: Instant,
  reason: z.string(),
  actor: z.string(),
  lifted_at: Instant.nullable().describe('null: nobody ended it early'),
  in_force: z.boolean(),
});
export type SilenceRow = z.infer<typeof SilenceRow>;

export const AlertsAnswer = z.object({
  at: Instant,
  channels: z.array(z.object({ id: z.string(), type: z.enum(['slack', 'teams', 'pagerduty', 'webhook', 'email', 'alertmanager']), min_severity: z.enum(SEVERITIES), fallback: z.string().nullable() })),
  rules: z.array(z.object({ rule: z.enum(ALERT_RULES), enabled: z.boolean(), yaml: z.string().describe('as in the config, with the values in force; empty where there is nothing to write') })),
  firing: z.array(AlertFiring).describe('firing or acknowledged, the newest first'),
  pending: z.array(AlertFiring),
  resolved: z.array(AlertFiring).describe('of the last seven days'),
  delivering: z.boolean().describe('false when there is no channel'),
  waiting: z.array(z.object({ message: z.string(), channel: z.string(), state: z.enum(['gathering', 'held', 'sending', 'sent', 'dead', 'collapsed']), due_at: Instant, attempts: Count, notices: Count })),
  deliveries: z.array(AlertDelivery).describe('the latest 500 tries, newest first'),
  silences: z.array(SilenceRow).describe('those in force, the soonest to end first, then the latest fifty that are over'),
  next_cursor: NextCursor.describe('of `firing`, `pending` and `resolved` together; null where none of them is left'),
});
export type AlertsAnswer = z.infer<typeof AlertsAnswer>;

export const AcknowledgeBody = z.strictObject({ fingerprint: z.string().min(1).max(1024) });
export type AcknowledgeBody = z.input<typeof AcknowledgeBody>;
export const AcknowledgeAnswer = z.object({ alert: AlertFiring });
export type AcknowledgeAnswer = z.infer<typeof AcknowledgeAnswer>;

export const SilenceBody = z
  .strictObject({
    rule: z.enum(ALERT_RULES).optional().describe('left out: every rule'),
    scope: z.string().trim().min(1).max(512).regex(/^\P{C}+$/u, 'expected one line of text').optional().describe('as in the alert, `*` for any run of characters; left out: every scope'),
    until: When.describe('when it ends, at most 90 days from now'),
    reason: z.string().trim().min(1, 'expected a reason').max(200, 'expected at most 200 characters').regex(/^\P{C}+$/u, 'expected one line of text').describe('why, for the audit log'),
  })
  .refine(({ rule, scope }) => rule !== undefined || scope !== undefined, { path: ['rule'], error: 'expected a rule, a scope or both: `scope: "*"` is every alert' });
export type SilenceBody = z.input<typeof SilenceBody>;
export const SilenceAnswer = z.object({ silence: SilenceRow });
export type SilenceAnswer = z.infer<typeof SilenceAnswer>;

export const AlertTestBody = z.strictObject({
  channel: Name,
  rule: z.enum(ALERT_RULES).default('budget'),
  severity: z.enum(SEVERITIES).default('warning'),
  resolve: z.boolean().default(false).describe('as the end of an alert'),
  print: z.boolean().default(false).describe('shows what would be sent, and sends nothing'),
});
export type AlertTestBody = z.input<typeof AlertTestBody>;
export const AlertTestAnswer = z.object({ payload: z.string(), delivery: AlertDelivery.nullable().describe('null where nothing was sent') });
export type AlertTestAnswer = z.infer<typeof AlertTestAnswer>;

export const AlertReplayQuery = z.strictObject({ since: z.string().max(40).optional().describe('ISO 8601, milliseconds since the epoch, or how long before now: `30d` or `now-30d` (units s m h d w); 30d unless told'), rule: z.enum(ALERT_RULES).optional() });
export const AlertReplayAnswer = z.object({
  from: Instant,
  to: Instant,
  not_replayed: z.array(z.enum(ALERT_RULES)).describe('rules about what the ledger does not hold'),
  gaps: z.array(z.object({ rule: z.enum(ALERT_RULES), whole: z.boolean(), why: z.string() })).describe('what the ledger does not hold, so that a rule is silent here, wholly or in part'),
  rows: z.array(z.object({ at: Instant, event: z.enum(['fired', 'raised', 'resolved']), rule: z.enum(ALERT_RULES), scope: z.string(), severity: z.enum(SEVERITIES), title: z.string() })),
});
export type AlertReplayAnswer = z.infer<typeof AlertReplayAnswer>;
