// server/price/price-version.ts: a digest of what a price row charges, so that an edited row cannot pass for the old one.

import { createHash } from 'node:crypto';
import type { PriceRow, Rates } from '../domain/price.ts';
import { TOKEN_KINDS } from '../domain/usage.ts';

type Charges = Pick<PriceRow, 'standard' | 'batch' | 'fast' | 'longPrompt' | 'usInference' | 'webSearchFee' | 'codeExecutionFee'>;

/** Eight hex digits over everything that a cost depends on, in a fixed order; a row's source or context window is not part of it. */
export function digestOf(charges: Charges): string {
  const rates = (r: Rates | null | undefined): string => (r ? TOKEN_KINDS.map((kind) => r[kind]).join(',') : '-');
  const text = [
    rates(charges.standard),
    rates(charges.batch),
    rates(charges.fast),
    charges.longPrompt?.aboveTokens ?? '-',
    rates(charges.longPrompt?.standard),
    rates(charges.longPrompt?.batch),
    `${charges.usInference.numerator}/${charges.usInference.denominator}`,
    charges.webSearchFee,
    // Left out where there is none, so that rows from before this fee keep their version.
    ...(charges.codeExecutionFee === undefined ? [] : [charges.codeExecutionFee]),
  ].join(';');
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
