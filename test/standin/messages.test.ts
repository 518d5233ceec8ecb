// test/standin/messages.test.ts: the stand-in answers like the API, as far as the official SDK can tell.

import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStandin, type Standin } from './standin.ts';

let standin: Standin;
let client: Anthropic;

beforeAll(async () => {
  standin = await startStandin({ seed: 1 });
  client = new Anthropic({ apiKey: 'sk-ant-test', baseURL: standin.url, maxRetries: 0 });
});
afterAll(() => standin.close());

const ask = { model: 'claude-haiku-4-5', max_tokens: 400, messages: [{ role: 'user' as const, content: 'Tell me about lamps.' }] };

test('a JSON answer has text, the dated model that served it, and usage', async () => {
  const message = await client.messages.create(ask);
  expect(message.content[0]).toMatchObject({ type: 'text', text: expect.stringMatching(/\w+/) });
  expect(message.model).toBe('claude-haiku-4-5-20251001');
  expect(message.usage.input_tokens).toBeGreaterThan(5);
  expect(standin.log.at(-1)?.response.usage).toEqual(message.usage);
});

test('a stream adds up to the message and the usage that the stand-in noted', async () => {
  const final = await client.messages.stream(ask).finalMessage();
  const record = standin.log.at(-1);
  expect(final.usage).toMatchObject({ output_tokens: record?.response.billed?.output_tokens, input_tokens: record?.response.billed?.input_tokens });
  expect(final.stop_reason).toBe('end_turn');
  expect(record?.response.body.toString()).toMatch(/^event: message_start\ndata: /);
});
