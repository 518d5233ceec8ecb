// server/identify/prompt-marks.ts: what the ledger keeps of a prompt: keyed hashes of its prefixes and their lengths, never its text.

import { hash } from 'node:crypto';
import type { Ask } from '../domain/call.ts';
import type { PromptLayout } from './prompt-layout.ts';

/** Which part of the prompt a prefix ends with, in the order of the provider's cache. */
const PARTS = ['tools', 'system', 'messages'] as const;
type Part = (typeof PARTS)[number];

/** One prefix of a prompt: everything up to the end of a part, or of one of its elements. */
export interface Mark {
  readonly part: Part;
  /** True where a `cache_control` stands in the element that the prefix ends with. */
  readonly breakpoint: boolean;
  /** Bytes of the prefix, cache markers left out. */
  readonly bytes: number;
  /** 66 bits of a keyed hash, 11 characters of base64url. */
  readonly hash: string;
}

export interface PromptMarks {
  readonly cacheTtl: '5m' | '1h' | null;
  readonly thinking: boolean;
  /** True where bytes say little of the tokens: images, documents, tools that run at the provider. */
  readonly unbounded: boolean;
  /** True where the body asks for caching as a whole, so that the last prefix is the breakpoint. */
  readonly automatic: boolean;
  readonly maxTokens: number | null;
  readonly messages: number;
  /** The same over all of the body but its cache markers. */
  readonly body: string;
  /** Each longer than the one before. */
  readonly marks: readonly Mark[];
}

/** Larger bodies are left out: hashing one would hold every stream up for milliseconds. */
const MOST_BYTES = 4 * 1024 * 1024;
/** Prefixes kept of a long conversation: its beginning, and where the next turn can join. */
export const KEPT_FIRST = 2;
export const KEPT_LAST = 6;
/** As many breakpoints as the API takes. */
const MOST_BREAKPOINTS = 4;

const HASH = 11;

/**
 * The marks of one body, as text for `decodeMarks`; null for a body that is too large. Hashes what was sent, byte for byte, since that is
 * what the provider's cache goes by; only cache markers are left out, because moving one changes no prefix. Chained over the elements, so that
 * two bodies that begin alike have the marks of their common beginning in common.
 * @param key 43 characters of base64url, the ledger's own: without it nobody can try texts against a hash
 */
export function promptMarks(body: Buffer, layout: PromptLayout, ask: Ask, key: string): string | null {
  if (body.length > MOST_BYTES) return null;
  write(key, 0);
  let chain = START;
  let bytes = 0;
  let marks = '';
  let breakpoints = 0;
  for (let p = 0; p < PARTS.length; p++) {
    const part = PARTS[p]!;
    const section = layout[part];
    if (section === null) continue;
    const { ends, end, marked } = section;
    const stops = Math.max(1, ends.length);
    let from = section.start;
    let isMarked = false;
    for (let at = 0; at < stops; at++) {
      isMarked ||= marked.length > 0 && (ends.length === 0 || marked.includes(at));
      const isLast = at === stops - 1;
      // Tools are many and small: they are one step, but for a marker before the last of them.
      if (part === 'tools' && !isMarked && !isLast) continue;
      // The bracket that closes a list belongs to it; that of the messages would keep the next turn from having this prefix.
      const to = isLast && (part !== 'messages' || ends.length === 0) ? end : ends[at]!;
      const markers = isMarked ? markersIn(body, from, to, layout.markers) : NONE;
      const [digest, length] = step(chain, p, body, from, to, markers);
      chain = digest;
      bytes += length;
      const breakpoint = isMarked && breakpoints < MOST_BREAKPOINTS;
      if (breakpoint) breakpoints++;
      if (breakpoint || (part === 'messages' ? at < KEPT_FIRST || at >= stops - KEPT_LAST : isLast)) marks += markOf(part, breakpoint, bytes, chain);
      isMarked = false;
      from = to;
    }
  }
  const [whole] = step(chain, PARTS.length, body, 0, body.length, partsIn(layout));
  scratch.fill(0, 0, filled);
  filled = 0;
  return header({
    cacheTtl: ask.cacheTtl,
    thinking: ask.features?.thinking ?? false,
    unbounded: ask.unboundedInput || ask.inlineImages > 0,
    automatic: layout.automatic,
    maxTokens: ask.maxTokens,
    messages: layout.messages?.ends.length ?? 0,
    body: whole,
  }) + marks;
}

const NONE: readonly number[] = [];
/** Characters of a SHA-256 in base64url. */
const DIGEST = 43;
const START = '0'.repeat(DIGEST);
/** What a step hashes, so that it takes one native call: the key, the chain so far, which part it is, and the span where it is short. */
const SPAN_AT = 2 * DIGEST + 1;
const SHORT_BYTES = 64 * 1024;
const scratch = Buffer.alloc(SPAN_AT + SHORT_BYTES);
/** How far the scratch holds what must not stay. */
let filled = 0;

/** Characters of base64url only. For so few of them quicker than the native way. */
function write(text: string, at: number): void {
  for (let i = 0; i < DIGEST; i++) scratch[at + i] = text.charCodeAt(i);
}

/**
 * One link of the chain over the bytes of [from, to) without `gaps`.
 * @param gaps start, end, start, end…, in order
 * @returns the digest, and how many bytes it is of
 */
function step(chain: string, part: number, body: Buffer, from: number, to: number, gaps: readonly number[]): [digest: string, bytes: number] {
  write(chain, DIGEST);
  let length = to - from;
  for (let i = 0; i < gaps.length; i += 2) length -= gaps[i + 1]! - gaps[i]!;
  if (length > SHORT_BYTES) {
    // As long as it is, another call costs nothing to speak of.
    scratch[2 * DIGEST] = LONG + part;
    const pieces = gaps.length === 0 ? body.subarray(from, to) : Buffer.concat(piecesOf(body, from, to, gaps));
    write(hash('sha256', pieces, 'base64url'), SPAN_AT);
    length = pieces.length;
    filled = Math.max(filled, SPAN_AT + DIGEST);
    return [hash('sha256', scratch.subarray(0, SPAN_AT + DIGEST), 'base64url'), length];
  }
  scratch[2 * DIGEST] = part;
  let end = SPAN_AT;
  let at = from;
  for (let i = 0; i < gaps.length; i += 2) {
    end += body.copy(scratch, end, at, gaps[i]);
    at = gaps[i + 1]!;
  }
  end += body.copy(scratch, end, at, to);
  filled = Math.max(filled, end);
  return [hash('sha256', scratch.subarray(0, end), 'base64url'), length];
}
/** Tells the digest of a long span from a short span that looks like it. */
const LONG = 0x10;

function piecesOf(body: Buffer, from: number, to: number, gaps: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = from;
  for (let i = 0; i < gaps.length; i += 2) {
    pieces.push(body.subarray(at, gaps[i]));
    at = gaps[i + 1]!;
  }
  pieces.push(body.subarray(at, to));
  return pieces;
}

/** The cache markers in [from, to), each with the comma that goes along: the one before or, for a first member, the one behind. */
function markersIn(body: Buffer, from: number, to: number, markers: readonly number[]): readonly number[] {
  const gaps: number[] = [];
  for (let i = 0; i < markers.length; i += 2) {
    const start = markers[i]!;
    const end = markers[i + 1]!;
    if (start < from || end > to) continue;
    const before = back(body, start);
    const after = forth(body, end);
    if (body[before] === COMMA) gaps.push(before, end);
    else gaps.push(start, body[after] === COMMA ? after + 1 : end);
  }
  return gaps;
}

/** The parts of the prompt in the order of the body: what they leave of it is the model, the maximum, switches. */
function partsIn(layout: PromptLayout): readonly number[] {
  const gaps: number[] = [];
  for (const part of PARTS) {
    const section = layout[part];
    if (section === null) continue;
    let at = gaps.length;
    while (at > 0 && gaps[at - 1]! > section.start) at -= 2;
    if (at === gaps.length) gaps.push(section.start, section.end);
    else gaps.splice(at, 0, section.start, section.end);
  }
  return gaps;
}

const COMMA = 0x2c;
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function back(body: Buffer, at: number): number {
  let i = at - 1;
  while (isSpace(body[i])) i--;
  return i;
}

function forth(body: Buffer, at: number): number {
  let i = at;
  while (isSpace(body[i])) i++;
  return i;
}

/** Text for `decodeMarks` from what it would give. */
export const encodeMarks = (prompt: PromptMarks): string => header(prompt) + prompt.marks.map(({ part, breakpoint, bytes, hash: digest }) => markOf(part, breakpoint, bytes, digest)).join('');

const FLAG = { ttl5m: 1, ttl1h: 2, thinking: 4, unbounded: 8, automatic: 16 } as const;
/** Upper case where the mark is a breakpoint. */
const LETTER = { tools: 't', system: 's', messages: 'm' } as const;
const BREAKPOINT = { tools: 'T', system: 'S', messages: 'M' } as const;

function header({ cacheTtl, thinking, unbounded, automatic, maxTokens, messages, body }: Omit<PromptMarks, 'marks'>): string {
  const flags = (cacheTtl === '5m' ? FLAG.ttl5m : cacheTtl === '1h' ? FLAG.ttl1h : 0) | (thinking ? FLAG.thinking : 0) | (unbounded ? FLAG.unbounded : 0) | (automatic ? FLAG.automatic : 0);
  return `1.${flags}.${maxTokens ?? ''}.${messages}.${body.slice(0, HASH)}`;
}

const markOf = (part: Part, breakpoint: boolean, bytes: number, digest: string): string => `,${(breakpoint ? BREAKPOINT : LETTER)[part]}${bytes}:${digest.slice(0, HASH)}`;

/** Null for what is in no form that this version knows. */
export function decodeMarks(stored: string): PromptMarks | null {
  const [head = '', ...rest] = stored.split(',');
  const [version, written, maxTokens, messages, body] = head.split('.');
  if (version !== '1' || body === undefined) return null;
  const flags = Number(written);
  return {
    cacheTtl: (flags & FLAG.ttl1h) !== 0 ? '1h' : (flags & FLAG.ttl5m) !== 0 ? '5m' : null,
    thinking: (flags & FLAG.thinking) !== 0,
    unbounded: (flags & FLAG.unbounded) !== 0,
    automatic: (flags & FLAG.automatic) !== 0,
    maxTokens: maxTokens === '' ? null : Number(maxTokens),
    messages: Number(messages),
    body,
    marks: rest.map((text) => {
      const letter = text[0]!;
      const colon = text.indexOf(':');
      return { part: PART_OF[letter.toLowerCase()] ?? 'messages', breakpoint: letter < 'a', bytes: Number(text.slice(1, colon)), hash: text.slice(colon + 1) };
    }),
  };
}

const PART_OF: Readonly<Record<string, Part>> = { t: 'tools', s: 'system', m: 'messages' };
