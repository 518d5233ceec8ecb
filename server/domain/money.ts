// server/domain/money.ts: exact money. Two integer units, one rounding, one way onto the wire.

declare const brand: unique symbol;
/** A value of `T` that only the function that checked it can make. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Whole nano-dollars: 1 USD = 1_000_000_000n. Never a float; a cost is summed exactly, then rounded up once. */
export type Nanodollars = Branded<bigint, 'Nanodollars'>;

/**
 * Whole pico-dollars: 1 USD = 1_000_000_000_000n. Prices are pico-dollars per token (USD per million tokens × 10^6), and
 * every listed rate stays whole under every modifier, so that a cost can be summed without a fraction.
 */
export type Picodollars = Branded<bigint, 'Picodollars'>;

export const NO_MONEY = 0n as Nanodollars;

export const nanodollars = (value: bigint): Nanodollars => value as Nanodollars;
export const picodollars = (value: bigint): Picodollars => value as Picodollars;

/** The exact sum of a row's parts, rounded up once to the nano-dollar. Negative sums (corrections) round towards zero, which is up too. */
export function roundUpToNano(exact: Picodollars): Nanodollars {
  const whole = exact / 1000n;
  return (exact % 1000n > 0n ? whole + 1n : whole) as Nanodollars;
}

/** Nano-dollars as they cross the wire: a decimal string of US dollars with nine places, e.g. `"0.000400000"`. */
export function usdString(amount: Nanodollars): string {
  const negative = amount < 0n;
  const digits = (negative ? -amount : amount).toString().padStart(10, '0');
  return `${negative ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/**
 * Nano-dollars from a decimal string or number of US dollars, e.g. `"400"`, `"0.25"`, `12.5`.
 * @throws RangeError when it is not a plain decimal, or has more than nine places: money is never rounded on the way in.
 */
export function nanoFromUsd(text: string | number): Nanodollars {
  return decimalToScaled(String(text), 9) as Nanodollars;
}

/** Pico-dollars per token from US dollars per million tokens, e.g. `"0.125"` → 125_000n. @throws RangeError past six places. */
export function picoPerTokenFromUsdPerMtok(text: string): Picodollars {
  return decimalToScaled(text, 6) as Picodollars;
}

/** For gauges and logs only, where a float is what the format has; never fed back into a sum. */
export function usdNumber(amount: Nanodollars): number {
  return Number(amount) / 1e9;
}

function decimalToScaled(text: string, places: number): bigint {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text.trim());
  const fraction = (match?.[3] ?? '').replace(/0+$/, '');
  if (!match || fraction.length > places) throw new RangeError(`not a decimal with at most ${places} places: ${text}`);
  const scaled = BigInt(match[2] + fraction.padEnd(places, '0'));
  return match[1] === '-' ? -scaled : scaled;
}
