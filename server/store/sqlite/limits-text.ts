// server/store/sqlite/limits-text.ts: what an answer told of the provider's limits, as a short text of numbers in the row of its attempt, and back.

import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { HEADROOM_DIMENSIONS, type HeadroomDimension, type ToldLimit, type ToldLimits } from '../../domain/provider-limits.ts';

/** A limit begins with the letter of its dimension: `r4000,3999,12;` is 3999 left of 4000 requests, full again twelve seconds after the second in which the attempt began. */
const LETTERS: Readonly<Record<HeadroomDimension, string>> = { requests: 'r', tokens: 't', input_tokens: 'i', output_tokens: 'o' };
/** What a wait that was asked for begins with, in seconds. */
const AFTER = 'a';

/** Empty where the answer told nothing. @param startedAt of the attempt; resets are written against its second, rounded up to whole ones */
export function limitsText({ limits, retryAfterSeconds }: ToldLimits, startedAt: EpochMs): string {
  const second = Math.floor(startedAt / 1000);
  let text = '';
  for (const { dimension, limit, remaining, resetAt } of limits) {
    const reset = resetAt === null ? '' : Math.ceil(resetAt / 1000) - second;
    text += `${LETTERS[dimension]}${limit},${remaining},${reset};`;
  }
  return retryAfterSeconds === null ? text : `${text}${AFTER}${retryAfterSeconds};`;
}

/** What `limitsText` was given, resets to the second; null for null. What is in no form that this version knows is left out. */
export function limitsOf(text: string | null, startedAt: EpochMs): ToldLimits | null {
  if (text === null) return null;
  const second = Math.floor(startedAt / 1000);
  const parts = text.split(';').slice(0, -1);
  const after = parts.find((part) => part.startsWith(AFTER));
  return {
    limits: parts.flatMap((part): ToldLimit[] => {
      const dimension = HEADROOM_DIMENSIONS.find((one) => part.startsWith(LETTERS[one]));
      if (dimension === undefined) return [];
      const [limit, remaining, reset] = part.slice(1).split(',');
      return [{ dimension, limit: Number(limit), remaining: Number(remaining), resetAt: reset ? epochMs((second + Number(reset)) * 1000) : null }];
    }),
    retryAfterSeconds: after === undefined ? null : Number(after.slice(AFTER.length)),
  };
}
