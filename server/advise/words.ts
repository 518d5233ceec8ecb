// server/advise/words.ts: what a finding says to a person: what it is, why it costs money, what to change, and what can be wrong with it.

import type { Finding, Lever } from '../domain/advice.ts';

export interface Words {
  readonly title: string;
  /** Why it costs money, with the finding's own figures. */
  readonly why: string;
  /** What to change, in one sentence. */
  readonly fix: string;
  /** The change to paste; null where there is nothing to paste. */
  readonly snippet: string | null;
  /** What the figure rests on, and when it is none. */
  readonly caveat: string;
}

const CACHED_SYSTEM = (ttl: string): string => `"system": [
  { "type": "text", "text": "…the part that stays the same…",
    "cache_control": { "type": "ephemeral"${ttl === '1h' ? ', "ttl": "1h"' : ''} } },
  { "type": "text", "text": "…what changes, after it…" }
]`;
const CACHED_BODY = (ttl: string): string => `{ "model": "…", "cache_control": { "type": "ephemeral"${ttl === '1h' ? ', "ttl": "1h"' : ''} }, "messages": [ … ] }`;
const BATCH = `POST /v1/messages/batches
{ "requests": [ { "custom_id": "1", "params": { "model": "…", "max_tokens": 1024, "messages": [ … ] } } ] }`;

const number = (value: string | number | undefined): string => Number(value ?? 0).toLocaleString('en-US', { maximumFractionDigits: 0 });
const percent = (value: string | number | undefined): string => `${Math.round(Number(value ?? 0) * 100)}%`;
const lifetime = (ttl: string | number | undefined): string => (ttl === '1h' ? 'an hour' : 'five minutes');
const CAUSES: readonly (readonly [key: string, said: string])[] = [
  ['cause_tools', 'The tools differ from call to call'], ['cause_system', 'The system prompt differs from call to call at nearly the same length, as a time or an id in it does'],
  ['cause_messages', 'Earlier messages of the conversation were changed'], ['cause_same', 'The prompt was the same, and the provider still read nothing: thinking, tool_choice or images may have changed'],
];

type Facts = Finding['facts'];

const WORDS: Readonly<Record<Lever, (facts: Facts) => Words>> = {
  repeated_calls: () => ({
    title: 'The same call, made again', why: 'Bodies that are the same byte for byte were sent again within a day of a whole answer.',
    fix: 'Keep the answer in the app for a day, by the hash of the request.', snippet: 'const key = sha256(JSON.stringify(request));\nconst answer = (await cache.get(key)) ?? (await ask(request));\nawait cache.set(key, answer, { ttl: 86_400 });',
    caveat: 'Exact: the cost of every call but one of each body. Several answers to one prompt may be meant.',
  }),
  superseded_tries: () => ({
    title: 'Tries that a later one replaced', why: 'Answers were cut, failed or left by their client, and the same body was sent again within ten minutes.',
    fix: "Raise the client's timeout, and do not send again while an answer still streams.", snippet: 'const client = new Anthropic({ timeout: 10 * 60_000, maxRetries: 2 });',
    caveat: 'Exact where usage came; what a cut stream cost is estimated by the ledger itself.',
  }),
  premiums: (f) => ({
    title: Number(f['fast'] ?? 0) > Number(f['us'] ?? 0) ? 'Fast mode' : 'US-only inference', why: `Calls were paid at a higher rate for ${[Number(f['fast'] ?? 0) > 0 ? 'fast mode' : '', Number(f['us'] ?? 0) > 0 ? 'US-only inference' : ''].filter(Boolean).join(' and ')}.`,
    fix: 'Ask for it only where it is needed.', snippet: Number(f['fast'] ?? 0) > 0 ? '"speed": "standard"' : '"inference_geo": "global"', caveat: 'Exact: cost × (1 − 1/multiplier). A policy may require it.',
  }),
  long_prompt_band: (f) => ({
    title: 'Prompts just past the long-prompt band', why: `Prompts of up to a quarter more than ${number(f['limit'])} tokens pay the long-prompt rate for every token.`,
    fix: `Trim these prompts to ${number(f['limit'])} tokens.`, snippet: null, caveat: 'At most so much: trimming may lose what the answer needs.',
  }),
  broken_cache: (f) => ({
    title: 'A cache that breaks', why: `Calls ask for caching and wrote the prompt anew although it stood in the cache. ${CAUSES.filter(([key]) => Number(f[key] ?? 0) > 0).toSorted(([a], [b]) => Number(f[b]) - Number(f[a])).map(([, said]) => said)[0] ?? ''}.`,
    fix: 'Move what changes behind the last cache marker, and send tools in one order.', snippet: CACHED_SYSTEM('5m'),
    caveat: 'Exact where the same bytes were written again, or bytes of nearly the same length; where earlier messages were rewritten, at most so much.',
  }),
  unread_cache_writes: (f) => ({
    title: 'Cache writes that nobody read', why: f['unhashed'] ? 'Cache writes cost more than the reads of them saved.' : `${percent(f['share'])} of what was written to the cache lapsed before anything read it; a write costs a quarter more than plain input, or twice as much for an hour.`,
    fix: 'Leave cache_control out where a prompt is sent once.', snippet: null, caveat: f['unhashed'] ? 'At most the net loss of the whole, as no hashes of prompts were kept.' : 'Exact: the premium on writes without a later read. Taking every marker out saves the least, only those that are never read the most.',
  }),
  cache_lifetime: (f) => ({
    title: f['ttl'] === '1h' ? 'A cache that lapses too soon' : 'A cache that is kept longer than it is used', why: f['ttl'] === '1h' ? 'Prompts came again after five minutes and within the hour, and were written anew.' : 'Prompts are written for an hour at twice the input rate, and come again within five minutes.',
    fix: `Cache for ${lifetime(f['ttl'])}.`, snippet: `"cache_control": { "type": "ephemeral"${f['ttl'] === '1h' ? ', "ttl": "1h"' : ''} }`, caveat: 'Exact: the same calls replayed with the other lifetime, its dearer or lost writes paid.',
  }),
  uncached_prefix: (f) => ({
    title: f['where'] === 'conversation' ? 'A history that is paid in full at each turn' : 'A beginning that is paid in full each time',
    why: f['where'] === 'conversation' ? 'Each turn sends the conversation so far as plain input.' : `About ${number(f['tokens'])} tokens at the start of the prompt are the same from call to call, and are not cached.`,
    fix: f['where'] === 'conversation' ? `Let the API cache as the conversation grows, for ${lifetime(f['ttl'])}.` : `Mark the end of what stays the same, for ${lifetime(f['ttl'])}.`,
    snippet: f['where'] === 'conversation' ? CACHED_BODY(String(f['ttl'])) : CACHED_SYSTEM(String(f['ttl'])),
    caveat: 'The pattern of hits is an exact replay, misses paid. The tokens of a whole turn are known; those of a beginning lie between bounds, by its share of the bytes.',
  }),
  batch: (f) => ({
    title: 'Work that could go through a batch', why: `${percent(f['share'])} of the calls do not stream and belong to no conversation${Number(f['background'] ?? 0) > 0 ? `; ${number(f['background'])} of them said that they are background work` : ''}.`,
    fix: 'Send what nobody waits for as a message batch: half the price, within 24 hours.', snippet: BATCH,
    caveat: `At most half the cost. At least what is left when a batch reads no cache${f['mayLose'] ? ', which would be a loss here' : ''}; nothing is certain of calls that did not say x-tollgate-priority: background.`,
  }),
  smaller_model: (f) => ({
    title: 'Short answers from a large model', why: `95% of the answers have ${number(f['p95'])} tokens or fewer.`,
    fix: `Try ${f['candidate']} on your own cases, then on 5% of the calls.`, snippet: `"model": "${f['candidate']}"`,
    caveat: 'An estimate, in no total: the same tokens at the smaller price, up to 35% more of them where the tokenizer is newer. What the answers are worth, only a trial tells.',
  }),
  cut_answers: () => ({ title: 'Answers that were cut and asked for again', why: 'Answers ended at their maximum or in a refusal, and the same user asked again within ten minutes.', fix: 'Raise max_tokens, or ask for less at once.', snippet: null, caveat: 'What the cut answers cost; a refusal may be right.' }),
  too_short_to_cache: (f) => ({ title: 'Too short to cache', why: `${percent(f['share'])} of the calls with cache_control neither wrote nor read: the prompt is below the model's minimum, and no error says so.`, fix: 'Leave the marker out, or put more of what stays the same before it.', snippet: null, caveat: 'The input of these calls; nothing is lost by the marker itself.' }),
  unused_max_tokens: (f) => ({ title: 'A maximum that no answer needs', why: `max_tokens is ${number(f['max'])}, and 99% of the answers have ${number(f['p99'])} tokens or fewer.`, fix: `A maximum of ${number(f['suggested'])} would stop a runaway, and holds less of a budget.`, snippet: `"max_tokens": ${f['suggested']}`, caveat: 'Saves nothing by itself: output is billed as it is generated.' }),
  history_growth: (f) => ({ title: 'Long conversations', why: `${percent(f['share'])} of what goes in is earlier turns.`, fix: 'Summarise or clear old turns and tool results.', snippet: '"context_management": { "edits": [{ "type": "clear_tool_uses_20250919" }] }', caveat: 'The money at stake; shortening a history can break its cache.' }),
  unused_tools: () => ({ title: 'Tools that are never called', why: 'Every call sends tools, and no answer used one.', fix: 'Send tools only where they are used.', snippet: null, caveat: 'What their descriptions cost as input.' }),
  server_tools: (f) => ({ title: 'Web searches', why: `${number(f['searches'])} searches, ${Number(f['perCall'] ?? 0).toFixed(1)} a call.`, fix: 'Bound the searches of a call.', snippet: '{ "type": "web_search_20260209", "name": "web_search", "max_uses": 2 }', caveat: 'The exact fees; whether they are needed, nobody can tell from here.' }),
};

export const wordsFor = ({ lever, facts }: Pick<Finding, 'lever' | 'facts'>): Words => WORDS[lever](facts);
