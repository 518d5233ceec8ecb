// test/meter/streams.ts: responses as the API writes them, and ways to feed them to a meter.

import type { MeterRequest } from '../../server/domain/meter.ts';
import type { Reading, Tokens } from '../../server/domain/usage.ts';
import { openMeter } from '../../server/meter/meter.ts';

export interface Metered {
  readonly reading: Reading;
  /** What `onStart` was called with, each time. */
  readonly started: readonly Tokens[];
  /** How many readings of the clock were taken; each returns the next whole number from 1. */
  readonly clockReadings: number;
}

/** Feeds chunks to a fresh meter. */
export async function metered(chunks: Iterable<Buffer>, request: Partial<MeterRequest> = {}, whole = true): Promise<Metered> {
  const started: Tokens[] = [];
  let clockReadings = 0;
  const meter = openMeter({
    endpoint: 'messages', status: 200, contentType: 'text/event-stream; charset=utf-8', contentEncoding: null, monotonic: () => ++clockReadings, onStart: (tokens) => started.push(tokens), onContent: null, ...request,
  });
  for (const chunk of chunks) meter.tap(chunk);
  return { reading: await meter.close(whole), started, clockReadings };
}

export const event = (data: { type: string } & Record<string, unknown>, name = data.type): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

export const messageStart = (usage: object, model = 'claude-opus-5'): string =>
  event({ type: 'message_start', message: { id: 'msg_01', type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage } });
export const messageDelta = (usage: object, stopReason = 'end_turn'): string => event({ type: 'message_delta', delta: { stop_reason: stopReason, stop_sequence: null }, usage });
export const messageStop = event({ type: 'message_stop' });
export const text = (words: string): string => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } });

export const startUsage = {
  input_tokens: 2_679, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  output_tokens: 3, service_tier: 'standard', inference_geo: 'global', speed: 'standard',
};

/** One of every event and delta there is, with text of one to four bytes a character, escapes, and words that look like events. */
export const everyEvent = [
  messageStart({ ...startUsage, cache_creation_input_tokens: 100, cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 60 }, cache_read_input_tokens: 7 }),
  event({ type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } }),
  event({ type: 'ping' }),
  event({ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Grüße, 世界 🌍' } }),
  event({ type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds'.repeat(3) } }),
  event({ type: 'content_block_stop', index: 0 }),
  event({ type: 'content_block_start', index: 1, content_block: { type: 'web_search_tool_result', tool_use_id: 's', content: [{ title: '"type":"message_delta"', usage: { output_tokens: 1 } }] } }),
  event({ type: 'content_block_stop', index: 1 }),
  event({ type: 'content_block_start', index: 2, content_block: { type: 'text', text: '' } }),
  text('event: message_stop\n\ndata: {"type":"message_delta","usage":{"output_tokens":9999}}\r\n\r\n'),
  event({ type: 'content_block_delta', index: 2, delta: { type: 'citations_delta', citation: { cited_text: 'c'.repeat(100) } } }),
  event({ type: 'content_block_delta', index: 12, delta: { type: 'input_json_delta', partial_json: '{"a":"\\"' } }),
  event({ type: 'content_block_delta', index: 2, delta: { type: 'compaction_delta', content: 'a summary' } }),
  event({ type: 'something_new', usage: { output_tokens: 77 } }),
  messageDelta({ output_tokens: 120, input_tokens: null, cache_read_input_tokens: null }, 'pause_turn'),
  messageDelta({ output_tokens: 340, server_tool_use: { web_search_requests: 1, web_fetch_requests: 2 } }),
  messageStop,
].join('');
