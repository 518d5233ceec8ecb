// test/standin/resources.test.ts: batches, files and models of the stand-in, and what it refuses, as the official clients see them.

import Anthropic, { APIError, NotFoundError, OverloadedError, RateLimitError } from '@anthropic-ai/sdk';
import AnthropicBefore from 'anthropic-sdk-0';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startStandin, type Standin } from './standin.ts';

let now = 0;
let standin: Standin;
let client: Anthropic;

beforeEach(async () => {
  now = Date.parse('2026-11-02T08:00:00Z');
  standin = await startStandin({ clock: { now: () => now }, batchMs: 60_000 });
  client = new Anthropic({ apiKey: 'sk-ant-test', baseURL: standin.url, maxRetries: 0 });
});
afterEach(() => standin.close());

const params = { model: 'claude-sonnet-4-6', max_tokens: 30, messages: [{ role: 'user' as const, content: 'Hello' }] };

test('a batch ends when its time has come, and its results carry usage of the batch tier', async () => {
  const batch = await client.messages.batches.create({ requests: [{ custom_id: 'a', params }, { custom_id: 'b', params: { ...params, model: 'claude-nothing' } }, { custom_id: 'c', params: { ...params, metadata: { user_id: 'standin-expire' } } }] });
  expect(batch).toMatchObject({ processing_status: 'in_progress', results_url: null, request_counts: { processing: 3, succeeded: 0 } });
  now += 60_000;
  const ended = await client.messages.batches.retrieve(batch.id);
  expect(ended).toMatchObject({ processing_status: 'ended', request_counts: { processing: 0, succeeded: 1, errored: 1, expired: 1 }, results_url: `${standin.url}/v1/messages/batches/${batch.id}/results` });

  const results = new Map<string, string>();
  for await (const line of await client.messages.batches.results(batch.id)) {
    results.set(line.custom_id, line.result.type);
    if (line.result.type === 'succeeded') expect(line.result.message.usage.service_tier).toBe('batch');
  }
  expect(results).toEqual(new Map([['c', 'expired'], ['b', 'errored'], ['a', 'succeeded']]));
  expect(standin.log.at(-1)?.response.items.map((i) => i.customId)).toEqual(['a']);
});

test('a batch that is under way can be cancelled and not deleted; one that has ended the other way round', async () => {
  const batch = await client.messages.batches.create({ requests: [{ custom_id: 'a', params }, { custom_id: 'b', params }] });
  await expect(client.messages.batches.delete(batch.id)).rejects.toThrow(/cannot be deleted/);
  expect((await client.messages.batches.cancel(batch.id)).processing_status).toBe('canceling');
  now += 60_000;
  expect((await client.messages.batches.retrieve(batch.id)).request_counts).toMatchObject({ succeeded: 1, canceled: 1 });
  expect(await client.messages.batches.delete(batch.id)).toMatchObject({ type: 'message_batch_deleted' });
  await expect(client.messages.batches.retrieve(batch.id)).rejects.toBeInstanceOf(NotFoundError);
});

test('batches and files of one workspace are not seen by another, and lists are paged', async () => {
  for (const id of ['a', 'b', 'c']) await client.messages.batches.create({ requests: [{ custom_id: id, params }] });
  const file = await client.files.upload({ file: new File(['lamps'], 'lamps.txt', { type: 'text/plain' }) });
  const pages = [];
  for await (const page of (await client.messages.batches.list({ limit: 2 })).iterPages()) pages.push(page.data.length);
  expect(pages).toEqual([2, 1]);

  const stranger = new Anthropic({ apiKey: 'sk-ant-stranger', baseURL: standin.url, maxRetries: 0 });
  expect((await stranger.messages.batches.list()).data).toEqual([]);
  expect((await stranger.files.list()).data).toEqual([]);
  await expect(stranger.files.retrieveMetadata(file.id)).rejects.toBeInstanceOf(NotFoundError);
});

test('a file is kept byte for byte, listed and deleted; an upload is not downloadable, what a tool made is', async () => {
  const bytes = new Uint8Array([0, 255, 13, 10, 45, 45, 128]);
  const made = await client.files.upload({ file: new File([bytes], 'made-chart.png', { type: 'image/png' }) });
  expect(made).toMatchObject({ filename: 'made-chart.png', mime_type: 'image/png', size_bytes: 7 });
  expect(new Uint8Array(await (await client.files.download(made.id)).arrayBuffer())).toEqual(bytes);
  const own = await client.files.upload({ file: new File(['x'], 'own.txt') });
  await expect(client.files.download(own.id)).rejects.toMatchObject({ errorCode: 'file_not_downloadable' });
  await client.files.delete(own.id);
  expect((await client.files.list()).data.map((f) => f.id)).toEqual([made.id]);
});

test('models are listed newest first and found by alias; a retired one is unknown', async () => {
  const all = [];
  for await (const model of client.models.list({ limit: 5 })) all.push(model);
  expect(all.length).toBeGreaterThan(15);
  expect(all.map((m) => m.created_at)).toEqual(all.map((m) => m.created_at).sort().reverse());
  expect((await client.models.retrieve('claude-haiku-4-5')).id).toBe('claude-haiku-4-5-20251001');
  await expect(client.models.retrieve('claude-3-opus-20240229')).rejects.toBeInstanceOf(NotFoundError);
});

test('a path that is not of the API is not found, and a known path with another method is not allowed', async () => {
  const ask = async (method: string, path: string) => (await fetch(standin.url + path, { method, headers: { 'x-api-key': 'sk-ant-test', 'anthropic-version': '2023-06-01' } })).status;
  expect(await ask('GET', '/v1/organizations/me')).toBe(404);
  expect(await ask('PUT', '/v1/messages')).toBe(405);
  expect(await ask('GET', '/v1/skills')).toBe(200);
  expect(await ask('HEAD', '/api/hello')).toBe(200);
});

const post = async (body: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(`${standin.url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': 'sk-ant-test', 'anthropic-version': '2023-06-01', 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });
  return { status: response.status, requestId: response.headers.get('request-id'), workspace: response.headers.get('anthropic-workspace-id'), body: (await response.json()) as { error: { type: string; message: string }; request_id: string } };
};

test.each([
  { name: 'no max_tokens', body: { ...params, max_tokens: undefined }, status: 400, says: 'max_tokens: Field required' },
  { name: 'an unknown model', body: { ...params, model: 'claude-x' }, status: 404, says: 'model: claude-x' },
  { name: 'broken JSON', body: '{"model":', status: 400, says: 'not valid JSON' },
  { name: 'no messages', body: { ...params, messages: [] }, status: 400, says: 'at least one message' },
  { name: 'more output than the model has', body: { ...params, max_tokens: 1_000_000 }, status: 400, says: 'maximum allowed number of output tokens' },
  { name: 'fast where there is none', body: { ...params, speed: 'fast' }, status: 400, says: 'speed' },
  { name: 'a place of inference on an older model', body: { ...params, model: 'claude-haiku-4-5', inference_geo: 'us' }, status: 400, says: 'inference_geo' },
])('a call with $name is refused in the API\'s shape', async ({ body, status, says }) => {
  const refused = await post(body);
  expect(refused.status).toBe(status);
  expect(refused.body.error.message).toContain(says);
  expect(refused.body.request_id).toBe(refused.requestId);
});

test.each<{ name: string; headers: Record<string, string>; says: string }>([
  { name: 'no version', headers: { 'anthropic-version': '' }, says: 'anthropic-version' },
  { name: 'an unknown version', headers: { 'anthropic-version': '2020-01-01' }, says: 'anthropic-version' },
  { name: 'an unknown beta', headers: { 'anthropic-beta': 'files-api-2025-04-14,free-lunch-2026-01-01' }, says: '`free-lunch-2026-01-01`' },
  { name: 'an unknown content-encoding', headers: { 'content-encoding': 'snappy' }, says: 'content-encoding' },
])('a call with $name is refused', async ({ headers, says }) => {
  const refused = await post(params, headers);
  expect(refused).toMatchObject({ status: 400, body: { error: { type: 'invalid_request_error' } } });
  expect(refused.body.error.message).toContain(says);
});

test('the newer API version refuses temperature, the older one takes it', async () => {
  expect((await post({ ...params, temperature: 0.5 }, { 'anthropic-version': '2026-10-21' })).status).toBe(400);
  expect((await post({ ...params, temperature: 0.5 })).status).toBe(200);
});

test('both credential headers are taken, none and a foreign one are not, and only a good one names its workspace', async () => {
  expect((await post(params)).workspace).toMatch(/^wrkspc_/);
  expect((await post(params, { 'x-api-key': '', authorization: 'Bearer sk-ant-test' })).status).toBe(200);
  expect((await post(params, { 'x-api-key': '' })).status).toBe(401);
  expect(await post(params, { 'x-api-key': 'tg-secret' })).toMatchObject({ status: 401, workspace: null, body: { error: { type: 'authentication_error' } } });
});

test('limits that are configured refuse with retry-after, and let through again when the bucket has refilled', async () => {
  const tight = await startStandin({ clock: { now: () => now }, limits: { requests: 2 } });
  const it = new Anthropic({ apiKey: 'sk-ant-test', baseURL: tight.url, maxRetries: 0 });
  const first = await it.messages.create(params).withResponse();
  expect(first.response.headers.get('anthropic-ratelimit-requests-remaining')).toBe('1');
  await it.messages.create(params);
  const refusal = await it.messages.create(params).catch((cause: unknown) => cause);
  expect(refusal).toBeInstanceOf(RateLimitError);
  expect((refusal as APIError).headers?.get('retry-after')).toBe('30');
  now += 30_000;
  await expect(it.messages.create(params)).resolves.toMatchObject({ type: 'message' });
  await tight.close();
});

test('the SDKs retry an overloaded answer twice and a bad request never, and name the class of error', async () => {
  const patient = new Anthropic({ apiKey: 'sk-ant-test', baseURL: standin.url });
  const older = new AnthropicBefore({ apiKey: 'sk-ant-test', baseURL: standin.url });
  standin.script(() => ({ fault: 'status:529', headers: { 'retry-after-ms': '1' } }));
  await expect(patient.messages.create(params)).rejects.toBeInstanceOf(OverloadedError);
  await expect(older.messages.create(params)).rejects.toMatchObject({ status: 529 });
  expect(standin.requests()).toBe(6);
  standin.script(() => 'status:400');
  await expect(patient.messages.create(params)).rejects.toMatchObject({ status: 400, type: 'invalid_request_error' });
  expect(standin.requests()).toBe(7);
});

test('an unknown fault is an answer of 400, not a pass', async () => {
  standin.next('resett');
  await expect(client.messages.create(params)).rejects.toThrow(/unknown fault: resett/);
});
