// test/identify/batch.test.ts: every item of a batch is read as strictly as a call of its own.

import { describe, expect, test } from 'vitest';
import { spliceModels } from '../../server/identify/ask.ts';
import { scanBatch } from '../../server/identify/batch.ts';

const item = (id: string, params: string): string => `{"custom_id":"${id}","params":${params}}`;
const batch = (...items: string[]): Buffer => Buffer.from(`{"requests":[${items.join(',')}]}`);

test('every item is read, in order, with places in the whole body', async () => {
  const body = Buffer.from(` { "x":"ü", "requests" : [ ${item('a', '{"model":"fast","max_tokens":5}')} , {"params":{"max_tokens":7,"mod\\u0065l":"m2"},"custom_id":"b"} ] } `);
  const verdict = await scanBatch(body);
  if (!verdict.ok) throw new Error(verdict.refusal.message);
  expect(verdict.value).toMatchObject([
    { customId: 'a', ask: { model: 'fast', maxTokens: 5, bodyBytes: 31 } },
    { customId: 'b', ask: { model: 'm2', maxTokens: 7 } },
  ]);
  const edits = verdict.value.map(({ ask }) => ({ span: ask.modelSpan, model: `real-${ask.model}` }));
  expect(JSON.parse(spliceModels(body, edits).toString())).toEqual({
    x: 'ü',
    requests: [
      { custom_id: 'a', params: { model: 'real-fast', max_tokens: 5 } },
      { custom_id: 'b', params: { max_tokens: 7, model: 'real-m2' } },
    ],
  });
});

test('a batch of many megabytes is read with its last item, and other work gets its turn meanwhile', async () => {
  const text = 'ü漢😀'.repeat(5_000);
  const body = batch(...Array.from({ length: 120 }, (_, i) => item(`i${i}`, `{"model":"m${i}","messages":[{"role":"user","content":"${text}"}]}`)));
  let turns = 0;
  let reading = true;
  const count = (): void => {
    turns++;
    if (reading) setImmediate(count);
  };
  setImmediate(count);
  const verdict = await scanBatch(body);
  reading = false;
  expect(verdict.ok && verdict.value.at(-1)).toMatchObject({ customId: 'i119', ask: { model: 'm119' } });
  expect(turns).toBeGreaterThan(body.length / (1 << 20));
});

test('an empty batch is left to the provider', async () => {
  expect(await scanBatch(batch())).toEqual({ ok: true, value: [] });
});

describe('a batch is refused', () => {
  const good = item('a', '{"model":"m"}');
  test.each([
    { name: 'for one item with two models', body: batch(good, item('b', '{"model":"m","model":"n"}')) },
    { name: 'for one item with two models, one escaped', body: batch(good, item('b', '{"model":"m","\\u006dodel":"n"}')) },
    { name: 'for an item without a model', body: batch(good, item('b', '{}')) },
    { name: 'for an item with two params', body: batch('{"custom_id":"a","params":{"model":"m"},"params":{"model":"n"}}') },
    { name: 'for an item with two params, one escaped', body: batch('{"custom_id":"a","params":{"model":"m"},"p\\u0061rams":{"model":"n"}}') },
    { name: 'for an item without params', body: batch('{"custom_id":"a"}') },
    { name: 'for an item without a name', body: batch('{"params":{"model":"m"}}') },
    { name: 'for a name that is a number', body: batch('{"custom_id":5,"params":{"model":"m"}}') },
    { name: 'for params that are a list', body: batch('{"custom_id":"a","params":[{"model":"m"}]}') },
    { name: 'for an item that is a string', body: batch('"a"') },
    { name: 'for two lists', body: Buffer.from(`{"requests":[${good}],"requests":[]}`) },
    { name: 'for no list', body: Buffer.from('{}') },
    { name: 'for a list that is an object', body: Buffer.from('{"requests":{}}') },
    { name: 'for text behind it', body: Buffer.concat([batch(good), Buffer.from('x')]) },
    { name: 'for an end that is missing', body: batch(good).subarray(0, -1) },
    { name: 'for a comma at its end', body: batch(good, '') },
    { name: 'for a broken byte', body: Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xff]), Buffer.from(`","requests":[${good}]}`)]) },
    { name: 'for more than 100,000 items', body: batch(...Array.from({ length: 100_001 }, () => good)) },
  ])('$name', async ({ body }) => {
    expect(await scanBatch(body)).toMatchObject({ ok: false, refusal: { reason: 'malformed' } });
  });
});
