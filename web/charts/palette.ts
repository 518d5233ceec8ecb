// web/charts/palette.ts: one colour per name, the same on every page. Colours stay apart under the three kinds of colour blindness; all marks stand 3:1 or more from the ground.

import type { shade } from '../shell/theme.ts';

type Shade = (typeof shade)['value'];

const SERIES: Readonly<Record<Shade, readonly string[]>> = {
  light: ['#0E7490', '#D55E00', '#4D4DFF', '#C171D6', '#62300E', '#5B2A86'],
  dark: ['#3B9EFF', '#F0E442', '#06E58C', '#D55E00', '#B635B6', '#227744'],
};
const OTHER: Readonly<Record<Shade, string>> = { light: '#767676', dark: '#8B949E' };

/** What a mark looks like: a colour, and stripes for names past the sixth, so that two names never look alike. */
export interface Slot {
  /** Null for the rest, "Other". */
  readonly colour: number | null;
  readonly striped: boolean;
}
export const OTHER_SLOT: Slot = { colour: null, striped: false };

export const colourOf = (slot: Slot, shade: Shade): string => (slot.colour === null ? OTHER[shade] : SERIES[shade][slot.colour]!);

const SLOTS = 12;
const taken = new Map<string, Map<string, number>>();

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}

/**
 * The slots of names of one kind (workspace, model, …): the hash of the name decides, a name that finds its slot taken moves on to the next free one.
 * The first names are asked first, so the biggest series gets a plain colour. A slot, once given, is kept until the page is loaded again.
 */
export function slotsFor(kind: string, names: readonly string[]): Slot[] {
  let given = taken.get(kind);
  if (!given) taken.set(kind, (given = new Map()));
  for (const name of names) {
    if (given.has(name)) continue;
    const used = new Set(given.values());
    const first = hash(name) % 6;
    let slot = first;
    for (let step = 0; step < SLOTS; step += 1) {
      // The six plain colours first, then the same six with stripes.
      const candidate = ((first + step) % 6) + (step < 6 ? 0 : 6);
      if (!used.has(candidate)) {
        slot = candidate;
        break;
      }
    }
    given.set(name, slot);
  }
  return names.map((name) => ({ colour: given.get(name)! % 6, striped: given.get(name)! >= 6 }));
}
