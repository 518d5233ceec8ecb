// server/settings/mistakes.ts: what is wrong in a config file, where, and what would have been right.

/** One mistake. Line and column count from 1; for a mistake of the file as a whole they are 1:1, for one of the command line 0:0. No value from the environment is ever in it. */
export interface Mistake {
  /** As the caller named the file; of the command line, the option. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly what: string;
  /** What would be right; null where `what` already says it. */
  readonly expected: string | null;
  /** The nearest valid name; null when none is near. */
  readonly suggestion: string | null;
}

/** `file:line:column: what is wrong; expected …; did you mean "x"?`, on one line; `--option: what is wrong …` where the file is not at fault. */
export function mistakeText(mistake: Mistake): string {
  const expected = mistake.expected === null ? '' : `; expected ${mistake.expected}`;
  const suggestion = mistake.suggestion === null ? '' : `; did you mean "${mistake.suggestion}"?`;
  // A key can be written with escapes in it: they must not break the line, nor colour a terminal.
  const said = `${mistake.what}${expected}${suggestion}`.replace(/[\p{Cc}\u2028\u2029]/gu, '?');
  return mistake.line === 0 ? `${mistake.file}: ${said}` : `${mistake.file}:${mistake.line}:${mistake.column}: ${said}`;
}

/**
 * The candidate nearest to what was written, by edit distance (a swap of neighbours counts as one), or null when none is
 * near enough to be what was meant: at most a third of the longer word may differ, and never more than four letters.
 */
export function nearest(written: string, candidates: Iterable<string>): string | null {
  // A pasted paragraph is no typing slip, and the table below grows with the square of the length.
  if (written.length > 80) return null;
  let best: { name: string; distance: number } | null = null;
  for (const name of candidates) {
    if (name === written) continue;
    const distance = editDistance(written.toLowerCase(), name.toLowerCase());
    const bound = Math.min(4, Math.max(1, Math.floor(Math.max(written.length, name.length) / 3)));
    if (distance <= bound && (best === null || distance < best.distance)) best = { name, distance };
  }
  return best?.name ?? null;
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        last[j]! + 1,
        row[j - 1]! + 1,
        last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
        swapped ? beforeLast[j - 2]! + 1 : Number.POSITIVE_INFINITY,
      );
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
