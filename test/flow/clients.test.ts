// test/flow/clients.test.ts: clients that nobody changed work through the gateway: only their base URL and their key are ours.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import Anthropic from '@anthropic-ai/sdk';
import Anthropic0 from 'anthropic-sdk-0';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RequestRow } from '../../server/http/admin/wire.ts';
import type { RecordedRequest } from '../standin/standin.ts';
import { askClaude, hasClaude } from './claude.ts';
import { PROVIDER_KEY, SECRETS, hello, ledgerRows, settled, startScene, type Scene } from './scene.ts';

const run = promisify(execFile);
const MODEL = 'claude-haiku-4-5';
const QUESTION = { model: MODEL, max_tokens: 200, messages: [{ role: 'user' as const, content: 'Answer briefly: why is the sea salt?' }] };
const WEATHER = { name: 'get_weather', description: 'The weather of a place.', input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] } };
/** Long enough for the model's cache. */
const MANUAL = 'The pump must be primed before the valve is opened. '.repeat(600);

let scene: Scene;

beforeAll(async () => {
  scene = await startScene({}, { compress: true });
});
afterAll(() => scene.close());

/** What both sides have of the latest call. */
async function latest(): Promise<{ seen: RecordedRequest; row: RequestRow }> {
  await settled(scene.gateway);
  const [row] = await ledgerRows(scene.gateway);
  return { seen: scene.standin.log.at(-1)!, row: row! };
}

const header = ({ rawHeaders }: RecordedRequest, name: string): string | undefined => {
  const at = rawHeaders.findIndex((part, n) => n % 2 === 0 && part.toLowerCase() === name);
  return at === -1 ? undefined : rawHeaders[at + 1];
};

const tokensOf = ({ seen }: { seen: RecordedRequest }): Record<string, number> => {
  const usage = seen.response.usage!;
  return {
    input: usage.input_tokens,
    cache_write_5m: usage.cache_creation?.ephemeral_5m_input_tokens ?? 0,
    cache_write_1h: usage.cache_creation?.ephemeral_1h_input_tokens ?? 0,
    cache_read: usage.cache_read_input_tokens ?? 0,
    output: usage.output_tokens,
  };
};

/** The two Anthropic SDKs, whose shared surface is all that these tests use. */
const sdks = [
  { sdk: 'SDK 1, which sends a bearer token', client: (baseURL: string, key: string) => new Anthropic({ baseURL, apiKey: key, maxRetries: 0 }), credential: ['authorization', `Bearer ${PROVIDER_KEY}`] },
  { sdk: 'SDK 0, which sends x-api-key', client: (baseURL: string, key: string) => new Anthropic0({ baseURL, apiKey: key, maxRetries: 0 }) as unknown as Anthropic, credential: ['x-api-key', PROVIDER_KEY] },
] as const;
const bases = [
  { base: 'the bare address', path: '', workspace: 'engineering', workflow: 'unattributed', secret: SECRETS.engineering },
  { base: 'an address with a trailing slash', path: '/', workspace: 'engineering', workflow: 'unattributed', secret: SECRETS.engineering },
  { base: 'a workspace in the path', path: '/w/engineering', workspace: 'engineering', workflow: 'unattributed', secret: SECRETS.engineering },
  { base: 'a workspace and workflow in the path', path: '/w/support/reply-draft', workspace: 'support', workflow: 'reply-draft', secret: SECRETS.support },
  { base: 'a key with its own workflow', path: '', workspace: 'support', workflow: 'ticket-triage', secret: SECRETS.triage },
];
const matrix = sdks.flatMap((sdk) => bases.map((base) => ({ ...sdk, ...base })));

test.each(matrix)('$sdk gets its answer from $base', async ({ client, path, secret, credential, workspace, workflow }) => {
  const message = await client(scene.gateway.dataUrl + path, secret).messages.create(QUESTION);
  const both = await latest();
  expect(message.usage.output_tokens).toBe(both.seen.response.usage!.output_tokens);
  expect(message.content[0]).toMatchObject({ type: 'text', text: expect.stringMatching(/\w/) });
  expect(both.row).toMatchObject({ workspace, workflow, outcome: 'ok', status: 200, stream: false, tokens: tokensOf(both), upstream_request_id: both.seen.id });
  expect(header(both.seen, credential[0])).toBe(credential[1]);
  expect(both.seen.url).toBe('/v1/messages');
});

test.each(matrix)('$sdk gets its stream from $base', async ({ client, path, secret, workspace, workflow }) => {
  const stream = client(scene.gateway.dataUrl + path, secret).messages.stream(QUESTION);
  let text = '';
  stream.on('text', (piece) => (text += piece));
  const message = await stream.finalMessage();
  const both = await latest();
  expect(message.content).toMatchObject([{ type: 'text', text }]);
  expect(message.usage.output_tokens).toBe(both.seen.response.usage!.output_tokens);
  expect(both.row).toMatchObject({ workspace, workflow, outcome: 'ok', stream: true, tokens: tokensOf(both) });
  expect(both.row.ttft_ms).toBeGreaterThan(0);
});

test.each(sdks)('$sdk uses its beta resource, with ?beta=true and its headers as they are', async ({ client }) => {
  const betas = ['interleaved-thinking-2025-05-14', 'context-management-2025-06-27'];
  await client(scene.gateway.dataUrl, SECRETS.support).beta.messages.create({ ...QUESTION, betas });
  const { seen } = await latest();
  expect(header(seen, 'anthropic-beta')).toBe(betas.join(','));
  expect(seen.url.split('?')[0]).toBe('/v1/messages');
});

test('a call to ?beta=true keeps its query', async () => {
  await new Anthropic0({ baseURL: scene.gateway.dataUrl, apiKey: SECRETS.support, maxRetries: 0 }).beta.messages.create(QUESTION);
  expect((await latest()).seen.url).toBe('/v1/messages?beta=true');
});

test.each(sdks)('$sdk uses tools, in one piece and streamed', async ({ client }) => {
  const api = client(scene.gateway.dataUrl, SECRETS.support);
  const ask = { ...QUESTION, tools: [WEATHER], tool_choice: { type: 'tool' as const, name: 'get_weather' } };
  const whole = await api.messages.create(ask);
  const streamed = await api.messages.stream(ask).finalMessage();
  for (const message of [whole, streamed]) {
    expect(message.stop_reason).toBe('tool_use');
    const call = message.content.find((block) => block.type === 'tool_use')!;
    expect(call).toMatchObject({ name: 'get_weather', input: { city: expect.any(String) } });
  }
  const used = whole.content.find((block) => block.type === 'tool_use')!;
  scene.standin.next({ text: 'It rains.' });
  const after = await api.messages.create({ ...ask, tool_choice: { type: 'auto' }, messages: [...QUESTION.messages, { role: 'assistant', content: whole.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: used.id, content: 'Rain.' }] }] } as Anthropic.MessageCreateParamsNonStreaming);
  expect(after.stop_reason).toBe('end_turn');
});

test.each(sdks)('$sdk writes a prompt to the cache and reads it back, and the ledger tells the two apart', async ({ client, sdk }) => {
  const api = client(scene.gateway.dataUrl, SECRETS.support);
  const ask = { ...QUESTION, system: [{ type: 'text' as const, text: `${sdk}: ${MANUAL}`, cache_control: { type: 'ephemeral' as const } }] };
  const first = await api.messages.create(ask);
  const written = await latest();
  const second = await api.messages.stream(ask).finalMessage();
  const read = await latest();
  expect(first.usage.cache_creation_input_tokens).toBeGreaterThan(4_096);
  expect(second.usage.cache_read_input_tokens).toBe(first.usage.cache_creation_input_tokens);
  expect(written.row.tokens).toMatchObject({ cache_write_5m: first.usage.cache_creation_input_tokens, cache_read: 0 });
  expect(read.row.tokens).toMatchObject({ cache_write_5m: 0, cache_read: first.usage.cache_creation_input_tokens });
  expect(Number(written.row.cache_savings_usd)).toBeLessThan(0);
  expect(Number(read.row.cache_savings_usd)).toBeGreaterThan(0);
});

test.each(sdks)('$sdk thinks at length, and its thinking counts as output', async ({ client }) => {
  const ask = { ...QUESTION, max_tokens: 3_000, thinking: { type: 'enabled' as const, budget_tokens: 1_024 } };
  const message = await client(scene.gateway.dataUrl, SECRETS.support).messages.stream(ask).finalMessage();
  const both = await latest();
  expect(message.content[0]).toMatchObject({ type: 'thinking', thinking: expect.stringMatching(/\w/), signature: expect.any(String) });
  expect(both.row.tokens.output).toBe(message.usage.output_tokens);
});

test.each(sdks)('$sdk counts tokens and lists models at no cost', async ({ client }) => {
  const api = client(scene.gateway.dataUrl, SECRETS.support);
  const { max_tokens: _none, ...prompt } = QUESTION;
  expect((await api.messages.countTokens(prompt)).input_tokens).toBeGreaterThan(5);
  expect((await latest()).row).toMatchObject({ endpoint: 'count_tokens', outcome: 'ok', cost_usd: '0.000000000' });
  const models: string[] = [];
  for await (const model of api.models.list()) models.push(model.id);
  expect(models.length).toBeGreaterThan(10);
  expect((await api.models.retrieve(MODEL)).id).toBe('claude-haiku-4-5-20251001');
  expect((await latest()).row).toMatchObject({ endpoint: 'models', outcome: 'ok', cost_usd: '0.000000000' });
});

test('SDK 1 uploads a file through the gateway and gets its bytes back', async () => {
  const api = new Anthropic({ baseURL: scene.gateway.dataUrl, apiKey: SECRETS.support, maxRetries: 0 });
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * 7 + (n >> 8)) % 256));
  const file = await api.files.upload({ file: new File([bytes], 'made-of-bytes.bin', { type: 'application/octet-stream' }) });
  expect(file).toMatchObject({ filename: 'made-of-bytes.bin', size_bytes: bytes.length });
  const back = Buffer.from(await (await api.files.download(file.id)).arrayBuffer());
  expect(back.equals(bytes)).toBe(true);
  expect((await api.files.delete(file.id)).id).toBe(file.id);
  await settled(scene.gateway);
  const rows = (await ledgerRows(scene.gateway)).slice(0, 3);
  expect(rows.map(({ endpoint, outcome, cost_usd }) => ({ endpoint, outcome, cost_usd }))).toEqual(Array(3).fill({ endpoint: 'files', outcome: 'ok', cost_usd: '0.000000000' }));
});

const openaiBases = [
  { base: 'a base URL that ends in /v1', path: '/v1' },
  { base: 'a base URL without /v1', path: '' },
  { base: 'tags in front of /v1', path: '/w/support/ticket-triage/v1' },
  { base: 'tags and no /v1', path: '/w/support/ticket-triage' },
];
const openai = (path: string): OpenAI => new OpenAI({ baseURL: scene.gateway.dataUrl + path, apiKey: SECRETS.triage, maxRetries: 0 });

test.each(openaiBases)('the OpenAI SDK gets its answer from $base', async ({ path }) => {
  const answer = await openai(path).chat.completions.create(QUESTION);
  const both = await latest();
  expect(answer.choices[0]!.message.content).toMatch(/\w/);
  expect(both.seen.url).toBe('/v1/chat/completions');
  expect(header(both.seen, 'authorization')).toBe(`Bearer ${PROVIDER_KEY}`);
  expect(both.row).toMatchObject({ endpoint: 'chat_completions', workflow: 'ticket-triage', outcome: 'ok', tokens: { input: answer.usage!.prompt_tokens, output: answer.usage!.completion_tokens }, estimated: false });
});

test('the OpenAI SDK gets a stream with its usage, and the ledger has it to the token', async () => {
  const stream = await openai('/v1').chat.completions.create({ ...QUESTION, stream: true, stream_options: { include_usage: true } });
  let usage: OpenAI.CompletionUsage | null | undefined = null;
  for await (const chunk of stream) usage = chunk.usage ?? usage;
  const { row } = await latest();
  expect(usage!.completion_tokens).toBeGreaterThan(0);
  expect(row).toMatchObject({ outcome: 'ok', estimated: false, tokens: { input: usage!.prompt_tokens, output: usage!.completion_tokens } });
});

test('the OpenAI SDK gets a stream without usage as it asked, byte for byte, and its cost is marked as estimated', async () => {
  const stream = await openai('/v1').chat.completions.create({ ...QUESTION, stream: true });
  let text = '';
  for await (const chunk of stream) {
    expect(chunk.usage ?? null).toBeNull();
    text += chunk.choices[0]?.delta.content ?? '';
  }
  const { seen, row } = await latest();
  expect(text).toMatch(/\w/);
  expect(JSON.parse(seen.body.toString())).not.toHaveProperty('stream_options');
  expect(row).toMatchObject({ outcome: 'ok', estimated: true });
  expect(Number(row.cost_usd)).toBeGreaterThan(0);
});

test.each([{ how: 'in one piece', stream: false }, { how: 'streamed', stream: true }])('curl gets its answer $how', async ({ stream }) => {
  const { stdout } = await run('curl', ['-sS', '--compressed', '--fail-with-body', `${scene.gateway.dataUrl}/v1/messages`, '-H', `x-api-key: ${SECRETS.support}`, '-H', 'anthropic-version: 2023-06-01', '-H', 'content-type: application/json', '-d', hello({ stream })]);
  const { seen, row } = await latest();
  if (stream) expect(stdout.trimEnd().split('\n\n').at(-1)).toBe('event: message_stop\ndata: {"type":"message_stop"}');
  else expect(JSON.parse(stdout)).toMatchObject({ type: 'message', usage: { output_tokens: seen.response.usage!.output_tokens } });
  expect(row).toMatchObject({ outcome: 'ok', stream });
});

test.skipIf(!hasClaude)('Claude Code answers a prompt, and its calls are booked to the workspace, workflow and session that they come from', async () => {
  const before = scene.standin.log.length;
  const told = await askClaude({ baseUrl: `${scene.gateway.dataUrl}/w/engineering/claude-code`, secret: SECRETS.engineering });
  expect(told).toMatchObject({ is_error: false, result: expect.stringMatching(/\w/) });
  await settled(scene.gateway);
  const seen = scene.standin.log.slice(before);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.every((request) => request.response.status === 200)).toBe(true);
  const rows = await ledgerRows(scene.gateway, '&workflow=claude-code');
  expect(rows).toHaveLength(seen.length);
  expect(rows[0]).toMatchObject({ workspace: 'engineering', key_id: 'engineering-any', session: told.session_id, outcome: 'ok', endpoint: 'messages', stream: true });
});
