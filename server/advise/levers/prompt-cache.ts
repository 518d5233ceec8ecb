// server/advise/levers/prompt-cache.ts: replays what the provider's cache held: breaks that should have been hits, writes that nobody read, lifetimes that were too short or too long.

import { HOUR_MS, MINUTE_MS } from '../../domain/durations.ts';
import { promptTokens } from '../../domain/usage.ts';
import type { Mark, PromptMarks } from '../../identify/prompt-marks.ts';
import { spread, total, worth, written, type Group, type LeverWatch, type Seen } from '../seen.ts';

const MINUTES_5 = 5 * MINUTE_MS;
/** By then it is known of a write whether it was read in its lifetime, or asked for again within the longer one. */
const SETTLED_MS = 2 * HOUR_MS;
/** Two prefixes of nearly one length that differ hold something that changes with each call, a time or an id; other texts differ in length. */
const NEAR = { bytes: 64, share: 0.002 } as const;
/** Reads of so much more than the entry that was found cannot be of it alone. */
const MORE_THAN_FOUND = 1.1;
/** Below this part of the written tokens, unread ones are the price of caching: nobody knows which turn is the last. */
const MOSTLY_UNREAD = 0.5;

/** A prefix that the provider holds, as far as its own counts tell. */
interface Entry {
  /** When a later call could have hit it: the answer had begun. */
  availableAt: number;
  lastUse: number;
  lifeMs: number;
  tokens: number;
  /** More than one where calls at one time wrote the same. */
  readonly writes: readonly Write[];
}

interface Write {
  readonly at: number;
  readonly seen: Pick<Seen, 'call' | 'day' | 'group'>;
  readonly lifeMs: number;
  readonly tokens: number;
  readonly premium: number;
  read: boolean;
  /** Asked for again when it had lapsed, within the longer lifetime. */
  lapsed: boolean;
}

class GroupSums {
  readonly unread: Float64Array;
  readonly lapsed: Float64Array;
  readonly mid: Float64Array;
  readonly extra: Float64Array;
  readonly gain: Float64Array;
  readonly loss: Float64Array;
  readonly unsureLoss: Float64Array;
  /** Without calls whose cache was broken. */
  discount = 0;
  premium = 0;
  writtenTokens = 0;
  unreadTokens = 0;
  lapsedTokens = 0;
  hashed = 0;
  unreadCalls = 0;
  midCalls = 0;
  hourCalls = 0;
  readonly unreadIds: string[] = [];
  readonly midIds: string[] = [];
  readonly hourIds: string[] = [];
  /** Writes of which it is not known yet whether they are read. */
  pending: Write[] = [];

  constructor(days: number) {
    const sums = (): Float64Array => new Float64Array(days);
    [this.unread, this.lapsed, this.mid, this.extra, this.gain, this.loss, this.unsureLoss] = [sums(), sums(), sums(), sums(), sums(), sums(), sums()];
  }
}

interface Before {
  readonly at: number;
  readonly availableAt: number;
  readonly lifeMs: number;
  readonly marks: PromptMarks;
  readonly tokens: number;
}

export function watchPromptCache(): LeverWatch {
  const entries = new Map<string, Map<string, Entry>>();
  const before = new Map<string, Before>();
  const groups = new Map<Group, GroupSums>();
  let waiting: Write[] = [];
  let settled = 0;
  let calls = 0;

  const sumsOf = (group: Group): GroupSums => {
    let sums = groups.get(group);
    if (sums === undefined) groups.set(group, (sums = new GroupSums(group.days)));
    return sums;
  };

  const settle = (write: Write, now: number): void => {
    const { group, day, call } = write.seen;
    const sums = sumsOf(group);
    // What is young at the end of the window may still be read.
    if (write.read || write.at + write.lifeMs >= now) return;
    if (write.lapsed) {
      sums.lapsed[day]! += write.premium;
      sums.lapsedTokens += write.tokens;
    } else {
      sums.unread[day]! += write.premium;
      sums.unreadTokens += write.tokens;
    }
    sums.unreadCalls++;
    sums.unreadIds[sums.unreadCalls % 5] = call.id;
  };

  const settleUpTo = (now: number): void => {
    while (settled < waiting.length && waiting[settled]!.at + SETTLED_MS < now) settle(waiting[settled++]!, now);
    if (settled > 10_000) {
      waiting = waiting.slice(settled);
      settled = 0;
    }
  };

  const sweep = (now: number): void => {
    for (const scope of entries.values()) for (const [hash, entry] of scope) if (entry.lastUse + SETTLED_MS < now) scope.delete(hash);
    for (const [key, other] of before) if (other.at + SETTLED_MS < now) before.delete(key);
    for (const sums of groups.values()) sums.pending = sums.pending.filter((write) => write.at + write.lifeMs >= now);
  };

  return {
    see(seen) {
      const { call, marks, group, day, rates } = seen;
      const { tokens, at } = call;
      settleUpTo(at);
      if (++calls % 20_000 === 0) sweep(at);
      const wrote = written(tokens);
      const read = tokens.cacheRead;
      if (wrote + read === 0 || call.batch) return;
      const sums = sumsOf(group);
      const premium = worth(tokens.cacheWrite5m, rates.cacheWrite5m - rates.input) + worth(tokens.cacheWrite1h, rates.cacheWrite1h - rates.input);
      const discount = worth(read, rates.input - rates.cacheRead);
      if (marks === null || marks.marks.length === 0) {
        sums.discount += discount;
        sums.premium += premium;
        sums.writtenTokens += wrote;
        return;
      }
      sums.hashed++;

      const scope = `${seen.scope}\n${call.model}`;
      let kept = entries.get(scope);
      if (kept === undefined) entries.set(scope, (kept = new Map()));
      const alive = deepest(marks, kept, (entry) => entry.availableAt <= at && entry.lastUse + entry.lifeMs >= at);
      const lapsed = deepest(marks, kept, (entry) => entry.availableAt <= at && entry.lastUse + entry.lifeMs < at && entry.lastUse + HOUR_MS >= at);
      const lifeMs = tokens.cacheWrite1h > 0 || (wrote === 0 && marks.cacheTtl === '1h') ? HOUR_MS : MINUTES_5;
      const beforeKey = `${scope}\n${group.workflow}\n${call.session ?? ''}`;
      const last = before.get(beforeKey) ?? null;

      // Broken: nothing read where something stood that should have been.
      const broken = read > 0 || seen.needless ? null : alive !== null ? { tokens: alive.entry.tokens, cause: 'same', sure: true } : changing(marks, last, call.session !== null, at);
      const claimed = broken === null ? 0 : Math.min(wrote, broken.tokens);
      if (broken !== null && claimed > 0) {
        const rate = tokens.cacheWrite1h > 0 ? rates.cacheWrite1h : rates.cacheWrite5m;
        const amount = worth(claimed, rate - rates.cacheRead);
        const claim = group.claim('broken_cache');
        claim.add(seen, broken.sure ? amount : 0, amount);
        claim.facts[`cause_${broken.cause}`] = Number(claim.facts[`cause_${broken.cause}`] ?? 0) + 1;
        claim.facts['tokens'] = claimed;
      } else {
        sums.discount += discount;
        sums.premium += premium;
        sums.writtenTokens += wrote;
      }

      if (read > 0) {
        for (const mark of marks.marks) {
          const entry = kept.get(mark.hash);
          if (entry && entry.availableAt <= at && entry.lastUse + entry.lifeMs >= at) for (const each of entry.writes) each.read = true;
        }
        // What was read cannot be told: then nothing of what stood there is called unread.
        if (alive === null || read > alive.entry.tokens * MORE_THAN_FOUND) {
          for (const write of sums.pending) write.read = true;
          sums.pending = [];
        }
      }

      // Five minutes or an hour.
      if (lifeMs === MINUTES_5 && claimed === 0) {
        const again = lapsed === null ? 0 : Math.min(tokens.cacheWrite5m, Math.max(0, lapsed.entry.tokens - read));
        if (again > 0) {
          sums.mid[day]! += worth(again, rates.cacheWrite5m - rates.cacheRead);
          sums.midCalls++;
          sums.midIds[sums.midCalls % 5] = call.id;
          for (const each of lapsed!.entry.writes) each.lapsed = true;
        }
        sums.extra[day]! += worth(tokens.cacheWrite5m - again, rates.cacheWrite1h - rates.cacheWrite5m);
      } else if (lifeMs === HOUR_MS) {
        sums.gain[day]! += worth(tokens.cacheWrite1h, rates.cacheWrite1h - rates.cacheWrite5m);
        if (read > 0 && alive === null) sums.unsureLoss[day]! += worth(read, rates.cacheWrite5m - rates.cacheRead);
        else if (alive !== null && alive.entry.lastUse + MINUTES_5 < at) sums.loss[day]! += worth(read, rates.cacheWrite5m - rates.cacheRead);
        sums.hourCalls++;
        sums.hourIds[sums.hourCalls % 5] = call.id;
      }

      // What stands there from now on.
      const write: Write | null = wrote === 0 || claimed > 0 ? null : { at, seen: { call, day, group }, lifeMs, tokens: wrote, premium, read: false, lapsed: false };
      if (write !== null) {
        waiting.push(write);
        sums.pending.push(write);
      }
      if (alive !== null) alive.entry.lastUse = at;
      const points = breakpoints(marks);
      const whole = read + wrote;
      const depth = points.at(-1)?.bytes ?? 1;
      for (const point of points) {
        const pointTokens = Math.round((whole * point.bytes) / depth);
        if (pointTokens < (seen.price.minCacheableTokens ?? 0)) continue;
        const known = kept.get(point.hash);
        const stands = known !== undefined && known.lastUse + known.lifeMs >= at;
        if (stands && read > 0) known.lastUse = at;
        else {
          kept.set(point.hash, {
            availableAt: stands ? Math.min(known.availableAt, call.answeredAt) : call.answeredAt,
            lastUse: at, lifeMs, tokens: pointTokens,
            writes: [...(stands ? known.writes : []), ...(write === null ? [] : [write])],
          });
        }
      }
      before.set(beforeKey, { at, availableAt: call.answeredAt, lifeMs, marks, tokens: whole });
    },

    end(to) {
      for (; settled < waiting.length; settled++) settle(waiting[settled]!, to);
      for (const [group, sums] of groups) {
        const longer = total(sums.mid) - total(sums.extra);
        if (longer > 0 && sums.midCalls > 0) {
          const days = spread(longer, sums.mid);
          const claim = group.claim('cache_lifetime');
          claim.addDays(days, days, sums.midCalls, sums.midIds);
          claim.facts['ttl'] = '1h';
        }
        const gain = total(sums.gain) - total(sums.loss);
        if (gain > 0 && sums.hourCalls > 0) {
          const claim = group.claim('cache_lifetime');
          claim.addDays(spread(Math.max(0, gain - total(sums.unsureLoss)), sums.gain), spread(gain, sums.gain), sums.hourCalls, sums.hourIds);
          claim.facts['ttl'] = '5m';
        }
        unreadWrites(group, sums, longer > 0);
      }
    },
  };
}

/** A longer lifetime makes reads of what had lapsed; where that pays, it is the other lever's. */
function unreadWrites(group: Group, sums: GroupSums, longerPays: boolean): void {
  const lost = sums.premium - sums.discount;
  if (sums.hashed === 0) {
    // Without hashes only the loss of the whole is known.
    if (lost <= 0) return;
    const claim = group.claim('unread_cache_writes');
    claim.addDays(new Float64Array(group.days), spread(lost, group.cost), group.calls, []);
    claim.facts['unhashed'] = 1;
    return;
  }
  const days = sums.unread.map((amount, day) => amount + (longerPays ? 0 : sums.lapsed[day]!));
  const unread = total(days);
  const tokens = sums.unreadTokens + (longerPays ? 0 : sums.lapsedTokens);
  const high = lost > 0 || tokens >= sums.writtenTokens * MOSTLY_UNREAD ? unread : 0;
  if (high <= 0) return;
  const claim = group.claim('unread_cache_writes');
  claim.addDays(spread(Math.max(0, Math.min(unread, lost)), days), spread(high, days), sums.unreadCalls, sums.unreadIds);
  claim.facts['share'] = tokens / Math.max(1, sums.writtenTokens);
}

/** Where a call's entries end: its cache markers or, where the body asks for caching as a whole or marks nothing that was kept, its end. */
function breakpoints({ marks, automatic }: PromptMarks): readonly Mark[] {
  const points = marks.filter((mark) => mark.breakpoint);
  const last = marks.at(-1);
  return last !== undefined && (automatic || points.length === 0) && points.at(-1) !== last ? [...points, last] : points;
}

function deepest({ marks }: PromptMarks, kept: ReadonlyMap<string, Entry>, fits: (entry: Entry) => boolean): { readonly entry: Entry } | null {
  for (let at = marks.length - 1; at >= 0; at--) {
    const entry = kept.get(marks[at]!.hash);
    if (entry !== undefined && fits(entry)) return { entry };
  }
  return null;
}

/**
 * Whether a call read nothing because its prompt holds something that changes each time, although the call before it stood in the cache.
 * @returns how many tokens could have been read, and the part that differs first; null where the prompt is simply another one
 */
function changing(marks: PromptMarks, last: Before | null, sameSession: boolean, at: number): { readonly tokens: number; readonly cause: string; readonly sure: boolean } | null {
  if (last === null || last.availableAt > at || last.at + last.lifeMs < at) return null;
  for (const part of ['tools', 'system'] as const) {
    const [mine, other] = [marks, last.marks].map((prompt) => prompt.marks.findLast((mark) => mark.part === part));
    if (mine === undefined && other === undefined) continue;
    if (mine === undefined || other === undefined) return null;
    if (mine.hash !== other.hash) return near(mine, other) ? { tokens: last.tokens, cause: part, sure: true } : null;
  }
  const [mine, other] = [marks, last.marks].map((prompt) => prompt.marks.find((mark) => mark.part === 'messages'));
  // Only within a conversation are other first messages a change, and not another question.
  if (!sameSession || mine === undefined || other === undefined || mine.hash === other.hash) return null;
  return { tokens: last.tokens, cause: 'messages', sure: near(mine, other) };
}

const near = (a: Mark, b: Mark): boolean => Math.abs(a.bytes - b.bytes) <= Math.max(NEAR.bytes, b.bytes * NEAR.share);

/** Tokens of a prompt up to a mark, by its share of the bytes. */
export const tokensAt = (seen: Seen, mark: Mark): number => {
  const bytes = seen.marks?.marks.at(-1)?.bytes ?? 0;
  return bytes === 0 ? 0 : Math.round((promptTokens(seen.call.tokens) * mark.bytes) / bytes);
};
