// server/identify/prompt-diff.ts: what of a prompt was the same in an earlier call's, and what the provider's cache could make of that. By hashes and lengths alone.

import { HOUR_MS, MINUTE_MS } from '../domain/durations.ts';
import { promptTokens, type Tokens } from '../domain/usage.ts';
import { KEPT_FIRST, KEPT_LAST, type Mark, type PromptMarks } from './prompt-marks.ts';

/** `same`: all up to here is; `differs`: the first that is not; `beyond`: after that, where nothing can be told; `added`: the earlier prompt ended before it. */
export const BOUNDARY_STATES = ['same', 'differs', 'beyond', 'added'] as const;

/** One place up to which a prompt is compared: the end of its tools, of its system prompt, of a message. */
export interface Boundary {
  readonly part: Mark['part'];
  /** Which message ends here, from 1; null for tools and system, for messages that are no list, and in the midst of a long conversation, where only breakpoints are kept. */
  readonly message: number | null;
  /** True where a `cache_control` stands, and at the end of a body that asks for caching as a whole. */
  readonly breakpoint: boolean;
  /** Keyed hash of all up to here, by which calls that begin so are found. */
  readonly prefix: string;
  /** Of the whole prompt up to here, cache markers left out. */
  readonly bytes: number;
  /** Where the earlier prompt has the same boundary; null where it has none. */
  readonly bytesBefore: number | null;
  readonly state: (typeof BOUNDARY_STATES)[number];
}

export interface PromptDiff {
  readonly boundaries: readonly Boundary[];
  /** Up to the last boundary that both have in common; 0 where not even the first is. */
  readonly sharedBytes: number;
}

/** Boundary by boundary of a prompt, what an earlier one had in common with it. Hashes are chained, so all before a common boundary is common. */
export function promptDiff(prompt: PromptMarks, before: PromptMarks): PromptDiff {
  const last = lastShared(prompt, before);
  const grew = last >= 0 && prompt.marks[last]!.hash === before.marks.at(-1)?.hash;
  const there = new Map(placesOf(before).map((place, at) => [place.name, before.marks[at]!.bytes]));
  return {
    boundaries: placesOf(prompt).map(({ name, message }, at) => {
      const { part, breakpoint, bytes, hash } = prompt.marks[at]!;
      const state = at <= last ? 'same' : grew ? 'added' : at === last + 1 ? 'differs' : 'beyond';
      return { part, message, prefix: hash, breakpoint: breakpoint || (prompt.automatic && at === prompt.marks.length - 1), bytes, bytesBefore: name === null ? null : (there.get(name) ?? null), state };
    }),
    sharedBytes: prompt.marks[last]?.bytes ?? 0,
  };
}

/** The one of earlier prompts, newest first, that shares the longest beginning; the newest where some share the same. Null where there is none. */
export function nearest<Call extends { readonly marks: PromptMarks }>(prompt: PromptMarks, earlier: readonly Call[]): Call | null {
  let found: Call | null = null;
  let most = -1;
  for (const call of earlier) {
    const bytes = prompt.marks[lastShared(prompt, call.marks)]?.bytes ?? 0;
    if (bytes <= most) continue;
    most = bytes;
    found = call;
  }
  return found;
}

/** Place of the last mark that both have; -1: none. */
function lastShared({ marks }: PromptMarks, before: PromptMarks): number {
  const known = new Set(before.marks.map(({ hash }) => hash));
  return marks.findLastIndex(({ hash }) => known.has(hash));
}

/** What each mark ends. `name` is what the same boundary of another prompt is called; null where that cannot be told. */
function placesOf({ marks, messages }: PromptMarks): { readonly name: string | null; readonly message: number | null }[] {
  const ofMessages = marks.filter(({ part }) => part === 'messages').length;
  const firstMessage = marks.length - ofMessages;
  return marks.map(({ part }, at) => {
    if (part !== 'messages') return { name: marks[at + 1]?.part === part ? null : part, message: null };
    const nth = at - firstMessage;
    const message = messages === 0 ? null : messages <= ofMessages || nth < KEPT_FIRST ? nth + 1 : nth >= ofMessages - KEPT_LAST ? messages - (ofMessages - 1 - nth) : null;
    return { name: message === null ? null : `message ${message}`, message };
  });
}

/**
 * What the earlier call meant for the cache of this one. `read`: something was read, of whichever call. Else why not: `not_asked`: the
 * body asked for no caching; `unknown`: its usage was never told; `other_model`: each model has a cache of its own; `nothing_left`: the
 * earlier call neither wrote nor read, as it did not ask, or its prompt was below the model's minimum; `differs`: they part before the
 * first breakpoint of the earlier one; `not_ready`: that one's answer had not begun; `lapsed`: its entry had gone; `unexplained`: none of these.
 */
export const CACHE_VERDICTS = ['read', 'not_asked', 'unknown', 'other_model', 'nothing_left', 'differs', 'not_ready', 'lapsed', 'unexplained'] as const;
export type CacheVerdict = (typeof CACHE_VERDICTS)[number];

export interface CachedCall {
  readonly marks: PromptMarks;
  /** As sent. */
  readonly model: string | null;
  readonly tokens: Tokens;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** When the first token came, or the end where nobody measured that; null while neither has. */
  readonly answeredAt: number | null;
}

export function cacheVerdict(call: CachedCall, before: CachedCall): CacheVerdict {
  if (call.tokens.cacheRead > 0) return 'read';
  if (!asks(call.marks)) return 'not_asked';
  if (promptTokens(call.tokens) === 0) return 'unknown';
  if (call.model !== before.model) return 'other_model';
  const { cacheRead, cacheWrite5m, cacheWrite1h } = before.tokens;
  if (!asks(before.marks) || cacheRead + cacheWrite5m + cacheWrite1h === 0) return 'nothing_left';
  const shared = new Set(call.marks.marks.map(({ hash }) => hash));
  if (!entriesOf(before.marks).some(({ hash }) => shared.has(hash))) return 'differs';
  if (before.answeredAt === null || before.answeredAt > call.at) return 'not_ready';
  const lifeMs = cacheWrite1h > 0 || (cacheWrite5m === 0 && before.marks.cacheTtl === '1h') ? HOUR_MS : 5 * MINUTE_MS;
  return call.at - before.at > lifeMs ? 'lapsed' : 'unexplained';
}

const asks = ({ cacheTtl, automatic }: PromptMarks): boolean => cacheTtl !== null || automatic;

/** Where a call's entries end: its breakpoints, and its end where it asks for caching as a whole or marks nothing that was kept. */
function entriesOf({ marks, automatic }: PromptMarks): readonly Mark[] {
  const points = marks.filter(({ breakpoint }) => breakpoint);
  return automatic || points.length === 0 ? [...points, ...marks.slice(-1)] : points;
}
