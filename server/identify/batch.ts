// server/identify/batch.ts: reads what every item of a batch asks for, with pauses, so that a large batch does not hold up streams.

import { setImmediate as pause } from 'node:timers/promises';
import type { BatchItemAsk } from '../domain/call.ts';
import { granted, refused, type Verdict } from '../domain/refusal.ts';
import { checkUtf8 } from './ask.ts';
import { AskReader } from './ask-reader.ts';
import { Cursor, Names, ScanFailure } from '../domain/json-cursor.ts';

/** The API's own maximum. */
const MAX_ITEMS = 100_000;
const SLICE_BYTES = 1 << 20;

const BATCH = new Names(['requests']);
const ITEM = new Names(['custom_id', 'params']);

/**
 * What a batch asks for, item by item, in the order of the body; spans are places in the whole body. The rules are those of
 * `scanAsk`. After each megabyte other work gets its turn.
 * @param body decoded; `{"requests":[{"custom_id","params":{…}}]}`
 */
export async function scanBatch(body: Buffer): Promise<Verdict<readonly BatchItemAsk[]>> {
  try {
    for (const slice of utf8Slices(body)) {
      checkUtf8(slice);
      if (body.length > SLICE_BYTES) await pause();
    }
    const items: BatchItemAsk[] = [];
    let pausedAt = 0;
    for (const item of itemsOf(new Cursor(body))) {
      items.push(item.ask);
      if (item.end - pausedAt < SLICE_BYTES) continue;
      pausedAt = item.end;
      await pause();
    }
    return granted(items);
  } catch (failure) {
    if (failure instanceof ScanFailure) return refused('malformed', failure.message);
    throw failure;
  }
}

/** A generator, so that the walk can rest between two items. */
function* itemsOf(cursor: Cursor): Generator<{ ask: BatchItemAsk; end: number }> {
  let listed = false;
  if (cursor.kind() !== 'object') cursor.fail('a JSON object');
  for (const name of cursor.members(BATCH)) {
    if (name === null) cursor.skip();
    else {
      listed = true;
      if (cursor.kind() !== 'array') cursor.fail('a list of requests');
      let count = 0;
      for (const _ of cursor.elements()) {
        if (++count > MAX_ITEMS) cursor.fail(`at most ${MAX_ITEMS} requests`);
        yield { ask: readItem(cursor), end: cursor.at };
      }
    }
  }
  cursor.finish();
  if (!listed) cursor.fail('"requests", a list');
}

function readItem(cursor: Cursor): BatchItemAsk {
  let customId: string | null = null;
  let ask: BatchItemAsk['ask'] | null = null;
  if (cursor.kind() !== 'object') cursor.fail('a JSON object');
  cursor.object(ITEM, (name) => {
    if (name === 'params') ask = new AskReader(cursor, 'batches').read();
    else if (name === null) cursor.skip();
    else {
      if (cursor.kind() !== 'string') cursor.fail('a string');
      const at = cursor.at;
      customId = cursor.string();
      if (customId === '' || customId.length > 256) {
        cursor.at = at;
        cursor.fail('a "custom_id" of 1 to 256 characters');
      }
    }
  });
  if (customId === null || ask === null) return cursor.fail('"custom_id" and "params" in the request that ends');
  return { customId, ask };
}

/** Cut so that no character is split: a slice never begins with a continuation byte (10xxxxxx), of which there are at most three. */
function* utf8Slices(body: Buffer): Generator<Buffer> {
  for (let from = 0; from < body.length; ) {
    let to = Math.min(from + SLICE_BYTES, body.length);
    for (let back = 0; back < 3 && to < body.length && (body[to]! & 0xc0) === 0x80; back++) to--;
    yield body.subarray(from, to);
    from = to;
  }
}
