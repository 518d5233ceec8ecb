// server/http/admin/wire/live.ts: the data of the server-sent events of `GET /api/live`.

import { z } from 'zod';
import { ALERT_RULES, SEVERITIES } from '../../../domain/alert.ts';
import { Count, Instant, Money, TokenCounts } from './atoms.ts';

/** How many streams were told the same: pages may spread what they ask over as long a time as that needs. */
const Told = Count.describe('how many streams hear this; those who ask for figures upon it should not all do so at once');

const LiveFigures = z.object({ requests: Count, refused: Count, errors: Count, tokens: TokenCounts, cost_usd: Money });

/** `event: tick`, at most one a second and none while nothing happens: what was added since the tick before. */
export const LiveTick = LiveFigures.extend({
  at: Instant,
  told: Told,
  in_flight: Count,
  workspaces: z.array(LiveFigures.extend({ workspace: z.string() })).describe('the same by workspace; those past the fiftieth are together under `other`'),
});
export type LiveTick = z.infer<typeof LiveTick>;

/** `event: config`: the config was reloaded, or could not be. */
export const LiveConfig = z.object({ at: Instant, told: Told, ok: z.boolean(), digest: z.string(), error: z.string().nullable() });
export type LiveConfig = z.infer<typeof LiveConfig>;

/** `event: alert`: one began, rose or ended, somebody took it on, or (`alert` null) a silence was made or lifted. */
export const LiveAlert = z.object({
  at: Instant,
  told: Told,
  event: z.enum(['fired', 'raised', 'resolved', 'acknowledged', 'silenced', 'unsilenced']),
  open: Count.describe('how many fire now that nobody has taken on or silenced'),
  alert: z.object({ fingerprint: z.string(), incident: z.string(), rule: z.enum(ALERT_RULES), scope: z.string(), severity: z.enum(SEVERITIES), title: z.string(), silenced: z.boolean() }).nullable(),
});
export type LiveAlert = z.infer<typeof LiveAlert>;

/** `event: price`: other prices are in force; `digest` is of the price files. */
export const LivePrice = z.object({ at: Instant, told: Told, digest: z.string(), rows: Count });
export type LivePrice = z.infer<typeof LivePrice>;

/** `event: gap`: a `Last-Event-ID` older than what is kept; ask for the figures anew. */
export const LiveGap = z.object({ at: Instant, told: Told });
export type LiveGap = z.infer<typeof LiveGap>;

export type LiveEvent = { event: 'tick'; data: LiveTick } | { event: 'config'; data: LiveConfig } | { event: 'alert'; data: LiveAlert } | { event: 'price'; data: LivePrice } | { event: 'gap'; data: LiveGap };
