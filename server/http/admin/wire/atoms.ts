// server/http/admin/wire/atoms.ts: what every answer is made of: money, times, counts, tokens, the answer that says no.

import { z } from 'zod';
import { ENDPOINTS, OUTCOMES } from '../../../domain/call.ts';
import { NAME_PATTERN } from '../../../domain/ids.ts';

/** US dollars with nine places, e.g. `"0.000400000"`. */
export const Money = z.string().regex(/^-?\d+\.\d{9}$/).describe('US dollars, nine places');
/** US dollars with twelve places: exact, before a row is rounded. */
export const ExactMoney = z.string().regex(/^-?\d+\.\d{12}$/).describe('US dollars, twelve places, exact');
/** US dollars per million tokens, six places, exact. */
export const Rate = z.string().regex(/^-?\d+\.\d{6}$/).describe('US dollars per million tokens, six places, exact');
export const Instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/).describe('ISO 8601, UTC, milliseconds');
export const Count = z.int().nonnegative();
/** A whole number that is asked for, within bounds; whatever it is not, the message is the same. */
export function wholeFrom(min: number, max: number) {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}
/** The same in a query string. */
export const digitsFrom = (min: number, max: number) => z.string().regex(/^\d{1,9}$/, `expected a whole number from ${min} to ${max}`).transform(Number).pipe(wholeFrom(min, max));
export const Milliseconds = z.number().nonnegative().describe('milliseconds');
export const Name = z.string().regex(NAME_PATTERN, { error: 'expected 1 to 64 lower-case letters, digits, dots, dashes and underscores, with a letter or digit at both ends' }).describe('lower-case letters, digits, dot, underscore, hyphen; 1 to 64 characters');

export const TokenCounts = z.object({
  input: Count.describe('prompt tokens neither read from nor written to the cache'),
  cache_write_5m: Count,
  cache_write_1h: Count,
  cache_read: Count,
  output: Count,
});
export type TokenCounts = z.infer<typeof TokenCounts>;

export const ServerToolCounts = z.object({ web_search: Count, web_fetch: Count, code_execution: Count });
export const Percentiles = z.object({ p50: Milliseconds.nullable(), p95: Milliseconds.nullable() });
export const Outcome = z.enum(OUTCOMES);
export const Endpoint = z.enum(ENDPOINTS);

/** How every call that fails answers, with a 4xx or a 5xx. */
export const ErrorAnswer = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
export type ErrorAnswer = z.infer<typeof ErrorAnswer>;

export const When = z.iso.datetime({ offset: true }).describe('ISO 8601 with an offset or Z');
