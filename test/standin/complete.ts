// test/standin/complete.ts: POST /v1/complete, the oldest way in: one prompt text, and an answer that tells no usage.

import type { Answer, SseEvent } from './answer.ts';
import { jsonAnswer } from './answer.ts';
import { invalid } from './errors.ts';
import { PING } from './events.ts';
import { composeMessage } from './messages.ts';
import { pieces } from './prose.ts';
import { checkMessage, parseObject } from './validate.ts';
import type { Visit, World } from './world.ts';

export function postComplete(visit: Visit, world: World): Answer {
  const body = parseObject(visit.body);
  if (typeof body['prompt'] !== 'string' || body['prompt'].trim() === '') throw invalid('prompt: Field required');
  if (body['max_tokens_to_sample'] === undefined) throw invalid('max_tokens_to_sample: Field required');
  const asked = { model: body['model'], max_tokens: body['max_tokens_to_sample'], messages: [{ role: 'user', content: body['prompt'] }], ...(body['stop_sequences'] === undefined ? {} : { stop_sequences: body['stop_sequences'] }) };
  const { params, model } = checkMessage(asked, '2023-06-01', 'call');
  world.limits.take(model.line);
  const { message, billed, commit } = composeMessage(params, model, visit, world, 'call');
  const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  const end = { stop_reason: message.stop_reason === 'max_tokens' ? 'max_tokens' : 'stop_sequence', stop: message.stop_sequence };
  const shown = (completion: string, more: object) => ({ type: 'completion', id: message.id.replace('msg_', 'compl_'), completion, model: message.model, ...more });
  const common = { model: message.model, billed, outputTokens: message.usage.output_tokens, onBegin: commit };

  if (body['stream'] !== true) return jsonAnswer(shown(` ${text}`, end), { ...common, headers: { 'content-type': 'application/json', ...world.limits.headers(model.line) } });
  const event = (completion: string, more: object): SseEvent => ({ name: 'completion', data: JSON.stringify(shown(completion, more)), tokens: 5 });
  const events = [...pieces(` ${text}`, visit.chance).map((part) => event(part, { stop_reason: null, stop: null })), PING, event('', end)];
  return { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8', ...world.limits.headers(model.line) }, body: events, usage: null, ...common };
}
