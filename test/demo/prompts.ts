// test/demo/prompts.ts: what the ledger keeps of the prompts of the demo's past: marks as the gateway would have taken them, of prompts that were never written.

import { createHash } from 'node:crypto';
import { encodeMarks, type Mark } from '../../server/identify/prompt-marks.ts';
import type { PlannedCall } from './plot.ts';

const BYTES_PER_TOKEN = 3.6;

const hash = (...parts: (string | number)[]): string => createHash('sha256').update(parts.join('\n')).digest('base64url').slice(0, 11);
const bytes = (tokens: number): number => Math.round(tokens * BYTES_PER_TOKEN);

/** Text for the ledger. Calls with one cache key have the marks of its prefixes in common, unless something in their prompt changes each time. */
export function marksOf(call: PlannedCall): string {
  const { part, cacheKey, prefixTokens, freshTokens } = call;
  const own = `${part.workflow} ${call.user} ${call.at - call.retry} ${call.model}`;
  const marks: Mark[] = [];
  const add = (kind: Mark['part'], tokens: number, name: string, breakpoint = false): void => void marks.push({ part: kind, breakpoint, bytes: bytes(tokens), hash: name });
  if (cacheKey !== null && part.changing) {
    // The time of day stands in front of everything, so no two prompts begin alike.
    add('system', part.cached?.[0] ?? 1, hash('system', own));
    add('messages', prefixTokens, hash('prefix', own), true);
  } else if (cacheKey !== null && call.session === null) {
    add('system', prefixTokens, hash('system', cacheKey), true);
  } else if (cacheKey !== null) {
    add('system', part.cached?.[0] ?? 1, hash('system', cacheKey));
    for (const tokens of call.before.slice(-5)) add('messages', tokens, hash('prefix', cacheKey, tokens));
    add('messages', prefixTokens, hash('prefix', cacheKey, prefixTokens), true);
  } else if (part.shared !== undefined) {
    add('system', part.shared, hash('system', part.workflow));
  }
  const whole = prefixTokens + freshTokens;
  add('messages', whole, hash('whole', own));
  return encodeMarks({
    cacheTtl: cacheKey === null ? null : '5m', thinking: part.thinking ?? false, unbounded: part.searches > 0, automatic: false, maxTokens: part.maxTokens,
    messages: call.before.length * 2 + 1, body: hash('body', call.again ?? own), marks: marks.filter((mark, at) => at === 0 || mark.bytes > marks[at - 1]!.bytes),
  });
}
