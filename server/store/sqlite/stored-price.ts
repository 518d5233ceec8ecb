// server/store/sqlite/stored-price.ts: a price row as the ledger keeps it, JSON with bigints as decimal strings, and back.

import { picodollars } from '../../domain/money.ts';
import type { PriceRow, Rates } from '../../domain/price.ts';
import { TOKEN_KINDS } from '../../domain/usage.ts';

type Stored<T> = T extends bigint ? string : T extends number | string | null ? T : { readonly [K in keyof T]: Stored<T[K]> };
export type StoredPrice = Stored<Omit<PriceRow, 'effectiveFrom'>> & Pick<PriceRow, 'effectiveFrom'>;

export const priceContent = (row: PriceRow): string => JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));

export function revivePrice(stored: StoredPrice): PriceRow {
  const rates = (of: Stored<Rates>): Rates => Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, picodollars(BigInt(of[kind]))])) as unknown as Rates;
  const { longPrompt, usInference, codeExecutionFee, ...rest } = stored;
  return {
    ...rest,
    standard: rates(stored.standard),
    batch: rates(stored.batch),
    fast: stored.fast === null ? null : rates(stored.fast),
    longPrompt: longPrompt === null ? null : { aboveTokens: longPrompt.aboveTokens, standard: rates(longPrompt.standard), batch: rates(longPrompt.batch) },
    usInference: { numerator: BigInt(usInference.numerator), denominator: BigInt(usInference.denominator) },
    webSearchFee: picodollars(BigInt(stored.webSearchFee)),
    ...(codeExecutionFee === undefined ? {} : { codeExecutionFee: picodollars(BigInt(codeExecutionFee)) }),
  };
}
