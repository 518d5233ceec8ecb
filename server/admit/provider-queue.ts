// server/admit/provider-queue.ts: where background calls wait while the provider has little room left, so that interactive ones find some.

import { MINUTE_MS } from '../domain/durations.ts';
import type { Clock } from '../domain/ids.ts';
import { HEADROOM_DIMENSIONS, type HeadroomDimension } from '../domain/provider-limits.ts';
import type { Passage, ProviderQueue, QueuedCall, Turn } from '../domain/provider-queue.ts';
import type { Refusal } from '../domain/refusal.ts';
import type { Settings } from '../domain/settings.ts';
import { FairLine, type Place } from './fair-line.ts';
import { modelClassOf, type Listener } from './headroom.ts';
import { Pool, type Share } from './pool.ts';

/** Background calls are counted from here on, not only once little is left, so that a crowd of them does not pass on one stale figure. */
const COUNTED_BELOW = 0.5;
/** Where little is left much earlier than usual, they are counted this much before. */
const COUNTED_BEFORE = 0.2;
/** Past this share of its time to wait a call counts as aged. */
const AGED_AT = 0.5;
/**
 * What aged calls may have of each limit per minute, out of what is kept for interactive calls: with it nobody starves as long as the
 * provider has any room at all, and interactive calls keep nine tenths of what refills.
 */
const SHARE_OF_AGED = 0.1;
/** Waiting calls hold their bodies, of which the gateway has room for `body.held` in all: others keep three quarters of it. */
const SHARE_OF_BODIES = 0.25;
/** Provider keys come from the config, classes from model names that clients write: past this many, one that nobody uses goes. */
const MAX_POOLS = 500;
/** Clients obey a `retry-after` to the letter, however long it is. */
const LONGEST_RETRY_S = 60;

/** `setTimeout`, handed in so that a test can move time; returns what takes the timer back. */
export type Schedule = (ms: number, run: () => void) => () => void;
const onTheClock: Schedule = (ms, run) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};

/** Told by `Headroom` of what is left, and by the gateway of its own life. */
export interface ReloadableProviderQueue extends ProviderQueue, Listener {
  reload(settings: Settings): void;
  /** Ends every wait with `draining`, also those that would begin from now on. */
  drain(): void;
}

interface Waiter {
  readonly share: Share;
  readonly since: number;
  readonly maxWaitMs: number;
  /** Calls in the line when it joined. */
  readonly behind: number;
  readonly leave: (turn: Turn) => void;
}

/** A pool of the provider's, and the line before it. */
class Door {
  readonly pool: Pool;
  readonly line = new FairLine<Waiter>();
  watched = false;
  /** What aged calls took ahead of their share, as a part of the pool. */
  #debt = 0;
  #debtAt = 0;
  cancelWake: (() => void) | null = null;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  /** Milliseconds until aged calls have their share again. */
  debtPaidIn(now: number): number {
    return Math.max(0, (this.#debt / SHARE_OF_AGED) * MINUTE_MS - (now - this.#debtAt));
  }

  owe(cost: number, now: number): void {
    this.#debt = (this.debtPaidIn(now) / MINUTE_MS) * SHARE_OF_AGED + cost;
    this.#debtAt = now;
  }
}

export function createProviderQueue({ settings, clock, schedule = onTheClock }: { settings: Settings; clock: Clock; schedule?: Schedule }): ReloadableProviderQueue {
  return new RunningQueue(settings, clock, schedule);
}

class RunningQueue implements ReloadableProviderQueue {
  readonly #clock: Clock;
  readonly #schedule: Schedule;
  readonly #now = (): number => this.#clock.monotonic();
  readonly #doors = new Map<string, Door>();
  #below: number;
  #maxWaitMs: number;
  #length: number;
  #mostBytes: number;
  #watched = 0;
  #waiting = 0;
  #waitingBytes = 0;
  #draining = false;

  constructor(settings: Settings, clock: Clock, schedule: Schedule) {
    this.#clock = clock;
    this.#schedule = schedule;
    ({ below: this.#below, maxWaitMs: this.#maxWaitMs, length: this.#length } = settings.upstream.queue);
    this.#mostBytes = settings.body.heldBytes * SHARE_OF_BODIES;
  }

  get tellBelow(): number {
    return this.#below === 0 ? 0 : Math.max(COUNTED_BELOW, Math.min(1, this.#below + COUNTED_BEFORE));
  }

  get watches(): boolean {
    return this.#watched > 0;
  }

  told(credential: string, modelClass: string, dimension: HeadroomDimension, limit: number, remaining: number, fullInMs: number | null): void {
    if (this.#below === 0) return;
    this.#doorOf(credential, modelClass, true)!.pool.told(dimension, limit, remaining, fullInMs, this.#now());
  }

  heard(credential: string, modelClass: string, restMs: number): boolean {
    if (this.#below === 0) return false;
    const door = this.#doorOf(credential, modelClass, restMs > 0);
    if (door === null) return false;
    const now = this.#now();
    if (restMs > 0) door.pool.rest(restMs, now);
    if (door.line.size > 0) this.#pump(door, now);
    else this.#watch(door, now);
    return door.watched;
  }

  enter(call: QueuedCall): Turn | Promise<Turn> {
    const now = this.#now();
    const door = this.#doorOf(call.credential, modelClassOf(call.model), false);
    if (door === null) return PASSED_UNCOUNTED;
    this.#watch(door, now);
    if (!door.watched) return PASSED_UNCOUNTED;
    const share = door.pool.shareOf(call.need);
    if (door.line.size === 0 && door.pool.fitsIn(share, this.#below, now) === 0) return { result: 'passed', waitedMs: 0, passage: this.#passage(door, share), detail: null, rule: ruleOf(door) };
    if (this.#draining) return { result: 'drained', waitedMs: 0, refusal: draining(door) };
    const full = this.#makeRoom(call, now);
    if (full !== null) return { result: 'full', waitedMs: 0, refusal: this.#refusal(door, share, full, now) };
    return this.#wait(door, call, share, now);
  }

  rows(): ReturnType<ProviderQueue['rows']> {
    const now = this.#now();
    return [...this.#doors.values()].map(({ pool: { credential, modelClass }, line }) => {
      const oldest = line.oldest();
      return { credential, modelClass, waiting: line.size, oldestWaitMs: oldest === null ? 0 : now - oldest.member.since, workspaces: line.sizes().map(([workspace, waiting]) => ({ workspace, waiting })) };
    });
  }

  reload(settings: Settings): void {
    ({ below: this.#below, maxWaitMs: this.#maxWaitMs, length: this.#length } = settings.upstream.queue);
    this.#mostBytes = settings.body.heldBytes * SHARE_OF_BODIES;
    const now = this.#now();
    for (const door of this.#doors.values()) {
      this.#pump(door, now);
      if (this.#below === 0 && door.line.size === 0) this.#setWatched(door, false);
    }
  }

  drain(): void {
    this.#draining = true;
    const now = this.#now();
    for (const door of this.#doors.values()) for (const place of door.line) this.#end(door, place, { result: 'drained', waitedMs: now - place.member.since, refusal: draining(door) });
  }

  #wait(door: Door, call: QueuedCall, share: Share, now: number): Promise<Turn> {
    const { signal } = call;
    const rule = ruleOf(door);
    if (signal.aborted) return Promise.resolve({ result: 'left', waitedMs: 0, detail: 'the client left', rule });
    return new Promise((resolve) => {
      const maxWaitMs = this.#maxWaitMs;
      const leave = (turn: Turn): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        this.#waiting--;
        this.#waitingBytes -= call.bodyBytes;
        resolve(turn);
      };
      const onAbort = (): void => {
        const waitedMs = this.#now() - now;
        this.#end(door, place, { result: 'left', waitedMs, detail: `waited ${inSeconds(waitedMs)} for room at the provider, then the client left`, rule });
      };
      const cancel = this.#schedule(maxWaitMs, () => this.#expire(door, place));
      const place = door.line.enter(call.workspace, { share, since: now, maxWaitMs, behind: door.line.size, leave }, door.pool.costOf(share));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting++;
      this.#waitingBytes += call.bodyBytes;
      this.#pump(door, now);
    });
  }

  /** Lets go whoever may, in turn, and comes back when the next one may. */
  #pump(door: Door, now: number): void {
    door.cancelWake?.();
    door.cancelWake = null;
    const { line, pool } = door;
    for (let first = line.first(); first !== null; first = line.first()) {
      const inMs = this.#readyIn(door, first, now);
      if (inMs > 0) {
        // Whoever else changes anything wakes the line as well; 2^31 ms is the longest timer.
        if (inMs < 2 ** 31) door.cancelWake = this.#schedule(Math.max(1, Math.ceil(inMs)), () => this.#pump(door, this.#now()));
        break;
      }
      const { member } = first;
      const waitedMs = now - member.since;
      if (pool.fitsIn(member.share, this.#below, now) > 0) door.owe(first.cost, now);
      const { dimension, left } = pool.tightest(now) ?? { dimension: 'requests', left: 0 };
      line.serve(first);
      const passage = this.#passage(door, member.share);
      member.leave({ result: 'passed', waitedMs, passage, rule: ruleOf(door), detail: `waited ${inSeconds(waitedMs)} behind ${member.behind} others for room at the provider: ${pool.modelClass} had ${inPercent(left)} of its ${WORDS[dimension]} left when it went` });
    }
    this.#watch(door, now);
  }

  /** Milliseconds until the first of a line may go: above what is kept for others, or, once the line has aged, out of it. */
  #readyIn(door: Door, { member: { share } }: Place<Waiter>, now: number): number {
    const usual = door.pool.fitsIn(share, this.#below, now);
    if (usual === 0) return 0;
    const oldest = door.line.oldest()!.member;
    const agedIn = oldest.since + oldest.maxWaitMs * AGED_AT - now;
    return Math.min(usual, Math.max(0, agedIn, door.debtPaidIn(now), door.pool.fitsIn(share, 0, now)));
  }

  #expire(door: Door, place: Place<Waiter>): void {
    const now = this.#now();
    this.#pump(door, now);
    const { since, maxWaitMs, share } = place.member;
    this.#end(door, place, { result: 'expired', waitedMs: now - since, refusal: this.#refusal(door, share, `It waited ${inSeconds(maxWaitMs)}, as long as the config lets it`, now) });
  }

  /** For whoever leaves without a turn; nothing when it had one. */
  #end(door: Door, place: Place<Waiter>, turn: Turn): void {
    if (!door.line.leave(place)) return;
    place.member.leave(turn);
    this.#pump(door, this.#now());
  }

  #passage(door: Door, share: Share): Passage {
    return door.pool.take(share, this.#now, () => {
      if (door.line.size > 0) this.#pump(door, this.#now());
    });
  }

  /**
   * Null when there is a place for the call, else what there is too much of. Where every place is taken, the workspace that has most
   * of them gives one up to a workspace that has fewer: its own newest call goes.
   */
  #makeRoom({ workspace, bodyBytes }: QueuedCall, now: number): string | null {
    if (this.#waitingBytes + bodyBytes > this.#mostBytes) return 'The bodies of the calls that wait already take the memory that they may';
    if (this.#waiting < this.#length) return null;
    const counts = new Map<string, number>();
    for (const { line } of this.#doors.values()) for (const [flow, size] of line.sizes()) counts.set(flow, (counts.get(flow) ?? 0) + size);
    const [longest, most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
    const full = `${this.#waiting} calls wait already, as many as the config lets`;
    if (most <= (counts.get(workspace) ?? 0) + 1) return full;
    let newest: { door: Door; place: Place<Waiter> } | null = null;
    for (const door of this.#doors.values()) {
      const place = door.line.newest(longest);
      if (place !== null && (newest === null || place.member.since > newest.place.member.since)) newest = { door, place };
    }
    const { door, place } = newest!;
    this.#end(door, place, { result: 'full', waitedMs: now - place.member.since, refusal: this.#refusal(door, place.member.share, `${full}, and workspace ${longest} has most of them`, now) });
    return this.#waiting < this.#length ? null : full;
  }

  #refusal({ pool, line }: Door, share: Share, why: string, now: number): Refusal {
    const tightest = pool.tightest(now);
    // Those in line go first.
    const ahead: Record<HeadroomDimension, number> = { ...share };
    for (const { member } of line) for (const dimension of HEADROOM_DIMENSIONS) ahead[dimension] += member.share[dimension];
    const inMs = Math.min(LONGEST_RETRY_S * 1000, pool.refillsIn(ahead, this.#below, now));
    const seconds = Math.min(LONGEST_RETRY_S, Math.max(1, Math.ceil(inMs / 1000)));
    const left = pool.isResting(now) ? 'the provider asked to wait' : tightest === null ? 'the provider has no room' : `${inPercent(tightest.left)} of the ${WORDS[tightest.dimension]} of ${pool.modelClass} with key ${pool.credential} are left at the provider`;
    return {
      reason: 'rate_limited',
      message: `This background call gives way to interactive ones: ${left}, and below ${inPercent(this.#below)} background calls wait. ${why}. Try again in ${seconds} s.`,
      rule: `headroom:${pool.credential}`,
      retryAfterSeconds: seconds,
    };
  }

  #doorOf(credential: string, modelClass: string, make: boolean): Door | null {
    const name = `${credential}\n${modelClass}`;
    const known = this.#doors.get(name);
    if (known !== undefined || !make) return known ?? null;
    if (this.#doors.size >= MAX_POOLS) this.#dropOne();
    const door = new Door(new Pool(credential, modelClass));
    this.#doors.set(name, door);
    return door;
  }

  #dropOne(): void {
    for (const [name, door] of this.#doors) {
      if (door.line.size > 0) continue;
      this.#setWatched(door, false);
      return void this.#doors.delete(name);
    }
  }

  #watch(door: Door, now: number): void {
    this.#setWatched(door, door.line.size > 0 || door.pool.isResting(now) || (door.pool.tightest(now)?.left ?? 1) < this.tellBelow);
  }

  #setWatched(door: Door, watched: boolean): void {
    if (door.watched === watched) return;
    door.watched = watched;
    this.#watched += watched ? 1 : -1;
  }
}

const PASSED_UNCOUNTED: Turn = { result: 'passed', waitedMs: 0, passage: null, detail: null, rule: 'headroom' };
const WORDS: Readonly<Record<HeadroomDimension, string>> = { requests: 'requests', tokens: 'tokens', input_tokens: 'input tokens', output_tokens: 'output tokens' };
/** Of the key alone, as the class is named after what clients write. */
const ruleOf = ({ pool }: Door): string => `headroom:${pool.credential}`;
const inSeconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const inPercent = (share: number): string => `${Math.floor(share * 1000) / 10} %`;
const draining = (door: Door): Refusal => ({ reason: 'draining', message: 'The gateway is shutting down, and this background call was waiting for room at the provider. Try again.', rule: ruleOf(door), retryAfterSeconds: 1 });
