// test/identify/ask.test.ts: what the governed fields of a body mean.

import { describe, expect, test } from 'vitest';
import type { Ask, Endpoint } from '../../server/domain/call.ts';
import { scanAsk } from '../../server/identify/ask.ts';

function ask(fields: Record<string, unknown>, endpoint: Endpoint = 'messages'): Ask {
  const verdict = scanAsk(Buffer.from(JSON.stringify({ model: 'm', ...fields })), endpoint);
  if (!verdict.ok) throw new Error(verdict.refusal.message);
  return verdict.value;
}
const withBlock = (block: unknown): Record<string, unknown> => ({ messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, block] }] });

test('a plain body asks for its model and nothing else', () => {
  const body = '{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"hi"}]}';
  expect(scanAsk(Buffer.from(body), 'messages')).toEqual({
    ok: true,
    value: {
      model: 'claude-haiku-4-5', modelSpan: [9, 27], stream: false, maxTokens: null, includeUsage: false, userId: null, speed: null, serviceTier: null,
      inferenceGeo: null, cacheTtl: null, fallbackModels: [], serverTools: [], maxSearches: 0, samplings: 1, compactions: 0, continues: false, inlineImages: 0, unboundedInput: false,
      fileIds: [], skillIds: [], billedElsewhere: false, bodyBytes: body.length,
    },
  });
});

test.each<{ name: string; fields: Record<string, unknown>; endpoint?: Endpoint; means: Partial<Ask> }>([
  { name: 'stream', fields: { stream: true }, means: { stream: true } },
  { name: 'stream as null', fields: { stream: null }, means: { stream: false } },
  { name: 'max_tokens', fields: { max_tokens: 8192 }, means: { maxTokens: 8192 } },
  { name: 'max_tokens of 0, which only warms the cache', fields: { max_tokens: 0 }, means: { maxTokens: 0 } },
  { name: 'max_tokens as null', fields: { max_tokens: null }, means: { maxTokens: null } },
  { name: 'a maximum of another endpoint', fields: { max_tokens: 5, max_tokens_to_sample: 900, max_completion_tokens: 900 }, means: { maxTokens: 5 } },
  { name: 'max_tokens_to_sample', fields: { max_tokens_to_sample: 7 }, endpoint: 'complete', means: { maxTokens: 7 } },
  { name: 'both names of the OpenAI-compatible maximum', fields: { max_tokens: 5, max_completion_tokens: 900 }, endpoint: 'chat_completions', means: { maxTokens: 900 } },
  { name: 'include_usage', fields: { stream_options: { include_usage: true } }, endpoint: 'chat_completions', means: { includeUsage: true } },
  { name: 'metadata.user_id', fields: { metadata: { user_id: 'u-1', other: 1 } }, means: { userId: 'u-1' } },
  { name: 'metadata as null', fields: { metadata: null }, means: { userId: null } },
  { name: 'speed, tier and geography', fields: { speed: 'fast', service_tier: 'auto', inference_geo: 'us' }, means: { speed: 'fast', serviceTier: 'auto', inferenceGeo: 'us' } },
  { name: 'cache_control at the top', fields: { cache_control: { type: 'ephemeral' } }, means: { cacheTtl: '5m' } },
  { name: 'cache_control of a tool', fields: { tools: [{ name: 't', cache_control: { type: 'ephemeral', ttl: '1h' } }] }, means: { cacheTtl: '1h', serverTools: [] } },
  { name: 'the dearer of two lifetimes, dear first', fields: { system: [{ type: 'text', text: '', cache_control: { ttl: '1h' } }], ...withBlock({ type: 'text', cache_control: { ttl: '5m' } }) }, means: { cacheTtl: '1h' } },
  { name: 'the dearer of two lifetimes, dear last', fields: { cache_control: {}, ...withBlock({ type: 'tool_result', content: [{ type: 'text', cache_control: { ttl: '1h' } }] }) }, means: { cacheTtl: '1h' } },
  { name: 'a lifetime that is newer than we are', fields: { cache_control: { ttl: '24h' } }, means: { cacheTtl: '1h' } },
  { name: 'cache_control as null', fields: { cache_control: null }, means: { cacheTtl: null } },
  { name: 'cache_control as a word in a tool input', fields: withBlock({ type: 'tool_use', input: { cache_control: { ttl: '1h' } } }), means: { cacheTtl: null } },
  { name: 'fallbacks', fields: { max_tokens: 5, fallbacks: [{ model: 'a', max_tokens: 50, speed: 'fast' }, { model: 'b' }] }, means: { fallbackModels: ['a', 'b'], maxTokens: 50, speed: 'fast' } },
  { name: 'fast speed with a standard fallback', fields: { fallbacks: [{ model: 'a', speed: 'standard' }], speed: 'fast' }, means: { speed: 'fast' } },
  { name: 'the fallbacks of the provider', fields: { fallbacks: 'default' }, means: { fallbackModels: ['default'] } },
  { name: 'fallbacks as null', fields: { fallbacks: null }, means: { fallbackModels: [] } },
  { name: 'a search with a limit', fields: { tools: [{ type: 'web_search_20250305', max_uses: 3 }, { type: 'web_search_20260209', max_uses: 2 }] }, means: { serverTools: ['web_search_20250305', 'web_search_20260209'], maxSearches: 5, samplings: 6, unboundedInput: true } },
  { name: 'a search without a limit beside one with', fields: { tools: [{ type: 'web_search_20250305', max_uses: 3 }, { type: 'web_search_20260209' }] }, means: { maxSearches: null, samplings: 10 } },
  { name: 'more uses than the provider has turns', fields: { tools: [{ type: 'code_execution_20250825', max_uses: 40 }] }, means: { samplings: 10, maxSearches: 0 } },
  { name: 'tools of the provider and of the client', fields: { tools: [{ type: 'web_fetch_20250910', max_uses: 1 }, { name: 'x' }] }, means: { samplings: 2 } },
  { name: 'the advisor and its model', fields: { tools: [{ type: 'advisor_20260301', model: 'claude-opus-4-8', caching: { ttl: '1h' } }] }, means: { serverTools: ['advisor_20260301'], fallbackModels: ['claude-opus-4-8'], cacheTtl: '1h', maxSearches: 0 } },
  { name: 'an MCP toolset', fields: { tools: [{ type: 'mcp_toolset', mcp_server_name: 'x' }] }, means: { serverTools: ['mcp_toolset'], samplings: 10, unboundedInput: true } },
  { name: 'a tool that is newer than we are', fields: { tools: [{ type: 'telepathy_20300101' }] }, means: { serverTools: ['telepathy_20300101'], unboundedInput: true } },
  { name: 'tools that the client runs', fields: { tools: [{ name: 'x' }, { type: 'custom' }, { type: 'bash_20250124' }, { type: 'text_editor_20250728' }, { type: 'computer_20251124' }, { type: 'memory_20250818' }, { type: 'function' }] }, means: { serverTools: [], explainedTools: ['bash_20250124', 'text_editor_20250728', 'computer_20251124', 'memory_20250818'], unboundedInput: false } },
  { name: 'a server tool that joins in the conversation', fields: withBlock({ type: 'tool_addition', tool: { type: 'tool_definition', definition: { type: 'web_search_20260318' } } }), means: { serverTools: ['web_search_20260318'], maxSearches: null } },
  { name: 'an image inline', fields: withBlock({ type: 'image', source: { type: 'base64', data: 'AAAA' } }), means: { inlineImages: 1, unboundedInput: false } },
  { name: 'an image in a tool result, source first', fields: withBlock({ type: 'tool_result', content: [{ source: { data: 'AAAA', type: 'base64' }, type: 'image' }] }), means: { inlineImages: 1, unboundedInput: false } },
  { name: 'an image by URL', fields: withBlock({ type: 'image', source: { type: 'url', url: 'https://example.test/a.png' } }), means: { inlineImages: 0, unboundedInput: true } },
  { name: 'an image by file id', fields: withBlock({ type: 'image', source: { type: 'file', file_id: 'file_1' } }), means: { unboundedInput: true } },
  { name: 'an OpenAI image inline', fields: withBlock({ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }), endpoint: 'chat_completions', means: { inlineImages: 1, unboundedInput: false } },
  { name: 'an OpenAI image by URL', fields: withBlock({ type: 'image_url', image_url: { url: 'https://example.test/a.png' } }), endpoint: 'chat_completions', means: { inlineImages: 0, unboundedInput: true } },
  { name: 'a PDF inline, whose pages its bytes do not bound', fields: withBlock({ type: 'document', source: { type: 'base64', data: 'AAAA' } }), means: { unboundedInput: true } },
  { name: 'a document of plain text', fields: withBlock({ type: 'document', source: { type: 'text', data: 'x' } }), means: { unboundedInput: false } },
  { name: 'a document of blocks with an image', fields: withBlock({ type: 'document', source: { type: 'content', content: [{ type: 'image', source: { type: 'base64' } }] } }), means: { inlineImages: 1, unboundedInput: false } },
  { name: 'a document by URL', fields: withBlock({ type: 'document', source: { type: 'url' } }), means: { unboundedInput: true } },
  { name: 'a fetched document in a result', fields: withBlock({ type: 'web_fetch_tool_result', content: { type: 'web_fetch_result', content: { type: 'document', source: { type: 'base64' } } } }), means: { unboundedInput: true } },
  { name: 'a block with a source of a new kind', fields: withBlock({ type: 'video', source: { type: 'base64' } }), means: { unboundedInput: true } },
  { name: 'a search result, whose source is text', fields: withBlock({ type: 'search_result', source: 'https://example.test', content: [{ type: 'text', text: 'x' }] }), means: { unboundedInput: false } },
  { name: 'a container upload', fields: withBlock({ type: 'container_upload', file_id: 'file_1' }), means: { unboundedInput: true } },
  { name: 'a container', fields: { container: 'container_1' }, means: { unboundedInput: true, containerIds: ['container_1'] } },
  { name: 'a container with skills', fields: { container: { id: 'container_1', skills: [{ type: 'anthropic', skill_id: 'pptx' }, { type: 'custom', skill_id: 'skill_1', version: '2' }, 'odd', { skill_id: null }] } }, means: { unboundedInput: true, skillIds: ['pptx', 'skill_1'], containerIds: ['container_1'] } },
  { name: 'MCP servers', fields: { mcp_servers: [{ type: 'url', url: 'x' }] }, means: { samplings: 10, unboundedInput: true } },
  { name: 'no MCP servers', fields: { mcp_servers: [], container: null, thread: null, compaction: null }, means: { unboundedInput: false } },
  { name: 'a thread', fields: { thread: { type: 'continue' } }, means: { samplings: 1, compactions: 0, unboundedInput: true } },
  { name: 'compaction', fields: { compaction: { type: 'summarize' } }, means: { compactions: 1, unboundedInput: true } },
  { name: 'compaction as an edit', fields: { context_management: { edits: [{ type: 'clear_thinking_20251015' }, { type: 'compact_20260112' }] }, tools: [{ type: 'code_execution_20250825', max_uses: 2 }] }, means: { samplings: 3, compactions: 3, unboundedInput: true } },
  { name: 'the start of a conversation', fields: { messages: [{ role: 'user', content: 'a' }] }, means: { continues: false } },
  { name: 'the start of a conversation whose answer the client began', fields: { messages: [{ role: 'user', content: 'a' }, { content: 'b', role: 'assistant' }] }, means: { continues: false } },
  { name: 'a conversation under way', fields: { messages: [{ role: 'user', content: 'a' }, { content: 'b', role: 'assistant' }, { role: 'user', content: 'c' }] }, means: { continues: true } },
  { name: 'edits that only clear', fields: { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } }, means: { unboundedInput: false } },
  { name: 'a bill for somebody else', fields: { billing_policy: { type: 'billing_policy', bill_to: 'user_profile' } }, means: { billedElsewhere: true } },
  { name: 'a bill for somebody we do not know', fields: { billing_policy: { bill_to: 'moon' } }, means: { billedElsewhere: false } },
  { name: 'a bill for oneself', fields: { billing_policy: { type: 'billing_policy', bill_to: 'self' } }, means: { billedElsewhere: false } },
])('it reads $name', ({ fields, endpoint, means }) => {
  expect(ask(fields, endpoint)).toMatchObject(means);
});

describe('text of a governed field', () => {
  test('is refused when it is longer than any honest value', () => {
    expect(scanAsk(Buffer.from(JSON.stringify({ model: 'm', metadata: { user_id: 'x'.repeat(1025) } })), 'messages').ok).toBe(false);
  });

  test('may hold what JSON can say', () => {
    const user = '{"device":"a\\b","name":"Zoë 漢 😀"}';
    expect(ask({ metadata: { user_id: user } }).userId).toBe(user);
  });
});
