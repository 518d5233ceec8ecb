// server/price/estimate.ts: what a call probably used where the provider's own count is missing or unfinished.

import type { Quote } from '../domain/price.ts';
import { NO_TOKENS, type Reading, type Tokens } from '../domain/usage.ts';

/** Tokens in place of a count that never came, and how they were come by. */
export interface Estimate {
  readonly tokens: Tokens;
  readonly method: string;
}

/**
 * Output tokens from the bytes of content that went by. Anthropic's own gateway takes 4 bytes per token; models from Opus 4.7 on make
 * about 30 % more tokens of the same text, hence 3 for them (`bytes_per_token` in the price book). Hidden thinking shows no bytes, so
 * this is a floor. Never above what the call was allowed.
 */
export const outputFloor = (quote: Quote, reading: Reading, bytesPerToken: number): number =>
  Math.min(Math.ceil(reading.contentBytes / bytesPerToken), quote.maxOutputTokens);

/** A prompt that nothing told of. It was sent and may have been billed, so it is never nothing: the quote's own middling guess. */
const likelyPrompt = (quote: Quote): number => Math.max(1, quote.likelyInputTokens);

/** Where no usage was seen at all. The prompt is taken at the plain input rate, since nothing tells what came from a cache. */
export function withoutUsage(quote: Quote, reading: Reading, bytesPerToken: number): Estimate {
  const tokens: Tokens = { ...NO_TOKENS, input: likelyPrompt(quote), output: outputFloor(quote, reading, bytesPerToken) };
  return { tokens, method: tokens.output > 0 ? 'prompt from bytes sent, output from bytes received' : 'prompt from bytes sent' };
}

/**
 * What is missing from the output of a usage that is "at least": zero when as much or more was reported. The prompt counters of
 * `message_start` are exact for the first turn and are kept as they are.
 */
export function outputShortfall(quote: Quote, reading: Reading, bytesPerToken: number, reported: number): number {
  return Math.max(0, outputFloor(quote, reading, bytesPerToken) - reported);
}

/**
 * What is missing from the prompt of a usage that did not tell it, at the plain input rate likewise; zero where it did.
 * @param reported what was told of it all the same, as read from the cache or written there
 */
export function promptShortfall(quote: Quote, reading: Reading, reported: number): number {
  return reading.promptUntold === true ? Math.max(0, likelyPrompt(quote) - reported) : 0;
}
