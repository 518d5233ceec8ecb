// web/charts/limit-name.ts: where the name of a limit stands beside its line, so that no other line runs through it.

export interface Place {
  readonly side: 'left' | 'right';
  readonly below: boolean;
}

/** The room that a name takes, as shares of the field: a long one at the height of the lowest charts. */
const WIDE = 0.4;
const HIGH = 0.14;

/**
 * The first of the four places beside the line that is free; above it on the left where none is.
 * @param limit its height, as a share of the field from the foot
 * @param lines heights in the same way, evenly spread over the width; null is a gap
 */
export function limitNameAt(limit: number, lines: readonly (readonly (number | null)[])[]): Place {
  const places = (['left', 'right'] as const).flatMap((side) => [false, true].map((below) => ({ side, below })));
  const inField = places.filter(({ below }) => (below ? limit - HIGH >= 0 : limit + HIGH * 0.85 <= 1));
  const free = ({ side, below }: Place) => {
    const [low, high] = below ? [limit - HIGH, limit] : [limit, limit + HIGH];
    return lines.every((line) => {
      const there = within(line, side === 'left' ? [0, WIDE] : [1 - WIDE, 1]);
      return there.length === 0 || Math.min(...there) > high || Math.max(...there) < low;
    });
  };
  return inField.find(free) ?? inField[0] ?? places[0]!;
}

/** Heights of a line between two shares of the width, and where it enters and leaves. */
function within(line: readonly (number | null)[], [from, to]: readonly [number, number]): number[] {
  const last = line.length - 1;
  const between = (at: number): number | null => {
    const before = line[Math.floor(at)] ?? null;
    const after = line[Math.ceil(at)] ?? null;
    return before === null || after === null ? null : before + (after - before) * (at - Math.floor(at));
  };
  const inside = line.filter((_, i) => i >= from * last && i <= to * last);
  return [between(from * last), ...inside, between(to * last)].filter((height) => height !== null);
}
