// test/standin/messages.test.ts: answers of the stand-in, as the official clients read them.

import Anthropic from '@anthropic-ai/sdk';
import AnthropicBefore from 'anthropic-sdk-0';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startStandin, type Standin } from './standin.ts';

let standin: Standin;
let client: Anthropic;

beforeAll(async () => {
  standin = await startStandin({ seed: 1 });
  client = new Anthropic({ apiKey: 'sk-ant-test', baseURL: standin.url, maxRetries: 0 });
});
beforeEach(() => standin.forget());
afterAll(() => standin.close());

const ask = { model: 'claude-haiku-4-5', max_tokens: 400, messages: [{ role: 'user' as const, content: 'Tell me about lamps.' }] };
const lastResponse = () => standin.log.at(-1)?.response;

test('a JSON answer has text, the dated model that served it, and the usage that the log noted', async () => {
  const message = await client.messages.create(ask);
  expect(message.content[0]).toMatchObject({ type: 'text', text: expect.stringMatching(/\w+ \w+/) });
  expect(message.model).toBe('claude-haiku-4-5-20251001');
  expect(message.usage.input_tokens).toBeGreaterThan(5);
  expect(message.usage).toEqual(lastResponse()?.usage);
  expect(message.usage).toEqual(lastResponse()?.billed);
});

test('a stream adds up to a message with the final usage, and the SDK of the older API version reads the same', async () => {
  const older = new AnthropicBefore({ apiKey: 'sk-ant-test', baseURL: standin.url, maxRetries: 0 });
  for (const begin of [() => client.messages.stream(ask), () => older.messages.stream(ask)]) {
    const final = await begin().finalMessage();
    expect(final.stop_reason).toBe('end_turn');
    expect(final.usage).toMatchObject({ output_tokens: lastResponse()?.billed?.output_tokens, input_tokens: lastResponse()?.billed?.input_tokens });
  }
  const versions = standin.log.map((r) => r.rawHeaders[r.rawHeaders.findIndex((h) => h.toLowerCase() === 'anthropic-version') + 1]);
  expect(versions).toEqual(['2026-10-21', '2023-06-01']);
});

test('message_start tells a placeholder of at most five output tokens, message_delta the whole, and a ping comes between', async () => {
  const names: string[] = [];
  let placeholder = 0;
  let final = 0;
  for await (const event of await client.messages.create({ ...ask, stream: true })) {
    names.push(event.type);
    if (event.type === 'message_start') placeholder = event.message.usage.output_tokens;
    if (event.type === 'message_delta') final = event.usage.output_tokens;
  }
  expect(placeholder).toBeGreaterThan(0);
  expect(placeholder).toBeLessThanOrEqual(5);
  expect(final).toBeGreaterThan(placeholder);
  expect(names.slice(0, 3)).toEqual(['message_start', 'content_block_start', 'content_block_delta']);
  expect(names.slice(-3)).toEqual(['content_block_stop', 'message_delta', 'message_stop']);
  expect(lastResponse()?.body.toString()).toContain('event: ping\n');
});

test('an answer stops at max_tokens, to the token', async () => {
  const message = await client.messages.create({ ...ask, max_tokens: 12 });
  expect(message.stop_reason).toBe('max_tokens');
  expect(message.usage.output_tokens).toBe(12);
});

test('an answer stops before a stop sequence and names it', async () => {
  standin.next({ text: 'one two three four' });
  const message = await client.messages.create({ ...ask, stop_sequences: ['four', ' three'] });
  expect(message).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: ' three', content: [{ text: 'one two' }] });
});

const saveDraft = { name: 'save_draft', description: 'Saves a draft', input_schema: { type: 'object' as const, properties: { title: { type: 'string' }, tone: { enum: ['warm', 'plain'] } }, required: ['title'] } };

test('a tool is called when the prompt asks for it, in JSON and in a stream, and its result is answered in words', async () => {
  const turn = { ...ask, tools: [saveDraft], messages: [{ role: 'user' as const, content: 'Please save draft now.' }] };
  const first = await client.messages.create(turn);
  expect(first.stop_reason).toBe('tool_use');
  const call = first.content.find((b) => b.type === 'tool_use');
  expect(call?.input).toMatchObject({ title: expect.any(String), tone: expect.stringMatching(/warm|plain/) });
  const streamed = await client.messages.stream(turn).finalMessage();
  expect(streamed.content.find((b) => b.type === 'tool_use')?.input).toMatchObject({ title: expect.any(String) });

  const answer = await client.messages.create({ ...turn, messages: [...turn.messages, { role: 'assistant', content: first.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: call!.id, content: 'saved' }] }] });
  expect(answer.stop_reason).toBe('end_turn');
});

test('no tool is called when the prompt does not ask, and always when tool_choice says so', async () => {
  expect((await client.messages.create({ ...ask, tools: [saveDraft] })).stop_reason).toBe('end_turn');
  expect((await client.messages.create({ ...ask, tools: [saveDraft], tool_choice: { type: 'any' } })).stop_reason).toBe('tool_use');
});

test('thinking comes first, is signed, and is part of the output tokens', async () => {
  const message = await client.messages.create({ ...ask, model: 'claude-opus-5-5', max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 1024 } });
  expect(message.content.map((b) => b.type)).toEqual(['thinking', 'text']);
  const thinking = message.usage.output_tokens_details?.thinking_tokens ?? 0;
  expect(thinking).toBeGreaterThan(0);
  expect(message.usage.output_tokens).toBeGreaterThan(thinking);
});

test('a web search is counted, and the input at the end of the stream is larger than at its start', async () => {
  const stream = client.messages.stream({ ...ask, model: 'claude-sonnet-4-6', messages: [{ role: 'user', content: 'Search for the latest lamp news.' }], tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 2 }] });
  let started = 0;
  stream.on('streamEvent', (event) => {
    if (event.type === 'message_start') started = event.message.usage.input_tokens;
  });
  const final = await stream.finalMessage();
  expect(final.usage.server_tool_use?.web_search_requests).toBeGreaterThanOrEqual(1);
  expect(final.usage.server_tool_use?.web_search_requests).toBeLessThanOrEqual(2);
  expect(final.usage.input_tokens).toBeGreaterThan(started + 2_000);
});

test.each([
  { name: 'fast where the model has it', asked: { model: 'claude-opus-5-5', speed: 'fast' as const }, told: { speed: 'fast' } },
  { name: 'standard on the model that takes fast and ignores it', asked: { model: 'claude-opus-4-6', speed: 'fast' as const }, told: { speed: 'standard' } },
  { name: 'in the US where asked', asked: { model: 'claude-sonnet-4-6', inference_geo: 'us' }, told: { inference_geo: 'us', service_tier: 'standard' } },
  { name: 'of the standard tier whatever was allowed', asked: { model: 'claude-sonnet-4-6', service_tier: 'auto' as const }, told: { service_tier: 'standard' } },
])('usage tells that the call was $name', async ({ asked, told }) => {
  expect((await client.messages.create({ ...ask, ...asked })).usage).toMatchObject(told);
});

test('newer models count about 30 % more tokens for the same text', async () => {
  const text = 'The quick brown fox jumps over the lazy dog. '.repeat(200);
  const count = async (model: string) => (await client.messages.countTokens({ model, messages: [{ role: 'user', content: text }] })).input_tokens;
  const [older, newer] = [await count('claude-sonnet-4-6'), await count('claude-sonnet-5')];
  expect(newer / older).toBeCloseTo(1.3, 1);
});

test('count_tokens agrees with the usage of the call', async () => {
  const counted = await client.messages.countTokens({ model: ask.model, messages: ask.messages });
  expect((await client.messages.create(ask)).usage.input_tokens).toBe(counted.input_tokens);
});

test('the same seed and the same requests give the same bytes; another seed does not', async () => {
  const answers = await Promise.all([7, 7, 8].map(async (seed) => {
    const one = await startStandin({ seed, clock: { now: () => 0 } });
    const it = new Anthropic({ apiKey: 'sk-ant-test', baseURL: one.url, maxRetries: 0 });
    await it.messages.create(ask);
    await it.messages.stream(ask).finalMessage();
    const shas = one.log.map((r) => r.response.sha256);
    await one.close();
    return shas;
  }));
  expect(answers[0]).toEqual(answers[1]);
  expect(answers[0]).not.toEqual(answers[2]);
  expect(answers[0]?.[0]).not.toBe(answers[0]?.[1]);
});

test('the OpenAI client gets a completion, and usage in a stream only when it asks', async () => {
  const openai = new OpenAI({ apiKey: 'sk-ant-test', baseURL: `${standin.url}/v1`, maxRetries: 0 });
  const body = { model: 'claude-sonnet-4-6', messages: [{ role: 'user' as const, content: 'Hello' }], max_tokens: 50 };
  const whole = await openai.chat.completions.create(body);
  expect(whole.usage).toMatchObject({ prompt_tokens: lastResponse()?.billed?.input_tokens, completion_tokens: lastResponse()?.billed?.output_tokens });
  for (const asked of [true, false]) {
    const usages = [];
    for await (const chunk of await openai.chat.completions.create({ ...body, stream: true, ...(asked ? { stream_options: { include_usage: true } } : {}) })) if (chunk.usage) usages.push(chunk.usage);
    expect(usages).toHaveLength(asked ? 1 : 0);
  }
});

test('the text completions of the older client tell no usage, and the log still knows what is billed', async () => {
  const response = await fetch(`${standin.url}/v1/complete`, { method: 'POST', headers: { 'x-api-key': 'sk-ant-test', 'anthropic-version': '2023-06-01' }, body: JSON.stringify({ model: 'claude-haiku-4-5', max_tokens_to_sample: 20, prompt: '\n\nHuman: Hi\n\nAssistant:' }) });
  expect(await response.json()).toMatchObject({ type: 'completion', stop_reason: 'max_tokens' });
  expect(lastResponse()?.usage).toBeNull();
  expect(lastResponse()?.billed?.output_tokens).toBe(20);
});
