// server/admit/headroom.ts: what the provider's response headers last said about its own limits.

import { epochMs, type EpochMs } from '../domain/ids.ts';
import type { Headroom, HeadroomRow } from '../domain/observer.ts';
import { HEADROOM_DIMENSIONS, type HeadroomDimension, type ToldLimit, type ToldLimits } from '../domain/provider-limits.ts';
import { instantOf, isInstant } from './instants.ts';

/** Provider keys come from the config, classes from model names that clients write: past this many rows the pool longest unseen goes. */
const MAX_ROWS = 500;
/** Spellings of models whose pool is remembered; past this many all are forgotten, which costs a look at each. */
const MAX_NAMES = 1_000;
const LONGEST_CLASS = 64;

const FIGURES = ['limit', 'remaining', 'reset'] as const;
/** The two spellings of a dimension, each of three figures. */
const SPELLINGS = 2;
const ALL_FIGURES = HEADROOM_DIMENSIONS.length * SPELLINGS * FIGURES.length;

/** Where a header's value is kept while an answer is read: by dimension, then spelling, then figure. `anthropic-ratelimit-requests-limit`; `x-ratelimit-limit-requests` on the OpenAI-compatible endpoint. */
const PLACES: ReadonlyMap<string, number> = new Map(
  HEADROOM_DIMENSIONS.flatMap((dimension, d) =>
    FIGURES.flatMap((figure, f): [string, number][] => {
      const word = dimension.replace('_', '-');
      const at = d * SPELLINGS * FIGURES.length + f;
      return [[`anthropic-ratelimit-${word}-${figure}`, at], [`x-ratelimit-${figure}-${word}`, at + FIGURES.length]];
    }),
  ),
);
const SHORTEST = Math.min(...[...PLACES.keys()].map(({ length }) => length));

/** Who is told of a pool while little is left in it, and until it says that it has heard enough. */
export interface Listener {
  /** Shares of a limit below which it wants to be told. */
  readonly tellBelow: number;
  /** @param fullInMs until the bucket is full again, by the provider's own clock where it told the time; null where it did not say */
  told(credential: string, modelClass: string, dimension: HeadroomDimension, limit: number, remaining: number, fullInMs: number | null): void;
  /** The answer has no more figures. @param restMs how long the provider asked to be left alone; 0 where it did not. @returns whether it wants to be told on */
  heard(credential: string, modelClass: string, restMs: number): boolean;
}

interface Figure {
  limit: number;
  remaining: number;
  /** As written; null when the answer did not say. It is read when somebody asks. */
  reset: string | null;
  /** What the provider's own clock said; null when it did not. */
  date: string | null;
  at: EpochMs;
  readonly lowest: Lowest;
}

/** What was told of one pool. */
class SeenPool {
  readonly figures: (Figure | null)[] = HEADROOM_DIMENSIONS.map(() => null);
  seenAt = epochMs(0);
  /** Whether the listener asked to be told on. */
  told = false;
  readonly credential: string;
  readonly modelClass: string;

  constructor(credential: string, modelClass: string) {
    this.credential = credential;
    this.modelClass = modelClass;
  }
}

export function createHeadroom(listener?: Listener): Headroom {
  return new SeenHeadroom(listener ?? null);
}

class SeenHeadroom implements Headroom {
  readonly #listener: Listener | null;
  readonly #pools = new Map<string, SeenPool>();
  /** By provider key, then by model as sent: most answers come from few of them. */
  readonly #byName = new Map<string, Map<string, SeenPool>>();
  #names = 0;
  #rows = 0;
  // Of the answer that is being read; values by PLACES.
  #date: string | null = null;
  #retryAfter: string | null = null;
  readonly #values: (string | null)[] = Array.from({ length: ALL_FIGURES }, () => null);

  constructor(listener: Listener | null) {
    this.#listener = listener;
  }

  note({ credential, model, at, status, raw }: Parameters<Headroom['note']>[0]): ToldLimits {
    const rests = status === 429 || status === 529;
    const found = this.#read(raw);
    const limits: ToldLimit[] = [];
    const told = { limits, retryAfterSeconds: secondsOf(this.#retryAfter) };
    if (!found && !rests) return told;
    const pool = this.#poolOf(credential, model);
    let least = 1;
    for (let d = 0; d < HEADROOM_DIMENSIONS.length; d++) least = Math.min(least, this.#take(pool, d, at, limits));
    const listener = this.#listener;
    if (listener !== null && (rests || pool.told || least < listener.tellBelow)) this.#tell(listener, pool, at, rests ? restOf(status, told.retryAfterSeconds) : 0);
    return told;
  }

  #tell(listener: Listener, pool: SeenPool, at: EpochMs, restMs: number): void {
    for (let d = 0; d < HEADROOM_DIMENSIONS.length; d++) {
      const figure = pool.figures[d];
      if (figure == null || figure.at !== at) continue;
      listener.told(pool.credential, pool.modelClass, HEADROOM_DIMENSIONS[d]!, figure.limit, figure.remaining, fullIn(figure));
    }
    pool.told = listener.heard(pool.credential, pool.modelClass, restMs);
  }

  /** A bucket whose reset has passed is full again, as the provider refills steadily. */
  rows(at: EpochMs): readonly HeadroomRow[] {
    return [...this.#pools.values()].flatMap(({ credential, modelClass, figures }) =>
      figures.flatMap((figure, d): HeadroomRow[] => {
        if (figure === null) return [];
        const { limit } = figure;
        const resetAt = instantOf(figure.reset, figure.at);
        const remaining = resetAt !== null && resetAt <= at ? limit : figure.remaining;
        return [{ credential, modelClass, dimension: HEADROOM_DIMENSIONS[d]!, limit, remaining, resetAt, seenAt: figure.at, lowestRatio: Math.min(ratioOf(remaining, limit), figure.lowest.at(at)) }];
      }),
    );
  }

  /** One walk over the headers, as most of them are none of these; the first of a name counts. False when there was none. */
  #read(raw: readonly string[]): boolean {
    let found = false;
    this.#date = this.#retryAfter = null;
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i]!;
      if (name.length < SHORTEST) {
        if (name.length === 4 && name.toLowerCase() === 'date') this.#date ??= raw[i + 1]!;
        else if (name.length === 11 && name.toLowerCase() === 'retry-after') this.#retryAfter ??= raw[i + 1]!;
        continue;
      }
      const place = PLACES.get(name) ?? PLACES.get(name.toLowerCase());
      if (place === undefined || this.#values[place] !== null) continue;
      this.#values[place] = raw[i + 1]!;
      found = true;
    }
    return found;
  }

  /** Takes the figures of one dimension out of what was read. @param told takes them, too @returns the share left, 1 when nothing was told */
  #take(pool: SeenPool, d: number, at: EpochMs, told: ToldLimit[]): number {
    let least = 1;
    let last: ToldLimit | null = null;
    for (let spelling = 0; spelling < SPELLINGS; spelling++) {
      const place = (d * SPELLINGS + spelling) * FIGURES.length;
      const limit = wholeNumber(this.#values[place]!);
      const remaining = wholeNumber(this.#values[place + 1]!);
      const reset = this.#values[place + 2]!;
      this.#values[place] = this.#values[place + 1] = this.#values[place + 2] = null;
      if (limit === null || remaining === null) continue;
      const known = pool.figures[d];
      const ratio = ratioOf(remaining, limit);
      least = Math.min(least, ratio);
      last = { dimension: HEADROOM_DIMENSIONS[d]!, limit, remaining, resetAt: reset === null ? null : instantOf(reset, at) };
      if (known == null) this.#add(pool, d, { limit, remaining, reset, date: this.#date, at, lowest: new Lowest() });
      else {
        known.limit = limit;
        known.remaining = remaining;
        known.reset = reset;
        known.date = this.#date;
        known.at = at;
      }
      pool.seenAt = at;
      pool.figures[d]!.lowest.note(ratio, at);
    }
    if (last !== null) told.push(last);
    return least;
  }

  #add(pool: SeenPool, d: number, figure: Figure): void {
    pool.figures[d] = figure;
    this.#pools.set(JSON.stringify([pool.credential, pool.modelClass]), pool);
    for (this.#rows++; this.#rows > MAX_ROWS; ) this.#forget([...this.#pools.values()].filter((one) => one !== pool).reduce((a, b) => (b.seenAt < a.seenAt ? b : a)));
  }

  #forget(pool: SeenPool): void {
    this.#rows -= pool.figures.filter((figure) => figure !== null).length;
    this.#pools.delete(JSON.stringify([pool.credential, pool.modelClass]));
    this.#byName.clear();
    this.#names = 0;
  }

  #poolOf(credential: string, model: string): SeenPool {
    const known = this.#byName.get(credential)?.get(model);
    if (known !== undefined) return known;
    const modelClass = modelClassOf(model);
    const pool = this.#pools.get(JSON.stringify([credential, modelClass])) ?? new SeenPool(credential, modelClass);
    if (++this.#names > MAX_NAMES) {
      this.#byName.clear();
      this.#names = 1;
    }
    let names = this.#byName.get(credential);
    if (names === undefined) this.#byName.set(credential, (names = new Map()));
    names.set(model, pool);
    return pool;
  }
}

function fullIn({ reset, date, at }: Figure): number | null {
  const resetAt = instantOf(reset, at);
  return resetAt === null ? null : resetAt - (isInstant(reset!) ? timeOf(date, at) : at);
}

/** The provider's own time, by which its instants must be read where the two clocks differ; ours where it told none, or nearly the same by the second. */
function timeOf(date: string | null, at: EpochMs): number {
  const told = date === null ? NaN : Date.parse(date);
  return Number.isNaN(told) || Math.abs(told - at) < 2_000 ? at : told;
}

/** How long an overloaded provider is left alone that does not say for how long. */
const OVERLOADED_REST_MS = 1_000;

/** As the provider writes it; null for anything else. */
function secondsOf(retryAfter: string | null): number | null {
  const seconds = retryAfter === null ? undefined : /^\d{1,6}(?:\.\d{1,3})?$/.exec(retryAfter.trim())?.[0];
  return seconds === undefined ? null : Number(seconds);
}

/** A 429 that does not say for how long is a spend cap or the like, which no waiting helps. */
function restOf(status: number, retryAfterSeconds: number | null): number {
  if (retryAfterSeconds !== null) return retryAfterSeconds * 1000;
  return status === 529 ? OVERLOADED_REST_MS : 0;
}

const ratioOf = (remaining: number, limit: number): number => (limit > 0 ? Math.min(1, remaining / limit) : 1);

const SLOTS = 60;

/** The lowest of what was noted in the past minute, in slots of a second. */
class Lowest {
  private readonly values = new Float64Array(SLOTS).fill(1);
  private readonly seconds = new Float64Array(SLOTS).fill(-Infinity);

  note(ratio: number, at: EpochMs): void {
    const second = Math.floor(at / 1000);
    const slot = ((second % SLOTS) + SLOTS) % SLOTS;
    const known = this.seconds[slot] === second ? (this.values[slot] ?? 1) : 1;
    this.seconds[slot] = second;
    this.values[slot] = Math.min(known, ratio);
  }

  /** 1 when nothing was noted. */
  at(at: EpochMs): number {
    const now = Math.floor(at / 1000);
    let lowest = 1;
    // A slot in the future is from before a clock was set back: it counts, so that a dip is not lost.
    for (let slot = 0; slot < SLOTS; slot++) if (now - (this.seconds[slot] ?? -Infinity) < SLOTS) lowest = Math.min(lowest, this.values[slot] ?? 1);
    return lowest;
  }
}

/**
 * The pool at the provider that a model draws on. Opus 4.5 to 4.8 share one, as do Sonnet 4.5 and 4.6, Fable 5 and 5.1, and
 * all of Mythos; any other model has its own, named without `claude-`, dates and suffixes. Source: the provider's page on rate limits, August 2026.
 */
export function modelClassOf(model: string): string {
  const name = model.toLowerCase().replace(/^claude-/, '').slice(0, LONGEST_CLASS);
  const match = /^(opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/.exec(name);
  if (match === null) return name.startsWith('mythos') ? 'mythos' : name;
  const [, family, major, minor] = match;
  const version = `${major}${minor === undefined ? '' : `-${minor}`}`;
  if (family === 'mythos') return 'mythos';
  if (family === 'opus' && major === '4' && ['5', '6', '7', '8'].includes(minor ?? '')) return 'opus-4';
  if (family === 'sonnet' && major === '4' && ['5', '6'].includes(minor ?? '')) return 'sonnet-4';
  if (family === 'fable' && version === '5-1') return 'fable-5';
  // The first Opus 4 and Sonnet 4 are no part of the pools that go by those names here.
  return version === '4' ? `${family}-4-0` : `${family}-${version}`;
}

/** Up to fifteen digits, which a number holds exactly. */
function wholeNumber(text: string | null): number | null {
  return text !== null && /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : null;
}
