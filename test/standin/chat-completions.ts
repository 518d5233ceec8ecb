// test/standin/chat-completions.ts: POST /v1/chat/completions, the OpenAI-compatible way in: its own shapes, no prompt cache, usage in a stream only when asked for.

import type { MessageCreateParamsBase, MessageParam, Usage } from '@anthropic-ai/sdk/resources/messages/messages.js';
import { jsonAnswer, type Answer, type SseEvent } from './answer.ts';
import { invalid } from './errors.ts';
import { composeMessage } from './messages.ts';
import { pieces } from './prose.ts';
import { checkMessage, parseObject } from './validate.ts';
import type { Visit, World } from './world.ts';

export function postChatCompletions(visit: Visit, world: World): Answer {
  const body = parseObject(visit.body);
  if (body['n'] !== undefined && body['n'] !== 1) throw invalid('n: must be 1');
  const { params, model } = checkMessage(asMessages(body), '2023-06-01', 'call');
  world.limits.take(model.line);
  const { message, billed, commit } = composeMessage(params, model, visit, world, 'call');
  const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  const usage = compatible(message.usage);
  const finish = message.stop_reason === 'max_tokens' ? 'length' : message.stop_reason === 'refusal' ? 'content_filter' : 'stop';
  const head = { id: `chatcmpl-${message.id}`, created: Math.floor(world.now() / 1000), model: message.model };
  const headers = { 'openai-version': '2020-10-01', ...world.limits.headers(model.line) };
  const common = { model: message.model, billed, outputTokens: message.usage.output_tokens, onBegin: commit };

  if (body['stream'] !== true) {
    const choice = { index: 0, message: { role: 'assistant', content: text, refusal: null }, logprobs: null, finish_reason: finish };
    return jsonAnswer({ ...head, object: 'chat.completion', choices: [choice], usage }, { ...common, headers: { 'content-type': 'application/json', ...headers }, usage: message.usage });
  }
  const includeUsage = (body['stream_options'] as Record<string, unknown> | undefined)?.['include_usage'] === true;
  const chunk = (choices: readonly object[], more: object = {}): SseEvent => ({ name: null, data: JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...more }) });
  const delta = (content: object, reason: string | null = null) => ({ index: 0, delta: content, logprobs: null, finish_reason: reason });
  const events: SseEvent[] = [
    chunk([delta({ role: 'assistant', content: '' })]),
    ...pieces(text, visit.chance).map((content) => ({ ...chunk([delta({ content })]), tokens: 5 })),
    chunk([delta({}, finish)]),
    ...(includeUsage ? [{ ...chunk([], { usage }), tells: message.usage }] : []),
    { name: null, data: '[DONE]' },
  ];
  return { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8', ...headers }, body: events, usage: null, ...common };
}

/** System messages are joined at the front; fields that the endpoint ignores are dropped. */
function asMessages(body: Record<string, unknown>): Record<string, unknown> {
  const turns = Array.isArray(body['messages']) ? (body['messages'] as { role?: string; content?: unknown }[]) : undefined;
  const system = (turns ?? []).filter((m) => m.role === 'system' || m.role === 'developer').map((m) => textOf(m.content));
  const messages = turns?.filter((m) => m.role === 'user' || m.role === 'assistant').map((m): MessageParam => ({ role: m.role as 'user' | 'assistant', content: textOf(m.content) }));
  return {
    model: body['model'],
    max_tokens: body['max_completion_tokens'] ?? body['max_tokens'] ?? 4_096,
    messages,
    ...(system.length > 0 ? { system: system.join('\n') } : {}),
    ...(typeof body['stop'] === 'string' ? { stop_sequences: [body['stop']] } : Array.isArray(body['stop']) ? { stop_sequences: body['stop'] } : {}),
  } satisfies Partial<Record<keyof MessageCreateParamsBase, unknown>>;
}

const textOf = (content: unknown): string => (Array.isArray(content) ? content.map((part: { text?: string }) => part.text ?? '').join('') : String(content ?? ''));

const compatible = (usage: Usage) => ({
  prompt_tokens: usage.input_tokens,
  completion_tokens: usage.output_tokens,
  total_tokens: usage.input_tokens + usage.output_tokens,
  prompt_tokens_details: null,
  completion_tokens_details: null,
});
