// server/meter/text-stream.ts: streams of the OpenAI-compatible endpoint and of text completion.

import type { Account } from './account.ts';
import type { EventReader } from './events.ts';
import { parsed } from './messages-stream.ts';
import { asObject } from './usage-merge.ts';

const DONE = Buffer.from('[DONE]');
const USAGE = Buffer.from('"usage":');
const FINISH = Buffer.from('"finish_reason":"');
const ERROR = Buffer.from('"error":');
const CHAT_TEXT = ['"content":"', '"reasoning_content":"', '"arguments":"'].map((text) => Buffer.from(text));
const COMPLETION_TEXT = [Buffer.from('"completion":"')];
const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Chunks of `/v1/chat/completions`. Only those that may hold usage, an end or an error are parsed, of the others the text is measured
 * where it stands: inside a string a quote is escaped, so none of these keys can be part of a text.
 */
export function chatReader(account: Account): EventReader {
  return {
    byName: () => 'keep',
    byData: () => 'keep',
    count: () => {},
    keep: (data) => {
      if (data.equals(DONE)) return account.ended();
      const bytes = stringBytes(data, CHAT_TEXT);
      if (bytes > 0) account.content(bytes);
      if (!data.includes(USAGE) && !data.includes(FINISH) && !data.includes(ERROR)) return;
      const chunk = parsed(data, account);
      account.model(chunk?.['model']);
      account.chatUsage(chunk?.['usage']);
      const choice = Array.isArray(chunk?.['choices']) ? asObject(chunk['choices'][0]) : null;
      account.stopReason(choice?.['finish_reason']);
      // The chunk with the usage comes after the one with the reason, so that both and no `[DONE]` are a whole account.
      if (typeof choice?.['finish_reason'] === 'string') account.ended();
      if (asObject(chunk?.['error'])) account.error(chunk?.['error']);
    },
    oversized: () => account.stuck('oversized_event'),
  };
}

/** Events of `/v1/complete`; they carry no usage, so that only the text can be measured. */
export function completionReader(account: Account): EventReader {
  return {
    byName: () => 'keep',
    byData: () => 'keep',
    count: () => {},
    keep: (data) => {
      const bytes = stringBytes(data, COMPLETION_TEXT);
      if (bytes > 0) account.content(bytes);
      const event = parsed(data, account);
      account.model(event?.['model']);
      account.stopReason(event?.['stop_reason']);
      // It knows no other last word than the reason why it stopped.
      if (typeof event?.['stop_reason'] === 'string') account.ended();
      if (asObject(event?.['error'])) account.error(event?.['error']);
    },
    oversized: () => account.stuck('oversized_event'),
  };
}

/** Bytes, as escaped in JSON, of the string values of these keys. */
function stringBytes(data: Buffer, keys: readonly Buffer[]): number {
  let bytes = 0;
  for (const key of keys) {
    for (let found = data.indexOf(key); found !== -1; ) {
      const start = found + key.length;
      let at = start;
      while (at < data.length && data[at] !== QUOTE) at += data[at] === BACKSLASH ? 2 : 1;
      bytes += Math.min(at, data.length) - start;
      found = data.indexOf(key, at);
    }
  }
  return bytes;
}
