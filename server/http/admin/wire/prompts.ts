// server/http/admin/wire/prompts.ts: what of a call's prompt was the same in the call before. Hashes and lengths tell; no text is kept.

import { z } from 'zod';
import { BOUNDARY_STATES, CACHE_VERDICTS } from '../../../identify/prompt-diff.ts';
import { Count, Instant, TokenCounts } from './atoms.ts';

export const PromptAnswer = z.object({
  hashed: z.boolean().describe('false where no hashes of the prompt are kept: the call has not ended or was refused, its body was too large, or `savings.prefix_hashes` was off'),
  cache_ttl: z.enum(['5m', '1h']).nullable().describe('the longest that a `cache_control` of the body asked for; null: it has none'),
  automatic: z.boolean().describe('whether the body asks for caching as a whole'),
  bytes: Count.describe('of the prompt, cache markers left out'),
  tokens: TokenCounts,
  before: z
    .object({
      id: z.string(),
      admitted_at: Instant,
      chosen: z.enum(['session', 'longest']).describe('the call before of its session or, where there is none, of the recent ones of its workflow and model the one that shares the longest beginning'),
      model: z.string().nullable().describe('as sent'),
      same_model: z.boolean(),
      tokens: TokenCounts,
    })
    .nullable()
    .describe('what it is compared with; null where there is nothing'),
  shared_bytes: Count.describe('up to the last boundary that both have in common'),
  boundaries: z.array(z.object({
    part: z.enum(['tools', 'system', 'messages']),
    message: Count.nullable().describe('which message ends here, from 1; null for the other parts, and in the midst of long conversations'),
    prefix: z.string().describe('keyed hash of all up to here; as the filter `prefix`, it finds the calls whose prompts begin so'),
    breakpoint: z.boolean().describe('whether a `cache_control` stands here, or it is the end of a body that asks for caching as a whole'),
    bytes: Count.describe('of the whole prompt up to here'),
    bytes_before: Count.nullable().describe('where the other prompt has the same boundary'),
    state: z.enum(BOUNDARY_STATES).describe('same: all up to here; differs: the first that does; beyond: after that; added: the other prompt ended before it'),
  })).describe('empty where there is nothing to compare with'),
  cache: z.enum(CACHE_VERDICTS).nullable().describe('what the other call meant for the cache: read, or why nothing was; null where there is nothing to compare with'),
});
export type PromptAnswer = z.infer<typeof PromptAnswer>;
