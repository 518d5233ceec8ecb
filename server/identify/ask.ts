// server/identify/ask.ts: reads the governed fields of a request body, strictly, and leaves the rest of it alone.

import { isUtf8 } from 'node:buffer';
import type { Ask, Endpoint } from '../domain/call.ts';
import { granted, refused, type Verdict } from '../domain/refusal.ts';
import { AskReader } from './ask-reader.ts';
import { Cursor, ScanFailure } from '../domain/json-cursor.ts';
import type { PromptLayout } from './prompt-layout.ts';

/**
 * What a request body asks for. Pure, and quick on large prompts: it follows strings by native search and builds nothing for
 * fields that no rule asks about.
 *
 * Refused as `malformed`: what is not UTF-8 (byte order marks and UTF-16 with it), what is not JSON in its structure, what
 * nests deeper than 100, and a governed field that stands twice, has the wrong type, or is a number that is not a whole one.
 * Where parsers differ, another one must not be able to read another model than this one did. Fields that nobody governs
 * may stand twice and hold what they like: they are forwarded as they came.
 * @param body decoded (`decodeBody`)
 * @param layout gets the places of the prompt's parts; null asks for none
 */
export function scanAsk(body: Buffer, endpoint: Endpoint, layout: PromptLayout | null = null): Verdict<Ask> {
  return scanned(() => {
    checkUtf8(body);
    const cursor = new Cursor(body);
    const ask = new AskReader(cursor, endpoint, layout).read();
    cursor.finish();
    return ask;
  });
}

/** The body with another model in the place of the one it has; every other byte stays. `span` is the ask's `modelSpan`. */
export function spliceModel(body: Buffer, span: readonly [number, number], model: string): Buffer {
  return Buffer.concat([body.subarray(0, span[0]), Buffer.from(JSON.stringify(model)), body.subarray(span[1])]);
}

/** As `spliceModel`, for several places at once, as a batch has them. `edits` are in the order of the body. */
export function spliceModels(body: Buffer, edits: readonly { readonly span: readonly [number, number]; readonly model: string }[]): Buffer {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { span, model } of edits) {
    pieces.push(body.subarray(at, span[0]), Buffer.from(JSON.stringify(model)));
    at = span[1];
  }
  pieces.push(body.subarray(at));
  return Buffer.concat(pieces);
}

/** @throws ScanFailure */
export function checkUtf8(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw new ScanFailure('the body is not accepted: expected JSON in UTF-8');
}

/** Turns a scan's failure into the refusal that it is. */
export function scanned<T>(scan: () => T): Verdict<T> {
  try {
    return granted(scan());
  } catch (failure) {
    if (failure instanceof ScanFailure) return refused('malformed', failure.message);
    throw failure;
  }
}
