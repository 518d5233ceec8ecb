// test/meter/golden.test.ts: streams of every kind of event, and what each costs to the nano-dollar, wherever its bytes are cut.

import { describe, expect, test } from 'vitest';
import type { Ask, Endpoint } from '../../server/domain/call.ts';
import { usdString } from '../../server/domain/money.ts';
import type { Reading } from '../../server/domain/usage.ts';
import { ask, pricing, quoted } from '../price/rows.ts';
import { event, messageDelta, messageStart, messageStop, metered, startUsage, text } from './streams.ts';

const block = (index: number, content_block: { type: string } & Record<string, unknown>, ...deltas: readonly ({ type: string } & Record<string, unknown>)[]): string =>
  [
    event({ type: 'content_block_start', index, content_block }),
    ...deltas.map((delta) => event({ type: 'content_block_delta', index, delta })),
    event({ type: 'content_block_stop', index }),
  ].join('');
const ping = event({ type: 'ping' });
const start = (usage: object, model: string): string => messageStart({ ...startUsage, ...usage }, model);
/** One entry of `usage.iterations`. */
const turn = (type: string, model: string | null | undefined, input_tokens: number, output_tokens: number, more: object = {}): object => ({
  type, ...(model === undefined ? {} : { model }), input_tokens, output_tokens, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, cache_creation: null, ...more,
});
const chunk = (more: object): string => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'claude-opus-5', ...more })}\n\n`;
const choice = (delta: object, finish: string | null = null): string => chunk({ choices: [{ index: 0, delta, finish_reason: finish }], usage: null });

interface Golden {
  readonly name: string;
  readonly endpoint?: Endpoint;
  readonly asked: Partial<Ask>;
  readonly stream: readonly string[];
  /** Worked out by hand from the price list. */
  readonly usd: string;
  readonly method?: string;
  readonly told?: Partial<Reading>;
}

const golden: readonly Golden[] = [
  {
    name: 'every block and every delta, in the US, with a search and two counts at the end',
    asked: { model: 'claude-opus-5' },
    stream: [
      start({ cache_creation_input_tokens: 100, cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 60 }, cache_read_input_tokens: 7, inference_geo: 'us' }, 'claude-opus-5'),
      ping,
      block(0, { type: 'thinking', thinking: '', signature: '' }, { type: 'thinking_delta', thinking: 'Grüße, 世界 🌍' }, { type: 'signature_delta', signature: 'EqQBCgIYAhIM1gbcDa9G' }),
      block(1, { type: 'redacted_thinking', data: 'EmwKAhgBEgy3va3pzix' }),
      block(2, { type: 'text', text: '' }, { type: 'text_delta', text: 'event: message_stop\n\ndata: {"type":"message_delta","usage":{"output_tokens":9}}' }, { type: 'citations_delta', citation: { type: 'web_search_result_location', cited_text: 'c', url: 'u', title: null } }),
      block(3, { type: 'tool_use', id: 'toolu_01', name: 'look_up', input: {} }, { type: 'input_json_delta', partial_json: '{"a":"\\"' }, { type: 'input_json_delta', partial_json: '}"}' }),
      block(4, { type: 'server_tool_use', id: 'srvtoolu_01', name: 'web_search', input: {} }, { type: 'input_json_delta', partial_json: '{"query":"lamps"}' }),
      block(5, { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_01', content: [{ type: 'web_search_result', title: '"usage":{"output_tokens":1}', url: 'u', encrypted_content: 'x' }] }),
      block(6, { type: 'web_fetch_tool_result', tool_use_id: 'srvtoolu_02', content: { type: 'web_fetch_result', url: 'u' } }),
      block(7, { type: 'code_execution_tool_result', tool_use_id: 'srvtoolu_03', content: { type: 'code_execution_result', stdout: 'fallback', return_code: 0 } }),
      block(8, { type: 'mcp_tool_use', id: 'mcptoolu_01', name: 'list', server_name: 's', input: {} }),
      block(9, { type: 'mcp_tool_result', tool_use_id: 'mcptoolu_01', is_error: false, content: [{ type: 'text', text: '"type":"fallback"' }] }),
      block(10, { type: 'container_upload', file_id: 'file_01' }),
      block(11, { type: 'compaction', content: null }, { type: 'compaction_delta', content: 'a summary' }),
      block(12, { type: 'advisor_tool_result', tool_use_id: 'srvtoolu_04', content: { type: 'advisor_result', text: 'no' } }),
      event({ type: 'something_new', usage: { output_tokens: 77 } }),
      event({ type: 'message_delta', delta: { stop_reason: 'pause_turn', stop_sequence: null }, usage: { output_tokens: 120, input_tokens: null, cache_read_input_tokens: null }, context_management: { applied_edits: [] } }),
      event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null, stop_details: null, container: { id: 'container_01', expires_at: 'soon' } }, usage: { output_tokens: 340, output_tokens_details: { thinking_tokens: 60 }, server_tool_use: { web_search_requests: 1, web_fetch_requests: 1 } } }),
      messageStop,
    ],
    // (2,679 × 5 + 40 × 6.25 + 60 × 10 + 7 × 0.5 + 340 × 25) × 1.1 millionths, and a cent.
    usd: '0.035023350',
    told: { stopReason: 'end_turn' },
  },
  {
    name: 'a loop of server tools whose turns each stay below the long-prompt band',
    asked: { model: 'claude-haiku-5-5' },
    stream: [start({ input_tokens: 60_000 }, 'claude-haiku-5-5'), text('so'), messageDelta({ input_tokens: 130_000, output_tokens: 300, server_tool_use: { web_search_requests: 0 }, iterations: [turn('message', null, 60_000, 100), turn('message', null, 70_000, 200)] }), messageStop],
    usd: '0.013150000',
  },
  {
    name: 'one prompt above that band',
    asked: { model: 'claude-haiku-5-5' },
    stream: [start({ input_tokens: 100_001 }, 'claude-haiku-5-5'), text('so'), messageDelta({ output_tokens: 1_000 }), messageStop],
    usd: '0.052500500',
  },
  {
    name: 'a compaction, which the top-level counters leave out',
    asked: { model: 'claude-sonnet-5' },
    stream: [start({ input_tokens: 100 }, 'claude-sonnet-5'), text('so'), messageDelta({ output_tokens: 50, iterations: [turn('compaction', undefined, 12_000, 800), turn('message', 'claude-sonnet-5', 100, 50)] }, 'compaction'), messageStop],
    usd: '0.032700000',
    told: { stopReason: 'compaction' },
  },
  {
    name: 'an advisor at its own rates',
    asked: { model: 'claude-sonnet-5' },
    stream: [start({ input_tokens: 100 }, 'claude-sonnet-5'), text('so'), messageDelta({ output_tokens: 50, iterations: [turn('message', 'claude-sonnet-5', 100, 50), turn('advisor_message', 'claude-opus-5-5', 1_000, 200)] }), messageStop],
    usd: '0.008700000',
  },
  {
    name: 'a fallback after an attempt that declined before any output',
    asked: { model: 'claude-fable-5', fallbackModels: ['claude-opus-5'] },
    stream: [
      start({ input_tokens: 500 }, 'claude-fable-5'), block(0, { type: 'fallback', from: { model: 'claude-fable-5' }, to: { model: 'claude-opus-5' } }), text('so'),
      messageDelta({ output_tokens: 20, iterations: [turn('message', 'claude-fable-5', 500, 0), turn('fallback_message', 'claude-opus-5', 500, 20)], fallback_credit: { status: 'redeemed' } }), messageStop,
    ],
    usd: '0.003000000',
  },
  {
    name: 'a fallback after one that declined half-way',
    asked: { model: 'claude-fable-5', fallbackModels: ['claude-opus-5'] },
    stream: [
      start({ input_tokens: 500 }, 'claude-fable-5'), text('I'), block(1, { type: 'fallback', from: { model: 'claude-fable-5' }, to: { model: 'claude-opus-5' } }), text('so'),
      messageDelta({ output_tokens: 20, iterations: [turn('message', 'claude-fable-5', 500, 3), turn('fallback_message', 'claude-opus-5', 500, 20)] }), messageStop,
    ],
    usd: '0.008150000',
  },
  {
    name: 'a refusal before any output, which is free',
    asked: { model: 'claude-opus-5' },
    stream: [start({ input_tokens: 100, output_tokens: 0 }, 'claude-opus-5'), messageDelta({ output_tokens: 0 }, 'refusal'), messageStop],
    usd: '0.000000000',
    told: { stopReason: 'refusal' },
  },
  {
    name: 'a refusal after some output, which is not',
    asked: { model: 'claude-opus-5' },
    stream: [start({ input_tokens: 100 }, 'claude-opus-5'), text('Well'), messageDelta({ output_tokens: 5 }, 'refusal'), messageStop],
    usd: '0.000625000',
  },
  {
    name: 'fast, as the response says',
    asked: { model: 'claude-opus-5' },
    stream: [start({ input_tokens: 100, speed: 'fast' }, 'claude-opus-5'), text('so'), messageDelta({ output_tokens: 10 }), messageStop],
    usd: '0.001500000',
  },
  {
    name: 'code that ran for a time nobody tells',
    asked: { model: 'claude-opus-5', serverTools: ['code_execution_20250825'] },
    stream: [start({ input_tokens: 100 }, 'claude-opus-5'), text('so'), messageDelta({ output_tokens: 10, server_tool_use: { web_search_requests: 0, code_execution_requests: 2 } }), messageStop],
    usd: '0.004916667',
    method: 'container time of code execution, taken to be the least that is billed',
  },
  {
    name: 'an error in the middle: prompt exact, output from 300 bytes of text',
    asked: { model: 'claude-opus-5' },
    stream: [start({ input_tokens: 100 }, 'claude-opus-5'), text('x'.repeat(300)), event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })],
    usd: '0.003000000',
    method: 'prompt from message_start, output from streamed text',
    told: { errorType: 'overloaded_error', complete: false },
  },
  {
    name: 'nothing but an error, which is free',
    asked: { model: 'claude-opus-5' },
    stream: [event({ type: 'error', error: { type: 'api_error', message: 'no' } })],
    usd: '0.000000000',
  },
  {
    name: 'chunks of the OpenAI-compatible endpoint with their usage',
    endpoint: 'chat_completions',
    asked: { model: 'claude-opus-5' },
    stream: [choice({ role: 'assistant', content: '' }), choice({ content: 'say "usage":{ 世界' }), choice({}, 'stop'), chunk({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 } }), 'data: [DONE]\n\n'],
    usd: '0.000910000',
    told: { stopReason: 'stop' },
  },
  {
    name: 'chunks without usage: prompt from 900 bytes sent, output from 30 bytes of text',
    endpoint: 'chat_completions',
    asked: { model: 'claude-opus-5', bodyBytes: 900 },
    stream: [choice({ content: 'x'.repeat(30) }), choice({}, 'stop'), 'data: [DONE]\n\n'],
    usd: '0.001750000',
    method: 'prompt from bytes sent, output from bytes received',
  },
  {
    name: 'events of text completion, which know no usage',
    endpoint: 'complete',
    asked: { model: 'claude-haiku-4-5', bodyBytes: 1_000 },
    stream: [event({ type: 'completion', completion: ' Hel', stop_reason: null, model: 'claude-haiku-4-5' }), ping, event({ type: 'completion', completion: 'lo', stop_reason: null, model: 'claude-haiku-4-5' }), event({ type: 'completion', completion: '', stop_reason: 'stop_sequence', model: 'claude-haiku-4-5' })],
    usd: '0.000260000',
    method: 'prompt from bytes sent, output from bytes received',
  },
];

describe.each(golden)('$name', ({ endpoint = 'messages', asked, stream, usd, method = null, told = {} }) => {
  const read = async (chunks: readonly Buffer[]): Promise<Reading> => (await metered(chunks, { endpoint })).reading;
  const costOf = (reading: Reading) => pricing.cost(quoted(ask(asked), { endpoint }), { status: 200, sent: true, reading });

  test(`costs $${usd}`, async () => {
    const reading = await read([Buffer.from(stream.join(''))]);
    const cost = costOf(reading);
    expect(usdString(cost.total)).toBe(usd);
    expect(cost).toMatchObject({ estimateMethod: method, estimated: method !== null });
    expect(reading).toMatchObject({ obstacle: null, ...told });
  });

  test.each(['\n', '\r\n', '\r'])('reads the same cut at every byte, and one byte at a time, with lines that end in %j', async (end) => {
    const bytes = Buffer.from(stream.join('').replaceAll('\n', end));
    const whole = await read([bytes]);
    expect(usdString(costOf(whole).total)).toBe(usd);
    for (let at = 1; at < bytes.length; at++) expect(await read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
    expect(await read(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(whole);
  });
});
