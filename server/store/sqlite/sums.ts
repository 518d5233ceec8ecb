// server/store/sqlite/sums.ts: sums of groups, gathered twice and compared.

import type { Drift } from '../../domain/verify.ts';

/** The last two are what the outcome says, for folds that do not tell outcomes apart. */
export const FIGURES = ['calls', 'attempts', 'input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'cost', 'estimated_cost', 'cache_savings', 'refused', 'errors'] as const;

/** By group, as JSON of its values; one sum per figure. */
export type Sums = Map<string, bigint[]>;

export function addTo(sums: Sums, group: string, values: readonly bigint[]): void {
  const known = sums.get(group);
  sums.set(group, known === undefined ? [...values] : known.map((value, at) => value + (values[at] ?? 0n)));
}

/** A group that one side lacks is nothing but zeros there. */
export function differences(subject: string, expected: Sums, found: Sums): Drift[] {
  return [...new Set([...expected.keys(), ...found.keys()])].flatMap((group) =>
    FIGURES.flatMap((figure, at): Drift[] => {
      const want = expected.get(group)?.[at] ?? 0n;
      const have = found.get(group)?.[at] ?? 0n;
      return want === have ? [] : [{ kind: 'rollup', subject, figure, expected: want, found: have }];
    }),
  );
}
