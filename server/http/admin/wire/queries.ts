// server/http/admin/wire/queries.ts: what may stand behind the question mark: the time range, the filters and the pages that lists have in common.

import { z } from 'zod';
import { COUNTED_VERDICTS, OUTCOMES } from '../../../domain/call.ts';
import { digitsFrom } from './atoms.ts';

const time = (when: string) => z.string().max(40).optional().describe(`${when}: ISO 8601, milliseconds since the epoch, \`now\`, or \`now-7d\` (units s m h d w)`);
const repeatable = (what: string) => z.array(z.string().max(256)).max(200).optional().describe(`${what}; may be repeated, any of them matches`);

/** A whole number in a query string, within bounds. */
export const limit = (most: number, usual: number) => digitsFrom(1, most).optional().describe(`at most this many rows, 1 to ${most}; ${usual} unless told`);

/** The time range and filters that every list takes. `user` and `key` match calls without one as the empty string. */
export const range = { from: time('from, in it; seven days ago unless told'), to: time('to, not in it; now unless told') };
export const filters = {
  workspace: repeatable('workspace'),
  workflow: repeatable('workflow'),
  user: repeatable('user; empty for calls without one'),
  model: repeatable('model served'),
  key: repeatable('virtual key id; empty for calls without one'),
  outcome: z.array(z.enum(OUTCOMES)).max(OUTCOMES.length).optional().describe('may be repeated, any of them matches'),
  session: repeatable('session'),
  action: repeatable('action'),
  trace: z.array(z.string().regex(/^[\da-f]{32}$/i, 'expected 32 hexadecimal digits').toLowerCase()).max(200).optional().describe('trace id of the `traceparent` that the client sent; may be repeated, any of them matches'),
  prefix: z.array(z.string().regex(/^[\w-]{11}$/, 'expected eleven letters, digits, - or _')).max(200).optional().describe('keyed hash of the beginning of a prompt, as `/api/requests/{id}/prompt` tells it; matches calls whose prompts begin so; may be repeated, any of them matches'),
  refusal: repeatable('why we said no, e.g. budget_exhausted'),
  error: repeatable('type of the error that a call ended with, e.g. overloaded_error'),
  tag: repeatable('a tag as name=value'),
  policy: repeatable('a rule that refused the call or put a cheaper model in its place, or would have, e.g. budget:support-month; empty for refusals that no rule of the configuration made'),
  verdict: z.array(z.enum(COUNTED_VERDICTS)).max(COUNTED_VERDICTS.length).optional().describe('what a rule said of the call, beside `policy` what such a rule said: would_refuse and would_rewrite are what dry runs and soft budgets say; may be repeated, any of them matches'),
  estimated: z.enum(['true', 'false']).optional().describe('whether the cost came from something else than complete usage'),
};
export const cursor = z.string().max(2_000).optional().describe('`next_cursor` of the page before');

export const LIMITS = { requests: 1_000, usage: 10_000, audit: 1_000, keys: 1_000, facets: 200, lists: 1_000 } as const;

/** Of lists that are held in memory and told whole unless a page is asked for. */
export const page = { limit: digitsFrom(1, LIMITS.lists).optional().describe(`at most this many rows, 1 to ${LIMITS.lists}; unless told, all of them, and ${LIMITS.lists} after a cursor`), cursor };
export const NextCursor = z.string().nullable().describe('null where no row is left');

const named = (what: string) => repeatable(`${what} that the scope of a row names; empty for rows that name none`);
/** What the scope of a rule can name. */
export const scopes = { workspace: named('workspace'), workflow: named('workflow'), user: named('user'), model: named('model'), key: named('virtual key id') };

export const NoQuery = z.strictObject({});
