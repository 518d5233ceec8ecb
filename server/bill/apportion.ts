// server/bill/apportion.ts: splits an amount into whole parts that add up to it.

/**
 * Parts of `total` in the proportion of `weights`, by largest remainder: none is off by a whole unit or more, and they add up to `total` exactly.
 * Of equal remainders the earlier weight is served first. Without any weight, the first part takes all.
 * @param weights not negative
 */
export function apportion(total: bigint, weights: readonly bigint[]): bigint[] {
  const sum = weights.reduce((a, b) => a + b, 0n);
  if (weights.length === 0) return [];
  if (sum === 0n) return weights.map((_, at) => (at === 0 ? total : 0n));
  const sign = total < 0n ? -1n : 1n;
  const size = total * sign;
  const parts = weights.map((weight) => (size * weight) / sum);
  let left = size - parts.reduce((a, b) => a + b, 0n);
  const byRemainder = weights.map((weight, at) => ({ at, remainder: (size * weight) % sum })).sort((a, b) => (a.remainder === b.remainder ? a.at - b.at : a.remainder > b.remainder ? -1 : 1));
  for (const { at } of byRemainder) {
    if (left === 0n) break;
    parts[at] = (parts[at] as bigint) + 1n;
    left -= 1n;
  }
  return parts.map((part) => part * sign);
}
