// test/identify/features.test.ts: the fields that rules on features ask about are read strictly, wherever they stand.

import { expect, test } from 'vitest';
import type { AskFeatures } from '../../server/domain/call.ts';
import { scanAsk } from '../../server/identify/ask.ts';

const read = (more: object | string) => scanAsk(Buffer.from(typeof more === 'string' ? more : JSON.stringify({ model: 'm', max_tokens: 1, messages: [], ...more })), 'messages');
const none: AskFeatures = { toolNames: [], mcpServers: [], container: false, skills: false, thinking: false };

test.each<{ name: string; body: object; found: Partial<AskFeatures> }>([
  { name: 'nothing', body: {}, found: {} },
  { name: 'nulls', body: { thinking: null, container: null, mcp_servers: null, tools: null }, found: {} },
  { name: 'thinking that is off', body: { thinking: { type: 'disabled' } }, found: {} },
  { name: 'thinking', body: { thinking: { type: 'enabled', budget_tokens: 1024 } }, found: { thinking: true } },
  { name: 'thinking of a kind that is new', body: { thinking: { type: 'adaptive' } }, found: { thinking: true } },
  { name: 'thinking without a kind', body: { thinking: {} }, found: { thinking: true } },
  { name: 'thinking that is no object', body: { thinking: true }, found: { thinking: true } },
  { name: 'a container', body: { container: 'container_1' }, found: { container: true } },
  { name: 'a container with skills', body: { container: { id: 'container_1', skills: [{ type: 'anthropic', skill_id: 'pptx' }] } }, found: { container: true, skills: true } },
  { name: 'a container without skills', body: { container: { skills: [], x: { skills: [1] } } }, found: { container: true } },
  { name: 'skills of a kind that is new', body: { container: { skills: 'all' } }, found: { container: true, skills: true } },
  { name: 'tools of clients and of the provider', body: { tools: [{ name: 'read', input_schema: { name: 'not this' } }, { type: 'bash_20250124', name: 'bash' }, { type: 'web_search_20260209', name: 'web_search' }] }, found: { toolNames: ['read', 'bash', 'web_search'] } },
  { name: 'functions of the OpenAI spelling', body: { tools: [{ type: 'function', function: { name: 'read', parameters: { name: 'x' } } }] }, found: { toolNames: ['read'] } },
  { name: 'escapes in a name', body: JSON.parse('{"tools":[{"name":"b\\u0061sh"}]}') as object, found: { toolNames: ['bash'] } },
  { name: 'a tool that comes later', body: { messages: [{ role: 'user', content: [{ type: 'tool_addition', tool: { definition: { name: 'late' } } }] }] }, found: { toolNames: ['late'] } },
  { name: 'MCP servers without what can hold a secret', body: { mcp_servers: [{ type: 'url', url: 'https://u:p@A.example:443/mcp?token=1#x', name: 'friendly' }] }, found: { mcpServers: ['https://a.example/mcp'] } },
  { name: 'an MCP server that two parsers read differently', body: { mcp_servers: [{ url: 'https://evil.example\\@good.example/', name: 'n' }] }, found: { mcpServers: ['unknown'] } },
  { name: 'an MCP server without an address', body: { mcp_servers: [{ name: 'n' }, {}, 'x'] }, found: { mcpServers: ['n', 'unknown', 'unknown'] } },
])('$name', ({ body, found }) => {
  const ask = read(body);
  expect(ask.ok && (ask.value.features ?? none)).toEqual({ ...none, ...found });
});

test.each([
  '{"model":"m","thinking":null,"thinking":{"type":"enabled"}}',
  '{"model":"m","thinking":{"type":"disabled","type":"enabled"}}',
  '{"model":"m","tools":[{"name":"a","name":"b"}]}',
  '{"model":"m","tools":[{"function":{"name":"a","n\\u0061me":"b"}}]}',
  '{"model":"m","mcp_servers":[{"url":"https://a.example","url":"https://b.example"}]}',
  '{"model":"m","container":null,"container":"c"}',
  '{"model":"m","container":{"skills":[],"skills":[{}]}}',
])('%s could be read in two ways, and is refused', (body) => {
  expect(read(body)).toMatchObject({ ok: false, refusal: { reason: 'malformed' } });
});
