// test/flow/batches.test.ts: message batches through the real gateway, with the real SDK, against the stand-in.

import Anthropic from '@anthropic-ai/sdk';
import { afterEach, expect, test } from 'vitest';
import { ORACLE_MODELS, oracleNanos } from '../price/oracle.ts';
import { startStandin, type Standin, type StandinOptions } from '../standin/standin.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { verified } from './scene.ts';

const PROVIDER_KEY = 'sk-ant-provider-key';
const KEYS = { one: 'key-of-workspace-one', two: 'key-of-workspace-two' };

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function standin(options: StandinOptions = {}): Promise<Standin> {
  const started = await startStandin({ batchMs: 300, ...options });
  open.push(started);
  return started;
}

async function gateway(upstream: Standin, more: Record<string, unknown> = {}, dataDir?: string): Promise<RunningGateway> {
  const started = await startGateway({
    config: {
      access: 'keys',
      upstream: { origin: upstream.url, keys: { default: PROVIDER_KEY } },
      workspaces: [{ id: 'one', models: { alias: { fast: 'claude-haiku-4-5' } } }, { id: 'two' }],
      keys: [{ id: 'k1', workspace: 'one', secret: KEYS.one }, { id: 'k2', workspace: 'two', secret: KEYS.two }],
      batches: { poll: '100ms' },
      budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 100, period: 'month' }],
      ...more,
    },
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  open.push(started);
  return started;
}

const sdk = (at: RunningGateway, apiKey: string, path = ''): Anthropic => new Anthropic({ apiKey, baseURL: at.dataUrl + path, maxRetries: 0 });

async function admin<T>(at: RunningGateway, path: string): Promise<T> {
  const answer = await fetch(at.adminUrl + path);
  expect(answer.status).toBe(200);
  return (await answer.json()) as T;
}

interface Row {
  id: string; endpoint: string; cost_usd: string; batch_id: string | null; custom_id: string | null; workspace: string; workflow: string; admitted_at: string; model_served: string | null;
  estimated: boolean; estimate_method: string | null; outcome: string | null; attempts: number; key_id: string | null; model_requested: string | null;
}
const rowsOf = async (at: RunningGateway): Promise<Row[]> => (await admin<{ rows: Row[] }>(at, '/api/requests?limit=500')).rows;
const itemsOf = async (at: RunningGateway): Promise<Row[]> => (await rowsOf(at)).filter((row) => row.custom_id !== null);
const budgetOf = async (at: RunningGateway): Promise<{ spent_usd: string; held_usd: string }> => (await admin<{ rows: { spent_usd: string; held_usd: string }[] }>(at, '/api/budgets')).rows[0]!;


async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const value = await read();
    if (holds(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it never came: ${JSON.stringify(await read())}`);
}

const item = (custom_id: string, model = 'claude-haiku-4-5', more: Record<string, unknown> = {}) => ({ custom_id, params: { model, max_tokens: 64, messages: [{ role: 'user' as const, content: `Hello ${custom_id}` }], ...more } });
const oracleId = (model: string): string => ORACLE_MODELS.find(({ id, aliases }) => id === model || aliases.includes(model))!.id;
const nanos = (usd: string): bigint => BigInt(usd.replace('.', ''));

test('a batch is held at half price, booked by itself per item, and spends what the oracle says to the nano-dollar', async () => {
  const upstream = await standin();
  const at = await gateway(upstream);
  const client = sdk(at, KEYS.one, '/w/one/nightly');
  const batch = await client.messages.batches.create({ requests: [item('a'), item('b', 'claude-sonnet-4-6'), item('c', 'fast'), item('bad', 'claude-haiku-4-5', { max_tokens: 0 })] } as never);
  expect(batch.id).toMatch(/^msgbatch_/);
  expect(nanos((await budgetOf(at)).held_usd)).toBeGreaterThan(0n);
  const booked = await until(() => budgetOf(at), (b) => nanos(b.held_usd) === 0n);
  const items = await itemsOf(at);
  expect(items.map((row) => row.custom_id).sort()).toEqual(['a', 'b', 'c']);
  const results = new Map<string, { model: string; usage: Anthropic.Usage }>();
  for await (const line of await client.messages.batches.results(batch.id)) if (line.result.type === 'succeeded') results.set(line.custom_id, line.result.message);
  let sum = 0n;
  for (const row of items) {
    const { model, usage } = results.get(row.custom_id!)!;
    const expected = oracleNanos({ batch: true, fast: false, us: false, searches: 0, turns: [{ model: oracleId(model), input_tokens: usage.input_tokens, write_5m: 0, write_1h: 0, read: usage.cache_read_input_tokens ?? 0, output_tokens: usage.output_tokens }] });
    expect(nanos(row.cost_usd)).toBe(expected);
    expect(row).toMatchObject({ workspace: 'one', workflow: 'nightly', key_id: 'k1', batch_id: batch.id, endpoint: 'batch_results', attempts: 0, estimated: false });
    sum += expected;
  }
  expect(nanos(booked.spent_usd)).toBe(sum);
  // The client's own download came after, and booked nothing again.
  expect(nanos((await budgetOf(at)).spent_usd)).toBe(sum);
});

const manyItems = (count: number) => ({ requests: Array.from({ length: count }, (_, n) => item(`item-${n}`)) });
const asked = (upstream: Standin, method: string, path: RegExp): number => upstream.log.filter((request) => request.method === method && path.test(request.url)).length;

test('a batch outlives a kill right after its creation: it is held again from the start on, and booked', async () => {
  // It ends when the test says so, however long a restart takes.
  const HOUR_MS = 3_600_000;
  let ahead = 0;
  const upstream = await standin({ batchMs: HOUR_MS, clock: { now: () => Date.now() + ahead } });
  const first = await gateway(upstream);
  const batch = await sdk(first, KEYS.one).messages.batches.create({ requests: [item('a'), item('b')] });
  const { held_usd: held } = await budgetOf(first);
  await first.stop('SIGKILL');
  const second = await gateway(upstream, {}, first.dataDir);
  expect((await budgetOf(second)).held_usd).toBe(held);
  ahead = HOUR_MS;
  await until(() => budgetOf(second), (b) => nanos(b.held_usd) === 0n);
  const items = await itemsOf(second);
  expect(items.map((row) => [row.batch_id, row.custom_id]).sort()).toEqual([[batch.id, 'a'], [batch.id, 'b']]);
  expect(nanos((await budgetOf(second)).spent_usd)).toBe(items.reduce((sum, row) => sum + nanos(row.cost_usd), 0n));
});

test('kill -9 in the middle of booking 5,000 items: every item is booked once, to the nano-dollar', async () => {
  const upstream = await standin({ batchMs: 800 });
  // The first reading of the results breaks off in the middle, so that the kill finds some of them booked for certain.
  let readings = 0;
  upstream.script((request) => (request.url.endsWith('/results') && readings++ === 0 ? 'reset-mid-json' : null));
  const first = await gateway(upstream, { batches: { poll: '1s' } });
  const batch = await sdk(first, KEYS.one).messages.batches.create(manyItems(5_000));
  const usage = (at: RunningGateway): Promise<{ total: { requests: number; cost_usd: string } }> => admin(at, '/api/usage?group_by=workspace');
  const before = await until(() => usage(first), ({ total }) => total.requests > 1);
  expect(before.total.requests).toBeLessThan(5_000);
  await first.stop('SIGKILL');
  const second = await gateway(upstream, {}, first.dataDir);
  const after = await until(() => budgetOf(second), (b) => nanos(b.held_usd) === 0n);
  // The creation's own row costs nothing.
  expect((await usage(second)).total).toMatchObject({ requests: 5_001, cost_usd: after.spent_usd });
  let expected = 0n;
  for await (const { result } of await sdk(second, KEYS.one).messages.batches.results(batch.id)) {
    if (result.type !== 'succeeded') throw new Error(result.type);
    const { model, usage: u } = result.message;
    expected += oracleNanos({ batch: true, fast: false, us: false, searches: 0, turns: [{ model: oracleId(model), input_tokens: u.input_tokens, write_5m: 0, write_1h: 0, read: u.cache_read_input_tokens ?? 0, output_tokens: u.output_tokens }] });
  }
  expect(nanos(after.spent_usd)).toBe(expected);
});

test('a client that downloads before the gateway has looked gets its bytes, and the items are booked once', async () => {
  const upstream = await standin({ batchMs: 50 });
  const at = await gateway(upstream, { batches: { poll: '1h' } });
  const client = sdk(at, KEYS.one);
  const batch = await client.messages.batches.create({ requests: [item('a'), item('b')] });
  const ended = await until(() => client.messages.batches.retrieve(batch.id), (b) => b.processing_status === 'ended');
  const direct = await (await fetch(`${upstream.url}/v1/messages/batches/${batch.id}/results`, { headers: { 'x-api-key': PROVIDER_KEY, 'anthropic-version': '2023-06-01' } })).text();
  const download = async (): Promise<string> => (await fetch(ended.results_url!, { headers: { 'x-api-key': KEYS.one, 'anthropic-version': '2023-06-01' } })).text();
  expect(await download()).toBe(direct);
  const booked = await until(() => budgetOf(at), (b) => nanos(b.held_usd) === 0n);
  expect(await download()).toBe(direct);
  expect((await itemsOf(at)).length).toBe(2);
  expect((await budgetOf(at)).spent_usd).toBe(booked.spent_usd);
});

test('a batch is booked before its DELETE passes, and one that is not ended is not deleted', async () => {
  const upstream = await standin({ batchMs: 600 });
  const at = await gateway(upstream, { batches: { poll: '1h' } });
  const client = sdk(at, KEYS.one);
  const batch = await client.messages.batches.create({ requests: [item('a')] });
  await expect(client.messages.batches.delete(batch.id)).rejects.toMatchObject({ status: 400, message: expect.stringContaining('cannot be deleted while it is being processed') });
  expect(asked(upstream, 'DELETE', /./)).toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 700));
  upstream.next({ path: `/v1/messages/batches/${batch.id}/results`, fault: 'reset-mid-json:1' });
  await expect(client.messages.batches.delete(batch.id)).rejects.toMatchObject({ status: 503 });
  expect(asked(upstream, 'DELETE', /./)).toBe(0);
  expect(await client.messages.batches.delete(batch.id)).toMatchObject({ id: batch.id, type: 'message_batch_deleted' });
  expect((await itemsOf(at)).map((row) => row.custom_id)).toEqual(['a']);
  expect((await budgetOf(at)).held_usd).toBe('0.000000000');
});

test('a cancelled batch costs what was done in time', async () => {
  const upstream = await standin({ batchMs: 1_000 });
  const at = await gateway(upstream);
  const client = sdk(at, KEYS.one);
  const batch = await client.messages.batches.create({ requests: [item('a'), item('b'), item('c'), item('d')] });
  expect((await client.messages.batches.cancel(batch.id)).processing_status).toBe('canceling');
  await until(() => budgetOf(at), (b) => nanos(b.held_usd) === 0n);
  expect((await itemsOf(at)).map((row) => row.custom_id).sort()).toEqual(['a', 'b']);
});

test('what another workspace made is not there: 404 in the API\'s shape, and nothing goes upstream', async () => {
  const upstream = await standin({ keys: { [PROVIDER_KEY]: 'shared' } });
  const at = await gateway(upstream);
  const [one, two] = [sdk(at, KEYS.one), sdk(at, KEYS.two)];
  const batch = await one.messages.batches.create({ requests: [item('a')] });
  const file = await one.files.upload({ file: new File(['text'], 'made-notes.txt', { type: 'text/plain' }) });
  await until(() => budgetOf(at), (b) => nanos(b.held_usd) === 0n);
  const before = upstream.requests();
  const withFile = { type: 'document' as const, source: { type: 'file' as const, file_id: file.id } };
  for (const id of [batch.id, 'msgbatch_01NeverSeen']) {
    for (const ask of [() => two.messages.batches.retrieve(id), () => two.messages.batches.cancel(id), () => two.messages.batches.delete(id), async () => fetch(`${at.dataUrl}/v1/messages/batches/${id}/results`, { headers: { 'x-api-key': KEYS.two } }).then(async (r) => { throw Object.assign(new Error(), { status: r.status, error: await r.json() }); })]) {
      await expect(ask()).rejects.toMatchObject({ status: 404, error: { type: 'error', error: { type: 'not_found_error', message: `Could not find message batch ${id}` } } });
    }
  }
  for (const ask of [() => two.files.retrieveMetadata(file.id), () => two.files.download(file.id), () => two.files.delete(file.id), () => two.messages.create({ model: 'claude-haiku-4-5', max_tokens: 8, messages: [{ role: 'user', content: [withFile] }] } as never), () => two.messages.batches.create({ requests: [item('f', 'claude-haiku-4-5', { messages: [{ role: 'user', content: [withFile] }] })] })]) {
    await expect(ask()).rejects.toMatchObject({ status: 404, error: { error: { type: 'not_found_error', message: `Could not find file ${file.id}` } } });
  }
  const withSkill = (id: string) => ({ model: 'claude-haiku-4-5', max_tokens: 8, messages: [{ role: 'user', content: 'Slides, please.' }], container: { skills: [{ type: id === 'pptx' ? 'anthropic' : 'custom', skill_id: 'pptx', version: 'latest' }, { type: 'custom', skill_id: id, version: 'latest' }] } }) as never;
  for (const ask of [() => two.messages.create(withSkill('skill_01Private')), () => two.messages.batches.create({ requests: [{ custom_id: 's', params: withSkill('skill_01Private') }] })]) {
    await expect(ask()).rejects.toMatchObject({ status: 404, error: { error: { type: 'not_found_error', message: 'Could not find skill skill_01Private' } } });
  }
  expect(upstream.requests()).toBe(before);
  // The provider's own are everybody's.
  expect(await two.messages.create(withSkill('pptx'))).toMatchObject({ type: 'message' });
  expect(await one.files.retrieveMetadata(file.id)).toMatchObject({ id: file.id });
  expect((await one.messages.batches.retrieve(batch.id)).id).toBe(batch.id);
});

test('a container is its workspace\'s, however its name came: in an answer, a stream or the result of a batch, and after a restart', async () => {
  const upstream = await standin({ keys: { [PROVIDER_KEY]: 'shared' }, batchMs: 20 });
  const first = await gateway(upstream);
  const params = { model: 'claude-haiku-4-5', max_tokens: 64, messages: [{ role: 'user' as const, content: 'Work it out.' }], tools: [{ type: 'code_execution_20250825' as const, name: 'code_execution' as const }] };
  const again = (id: string) => ({ ...params, container: id });
  const one = sdk(first, KEYS.one);
  const answered = (await one.messages.create(params as never)) as Anthropic.Message;
  // Back with it at once, before anything can be on disk.
  expect(await one.messages.create(again(answered.container!.id) as never)).toMatchObject({ container: { id: answered.container!.id } });
  const streamed = await one.messages.stream(params as never).finalMessage();
  const batch = await one.messages.batches.create({ requests: [{ custom_id: 'a', params: params as never }] });
  await until(() => budgetOf(first), (b) => nanos(b.held_usd) === 0n);
  const results: Anthropic.Messages.MessageBatchIndividualResponse[] = [];
  for await (const result of await one.messages.batches.results(batch.id)) results.push(result);
  const [item] = results;
  if (item?.result.type !== 'succeeded') throw new Error('the item failed');
  const ids = [answered, streamed, item.result.message].map(({ container }) => container!.id);
  expect(new Set(ids).size).toBe(3);
  await first.stop('SIGTERM');

  const second = await gateway(upstream, {}, first.dataDir);
  const [owner, stranger] = [sdk(second, KEYS.one), sdk(second, KEYS.two)];
  for (const id of ids) expect(await owner.messages.create(again(id) as never)).toMatchObject({ container: { id } });
  const before = upstream.requests();
  for (const id of [...ids, 'container_01NeverSeen']) {
    for (const ask of [() => stranger.messages.create(again(id) as never), () => stranger.messages.create({ ...params, container: { id, skills: [] } } as never), () => stranger.messages.batches.create({ requests: [{ custom_id: 'b', params: again(id) as never }] })]) {
      await expect(ask()).rejects.toMatchObject({ status: 404, error: { type: 'error', error: { type: 'not_found_error', message: `Could not find container ${id}` } } });
    }
  }
  expect(upstream.requests()).toBe(before);
});

test('lists show what one\'s own workspace made, over as many pages as it takes, and nothing else', async () => {
  const upstream = await standin({ keys: { [PROVIDER_KEY]: 'shared' } });
  const at = await gateway(upstream);
  const [one, two] = [sdk(at, KEYS.one), sdk(at, KEYS.two)];
  const own: string[] = [];
  // The oldest is workspace one's, then five of workspace two, then one more.
  own.push((await one.messages.batches.create({ requests: [item('a')] })).id);
  for (let n = 0; n < 5; n++) await two.messages.batches.create({ requests: [item('b')] });
  own.unshift((await one.messages.batches.create({ requests: [item('c')] })).id);
  for (const limit of [1, 2, 20]) {
    const seen: string[] = [];
    for await (const batch of one.messages.batches.list({ limit })) seen.push(batch.id);
    expect(seen).toEqual(own);
  }
  const file = await one.files.upload({ file: new File(['text'], 'a.txt', { type: 'text/plain' }) });
  for (let n = 0; n < 3; n++) await two.files.upload({ file: new File(['text'], 'b.txt', { type: 'text/plain' }) });
  const files: string[] = [];
  for await (const seen of one.files.list({ limit: 1 })) files.push(seen.id);
  expect(files).toEqual([file.id]);
});

test('results_url leads back to the gateway in every reply that has it, with the tags of the client; every other byte stays', async () => {
  const upstream = await standin({ batchMs: 20 });
  const at = await gateway(upstream);
  const headers = { 'x-api-key': KEYS.one, 'anthropic-version': '2023-06-01', 'accept-encoding': 'gzip' };
  const batch = await sdk(at, KEYS.one).messages.batches.create({ requests: [item('a')] });
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const [method, path] of [['GET', `/${batch.id}`], ['POST', `/${batch.id}/cancel`], ['GET', '']] as const) {
    const direct = await (await fetch(`${upstream.url}/v1/messages/batches${path}`, { method, headers: { ...headers, 'x-api-key': PROVIDER_KEY } })).text();
    const own = await fetch(`${at.dataUrl}/w/one/nightly/v1/messages/batches${path}`, { method, headers });
    const text = await own.text();
    expect(direct).toContain(`"${upstream.url}/v1/messages/batches/${batch.id}/results"`);
    expect(text).toBe(direct.replaceAll(`"results_url":"${upstream.url}/`, `"results_url":"${at.dataUrl}/w/one/nightly/`));
    expect(own.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
  }
});

test('a batch is refused whole when one of its items is not allowed, and when it does not fit the budget', async () => {
  const upstream = await standin();
  const at = await gateway(upstream, { workspaces: [{ id: 'one', models: { deny: ['claude-opus-*'] }, max_output_tokens: 100 }, { id: 'two' }], budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 0.001, period: 'month' }] });
  const [one, two] = [sdk(at, KEYS.one), sdk(at, KEYS.two)];
  await expect(one.messages.batches.create({ requests: [item('a'), item('b', 'claude-opus-4-8')] })).rejects.toMatchObject({ status: 403, message: expect.stringContaining('requests.1: model claude-opus-4-8 is not allowed') });
  await expect(one.messages.batches.create({ requests: [item('a', 'claude-haiku-4-5', { max_tokens: 101 })] })).rejects.toMatchObject({ status: 403, message: expect.stringContaining('requests.0: max_tokens is 101') });
  await expect(two.messages.batches.create({ requests: [item('a', 'claude-haiku-4-5', { max_tokens: 4_000 })] })).rejects.toMatchObject({ status: 429, message: expect.stringContaining('budget all') });
  expect(upstream.requests()).toBe(0);
});

const BY_MODEL = ['claude-haiku-4-5', 'claude-opus-4-8'].map((model) => ({ id: model, scope: { model }, limit_usd: 100, period: 'month' }));
/** What each budget has spent and holds. */
const sums = async (at: RunningGateway) => Object.fromEntries((await admin<{ rows: { id: string; spent_usd: string; held_usd: string }[] }>(at, '/api/budgets')).rows.map(({ id, spent_usd, held_usd }) => [id, { spent_usd, held_usd }]));

test.each([
  { name: 'is lost', ends: 'a reset' },
  { name: 'never comes, because the gateway is killed', ends: 'a kill' },
])('a creation whose answer $name costs what was held for it, flagged, by model, and a restart forgets none of it', async ({ ends }) => {
  const upstream = await standin();
  const budgets = { budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 100, period: 'month' }, ...BY_MODEL] };
  const first = await gateway(upstream, budgets);
  const requests = [item('a'), item('b', 'claude-opus-4-8'), item('c', 'claude-opus-4-8', { max_tokens: 2_000 })];
  let held: Awaited<ReturnType<typeof sums>> = {};
  if (ends === 'a reset') {
    upstream.next({ path: '/v1/messages/batches', fault: 'reset-before-headers' });
    await expect(sdk(first, KEYS.one).messages.batches.create({ requests })).rejects.toMatchObject({ status: 502 });
  } else {
    upstream.next({ path: '/v1/messages/batches', fault: 'no-answer' });
    const gone = sdk(first, KEYS.one).messages.batches.create({ requests }).catch(() => 'gone');
    await until(async () => upstream.log.length, (seen) => seen === 1);
    held = await sums(first);
    await first.stop('SIGKILL');
    expect(await gone).toBe('gone');
  }
  const after = ends === 'a reset' ? first : await gateway(upstream, budgets, first.dataDir);
  // Each model is booked by itself, and nobody waits for the creation's own settlement: both must be through before they are compared.
  const spent = await until(() => sums(after), (told) => Object.values(told).every(({ spent_usd, held_usd }) => nanos(spent_usd) > 0n && nanos(held_usd) === 0n));
  if (ends === 'a kill') for (const [id, { held_usd }] of Object.entries(held)) expect({ id, spent_usd: spent[id]!.spent_usd }).toEqual({ id, spent_usd: held_usd });
  const rows = await until(() => rowsOf(after), (told) => told.every((row) => row.outcome !== null));
  const estimates = rows.filter((row) => row.endpoint === 'batch_results');
  expect(rows.find((row) => row.endpoint === 'batches')).toMatchObject({ outcome: ends === 'a reset' ? 'upstream_reset' : 'crashed', cost_usd: '0.000000000', estimated: false });
  for (const row of estimates) expect(row).toMatchObject({ workspace: 'one', key_id: 'k1', custom_id: null, estimated: true, estimate_method: 'all that was held for the batch, because the answer to its creation was lost' });
  const costs = Object.fromEntries(estimates.map((row) => [String(row.model_requested), row.cost_usd]));
  expect(Object.keys(costs).sort()).toEqual(['claude-haiku-4-5', 'claude-opus-4-8']);
  for (const [model, cost] of Object.entries(costs)) {
    expect(nanos(cost)).toBeGreaterThan(0n);
    expect(spent[model]).toEqual({ spent_usd: cost, held_usd: '0.000000000' });
  }
  expect(nanos(spent['all']!.spent_usd)).toBe(estimates.reduce((sum, row) => sum + nanos(row.cost_usd), 0n));
  await after.stop('SIGKILL');
  const again = await gateway(upstream, budgets, after.dataDir);
  expect(await sums(again)).toEqual(spent);
  expect((await rowsOf(again)).length).toBe(rows.length);
  expect(await verified(again)).toMatchObject({ state: 'done', drift: 0 });
});

test.each([
  { name: 'the provider refuses', fault: 'status:529', status: 529 },
  { name: 'the gateway cannot reach it', fault: null, status: 502 },
])('a batch that $name is neither held nor billed, also after a restart', async ({ fault, status }) => {
  const upstream = await standin();
  const first = await gateway(upstream, fault === null ? { upstream: { origin: 'http://127.0.0.1:9', keys: { default: PROVIDER_KEY } } } : {});
  if (fault !== null) upstream.next({ path: '/v1/messages/batches', fault });
  await expect(sdk(first, KEYS.one).messages.batches.create({ requests: [item('a'), item('b', 'claude-opus-4-8')] })).rejects.toMatchObject({ status });
  expect(await until(() => budgetOf(first), ({ held_usd }) => nanos(held_usd) === 0n)).toMatchObject({ spent_usd: '0.000000000' });
  const [row, ...more] = await until(() => rowsOf(first), (rows) => rows[0]?.outcome !== null);
  expect(more).toEqual([]);
  expect(row).toMatchObject({ endpoint: 'batches', batch_id: null, cost_usd: '0.000000000', estimated: false });
  await first.stop('SIGTERM');
  const second = await gateway(upstream, {}, first.dataDir);
  expect(await budgetOf(second)).toMatchObject({ spent_usd: '0.000000000', held_usd: '0.000000000' });
  expect((await rowsOf(second)).length).toBe(1);
});

test('a batch made with the caller\'s own key is booked when the caller reads that it has ended', async () => {
  const upstream = await standin({ batchMs: 100 });
  const at = await gateway(upstream, { access: 'open', upstream: { origin: upstream.url }, workspaces: [], keys: [] });
  const client = sdk(at, 'sk-ant-callers-own');
  const batch = await client.messages.batches.create({ requests: [item('a')] });
  expect(nanos((await budgetOf(at)).held_usd)).toBeGreaterThan(0n);
  await until(() => client.messages.batches.retrieve(batch.id), (b) => b.processing_status === 'ended');
  await until(() => budgetOf(at), (b) => nanos(b.held_usd) === 0n);
  expect((await itemsOf(at)).map((row) => row.custom_id)).toEqual(['a']);
});

test('the metrics have each booked item once, as the ledger has', async () => {
  const upstream = await standin();
  const at = await gateway(upstream);
  await sdk(at, KEYS.one, '/w/one/nightly').messages.batches.create({ requests: [item('a'), item('b')] });
  const booked = await until(() => budgetOf(at), (b) => nanos(b.held_usd) === 0n);
  const text = await until(async () => (await fetch(`${at.adminUrl}/metrics`)).text(), (t) => /tollgate_requests_total\{[^}]*endpoint="batch"[^}]*\} 2/.test(t) || /tollgate_requests_total\{[^}]*endpoint="batch"[^}]*\} 3/.test(t));
  const cost = [...text.matchAll(/^tollgate_cost_usd_total\{[^}]*\} (\S+)/gm)].reduce((sum, [, value]) => sum + Number(value), 0);
  expect(Math.round(cost * 1e9)).toBe(Number(nanos(booked.spent_usd)));
});
