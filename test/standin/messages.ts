// test/standin/messages.ts: POST /v1/messages and its token count: the answer, and the usage that belongs to it.

import type { Message, MessageCreateParamsBase, Usage } from '@anthropic-ai/sdk/resources/messages/messages.js';
import { jsonAnswer, type Answer } from './answer.ts';
import { countPrompt, type PromptCount } from './cache.ts';
import { draftAnswer, type Draft } from './draft.ts';
import { messageEvents } from './events.ts';
import { findModel, type StandinModel } from './models.ts';
import { checkMessage, parseObject } from './validate.ts';
import type { Visit, World } from './world.ts';

export function postMessages(visit: Visit, world: World): Answer {
  const { params, model } = checkMessage(parseObject(visit.body), visit.version, 'call');
  world.limits.take(model.line);
  const composed = composeMessage(params, model, visit, world, 'call');
  const headers = world.limits.headers(model.line);
  const common = { model: composed.message.model, billed: composed.billed, outputTokens: composed.message.usage.output_tokens, onBegin: composed.commit };
  if (params.stream !== true) {
    return jsonAnswer(composed.message, { ...common, headers: { 'content-type': 'application/json', ...headers }, usage: composed.message.usage });
  }
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', ...headers },
    body: messageEvents(composed.message, composed.start, visit.chance),
    usage: null,
    ...common,
  };
}

export function postCountTokens(visit: Visit): Answer {
  const { params, model } = checkMessage(parseObject(visit.body), visit.version, 'count');
  return jsonAnswer({ input_tokens: countPrompt(params, model) });
}

export interface Composed {
  readonly message: Message;
  /** What `message_start` tells. */
  readonly start: Usage;
  /** Null for a refusal before any output: its usage shows tokens, and nothing is billed. */
  readonly billed: Usage | null;
  /** Writes the prompt into the cache and draws on the rate limits. */
  readonly commit: () => void;
}

export function composeMessage(params: MessageCreateParamsBase, asked: StandinModel, visit: Visit, world: World, use: 'call' | 'batch'): Composed {
  const { chance, faults, plan } = visit;
  const model = (plan.served === undefined ? null : findModel(plan.served)) ?? asked;
  const { prompt, commit } = world.cache.count(params, model, visit.workspace);
  const refusal = faults.has('refusal') ? faults.text('refusal', 'mid') : null;
  const draft = refusal === 'before' ? { content: [], stopReason: 'refusal', stopSequence: null, outputTokens: 0, thinkingTokens: 0, searches: 0 } satisfies Draft : draftAnswer(params, model, chance, visit.plan);
  const first = usageOf(prompt, model, params, draft, use);
  const usage = withFaults(afterSearches(first, prompt, draft, visit), visit);
  const message = {
    id: chance.id('msg_01'),
    type: 'message',
    role: 'assistant',
    model: plan.served ?? model.id,
    content: draft.content,
    stop_reason: refusal === null ? draft.stopReason : 'refusal',
    stop_sequence: draft.stopSequence,
    stop_details: refusal === null ? null : { type: 'refusal', category: 'general_harms', explanation: null },
    container: containerOf(params, visit),
    diagnostics: null,
    usage,
  } satisfies Message;
  return {
    message,
    start: { ...first, output_tokens: Math.min(draft.outputTokens, chance.int(1, 5)), output_tokens_details: null, server_tool_use: null, ...plan.startUsage },
    billed: refusal === 'before' ? null : usage,
    commit() {
      commit();
      world.limits.draw(model.line, (usage.input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0), usage.output_tokens);
    },
  };
}

/** Code runs in a container: the one that the request names, or a new one. */
function containerOf(params: MessageCreateParamsBase, { chance }: Visit): Message['container'] {
  const { container, tools = [] } = params as MessageCreateParamsBase & { container?: string | { id?: string } | null };
  const known = typeof container === 'string' ? container : container?.id;
  if (container == null && !tools.some((tool) => tool.type?.startsWith('code_execution') === true)) return null;
  return { id: known ?? chance.id('container_01'), expires_at: '2030-01-01T00:00:00Z', skills: null };
}

function usageOf(prompt: PromptCount, model: StandinModel, params: MessageCreateParamsBase, draft: Draft, use: 'call' | 'batch'): Usage {
  return {
    input_tokens: prompt.input,
    cache_creation_input_tokens: prompt.write5m + prompt.write1h,
    cache_read_input_tokens: prompt.read,
    cache_creation: { ephemeral_5m_input_tokens: prompt.write5m, ephemeral_1h_input_tokens: prompt.write1h },
    output_tokens: draft.outputTokens,
    output_tokens_details: draft.thinkingTokens > 0 ? { thinking_tokens: draft.thinkingTokens } : null,
    server_tool_use: draft.searches > 0 ? { web_search_requests: draft.searches, web_fetch_requests: 0 } : null,
    service_tier: use === 'batch' ? 'batch' : 'standard',
    inference_geo: model.geo ? (params.inference_geo ?? 'global') : 'not_available',
    speed: params.speed === 'fast' && model.fast === 'yes' ? 'fast' : 'standard',
  };
}

/** Each search is one more turn of the model over the whole prompt, and the counters add the turns up. With caching on, results are written for five minutes. */
function afterSearches(first: Usage, prompt: PromptCount, draft: Draft, visit: Visit): Usage {
  const cached = prompt.read + prompt.write5m + prompt.write1h;
  let grown = first;
  let results = 0;
  for (let turn = 0; turn < draft.searches; turn += 1) {
    const found = visit.chance.int(2_200, 3_800);
    const written = cached > 0 ? found : 0;
    grown = {
      ...grown,
      input_tokens: grown.input_tokens + prompt.input + (cached > 0 ? 0 : results + found),
      cache_read_input_tokens: (grown.cache_read_input_tokens ?? 0) + (cached > 0 ? cached + results : 0),
      cache_creation_input_tokens: (grown.cache_creation_input_tokens ?? 0) + written,
      cache_creation: { ephemeral_5m_input_tokens: (grown.cache_creation?.ephemeral_5m_input_tokens ?? 0) + written, ephemeral_1h_input_tokens: grown.cache_creation?.ephemeral_1h_input_tokens ?? 0 },
    };
    results += found;
  }
  return grown;
}

function withFaults(usage: Usage, visit: Visit): Usage {
  const { faults, plan } = visit;
  const grown = faults.has('growing-input') ? { ...usage, input_tokens: usage.input_tokens + faults.number('growing-input', 8_003) } : usage;
  if (!faults.has('iterations')) return { ...grown, ...plan.usage };
  const turn = { type: 'message', model: null, input_tokens: grown.input_tokens, output_tokens: grown.output_tokens, cache_read_input_tokens: grown.cache_read_input_tokens, cache_creation_input_tokens: grown.cache_creation_input_tokens, cache_creation: grown.cache_creation };
  const extra = { type: faults.text('iterations', 'compaction'), ...(faults.text('iterations', '', 1) === '' ? {} : { model: faults.text('iterations', '', 1) }), input_tokens: 12_000, output_tokens: 800, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, cache_creation: null };
  const looped = { ...grown, iterations: [extra, turn] };
  return { ...looped, ...plan.usage };
}
