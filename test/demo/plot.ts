// test/demo/plot.ts: what happened in a stretch of time: which calls were made, and how each of them ended. Pure: a seed and a slot of time decide.

import { DateTime } from 'luxon';
import { chanceOf, type Chance } from '../standin/chance.ts';
import { busyness, CAST, type Part, type Range } from './cast.ts';

export type Fate =
  | { readonly kind: 'ok' }
  | { readonly kind: 'refusal' }
  | { readonly kind: 'max_tokens' }
  | { readonly kind: 'abort' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'error'; readonly status: number; readonly type: string }
  | { readonly kind: 'refused'; readonly reason: 'budget_exhausted' | 'rate_limited' | 'model_not_allowed' | 'feature_not_allowed'; readonly rule: string };

export interface PlannedCall {
  readonly at: number;
  readonly part: Part;
  readonly model: string;
  readonly user: string;
  readonly session: string | null;
  readonly action: string | null;
  /** Of the conversation, where its app sends one. */
  readonly trace: string | null;
  /** Calls with the same key share a cached prefix. */
  readonly cacheKey: string | null;
  /** Tokens marked for the cache, all turns so far. */
  readonly prefixTokens: number;
  /** The same of the session's earlier turns. */
  readonly before: readonly number[];
  /** What the body is the same as; null for one of its own. */
  readonly again: string | null;
  readonly freshTokens: number;
  readonly outputTokens: number;
  readonly searches: number;
  readonly retry: number;
  readonly fate: Fate;
}

export const SLOT_MS = 300_000;
const OK: Fate = { kind: 'ok' };
const OVERLOADED: Fate = { kind: 'error', status: 529, type: 'overloaded_error' };

export interface Plot {
  readonly seed: string | number;
  readonly zone: string;
  /** Calls in 30 days, about. */
  readonly calls: number;
}

/** The calls that begin in the slot at `slot` (a multiple of SLOT_MS), with the later turns of their sessions; in no order. */
export function callsOfSlot(slot: number, plot: Plot): PlannedCall[] {
  const chance = chanceOf(plot.seed, 'slot', slot);
  const local = DateTime.fromMillis(slot, { zone: plot.zone });
  const calls = CAST.flatMap((part) => {
    const meanTurns = (part.turns[0] + part.turns[1]) / 2;
    const expected = ((plot.calls * part.share) / (30 * 288) / meanTurns) * busyness(part.shape, local.weekday, local.hour);
    return Array.from({ length: poisson(expected, chance) }, () => session(part, slot + Math.floor(chance.next() * SLOT_MS), local, chance)).flat();
  });
  return [...calls, ...runaway(slot, local, plot, chance)];
}

function session(part: Part, start: number, local: DateTime, chance: Chance): PlannedCall[] {
  const turns = within(part.turns, chance);
  const model = weighted(part.models, chance);
  const user = chance.pick(part.users);
  const id = turns > 1 ? uuid(chance) : null;
  const out: PlannedCall[] = [];
  let at = start;
  let prefix = part.cached ? within(part.cached, chance) : 0;
  let before: readonly number[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const call: PlannedCall = {
      at, part, model, user, session: id,
      trace: part.traced && id !== null ? id.replaceAll('-', '') : null,
      action: id === null ? (part.shape === 'always' ? `ticket-${chance.int(30_000, 60_000)}` : null) : `${id.slice(0, 8)}-${Math.floor(turn / 3)}`,
      cacheKey: part.cached === null ? null : (id ?? `${part.workflow}/${model}`),
      prefixTokens: prefix,
      before,
      again: part.again !== undefined && chance.next() < part.again ? `${part.workflow} ${local.toISODate()} ${chance.int(0, 1)}` : null,
      freshTokens: within(part.fresh, chance),
      outputTokens: skewed(part.output, chance),
      searches: chance.next() < part.searches ? chance.int(1, 3) : 0,
      retry: 0,
      fate: fateOf(part, local, chance),
    };
    out.push(call, ...retriesOf(call, chance));
    before = [...before, prefix];
    prefix += call.freshTokens + call.outputTokens;
    // Most turns follow at once; a pause at the coffee machine outlives the cache.
    at += chance.next() < 0.06 ? chance.int(320_000, 900_000) : chance.int(8_000, 75_000);
  }
  return out;
}

/** Client libraries try an overloaded answer again, twice at most. */
function retriesOf(call: PlannedCall, chance: Chance): PlannedCall[] {
  if (call.fate.kind !== 'error' || call.fate.status < 429) return [];
  const second: PlannedCall = { ...call, at: call.at + chance.int(600, 1_400), retry: 1, fate: chance.next() < 0.6 ? OK : call.fate };
  if (second.fate.kind === 'ok') return [second];
  return [second, { ...call, at: second.at + chance.int(1_200, 2_600), retry: 2, fate: chance.next() < 0.6 ? OK : call.fate }];
}

/** One Thursday at noon the provider was overloaded for half an hour. */
const isOverloaded = (local: DateTime): boolean => local.weekday === 4 && local.weekNumber % 3 === 0 && local.hour === 12 && local.minute < 30;

function fateOf(part: Part, local: DateTime, chance: Chance): Fate {
  const dice = chance.next();
  if (isOverloaded(local) && dice < 0.35) return OVERLOADED;
  const roll = chance.next() * 1_000;
  if (roll < 4) return OVERLOADED;
  if (roll < 6) return { kind: 'error', status: 429, type: 'rate_limit_error' };
  if (roll < 7) return { kind: 'error', status: 500, type: 'api_error' };
  if (roll < 11) return { kind: 'error', status: 400, type: 'invalid_request_error' };
  if (roll < 12) return { kind: 'reset' };
  if (roll < 15) return { kind: 'refusal' };
  if (roll < 16.5) return { kind: 'refused', reason: 'model_not_allowed', rule: `models:${part.workspace}` };
  if (roll < 18) return { kind: 'refused', reason: 'rate_limited', rule: `limit:${part.workspace}/requests` };
  if (roll < 19) return { kind: 'refused', reason: 'feature_not_allowed', rule: `max_output_tokens:${part.workspace}` };
  if (part.maxTokens > 100 && roll < 36) return { kind: 'max_tokens' };
  if (part.stream && roll < 62) return { kind: 'abort' };
  return OK;
}

/** The runaway afternoon: on one Wednesday a test of an agent called itself in a loop, until the hard budget of its key held it. */
function runaway(slot: number, local: DateTime, plot: Plot, chance: Chance): PlannedCall[] {
  const minute = local.hour * 60 + local.minute;
  if (local.weekday !== 3 || local.weekNumber % 4 !== 2 || minute < 14 * 60 + 10 || minute >= 16 * 60 + 20) return [];
  const part = CAST.find((p) => p.workflow === 'coding-agent');
  if (!part) return [];
  const held = minute >= 15 * 60 + 50;
  const count = Math.round((plot.calls / 60_000) * (held ? 40 : 60));
  return Array.from({ length: count }, (_, n): PlannedCall => ({
    at: slot + Math.floor(((n + chance.next()) / count) * SLOT_MS),
    part, model: 'claude-opus-5-5', user: 'nightly-eval', session: `loop-${local.toISODate()}`, action: null, trace: null,
    cacheKey: `loop-${slot}-${n % 2}`, prefixTokens: 40_000 + (minute - 850) * 900, before: [], again: null, freshTokens: chance.int(900, 6_000), outputTokens: chance.int(900, 3_800), searches: 0, retry: 0,
    fate: held ? { kind: 'refused', reason: 'budget_exhausted', rule: 'budget:agents-day' } : OK,
  }));
}

export function within([from, to]: Range, chance: Chance): number {
  return chance.int(from, to);
}

/** More often small than large. */
function skewed([from, to]: Range, chance: Chance): number {
  return Math.round(from + (to - from) * chance.next() ** 2);
}

function weighted(from: readonly (readonly [string, number])[], chance: Chance): string {
  let left = chance.next() * from.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of from) if ((left -= weight) < 0) return name;
  return from[0]?.[0] ?? '';
}

/** Knuth's way; fine for the small means of a slot. */
function poisson(mean: number, chance: Chance): number {
  const floor = Math.exp(-mean);
  let count = 0;
  for (let product = chance.next(); product > floor; product *= chance.next()) count += 1;
  return count;
}

function uuid(chance: Chance): string {
  const hex = Array.from({ length: 32 }, () => chance.int(0, 15).toString(16)).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}
