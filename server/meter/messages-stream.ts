// server/meter/messages-stream.ts: which events of a Messages stream matter, and what they say.

import type { Tokens } from '../domain/usage.ts';
import type { Account } from './account.ts';
import { startsWith, type EventReader, type Interest } from './events.ts';
import { asObject } from './usage-merge.ts';

const KEPT = ['message_start', 'message_delta', 'message_stop', 'error'].map((name) => Buffer.from(name));
const DELTA = Buffer.from('content_block_delta');
const BLOCK_START = Buffer.from('content_block_start');
const TYPE = Buffer.from('{"type":"');
/** As the API writes it today; text that is written otherwise is simply counted whole. */
const DELTA_HEAD = Buffer.from('{"type":"content_block_delta","index":');
const DELTA_TYPE = Buffer.from(',"delta":{"type":"');
const SIGNATURE = Buffer.from('signature_delta');
const CITATIONS = Buffer.from('citations_delta');
const FALLBACK = Buffer.from('"type":"fallback"');
/** What stands around a delta's text in its JSON, about; the figure that Anthropic's own gateway subtracts. */
const ENVELOPE_BYTES = 80;
const BLOCK_HEAD_BYTES = 128;
const QUOTE = 34;

/**
 * Reads `message_start`, `message_delta`, `message_stop` and `error`, and the `fallback` block that names a new model in mid-stream.
 * Deltas are counted by their bytes without being decoded, the first one of any kind being the first content; everything else, and
 * every event that is newer than this code, goes by unread. Signatures and citations are no output tokens and count nothing.
 */
export function messagesReader(account: Account, onStart: (started: Tokens) => void): EventReader {
  let started = false;
  return {
    byName: (buffer, start, end) => interestIn(buffer, start, end),
    byData: (buffer, start, end) => {
      if (!startsWith(buffer, start, end, TYPE)) return 'keep';
      const nameStart = start + TYPE.length;
      const close = buffer.subarray(nameStart, Math.min(end, nameStart + 32)).indexOf(QUOTE);
      return close === -1 ? 'skip' : interestIn(buffer, nameStart, nameStart + close);
    },
    count: (bytes, buffer, start, end) => {
      if (isBlockStart(buffer, start, end)) {
        const head = buffer.subarray(start, Math.min(end, start + BLOCK_HEAD_BYTES));
        if (head.includes(FALLBACK)) readFallback(buffer.toString('utf8', start, end), account);
        else account.hasContent(true);
        return;
      }
      account.content(hasTokens(buffer, start, end) ? Math.max(1, bytes - ENVELOPE_BYTES) : 0);
    },
    keep: (data) => {
      const event = parsed(data, account);
      if (!event) return;
      if (event['type'] === 'message_start') {
        const message = asObject(event['message']);
        account.messageId(message?.['id']);
        account.model(message?.['model']);
        account.usage(message?.['usage'], false);
        account.stopReason(message?.['stop_reason']);
        account.container(message?.['container']);
        account.hasContent(false);
        if (!started && account.promptTold) onStart(account.tokens());
        started = true;
      } else if (event['type'] === 'message_delta') {
        const delta = asObject(event['delta']);
        account.stopReason(delta?.['stop_reason']);
        account.container(delta?.['container']);
        account.usage(event['usage'], true);
      } else if (event['type'] === 'message_stop') {
        account.ended();
      } else if (event['type'] === 'error') {
        account.error(event['error']);
      }
    },
    oversized: () => account.stuck('oversized_event'),
  };
}

/** A block start is "counted" only so that its head can be looked at: it may be a fallback's. */
function interestIn(buffer: Buffer, start: number, end: number): Interest {
  if (is(buffer, start, end, DELTA) || is(buffer, start, end, BLOCK_START)) return 'count';
  return KEPT.some((name) => is(buffer, start, end, name)) ? 'keep' : 'skip';
}

const is = (buffer: Buffer, start: number, end: number, name: Buffer): boolean => end - start === name.length && startsWith(buffer, start, end, name);

const isBlockStart = (buffer: Buffer, start: number, end: number): boolean => buffer[start + TYPE.length + 14] === 0x73 && startsWith(buffer, start + TYPE.length, end, BLOCK_START);

/** False for signatures and citations. The first letter of a delta's type tells almost always; only then is the rest compared. */
function hasTokens(buffer: Buffer, start: number, end: number): boolean {
  let at = start + DELTA_HEAD.length;
  while (at < end && (buffer[at] as number) >= 48 && (buffer[at] as number) <= 57) at++;
  at += DELTA_TYPE.length;
  if (buffer[at] !== SIGNATURE[0] && buffer[at] !== CITATIONS[0]) return true;
  if (!startsWith(buffer, start, end, DELTA_HEAD) || !startsWith(buffer, at - DELTA_TYPE.length, end, DELTA_TYPE)) return true;
  return !startsWith(buffer, at, end, SIGNATURE) && !startsWith(buffer, at, end, CITATIONS);
}

function readFallback(text: string, account: Account): void {
  try {
    const block = asObject(asObject(JSON.parse(text))?.['content_block']);
    if (block?.['type'] === 'fallback') account.model(asObject(block['to'])?.['model']);
  } catch {
    // Cut off or broken: the final iterations name the model too.
  }
}

/** The data as JSON; null and an obstacle when it is none. Invalid UTF-8 becomes U+FFFD, which JSON allows in strings. */
export function parsed(data: Buffer, account: Account): ReturnType<typeof asObject> {
  try {
    return asObject(JSON.parse(data.toString('utf8')));
  } catch {
    account.stuck('unparsable');
    return null;
  }
}
