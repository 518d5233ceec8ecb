// test/standin/prompt-cache.test.ts: the stand-in's prompt cache follows the rules that the API documents.

import Anthropic from '@anthropic-ai/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startStandin, type Standin } from './standin.ts';

const MINUTE = 60_000;
let now = 0;
let standin: Standin;
let client: Anthropic;

beforeEach(async () => {
  now = Date.parse('2026-11-02T08:00:00Z');
  standin = await startStandin({ clock: { now: () => now }, keys: { 'sk-ant-a': 'one', 'sk-ant-b': 'one', 'sk-ant-c': 'two' } });
  client = new Anthropic({ apiKey: 'sk-ant-a', baseURL: standin.url, maxRetries: 0 });
});
afterEach(() => standin.close());

const long = 'All lamps are made of oak and brass, and come with a warranty of five years. '.repeat(80);

async function usageOf(options: { text?: string; ttl?: '5m' | '1h'; model?: string; key?: string; question?: string } = {}) {
  const it = new Anthropic({ apiKey: options.key ?? 'sk-ant-a', baseURL: standin.url, maxRetries: 0 });
  const { usage } = await it.messages.create({
    model: options.model ?? 'claude-sonnet-4-6',
    max_tokens: 10,
    system: [{ type: 'text', text: options.text ?? long, cache_control: { type: 'ephemeral', ...(options.ttl ? { ttl: options.ttl } : {}) } }],
    messages: [{ role: 'user', content: options.question ?? 'How long is the warranty?' }],
  });
  return { input: usage.input_tokens, read: usage.cache_read_input_tokens ?? 0, write5m: usage.cache_creation?.ephemeral_5m_input_tokens ?? 0, write1h: usage.cache_creation?.ephemeral_1h_input_tokens ?? 0 };
}

test('a first call writes its prefix, a second one with another question reads it', async () => {
  const first = await usageOf();
  expect(first.read).toBe(0);
  expect(first.write5m).toBeGreaterThan(1_024);
  const second = await usageOf({ question: 'Is it oak or beech?' });
  expect(second).toMatchObject({ read: first.write5m, write5m: 0 });
});

test('five minutes after the last read the prefix is written anew, and each read starts them afresh', async () => {
  const { write5m } = await usageOf();
  for (let turn = 0; turn < 3; turn += 1) {
    now += 4 * MINUTE;
    expect(await usageOf()).toMatchObject({ read: write5m });
  }
  now += 5 * MINUTE;
  expect(await usageOf()).toMatchObject({ read: 0, write5m });
});

test('a prefix written for an hour lives for an hour and is counted apart', async () => {
  const first = await usageOf({ ttl: '1h' });
  expect(first).toMatchObject({ write5m: 0, read: 0 });
  now += 59 * MINUTE;
  expect(await usageOf({ ttl: '1h' })).toMatchObject({ read: first.write1h, write1h: 0 });
  now += 60 * MINUTE;
  expect(await usageOf({ ttl: '1h' })).toMatchObject({ read: 0, write1h: first.write1h });
});

test.each([
  { name: 'one changed letter', change: { text: long.replace('oak', 'Oak') } },
  { name: 'another model', change: { model: 'claude-sonnet-5' } },
  { name: 'a key of another workspace', change: { key: 'sk-ant-c' } },
])('$name is a miss', async ({ change }) => {
  await usageOf();
  expect(await usageOf(change)).toMatchObject({ read: 0 });
});

test('another key of the same workspace reads the same cache', async () => {
  const { write5m } = await usageOf();
  expect(await usageOf({ key: 'sk-ant-b' })).toMatchObject({ read: write5m });
});

test('a prefix below the smallest cacheable size of the model is plain input, without an error', async () => {
  expect(await usageOf({ model: 'claude-haiku-4-5' })).toMatchObject({ read: 0, write5m: 0 });
  expect(await usageOf({ model: 'claude-haiku-4-5' })).toMatchObject({ read: 0, write5m: 0 });
});

test('a conversation with automatic caching reads all earlier turns and writes the new one', async () => {
  const turns: Anthropic.MessageParam[] = [{ role: 'user', content: long }];
  const say = async () => (await client.messages.create({ model: 'claude-sonnet-4-6', max_tokens: 20, cache_control: { type: 'ephemeral' }, messages: turns })).usage;
  const first = await say();
  turns.push({ role: 'assistant', content: 'Five years.' }, { role: 'user', content: 'And the switch?' });
  const second = await say();
  expect(second.cache_read_input_tokens).toBe(first.cache_creation_input_tokens);
  expect(second.cache_creation_input_tokens).toBeGreaterThan(0);
  expect(second.input_tokens).toBe(0);
});

test('a prefix for an hour in front of one for five minutes splits the write', async () => {
  const { usage } = await client.messages.create({
    model: 'claude-sonnet-4-6', max_tokens: 10,
    system: [{ type: 'text', text: long, cache_control: { type: 'ephemeral', ttl: '1h' } }],
    messages: [{ role: 'user', content: [{ type: 'text', text: long, cache_control: { type: 'ephemeral' } }] }],
  });
  expect(usage.cache_creation?.ephemeral_1h_input_tokens).toBeGreaterThan(1_024);
  expect(usage.cache_creation?.ephemeral_5m_input_tokens).toBeGreaterThan(1_024);
  expect(usage.cache_creation_input_tokens).toBe((usage.cache_creation?.ephemeral_1h_input_tokens ?? 0) + (usage.cache_creation?.ephemeral_5m_input_tokens ?? 0));
});

test('two first calls at one time both pay for the write', async () => {
  let open = (): void => undefined;
  const until = new Promise<void>((resolve) => (open = resolve));
  standin.next({ until }, { until });
  const both = [usageOf({ question: 'a?' }), usageOf({ question: 'b?' })];
  while (standin.log.filter((r) => r.bodyComplete).length < 2) await new Promise((turn) => setImmediate(turn));
  open();
  for (const usage of await Promise.all(both)) {
    expect(usage.read).toBe(0);
    expect(usage.write5m).toBeGreaterThan(1_024);
  }
  expect((await usageOf()).read).toBeGreaterThan(0);
});

test.each([
  { name: 'a fifth breakpoint', blocks: Array.from({ length: 5 }, () => '5m' as const) },
  { name: 'an hour behind five minutes', blocks: ['5m' as const, '1h' as const] },
])('$name is refused', async ({ blocks }) => {
  const system = blocks.map((ttl) => ({ type: 'text' as const, text: 'x', cache_control: { type: 'ephemeral' as const, ttl } }));
  await expect(client.messages.create({ model: 'claude-sonnet-4-6', max_tokens: 1, system, messages: [{ role: 'user', content: 'x' }] })).rejects.toThrow(/cache_control/);
});
