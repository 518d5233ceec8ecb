// server/alert/pulse.ts: what calls did lately, minute by minute, in memory: what rules look at, so that no look reads the ledger.

import { DAY_MS, HOUR_MS, MINUTE_MS } from '../domain/durations.ts';
import { nanodollars, type Nanodollars } from '../domain/money.ts';

/** The longest window of a burn rate. */
const MINUTES = 3 * 1440;
/** Money and keys are looked at over an hour or two. */
const RECENT_MINUTES = 180;
const MOST_WORKSPACES = 200;
const MOST_CONTRIBUTORS = 500;
const MOST_KEYS = 1_000;
const MOST_MODELS = 20;

/** One call that ended, as far as alerts care. */
export interface Beat {
  readonly at: number;
  readonly workspace: string;
  readonly workflow: string;
  readonly key: string | null;
  readonly model: string | null;
  /** As the client names them; null: it does not. */
  readonly user: string | null;
  readonly cost: bigint;
  /** Null: it counts in no burn rate (refused, the client's own mistake or leaving, not billed). */
  readonly failed: boolean | null;
  /** Whether the answer came whole and did not tell what it used. */
  readonly untold: boolean;
  /** Milliseconds; null: not measured. */
  readonly firstTokenMs: number | null;
  /** Whether the call was refused, by us or with a 4xx. */
  readonly rejected: boolean;
  /** 429 by the provider. */
  readonly limited: boolean;
  /** The provider said that money or a spend limit has run out: what it said, and with which credential. */
  readonly cap: { readonly credential: string; readonly code: string } | null;
  /** The model that had no price; null where all had one. */
  readonly unpriced: string | null;
}

export interface Window {
  readonly total: number;
  readonly bad: number;
}

/** Counts per minute in a ring; a minute that is written again after the ring's length starts anew. */
class Ring {
  private readonly minutes: number;
  private readonly stamp: Float64Array;
  private readonly counts: Float64Array;
  private readonly width: number;

  constructor(minutes: number, width: number) {
    this.minutes = minutes;
    this.width = width;
    this.stamp = new Float64Array(minutes).fill(-1);
    this.counts = new Float64Array(minutes * width);
  }

  add(at: number, column: number, amount: number): void {
    const minute = Math.floor(at / MINUTE_MS);
    const slot = ((minute % this.minutes) + this.minutes) % this.minutes;
    const stamped = this.stamp[slot] as number;
    // Older than the ring is long: past caring.
    if (stamped > minute) return;
    if (stamped !== minute) {
      this.stamp[slot] = minute;
      this.counts.fill(0, slot * this.width, (slot + 1) * this.width);
    }
    const place = slot * this.width + column;
    this.counts[place] = (this.counts[place] as number) + amount;
  }

  /** The sum over the minutes that began in the last `ms` before `now`, the running one included. */
  sum(now: number, ms: number, column: number): number {
    const last = Math.floor(now / MINUTE_MS);
    let sum = 0;
    for (let minute = last - Math.min(this.minutes, Math.ceil(ms / MINUTE_MS)) + 1; minute <= last; minute++) {
      const slot = ((minute % this.minutes) + this.minutes) % this.minutes;
      if (this.stamp[slot] === minute) sum += this.counts[slot * this.width + column] as number;
    }
    return sum;
  }
}

const TOTAL = 0;
const BAD = 1;
const TIMED = 2;
const SLOW = 3;
const LIMITED = 4;
const CALLS = 5;
const UNTOLD = 6;

export interface Contributor {
  readonly workflow: string;
  readonly model: string;
  readonly cost: Nanodollars;
  /** Who spends most of all users of the workspace; null where no call names one. */
  readonly user: { readonly name: string; readonly cost: Nanodollars } | null;
}

export interface KeyActivity {
  readonly key: string;
  readonly calls: number;
  readonly rejected: number;
  readonly models: readonly string[];
}

/** What one of many spent in an hour and the one before. */
interface Share {
  hour: number;
  cost: bigint;
  before: bigint;
}

interface Spend {
  /** Nano-dollars per minute; whole below 2^53, which is nine million dollars. */
  readonly ring: Ring;
  readonly by: Map<string, Share>;
  readonly byUser: Map<string, Share>;
}

function addTo(shares: Map<string, Share>, name: string, hour: number, cost: bigint): void {
  const known = shares.get(name);
  if (known?.hour === hour) {
    known.cost += cost;
    return;
  }
  if (known === undefined && shares.size >= MOST_CONTRIBUTORS) for (const [old, entry] of shares) if (entry.hour < hour - 1) shares.delete(old);
  if (known !== undefined || shares.size < MOST_CONTRIBUTORS) shares.set(name, { hour, cost, before: known?.hour === hour - 1 ? known.cost : 0n });
}

/** The one that spent most in this hour and the one before; null: nobody did. */
function topOf(shares: Map<string, Share>, hour: number): { readonly name: string; readonly cost: Nanodollars } | null {
  let top: { name: string; cost: Nanodollars } | null = null;
  for (const [name, entry] of shares) {
    const cost = entry.hour === hour ? entry.cost + entry.before : entry.hour === hour - 1 ? entry.cost : 0n;
    if (cost > (top?.cost ?? 0n)) top = { name, cost: nanodollars(cost) };
  }
  return top;
}

export class Pulse {
  private readonly service = new Ring(MINUTES, 7);
  private readonly spend = new Map<string, Spend>();
  private readonly keys = new Map<string, { ring: Ring; models: Map<string, number> }>();
  private readonly capped = new Map<string, { credential: string; code: string; at: number; count: number }>();
  private readonly unknown = new Map<string, { at: number; count: number; refused: boolean }>();
  private slowMs: number;

  constructor(slowMs: number) {
    this.slowMs = slowMs;
  }

  /** From now on a first token is slow after so many milliseconds. */
  countAsSlow(ms: number): void {
    this.slowMs = ms;
  }

  note(beat: Beat): void {
    this.service.add(beat.at, CALLS, 1);
    if (beat.failed !== null) {
      this.service.add(beat.at, TOTAL, 1);
      if (beat.failed) this.service.add(beat.at, BAD, 1);
    }
    if (beat.untold) this.service.add(beat.at, UNTOLD, 1);
    if (beat.limited) this.service.add(beat.at, LIMITED, 1);
    if (beat.firstTokenMs !== null) {
      this.service.add(beat.at, TIMED, 1);
      if (beat.firstTokenMs > this.slowMs) this.service.add(beat.at, SLOW, 1);
    }
    if (beat.cost > 0n) this.noteSpend(beat);
    if (beat.key !== null) this.noteKey(beat.key, beat);
    if (beat.cap !== null) {
      const place = `${beat.cap.credential}\n${beat.cap.code}`;
      const known = this.capped.get(place);
      if (known !== undefined || this.capped.size < MOST_MODELS) this.capped.set(place, { ...beat.cap, at: beat.at, count: (known?.count ?? 0) + 1 });
    }
    if (beat.unpriced !== null) {
      const named = beat.unpriced;
      const model = this.unknown.has(named) || this.unknown.size < MOST_MODELS ? named : 'other';
      this.unknown.set(model, { at: beat.at, count: (this.unknown.get(model)?.count ?? 0) + 1, refused: beat.cost === 0n });
    }
  }

  /** What is known of an hour before this process began, spread evenly over it. */
  seed(hour: { readonly from: number; readonly to: number; readonly workspace: string; readonly calls: number; readonly total: number; readonly bad: number; readonly cost: bigint }): void {
    const minutes = Math.max(1, Math.round((hour.to - hour.from) / MINUTE_MS));
    const ring = this.spendOf(hour.workspace)?.ring;
    for (let minute = 0; minute < minutes; minute++) {
      const at = hour.from + minute * MINUTE_MS;
      this.service.add(at, CALLS, hour.calls / minutes);
      this.service.add(at, TOTAL, hour.total / minutes);
      this.service.add(at, BAD, hour.bad / minutes);
      ring?.add(at, 0, Number(hour.cost) / minutes);
    }
  }

  errors(now: number, ms: number): Window {
    return { total: this.service.sum(now, ms, TOTAL), bad: this.service.sum(now, ms, BAD) };
  }

  /** Of the answers that came whole: those that did not tell what they used. */
  untold(now: number, ms: number): Window {
    return { total: this.service.sum(now, ms, TOTAL) - this.service.sum(now, ms, BAD), bad: this.service.sum(now, ms, UNTOLD) };
  }

  slow(now: number, ms: number): Window {
    return { total: this.service.sum(now, ms, TIMED), bad: this.service.sum(now, ms, SLOW) };
  }

  limited(now: number, ms: number): Window {
    return { total: this.service.sum(now, ms, TOTAL), bad: this.service.sum(now, ms, LIMITED) };
  }

  /** Every call, those that were refused too. */
  calls(now: number, ms: number): number {
    return this.service.sum(now, ms, CALLS);
  }

  workspaces(): readonly string[] {
    return [...this.spend.keys()];
  }

  /** What a workspace spent in the sixty minutes to `now`. */
  lastHour(workspace: string, now: number): Nanodollars {
    return nanodollars(BigInt(Math.round(this.spend.get(workspace)?.ring.sum(now, 60 * MINUTE_MS, 0) ?? 0)));
  }

  /** Who spends most in a workspace in this hour and the one before. */
  topContributor(workspace: string, now: number): Contributor | null {
    const spend = this.spend.get(workspace);
    const hour = Math.floor(now / HOUR_MS);
    const top = spend === undefined ? null : topOf(spend.by, hour);
    if (spend === undefined || top === null) return null;
    const [workflow = '', model = ''] = top.name.split('\n');
    return { workflow, model, cost: top.cost, user: topOf(spend.byUser, hour) };
  }

  /** Keys that were used in the last `ms`. */
  keyActivity(now: number, ms: number): readonly KeyActivity[] {
    return [...this.keys]
      .map(([key, { ring, models }]) => ({ key, calls: ring.sum(now, ms, 0), rejected: ring.sum(now, ms, 1), models: [...models].filter(([, at]) => at > now - ms).map(([model]) => model) }))
      .filter(({ calls }) => calls > 0);
  }

  caps(now: number, ms: number): readonly { readonly credential: string; readonly code: string; readonly at: number; readonly count: number }[] {
    return [...this.capped.values()].filter(({ at }) => at > now - ms);
  }

  /** `refused`: whether the latest call was turned away for want of a price. */
  unpriced(now: number, ms: number): readonly { readonly model: string; readonly count: number; readonly refused: boolean }[] {
    for (const [model, { at }] of this.unknown) if (at <= now - 7 * DAY_MS) this.unknown.delete(model);
    return [...this.unknown].filter(([, { at }]) => at > now - ms).map(([model, { count, refused }]) => ({ model, count, refused }));
  }

  private spendOf(workspace: string): Spend | null {
    let spend = this.spend.get(workspace);
    if (spend === undefined) {
      if (this.spend.size >= MOST_WORKSPACES) return null;
      spend = { ring: new Ring(RECENT_MINUTES, 1), by: new Map(), byUser: new Map() };
      this.spend.set(workspace, spend);
    }
    return spend;
  }

  private noteSpend({ at, workspace, workflow, model, user, cost }: Beat): void {
    const spend = this.spendOf(workspace);
    if (spend === null) return;
    spend.ring.add(at, 0, Number(cost));
    const hour = Math.floor(at / HOUR_MS);
    addTo(spend.by, `${workflow}\n${model ?? ''}`, hour, cost);
    if (user !== null) addTo(spend.byUser, user, hour, cost);
  }

  private noteKey(key: string, { at, rejected, model }: Beat): void {
    let activity = this.keys.get(key);
    if (activity === undefined) {
      if (this.keys.size >= MOST_KEYS) return;
      activity = { ring: new Ring(60, 2), models: new Map() };
      this.keys.set(key, activity);
    }
    activity.ring.add(at, 0, 1);
    if (rejected) activity.ring.add(at, 1, 1);
    if (model === null) return;
    // Not taken out and put back to be the last: at every call, that would leave a table of the map for the collector of old objects.
    activity.models.set(model, at);
    if (activity.models.size > 50) activity.models.delete([...activity.models].reduce((oldest, other) => (other[1] < oldest[1] ? other : oldest))[0]);
  }
}
