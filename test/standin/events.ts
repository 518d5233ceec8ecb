// test/standin/events.ts: a message as its stream: the order, the pings, the placeholder at the start and the cumulative usage at the end.

import type { ContentBlock, Message, MessageDeltaUsage, RawContentBlockDelta, RawMessageStreamEvent, Usage } from '@anthropic-ai/sdk/resources/messages/messages.js';
import type { SseEvent } from './answer.ts';
import type { Chance } from './chance.ts';
import { pieces } from './prose.ts';

const event = (data: RawMessageStreamEvent, more: Partial<SseEvent> = {}): SseEvent => ({ name: data.type, data: JSON.stringify(data), ...more });

export const PING: SseEvent = { name: 'ping', data: '{"type": "ping"}' };

/** @param start the usage that `message_start` tells: the true prompt of the first turn, and a few output tokens as a placeholder */
export function messageEvents(message: Message, start: Usage, chance: Chance): SseEvent[] {
  const opened: Message = { ...message, content: [], container: null, stop_reason: null, stop_sequence: null, stop_details: null, usage: start };
  const out: SseEvent[] = [event({ type: 'message_start', message: opened }, { tells: start })];
  message.content.forEach((block, index) => {
    out.push(event({ type: 'content_block_start', index, content_block: emptied(block) }));
    if (index === 0) out.push(PING);
    let sincePing = 0;
    for (const delta of deltasOf(block, chance)) {
      out.push(event({ type: 'content_block_delta', index, delta }, { tokens: 5 }));
      sincePing += 1;
      if (sincePing % 120 === 0) out.push(PING);
    }
    out.push(event({ type: 'content_block_stop', index }));
  });
  const delta = { stop_reason: message.stop_reason, stop_sequence: message.stop_sequence, ...(message.stop_details ? { stop_details: message.stop_details } : {}), ...(message.container ? { container: message.container } : {}) };
  out.push({ name: 'message_delta', data: JSON.stringify({ type: 'message_delta', delta, usage: deltaUsage(message.usage) }), tells: message.usage });
  out.push(event({ type: 'message_stop' }));
  return out;
}

/** The last event's usage has no lifetime split, tier, geo or speed: those are in `message_start` only. Beta fields ride along. */
function deltaUsage(usage: Usage): MessageDeltaUsage {
  const { cache_creation: _split, service_tier: _tier, inference_geo: _geo, speed: _speed, ...rest } = usage;
  return rest satisfies MessageDeltaUsage;
}

function emptied(block: ContentBlock): ContentBlock {
  if (block.type === 'text') return { ...block, text: '' };
  if (block.type === 'thinking') return { ...block, thinking: '', signature: '' };
  if (block.type === 'tool_use' || block.type === 'server_tool_use') return { ...block, input: {} } as ContentBlock;
  return block;
}

function deltasOf(block: ContentBlock, chance: Chance): RawContentBlockDelta[] {
  if (block.type === 'text') return pieces(block.text, chance).map((text) => ({ type: 'text_delta', text }));
  if (block.type === 'thinking') return [...pieces(block.thinking, chance).map((thinking): RawContentBlockDelta => ({ type: 'thinking_delta', thinking })), { type: 'signature_delta', signature: block.signature }];
  // The first piece of a tool's input is empty on the real wire, too.
  if (block.type === 'tool_use' || block.type === 'server_tool_use') return ['', ...pieces(JSON.stringify(block.input), chance)].map((partial_json) => ({ type: 'input_json_delta', partial_json }));
  return [];
}
