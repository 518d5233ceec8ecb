// test/flow/batches.test.ts: message batches through the real gateway, with the real SDK, against the stand-in.

import Anthropic from '@anthropic-ai/sdk';
import { afterEach, expect, test } from 'vitest';
import { ORACLE_MODELS, oracleNanos } from '../price/oracle.ts';
import { startStandin, type Standin, type StandinOptions } from '../standin/standin.ts';
import { startGateway, type RunningGateway } from './gateway.ts';

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
  estimated: boolean; outcome: string; attempts: number; key_id: string | null;
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
