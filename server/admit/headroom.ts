// server/admit/headroom.ts: what the provider's response headers last said about its own limits.

import { epochMs, type EpochMs } from '../domain/ids.ts';
import type { Headroom, HeadroomRow } from '../domain/observer.ts';

/** Provider keys come from the config, classes from model names that clients write: past this many the oldest row goes. */
const MAX_ROWS = 500;
const LONGEST_CLASS = 64;

/** `anthropic-ratelimit-requests-limit` and so on; `x-ratelimit-limit-requests` on the OpenAI-compatible endpoint. */
const SOURCES = (['requests', 'tokens', 'input_tokens', 'output_tokens'] as const).flatMap((dimension) => {
  const word = dimension.replace('_', '-');
  return [
    { dimension, limit: `anthropic-ratelimit-${word}-limit`, remaining: `anthropic-ratelimit-${word}-remaining`, reset: `anthropic-ratelimit-${word}-reset` },
    { dimension, limit: `x-ratelimit-limit-${word}`, remaining: `x-ratelimit-remaining-${word}`, reset: `x-ratelimit-reset-${word}` },
  ];
});

interface Seen {
  readonly row: Omit<HeadroomRow, 'lowestRatio'>;
  readonly lowest: Lowest;
}

export function createHeadroom(): Headroom {
  const rows = new Map<string, Seen>();
  return {
    note({ credential, model, at, header }) {
      for (const source of SOURCES) {
        const limit = wholeNumber(header(source.limit));
        const remaining = wholeNumber(header(source.remaining));
        if (limit === null || remaining === null) continue;
        const modelClass = modelClassOf(model);
        const place = JSON.stringify([credential, modelClass, source.dimension]);
        const lowest = rows.get(place)?.lowest ?? new Lowest();
        lowest.note(ratioOf(remaining, limit), at);
        // Taken out first, so that the map's order is the order of last sight.
        rows.delete(place);
        rows.set(place, { row: { credential, modelClass, dimension: source.dimension, limit, remaining, resetAt: instantOf(header(source.reset), at), seenAt: at }, lowest });
        if (rows.size > MAX_ROWS) rows.delete(rows.keys().next().value!);
      }
    },
    /** A bucket whose reset has passed is full again, as the provider refills steadily. */
    rows: (at) =>
      [...rows.values()].map(({ row, lowest }) => {
        const remaining = row.resetAt !== null && row.resetAt <= at ? row.limit : row.remaining;
        return { ...row, remaining, lowestRatio: Math.min(ratioOf(remaining, row.limit), lowest.at(at)) };
      }),
  };
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

function wholeNumber(text: string | null): number | null {
  if (text === null || !/^\d{1,15}$/.test(text.trim())) return null;
  return Number(text);
}

/** An RFC 3339 instant, or a duration from now as the OpenAI-compatible endpoint writes it (`6m0s`, `1.5s`, `20ms`). */
function instantOf(text: string | null, at: EpochMs): EpochMs | null {
  if (text === null) return null;
  if (/^\d{4}-\d{2}-\d{2}T/.test(text)) {
    const instant = Date.parse(text);
    return Number.isNaN(instant) ? null : epochMs(instant);
  }
  const match = /^(?:(\d{1,4})h)?(?:(\d{1,4})m(?!s))?(?:(\d{1,5}(?:\.\d{1,9})?)s)?(?:(\d{1,7})ms)?$/.exec(text.trim());
  if (match === null || text.trim() === '') return null;
  const [hours, minutes, seconds, millis] = match.slice(1).map((part) => Number(part ?? 0)) as [number, number, number, number];
  return epochMs(at + Math.ceil(hours * 3_600_000 + minutes * 60_000 + seconds * 1_000 + millis));
}
