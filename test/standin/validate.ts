// test/standin/validate.ts: refuses what the API refuses, in its words where they are known.

import type { IncomingHttpHeaders } from 'node:http';
import type { MessageCreateParamsBase } from '@anthropic-ai/sdk/resources/messages/messages.js';
import { ApiError, invalid } from './errors.ts';
import { findModel, type StandinModel } from './models.ts';

export const API_VERSIONS = ['2023-06-01', '2026-10-21'] as const;
export type ApiVersion = (typeof API_VERSIONS)[number];

/** A whole family is known by its name; the date behind it is taken as it comes, so that a newer client still gets through. */
const BETA_FAMILIES = [
  'admin-user-sign-out', 'advanced-tool-use', 'advisor-tool', 'agent-memory', 'analytics-usage-cost', 'cache-diagnosis', 'ce-claude-code-managed-settings', 'ce-plugins',
  'ce-user-management', 'claude-code', 'code-execution', 'compact', 'computer-use', 'context-1m', 'context-management', 'dev-full-thinking', 'dreaming', 'effort',
  'experimental-claude-tag', 'extended-cache-ttl', 'fallback-credit', 'fast-mode', 'files-api', 'fine-grained-tool-streaming', 'inline-tools', 'interleaved-thinking',
  'managed-agents', 'max-tokens-3-5-sonnet', 'mcp-client', 'mcp-tunnels', 'message-batches', 'message-threads', 'mid-conversation-output-config', 'mid-conversation-system-clear-at',
  'mid-conversation-tool-changes', 'model-context-window-exceeded', 'oauth', 'output-128k', 'output-300k', 'pdfs', 'prompt-caching', 'prompt-caching-scope', 'redact-thinking',
  'request-tags', 'server-side-fallback', 'skills', 'spend-limit-reads', 'structured-outputs', 'task-budgets', 'telemetry-destinations', 'thinking-binding-controls',
  'thinking-display-updates', 'thinking-token-count', 'token-counting', 'token-efficient-tools', 'tool-search-tool', 'user-profiles', 'user-profiles-billing', 'web-fetch', 'webhooks',
];

/** Checks `anthropic-version` and `anthropic-beta`. @throws ApiError */
export function checkHeaders(headers: IncomingHttpHeaders): { version: ApiVersion; betas: string[] } {
  const version = headers['anthropic-version'];
  if (version === undefined) throw invalid('anthropic-version: header is required');
  const known = API_VERSIONS.find((v) => v === version);
  if (!known) throw invalid(`anthropic-version: "${String(version)}" is not a valid version`);
  const betas = String(headers['anthropic-beta'] ?? '').split(',').map((b) => b.trim()).filter((b) => b !== '');
  const unknown = betas.filter((b) => !BETA_FAMILIES.includes(b.replace(/-\d{4}-?\d{2}-?\d{2}$/, '')));
  if (unknown.length > 0) throw invalid(`Unexpected value(s) ${unknown.map((b) => `\`${b}\``).join(', ')} for the \`anthropic-beta\` header. Please consult our documentation or try again without the header.`);
  return { version: known, betas };
}

/** @throws ApiError when the bytes are not a JSON object. */
export function parseObject(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw invalid('The request body is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('The request body must be a JSON object');
  return value as Record<string, unknown>;
}

export interface CheckedMessage {
  readonly params: MessageCreateParamsBase;
  readonly model: StandinModel;
}

/** Checks a Messages body. `use`: count_tokens needs no max_tokens; an item of a batch takes less than a call of its own. @throws ApiError */
export function checkMessage(body: Record<string, unknown>, version: ApiVersion, use: 'call' | 'count' | 'batch'): CheckedMessage {
  if (typeof body['model'] !== 'string') throw invalid('model: Field required');
  if (use !== 'count') checkMaxTokens(body, use);
  checkTurns(body['messages']);
  const model = findModel(body['model']);
  if (!model) throw new ApiError('not_found_error', `model: ${body['model']}`);
  if (use !== 'count' && Number(body['max_tokens']) > model.maxOutput) throw invalid(`max_tokens: ${body['max_tokens']} > ${model.maxOutput}, which is the maximum allowed number of output tokens for ${model.id}`);
  if (version === '2026-10-21') checkNewVersion(body);
  checkSampling(body);
  checkServing(body, model, use);
  checkThinking(body);
  checkTools(body);
  checkCacheControl(body);
  return { params: body as unknown as MessageCreateParamsBase, model };
}

function checkMaxTokens(body: Record<string, unknown>, use: 'call' | 'batch'): void {
  const max = body['max_tokens'];
  if (max === undefined) throw invalid('max_tokens: Field required');
  if (typeof max !== 'number' || !Number.isInteger(max)) throw invalid('max_tokens: Input should be a valid integer');
  if (max < 0) throw invalid('max_tokens: Input should be greater than or equal to 0');
  // 0 only warms the cache, which makes no sense in a stream or in a batch.
  if (max === 0 && (body['stream'] === true || use === 'batch')) throw invalid('max_tokens: must be greater than or equal to 1 when streaming or in a batch');
  if (use === 'batch') for (const field of ['stream', 'speed', 'thread', 'fallbacks']) if (field in body) throw invalid(`${field}: not allowed in a batch request`);
  if ('stream' in body && typeof body['stream'] !== 'boolean') throw invalid('stream: Input should be a valid boolean');
}

function checkTurns(messages: unknown): asserts messages is Record<string, unknown>[] {
  if (messages === undefined) throw invalid('messages: Field required');
  if (!Array.isArray(messages)) throw invalid('messages: Input should be a valid list');
  if (messages.length === 0) throw invalid('messages: at least one message is required');
  if (messages.length > 100_000) throw invalid('messages: at most 100000 messages are allowed');
  messages.forEach((message: unknown, at) => {
    if (typeof message !== 'object' || message === null) throw invalid(`messages.${at}: Input should be a valid dictionary`);
    const { role, content } = message as Record<string, unknown>;
    if (role !== 'user' && role !== 'assistant' && role !== 'system') throw invalid(`messages.${at}.role: Input should be 'user', 'assistant' or 'system'`);
    if (content === undefined) throw invalid(`messages.${at}.content: Field required`);
    if (content === '' || (Array.isArray(content) && content.length === 0 && at < messages.length - 1)) throw invalid(`messages.${at}: all messages must have non-empty content except for the optional final assistant message`);
    for (const [i, block] of (Array.isArray(content) ? content : []).entries()) {
      if (typeof block !== 'object' || block === null || typeof (block as Record<string, unknown>)['type'] !== 'string') throw invalid(`messages.${at}.content.${i}.type: Field required`);
      if ((block as Record<string, unknown>)['type'] === 'text' && (block as Record<string, unknown>)['text'] === '') throw invalid(`messages: text content blocks must be non-empty`);
    }
  });
}

function checkNewVersion(body: Record<string, unknown>): void {
  for (const field of ['temperature', 'top_p', 'top_k']) if (field in body) throw invalid(`${field}: not supported with anthropic-version 2026-10-21`);
  for (const [at, message] of (body['messages'] as Record<string, unknown>[]).entries()) {
    for (const [i, block] of (Array.isArray(message['content']) ? (message['content'] as Record<string, unknown>[]) : []).entries()) {
      if (message['role'] === 'assistant' && block['type'] === 'document') throw invalid(`messages.${at}.content.${i}: document blocks are not allowed in assistant turns`);
      const citations = block['citations'];
      if (message['role'] === 'user' && block['type'] === 'text' && Array.isArray(citations) && citations.length > 0) throw invalid(`messages.${at}.content.${i}.citations: not allowed in user turns`);
    }
  }
}

function checkSampling(body: Record<string, unknown>): void {
  const temperature = body['temperature'];
  if (temperature !== undefined && (typeof temperature !== 'number' || temperature < 0 || temperature > 1)) throw invalid('temperature: range: 0..1');
  const stops = body['stop_sequences'];
  if (stops !== undefined && (!Array.isArray(stops) || stops.some((s) => typeof s !== 'string' || s.trim() === ''))) throw invalid('stop_sequences: each stop sequence must contain non-whitespace');
}

function checkServing(body: Record<string, unknown>, model: StandinModel, use: string): void {
  if (body['speed'] === 'fast' && use === 'call' && model.fast === 'no') throw invalid(`speed: fast is not supported by ${model.id}`);
  if (typeof body['inference_geo'] === 'string' && !model.geo) throw invalid(`inference_geo: not supported by ${model.id}`);
  if (typeof body['inference_geo'] === 'string' && !['us', 'global'].includes(body['inference_geo'])) throw invalid("inference_geo: Input should be 'us' or 'global'");
  const tier = body['service_tier'];
  if (tier !== undefined && tier !== 'auto' && tier !== 'standard_only') throw invalid("service_tier: Input should be 'auto' or 'standard_only'");
}

function checkThinking(body: Record<string, unknown>): void {
  const thinking = body['thinking'] as Record<string, unknown> | undefined;
  if (thinking?.['type'] !== 'enabled') return;
  const budget = thinking['budget_tokens'];
  if (typeof budget !== 'number' || budget < 1024) throw invalid('thinking.enabled.budget_tokens: Input should be greater than or equal to 1024');
  if (body['max_tokens'] !== undefined && budget >= Number(body['max_tokens'])) throw invalid('max_tokens: must be greater than thinking.budget_tokens');
}

function checkTools(body: Record<string, unknown>): void {
  const tools = body['tools'];
  if (tools === undefined) return;
  if (!Array.isArray(tools)) throw invalid('tools: Input should be a valid list');
  const names = new Set<unknown>();
  for (const [at, tool] of (tools as Record<string, unknown>[]).entries()) {
    if (typeof tool['name'] !== 'string') throw invalid(`tools.${at}.name: Field required`);
    if ((tool['type'] === undefined || tool['type'] === 'custom') && typeof tool['input_schema'] !== 'object') throw invalid(`tools.${at}.custom.input_schema: Field required`);
    if (names.has(tool['name'])) throw invalid('tools: Tool names must be unique.');
    names.add(tool['name']);
  }
}

function checkCacheControl(body: Record<string, unknown>): void {
  const controls: unknown[] = [];
  const collect = (blocks: unknown): void => {
    for (const block of Array.isArray(blocks) ? blocks : []) if (typeof block === 'object' && block !== null && 'cache_control' in block && block.cache_control) controls.push(block.cache_control);
  };
  collect(body['tools']);
  collect(body['system']);
  for (const message of body['messages'] as Record<string, unknown>[]) collect(message['content']);
  if (body['cache_control']) controls.push(body['cache_control']);
  if (controls.length > 4) throw invalid(`A maximum of 4 blocks with cache_control may be provided. Found ${controls.length}.`);
  const ttls = controls.map((c) => (c as Record<string, unknown>)['ttl'] ?? '5m');
  if (ttls.some((t) => t !== '5m' && t !== '1h')) throw invalid("cache_control.ephemeral.ttl: Input should be '5m' or '1h'");
  if (ttls.indexOf('5m') !== -1 && ttls.lastIndexOf('1h') > ttls.indexOf('5m')) throw invalid("cache_control: a ttl='1h' block must not come after a ttl='5m' block");
}
