// server/http/admin/wire/limits.ts: room at the provider, our own rate limits, and the further tries that are left.

import { z } from 'zod';
import { HEADROOM_DIMENSIONS } from '../../../domain/provider-limits.ts';
import { Count, Instant, Milliseconds } from './atoms.ts';
import { NextCursor, page, scopes } from './queries.ts';

const { workspace, workflow, model, key } = scopes;
export const LimitsQuery = z.strictObject({ ...page, workspace, workflow, model: model.describe('model, or a class of models as the provider limits them, that a row is about; empty for rows that are about none; may be repeated, any of them matches'), key });
export type LimitsQuery = z.input<typeof LimitsQuery>;

export const LimitsAnswer = z.object({
  at: Instant,
  course: z
    .object({
      at: z.array(Instant).describe('the end of each minute, oldest first; at most six hours, since the start of the gateway'),
      in_flight: z.array(Count),
      throttled: z.object({
        rate_limited: z.array(Count).describe('answers 429'),
        overloaded: z.array(Count).describe('answers 529'),
        retry_after_s: z.array(z.number().min(0).nullable()).describe('the longest that one of them asked to wait; null where none asked'),
      }).describe('answers of the provider, of further tries too, in each minute; told when their calls end'),
      series: z.array(z.object({ credential: z.string(), model_class: z.string(), dimension: z.enum(HEADROOM_DIMENSIONS), lowest: z.array(z.number().min(0).max(1).nullable()).describe("the least left of the provider's limit in each minute; null where nothing was told") })),
    })
    .describe('room at the provider, its answers for want of room, and calls in flight, minute by minute'),
  provider: z.array(
    z.object({
      credential: z.string().describe('the name of the provider key, never the key'),
      model_class: z.string(),
      dimension: z.enum(HEADROOM_DIMENSIONS),
      limit: Count,
      remaining: Count,
      reset_at: Instant.nullable(),
      seen_at: Instant,
    }),
  ),
  own: z.array(
    z.object({
      scope: z.string().describe('`workspace`, `workspace/workflow`, or the id of one of `limits` and what of it these are, e.g. `each-key (key triage-prod)`'),
      dimension: z.enum(['requests', 'input_tokens', 'output_tokens', 'concurrent']),
      limit: z.number().nonnegative().describe('per minute, but for concurrent'),
      remaining: z.number(),
    }),
  ),
  queue: z
    .object({
      below: z.number().min(0).max(1).describe("background calls wait while less than this share of one of the provider's limits is left; 0: never"),
      max_wait_ms: Milliseconds,
      length: Count.describe('calls that may wait at once'),
      waiting: Count,
      oldest_wait_ms: Milliseconds.describe('0 when nobody waits'),
      rows: z.array(
        z.object({
          credential: z.string().describe('the name of the provider key, never the key'),
          model_class: z.string(),
          waiting: Count,
          oldest_wait_ms: Milliseconds,
          workspaces: z.array(z.object({ workspace: z.string(), waiting: Count })).describe('those that wait'),
        }),
      ).describe('pools that the provider told of, those without a line included'),
    })
    .describe('background calls that wait for room at the provider'),
  retries: z.object({
    on: z.array(z.int()).describe('statuses after which a call is tried again'),
    most: Count.describe('further tries of one call at most'),
    max_wait_ms: Milliseconds,
    budget: z.number().describe('further tries as a part of the calls'),
    failover: z.array(z.string()).describe('places of `upstream.failover`, in their order'),
    rows: z.array(z.object({ credential: z.string(), left: Count.describe('further tries that may be made now') })).describe('provider keys that were in use since the start, where tries are configured'),
  }),
  next_cursor: NextCursor,
});
export type LimitsAnswer = z.infer<typeof LimitsAnswer>;
