// server/advise/levers/uncached-prefix.ts: prompts that begin alike and are paid in full each time: what caching their beginning would have saved.

import { HOUR_MS, MINUTE_MS } from '../../domain/durations.ts';
import { promptTokens } from '../../domain/usage.ts';
import type { Mark } from '../../identify/prompt-marks.ts';
import { spread, total, worth, type Group, type LeverWatch, type Seen } from '../seen.ts';

const LIFETIMES = [{ ttl: '5m', ms: 5 * MINUTE_MS, write: 'cacheWrite5m' }, { ttl: '1h', ms: HOUR_MS, write: 'cacheWrite1h' }] as const;
const FORGET_MS = 2 * HOUR_MS;
/** How far a prefix's share of the tokens can be from its share of the bytes. */
const SHARE = { least: 0.75, most: 1.25 } as const;

/** A beginning that calls have in common, never cached. Its tokens are known between two bounds that every call with it narrows. */
interface Common {
  least: number;
  most: number;
  shares: number;
  sightings: number;
  lastUse: number;
  availableAt: number;
  readonly minimum: number;
  /** Pico-dollars per token of the prefix, by whose calls and day; for either lifetime. */
  readonly parts: Map<string, { group: Group; day: number; perToken: [number, number]; calls: number; examples: string[] }>;
}

/** The end of a conversation's turn, from which the next one goes on. */
interface Turn {
  readonly tokens: number;
  lastUse: number;
  readonly availableAt: number;
}

/** One way to cache: where, and for how long. */
class Way {
  readonly where: 'beginning' | 'conversation';
  readonly ttl: '5m' | '1h';
  readonly low: Float64Array;
  readonly high: Float64Array;
  calls = 0;
  tokens = 0;
  readonly examples: string[] = [];
  constructor(where: Way['where'], ttl: Way['ttl'], days: number) {
    this.where = where;
    this.ttl = ttl;
    this.low = new Float64Array(days);
    this.high = new Float64Array(days);
  }
}

/**
 * Replays a cache over calls that use none, keyed as the provider's: its key, the model, the exact bytes. A hit needs the first token of an
 * earlier call and an age within the lifetime. Of four ways (the beginning or the whole conversation, for five minutes or an hour) each group
 * gets the one that saves most, with its misses paid. The pattern of hits is exact; the tokens of a whole turn are too, those of a beginning lie
 * between bounds.
 */
export function watchUncachedPrefixes(): LeverWatch {
  const common = new Map<string, Map<string, Common>>();
  const turns = new Map<string, Map<string, Turn>>();
  const groups = new Map<Group, Way[]>();
  let calls = 0;

  const waysOf = (group: Group): Way[] => {
    let ways = groups.get(group);
    if (ways === undefined) {
      ways = LIFETIMES.flatMap(({ ttl }) => [new Way('beginning', ttl, group.days), new Way('conversation', ttl, group.days)]);
      groups.set(group, ways);
    }
    return ways;
  };

  const finish = (prefix: Common): void => {
    const mean = prefix.shares / prefix.sightings;
    const most = Math.min(prefix.most, mean * SHARE.most);
    const least = Math.min(most, Math.max(prefix.least, mean * SHARE.least));
    if (most < prefix.minimum) return;
    for (const { group, day, perToken, calls: hits, examples } of prefix.parts.values()) {
      const ways = waysOf(group);
      for (const [at, each] of perToken.entries()) {
        const way = ways[at * 2]!;
        const [a, b] = [worth(least, each), worth(most, each)];
        // Too short after all, it would have been neither written nor read.
        way.low[day]! += prefix.least < prefix.minimum && least < prefix.minimum ? Math.min(0, a, b) : Math.min(a, b);
        way.high[day]! += Math.max(a, b);
        way.calls += hits;
        way.tokens = Math.max(way.tokens, Math.round((least + most) / 2));
        keep(way, examples);
      }
    }
  };

  const sweep = (now: number): void => {
    for (const scope of common.values()) {
      for (const [hash, prefix] of scope) {
        if (prefix.lastUse + FORGET_MS >= now) continue;
        finish(prefix);
        scope.delete(hash);
      }
    }
    for (const scope of turns.values()) for (const [hash, turn] of scope) if (turn.lastUse + FORGET_MS < now) scope.delete(hash);
  };

  const seeBeginning = (seen: Seen, mark: Mark, bytes: number, minimum: number): void => {
    const { call, group, day, rates } = seen;
    const prefixes = within(common, seen);
    const input = promptTokens(call.tokens);
    let prefix = prefixes.get(mark.hash);
    // A later call that comes before the first one's answer has begun finds nothing.
    const hit = (ms: number): boolean => prefix !== undefined && prefix.availableAt <= call.at && prefix.lastUse + ms >= call.at;
    const each = LIFETIMES.map(({ ms, write }) => (hit(ms) ? rates.input - rates.cacheRead : rates.input - rates[write])) as [number, number];
    const hits = hit(LIFETIMES[1].ms) ? 1 : 0;
    if (prefix === undefined) prefixes.set(mark.hash, (prefix = { least: 0, most: Infinity, shares: 0, sightings: 0, lastUse: call.at, availableAt: call.answeredAt, minimum, parts: new Map() }));
    else if (hits === 0 && prefix.lastUse + LIFETIMES[1].ms < call.at) prefix.availableAt = call.answeredAt;
    prefix.lastUse = call.at;
    prefix.sightings++;
    prefix.shares += (input * mark.bytes) / bytes;
    // No token is shorter than a byte, so what follows the prefix has at most as many tokens as bytes.
    prefix.least = Math.max(prefix.least, input - (bytes - mark.bytes));
    prefix.most = Math.min(prefix.most, input);
    const key = `${group.workspace}/${group.workflow}/${day}`;
    const part = prefix.parts.get(key) ?? { group, day, perToken: [0, 0] as [number, number], calls: 0, examples: [] };
    prefix.parts.set(key, part);
    part.perToken[0] += each[0];
    part.perToken[1] += each[1];
    part.calls += hits;
    if (hits === 1) part.examples[part.calls % 5] = call.id;
  };

  const seeTurn = (seen: Seen, last: Mark, minimum: number): void => {
    const { call, group, day, rates, marks } = seen;
    const known = within(turns, seen);
    const input = promptTokens(call.tokens);
    const ways = waysOf(group);
    let joined: Turn | null = null;
    for (let at = marks!.marks.length - 1; at >= 0 && joined === null; at--) {
      const turn = known.get(marks!.marks[at]!.hash);
      if (turn !== undefined && turn.availableAt <= call.at) joined = turn;
    }
    for (const [at, { ms, write }] of LIFETIMES.entries()) {
      const way = ways[at * 2 + 1]!;
      const read = joined !== null && joined.lastUse + ms >= call.at ? Math.min(joined.tokens, input) : 0;
      const amount = worth(read, rates.input - rates.cacheRead) - worth(input - read, rates[write] - rates.input);
      way.low[day]! += amount;
      way.high[day]! += amount;
      if (read > 0) {
        way.calls++;
        way.tokens = Math.max(way.tokens, read);
        keep(way, [call.id]);
      }
    }
    if (joined !== null) joined.lastUse = call.at;
    if (input >= minimum) known.set(last.hash, { tokens: input, lastUse: call.at, availableAt: call.answeredAt });
  };

  return {
    see(seen) {
      const { call, marks } = seen;
      if (++calls % 20_000 === 0) sweep(call.at);
      const minimum = seen.price.minCacheableTokens;
      if (marks === null || marks.cacheTtl !== null || marks.unbounded || call.batch || seen.needless || minimum === null) return;
      if (call.tokens.cacheRead + call.tokens.cacheWrite5m + call.tokens.cacheWrite1h > 0 || call.tokens.input < minimum) return;
      const last = marks.marks.at(-1);
      if (last === undefined || last.bytes === 0) return;
      const beginning = marks.marks.findLast((mark) => mark.part !== 'messages');
      if (beginning !== undefined && beginning !== last) seeBeginning(seen, beginning, last.bytes, minimum);
      seeTurn(seen, last, minimum);
    },
    end() {
      sweep(Infinity);
      for (const [group, ways] of groups) {
        const best = ways.filter((way) => way.calls > 0 && total(way.high) > 0).toSorted((a, b) => total(b.low) + total(b.high) - total(a.low) - total(a.high))[0];
        if (best === undefined) continue;
        const claim = group.claim('uncached_prefix');
        claim.addDays(spread(Math.max(0, total(best.low)), best.high), spread(total(best.high), best.high), best.calls, best.examples);
        claim.facts['ttl'] = best.ttl;
        claim.facts['where'] = best.where;
        claim.facts['tokens'] = best.tokens;
      }
    },
  };
}

function within<Value>(all: Map<string, Map<string, Value>>, { scope, call }: Seen): Map<string, Value> {
  const key = `${scope}\n${call.model}`;
  let known = all.get(key);
  if (known === undefined) all.set(key, (known = new Map<string, Value>()));
  return known;
}

function keep(way: Way, ids: readonly string[]): void {
  for (const id of ids) if (id !== undefined) way.examples.push(id);
  way.examples.splice(0, Math.max(0, way.examples.length - 5));
}
