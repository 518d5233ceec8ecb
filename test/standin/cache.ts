// test/standin/cache.ts: the prompt cache: prefixes over tools, system and messages, two lifetimes, refreshed by reads, apart per workspace and model.

import { createHash } from 'node:crypto';
import type { MessageCreateParamsBase } from '@anthropic-ai/sdk/resources/messages/messages.js';
import type { StandinModel } from './models.ts';
import { countBlock, countTool, MESSAGE_OVERHEAD, toolPromptTokens } from './tokens.ts';

const LIFETIME_MS = { '5m': 300_000, '1h': 3_600_000 } as const;
/** How many blocks before a breakpoint are searched for an earlier write. */
const LOOKBACK_BLOCKS = 20;

type Ttl = keyof typeof LIFETIME_MS;

/** One block of the prompt, in the order of the cache: tools, then system, then messages. */
interface Segment {
  /** Of everything up to and including this block. */
  readonly prefixHash: string;
  readonly prefixTokens: number;
  /** Set where the block carries a breakpoint. */
  readonly ttl: Ttl | null;
}

/** The prompt's tokens, split the way `usage` tells them. */
export interface PromptCount {
  readonly total: number;
  readonly input: number;
  readonly read: number;
  readonly write5m: number;
  readonly write1h: number;
}

interface Entry {
  readonly lifetimeMs: number;
  expiresAt: number;
}

export interface PromptCache {
  /**
   * Splits a prompt into read, written and plain tokens. Nothing is written before `commit` is called, when the response begins:
   * of two first requests at one time, both pay for the write.
   */
  count(params: MessageCreateParamsBase, model: StandinModel, workspace: string): { prompt: PromptCount; commit(): void };
}

export function openPromptCache(now: () => number): PromptCache {
  const entries = new Map<string, Entry>();
  const live = (key: string): Entry | null => {
    const entry = entries.get(key);
    if (entry && entry.expiresAt <= now()) entries.delete(key);
    return entries.get(key) ?? null;
  };

  return {
    count(params, model, workspace) {
      const segments = segmentsOf(params, model);
      const key = (segment: Segment): string => `${workspace}/${model.id}/${segment.prefixHash}`;
      const total = segments.at(-1)?.prefixTokens ?? 0;
      const breakpoints = segments.flatMap((s, at) => (s.ttl !== null && s.prefixTokens >= model.minCacheable ? [at] : []));
      const hit = breakpoints
        .flatMap((at) => segments.slice(Math.max(0, at - LOOKBACK_BLOCKS), at + 1))
        .filter((s) => live(key(s)) !== null)
        .reduce<Segment | null>((best, s) => (best && best.prefixTokens >= s.prefixTokens ? best : s), null);

      const read = hit?.prefixTokens ?? 0;
      const end = (at: number | undefined): number => Math.max(read, at === undefined ? 0 : (segments[at]?.prefixTokens ?? 0));
      const lastHour = end(breakpoints.findLast((at) => segments[at]?.ttl === '1h'));
      const last = end(breakpoints.at(-1));
      const prompt = { total, read, write1h: lastHour - read, write5m: last - lastHour, input: total - last };

      return {
        prompt,
        commit() {
          if (hit) refresh(live(key(hit)), now());
          for (const at of breakpoints) {
            const segment = segments[at];
            if (!segment?.ttl) continue;
            const known = live(key(segment));
            if (known) refresh(known, now());
            else entries.set(key(segment), { lifetimeMs: LIFETIME_MS[segment.ttl], expiresAt: now() + LIFETIME_MS[segment.ttl] });
          }
        },
      };
    },
  };
}

function refresh(entry: Entry | null, at: number): void {
  if (entry) entry.expiresAt = at + entry.lifetimeMs;
}

/** Whole prompt tokens without a look at the cache; what count_tokens answers. */
export function countPrompt(params: MessageCreateParamsBase, model: StandinModel): number {
  return segmentsOf(params, model).at(-1)?.prefixTokens ?? 0;
}

function segmentsOf(params: MessageCreateParamsBase, model: StandinModel): Segment[] {
  const segments: Segment[] = [];
  let hash = '';
  let tokens = 0;
  const add = (text: string, count: number, control: unknown): void => {
    hash = createHash('sha256').update(hash).update('\u0000').update(text).digest('base64url');
    tokens += count;
    segments.push({ prefixHash: hash, prefixTokens: tokens, ttl: ttlOf(control) });
  };

  const tools = (params.tools ?? []) as unknown as Record<string, unknown>[];
  tools.forEach((tool, at) => add(`tool${withoutControl(tool)}`, countTool(tool, model) + (at === 0 ? toolPromptTokens(model) : 0), tool['cache_control']));
  for (const block of blocksOf(params.system)) add(`system${withoutControl(block)}`, countBlock(block, model), controlOf(block));
  // A change of tool_choice or of thinking keeps tools and system cached, and invalidates the messages.
  hash = createHash('sha256').update(hash).update(JSON.stringify([params.tool_choice ?? null, params.thinking ?? null])).digest('base64url');
  for (const message of params.messages) {
    blocksOf(message.content).forEach((block, at) => {
      add(`${message.role}${withoutControl(block)}`, countBlock(block, model) + (at === 0 ? MESSAGE_OVERHEAD : 0), controlOf(block));
    });
  }
  const automatic = ttlOf(params.cache_control);
  const last = segments.at(-1);
  if (automatic !== null && last) segments[segments.length - 1] = { ...last, ttl: last.ttl ?? automatic };
  return segments;
}

const blocksOf = (content: unknown): unknown[] => (Array.isArray(content) ? content : content === undefined ? [] : [{ type: 'text', text: content }]);
const controlOf = (block: unknown): unknown => (typeof block === 'object' && block !== null && 'cache_control' in block ? block.cache_control : null);
const withoutControl = (block: unknown): string => JSON.stringify(typeof block === 'object' ? { ...block, cache_control: undefined } : block);

function ttlOf(control: unknown): Ttl | null {
  if (typeof control !== 'object' || control === null) return null;
  return 'ttl' in control && control.ttl === '1h' ? '1h' : '5m';
}
